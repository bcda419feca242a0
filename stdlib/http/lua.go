package http

import (
	"context"
	"time"

	"github.com/rollsh/rollsh/lua"
	"github.com/rollsh/rollsh/nodes"
)

type optionArgs struct {
	Host     string            `lua:"host" doc:"ask this machine for another name: Host header, TLS name and certificate"`
	Headers  map[string]string `lua:"headers" doc:"headers to send"`
	User     string            `lua:"user" doc:"for basic authentication"`
	Password nodes.Secret      `lua:"password" doc:"its password"`
	CA       string            `lua:"ca" doc:"file of certificates to trust instead of the machine's own"`
	Timeout  time.Duration     `lua:"timeout" default:"10" doc:"seconds that all of it may take"`
	Follow   bool              `lua:"follow" default:"true" doc:"follow redirects"`
}

type getArgs struct {
	URL string `lua:"url,pos" doc:"the address"`
	optionArgs
}

type requestArgs struct {
	Method string `lua:"method" default:"GET" doc:"GET, POST, ..."`
	URL    string `lua:"url,required" doc:"the address"`
	Body   string `lua:"body" doc:"what to send"`
	optionArgs
}

func (a optionArgs) request(method, url, body string) Request {
	return Request{
		Method: method, URL: url, Body: body, Headers: a.Headers, Host: a.Host, User: a.User, Password: a.Password,
		CA: a.CA, Timeout: a.Timeout, Stay: !a.Follow,
	}
}

// Module is the http module of a session.
func Module(s *nodes.Session) lua.Module {
	return lua.Module{
		Name: "http",
		Doc: `Asks web servers from this machine. Whatever is answered is returned, a 500 too; no answer raises.
Answers are {status, headers (lower-case names), body, seconds, url, truncated}.`,
		Funcs: []lua.Func{
			{
				Name: "get", Doc: "Gets an address.", Returns: "table", Example: `print(http.get("http://127.0.0.1/", {host="www.example.org"}).status)`,
				Do: lua.Go(func(ctx context.Context, a getArgs) (Answer, error) { return Do(ctx, s, a.request("GET", a.URL, "")) }),
			},
			{
				Name: "request", Doc: "Sends any request.", Returns: "table", Mutates: true,
				Example: `http.request{ method="POST", url="http://127.0.0.1/purge", body="all", headers={["content-type"]="text/plain"} }`,
				Do: lua.Go(func(ctx context.Context, a requestArgs) (Answer, error) {
					return Do(ctx, s, a.request(a.Method, a.URL, a.Body))
				}),
			},
			{
				Name: "ok", Doc: "Tells whether an address answers with a 2xx after redirects; else gives false and why.", Returns: "boolean, string?",
				Example: `print(http.ok("http://127.0.0.1/health", {timeout=2}))`,
				Do: lua.Go(func(ctx context.Context, a getArgs) (lua.Many, error) {
					ok, why, err := OK(ctx, s, a.request("GET", a.URL, ""))
					if err != nil || ok {
						return lua.Many{ok}, err
					}
					return lua.Many{false, why}, nil
				}),
			},
		},
	}
}
