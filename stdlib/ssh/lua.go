package ssh

import (
	"context"
	"errors"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/rollsh/rollsh/lua"
	"github.com/rollsh/rollsh/nodes"
)

// manual is the manual page in short.
const manual = `Commands and files on nodes, and here.

  local n = node "web1"
  print(n:run("uptime").stdout)
  if not n:test "systemctl is-active --quiet apache2" then fail "apache is down" end
  n:write("/srv/app/version", "123\n", {perms="0644"})
  n:put("conf/app.conf", "/etc/app.conf")
  n:wait{http="/health", port=8080, timeout=60}
  n:run("mysql shop", {stdin={file="shop.sql"}, sudo=true, timeout=600})
  n:run("journalctl -b", {stdout="logs/boot.txt"})

A command is a shell line, or a list of words that are quoted for you. Its output
is shown as it comes and kept (the first and last 2 MiB of each stream). An exit
code other than 0 raises kind "exit" unless check=false; a connection that goes
away always raises. A password that sudo wants is asked for once. On a Set each method works on all its nodes at once. The
machine that rollsh runs on is here: here:run, or sh for short.`

// Module gives recipes commands and files on nodes and on this machine.
func Module(s *nodes.Session) lua.Module {
	h := NewHand(s)
	here := &nodes.Node{Name: "here", Local: true}
	return lua.Module{
		Doc: manual, NodeMethods: append(append(h.commands(), h.files()...), h.network()...),
		Classes: []lua.Class{forwardClass()},
		Values:  map[string]any{"here": here},
		Funcs: []lua.Func{
			{
				Name: "sh", Doc: "Runs a command on this machine, as here:run does.", Returns: "table", Mutates: true,
				Example: `sh("make build", {cwd = "src"})`, Planned: planned,
				Do: lua.Go(func(ctx context.Context, a runArgs) (runResult, error) { return h.luaRun(ctx, here, a) }),
			},
			{
				Name: "glob", Doc: "Lists local paths that match a pattern, sorted; ** is folders at any depth.", Returns: "string[]",
				Example: `for _, file in ipairs(glob "conf/**/*.conf") do print(file) end`,
				Do:      lua.Go(func(_ context.Context, a globArgs) ([]string, error) { return h.Glob(a.Pattern) }),
			},
		},
	}
}

// onNode makes a method of nodes whose errors name the node.
func onNode[A, R any](f func(context.Context, *nodes.Node, A) (R, error)) lua.Impl {
	return lua.OnNode(func(ctx context.Context, n *nodes.Node, a A) (R, error) {
		r, err := f(ctx, n, a)
		if n.Local {
			return r, err
		}
		return r, nodes.At(err, "", n.Name)
	})
}

// planned is what a plan takes for the result of a command: what it puts out is
// not known.
var planned = map[string]any{"code": 0}

type globArgs struct {
	Pattern string `lua:"pattern,pos" doc:"such as conf/*.conf, relative to the project"`
}

type runArgs struct {
	Cmd     command       `lua:"cmd,pos" type:"string|string[]" doc:"a shell line, or words that are quoted for you"`
	Cwd     string        `lua:"cwd" doc:"folder to run it in; else the login folder, here the project"`
	Env     variables     `lua:"env" type:"table" doc:"variables, by name; users of a node can see them there: a secret is better read from stdin"`
	Stdin   input         `lua:"stdin,here" type:"string|Secret|{file: string}|function" doc:"what the command reads: a text, {file=\"dump.sql\"}, or a function that gives the next piece and nil at the end"`
	Stdout  string        `lua:"stdout" doc:"file here that gets all of its output, which is then not shown; from a Set: a folder/, with a file for each node"`
	Stderr  string        `lua:"stderr" doc:"the same for its errors"`
	Timeout time.Duration `lua:"timeout" doc:"seconds after which it is killed"`
	Sudo    sudoUser      `lua:"sudo" type:"boolean|string" doc:"true for root, or a user; a password that sudo wants is asked for once"`
	Agent   bool          `lua:"agent" doc:"lend it your ssh agent, so that it can ssh and svn on from there"`
	Pty     bool          `lua:"pty" doc:"give it a terminal; stderr is then part of stdout"`
	Check   bool          `lua:"check" default:"true" doc:"raise when it does not end with code 0"`
	Read    bool          `lua:"read" doc:"it changes nothing: a plan may run it"`
	Stream  bool          `lua:"stream" default:"true" doc:"show its output as it comes"`
	Plan    lua.Raw       `lua:"plan" type:"table" doc:"what a plan takes for its result, such as {stdout=\"ok\"}"`
}

// runResult is what run gives.
type runResult struct {
	Code    int     `lua:"code"`
	Signal  any     `lua:"signal" type:"string?"`
	Stdout  []byte  `lua:"stdout"`
	Stderr  []byte  `lua:"stderr"`
	Seconds float64 `lua:"seconds"`
}

func (h Hand) luaRun(ctx context.Context, n *nodes.Node, a runArgs) (runResult, error) {
	c := a.Cmd.cmd
	if a.Cwd != "" {
		dir, err := h.remotePath(n, a.Cwd)
		if err != nil {
			return runResult{}, err
		}
		c.Dir = dir
	}
	c.Env, c.Timeout, c.Sudo, c.Pty, c.Quiet, c.Agent = a.Env, a.Timeout, string(a.Sudo), a.Pty, !a.Stream, a.Agent
	ctx, cancel := context.WithCancel(ctx) // a function is not asked for more once the command has ended
	defer cancel()
	source, err := a.Stdin.open(ctx, h.session)
	if err != nil {
		return runResult{}, err
	}
	defer source.Close()
	if a.Stdin.given() {
		c.Stdin = source
	}
	files, err := h.intoFiles(ctx, n, &c, a.Stdout, a.Stderr)
	if err != nil {
		return runResult{}, err
	}
	res, err := h.run(ctx, n, c, a.Read && !a.Stdin.given(), a.Check, files)
	out := runResult{Code: res.Code, Stdout: res.Stdout, Stderr: res.Stderr, Seconds: res.Elapsed.Seconds()}
	if res.Signal != "" {
		out.Signal = res.Signal
	}
	return out, err
}

type testArgs struct {
	Cmd     command       `lua:"cmd,pos" type:"string|string[]" doc:"a shell line, or words that are quoted for you"`
	Timeout time.Duration `lua:"timeout" doc:"seconds after which it is killed"`
	Sudo    sudoUser      `lua:"sudo" type:"boolean|string" doc:"true for root, or a user; a password that sudo wants is asked for once"`
}

func (h Hand) commands() []lua.Func {
	return []lua.Func{
		{
			Name: "run", Doc: "Runs a command and gives {code, signal, stdout, stderr, seconds}.", Returns: "table", Mutates: true,
			Example: `print(node("web1"):run("uptime").stdout)`, Planned: planned, Do: onNode(h.luaRun),
		},
		{
			Name: "test", Doc: "Runs a command that answers a question: true for exit code 0, false for 1; anything else is raised.", Returns: "boolean", Acts: true,
			Example: `if node("web1"):test "test -e /etc/nologin" then fail "closed" end`,
			Do: onNode(func(ctx context.Context, n *nodes.Node, a testArgs) (bool, error) {
				c := a.Cmd.cmd
				c.Timeout, c.Sudo = a.Timeout, string(a.Sudo)
				return h.Test(ctx, n, c)
			}),
		},
		{
			Name: "copy_id", Doc: "Puts your public key on the node, after asking, so that it lets you in without a password: {added, key, file}.",
			Returns: "table", Mutates: true, Example: `node("web1"):copy_id()`,
			Do: onNode(func(ctx context.Context, n *nodes.Node, a copyIDArgs) (Keyed, error) { return h.CopyID(ctx, n, a.Key) }),
		},
		{
			Name: "shell", Doc: "Opens a login shell on the node, at the terminal; gives its exit code.", Returns: "number", Mutates: true,
			Example: `node("web1"):shell()`,
			Do: onNode(func(ctx context.Context, n *nodes.Node, _ lua.None) (int, error) {
				res, err := Interact(ctx, h.session, n)
				return res.Code, err
			}),
		},
	}
}

type copyIDArgs struct {
	Key string `lua:"key" doc:"the key file; else your first IdentityFile with a .pub beside it, else the agent's first key"`
}

type pathArgs struct {
	Path string `lua:"path,pos" doc:"absolute on a node; here, relative to the project"`
}

type writeArgs struct {
	Path  string `lua:"path,pos,on_node" doc:"absolute on a node; here, relative to the project"`
	Text  text   `lua:"text,pos" type:"string|Secret" doc:"the whole content"`
	Perms Perms  `lua:"perms" type:"string" doc:"such as \"0644\" or \"u=rw,go=r\"; else what the file has, 0644 for a new one"`
	Owner string `lua:"owner" doc:"user or user:group, by name or number"`
}

type putArgs struct {
	Local  string `lua:"local,pos,here" doc:"file or folder here, relative to the project"`
	Remote string `lua:"remote,pos,on_node" doc:"where it goes, absolute; with a / at the end, into that folder"`
}

type getArgs struct {
	Remote string `lua:"remote,pos" doc:"file or folder on the node"`
	Local  string `lua:"local,pos" doc:"where it goes here; a folder takes it in. From a Set: a folder, which gets one for each node"`
}

func (h Hand) files() []lua.Func {
	return []lua.Func{
		{
			Name: "read", Doc: "Reads a file.", Returns: "string", Example: `print(node("web1"):read "/etc/hostname")`,
			Do: onNode(func(ctx context.Context, n *nodes.Node, a pathArgs) ([]byte, error) { return h.Read(ctx, n, a.Path) }),
		},
		{
			Name: "write", Doc: "Replaces a file's content, atomically: temporary file, flush, rename.", Returns: "nil", Mutates: true,
			Example: `node("web1"):write("/srv/app/version", "123\n", {perms = "0644"})`,
			Do: onNode(func(ctx context.Context, n *nodes.Node, a writeArgs) (lua.None, error) {
				return lua.None{}, h.Write(ctx, n, a.Path, string(a.Text), a.Perms, a.Owner)
			}),
		},
		{
			Name: "put", Doc: "Copies a local file or folder to the node; each file arrives atomically. A big one that was cut off goes on where it was: {files, bytes, resumed}.", Returns: "table", Mutates: true,
			Example: `node("web1"):put("index.html", "/srv/www/index.html")`,
			Do: onNode(func(ctx context.Context, n *nodes.Node, a putArgs) (Copied, error) {
				return h.Put(ctx, n, a.Local, a.Remote)
			}),
		},
		{
			Name: "get", Doc: "Copies a file or folder of the node here; a big file that was cut off goes on where it was: {files, bytes, resumed}.", Returns: "table", Mutates: true,
			Example: `node("web1"):get("/var/log/app.log", "logs/")`,
			Do: onNode(func(ctx context.Context, n *nodes.Node, a getArgs) (Copied, error) {
				return h.Get(ctx, n, a.Remote, a.Local, strings.HasPrefix(nodes.CallerOf(ctx).Op, "set:"))
			}),
		},
		{
			Name: "exists", Doc: "Tells whether there is something at a path; a symlink to nothing is nothing.", Returns: "boolean",
			Example: `if node("web1"):exists "/etc/nologin" then fail "closed" end`,
			Do: onNode(func(ctx context.Context, n *nodes.Node, a pathArgs) (bool, error) {
				st, err := h.Stat(ctx, n, a.Path)
				return st != nil, err
			}),
		},
		{
			Name: "stat", Doc: "Looks at a path, through symlinks: {type, size, perms, mtime, uid, gid}, or nil when there is nothing.", Returns: "table?",
			Example: `print(node("web1"):stat("/etc/hostname").size)`,
			Do:      onNode(func(ctx context.Context, n *nodes.Node, a pathArgs) (*Status, error) { return h.Stat(ctx, n, a.Path) }),
		},
	}
}

type waitArgs struct {
	HTTP    string        `lua:"http" doc:"path or URL that must answer with 2xx"`
	TLS     tlsMode       `lua:"tls" type:"boolean|string" doc:"true, or \"insecure\" not to verify the certificate"`
	Host    string        `lua:"host" doc:"Host header, and name in the certificate"`
	Port    int           `lua:"port" doc:"of http; alone: a port that must take connections"`
	Run     string        `lua:"run" doc:"command that must end with code 0"`
	Timeout time.Duration `lua:"timeout" default:"30" doc:"seconds until it is given up"`
	Every   time.Duration `lua:"every" default:"1" doc:"seconds between tries"`
}

type httpArgs struct {
	Path    string            `lua:"path,pos" doc:"path, or a whole URL as the node sees it"`
	Port    int               `lua:"port" doc:"80, or 443 with tls"`
	TLS     tlsMode           `lua:"tls" type:"boolean|string" doc:"true, or \"insecure\" not to verify the certificate"`
	Host    string            `lua:"host" doc:"Host header, and name in the certificate; else the node's address"`
	Method  string            `lua:"method" default:"GET" doc:"GET, POST, ..."`
	Body    string            `lua:"body" doc:"what is sent"`
	Headers map[string]string `lua:"headers" doc:"more headers, by name"`
	Timeout time.Duration     `lua:"timeout" default:"30" doc:"seconds until it is given up"`
}

type forwardArgs struct {
	To     address `lua:"to,required" type:"string|number" doc:"host:port as the node sees it; a port alone is on the node itself"`
	Listen address `lua:"listen" type:"string|number" doc:"host:port here, or a port of 127.0.0.1; else a free one"`
}

// address is host:port, or a port of 127.0.0.1.
type address string

// UnpackLua takes a text, or a port's number.
func (a *address) UnpackLua(v any) error {
	text, ok := v.(string)
	if n, number := v.(float64); number && n == float64(int(n)) && n >= 0 && n <= 65535 {
		text, ok = strconv.Itoa(int(n)), true
	}
	if !ok {
		return errors.New(`expected host:port or a port, such as "127.0.0.1:80" or 80`)
	}
	if _, err := strconv.ParseUint(text, 10, 16); err == nil {
		text = net.JoinHostPort("127.0.0.1", text)
	}
	*a = address(text)
	return nil
}

func (h Hand) network() []lua.Func {
	return []lua.Func{
		{
			Name: "wait", Doc: "Waits until the node answers as asked, asking from the node itself; raises kind timeout when it does not in time.", Returns: "nil", Acts: true,
			Example: `node("web1"):wait{http = "/health", port = 8080, timeout = 60}`,
			Do: onNode(func(ctx context.Context, n *nodes.Node, a waitArgs) (lua.None, error) {
				w := Wait{HTTP: a.HTTP, TLS: a.TLS.on, Trust: a.TLS.trust, Host: a.Host, Port: a.Port, Run: a.Run, Timeout: a.Timeout, Every: a.Every}
				return lua.None{}, WaitFor(ctx, h.session.Dialer, n, w)
			}),
			Foresee: lua.OnNode(func(_ context.Context, n *nodes.Node, _ waitArgs) (lua.Foreseen, error) { // what it waits for is not done
				return lua.Foreseen{On: []lua.PlannedOn{{Node: n}}}, nil
			}),
		},
		{
			Name: "http", Doc: "Makes an HTTP request from the node itself, over ssh: {status, headers, body, seconds}. Raises only when there is no answer.", Returns: "table", Acts: true,
			Example: `print(node("web1"):http("/health", {port = 8080}).status)`,
			Do: onNode(func(ctx context.Context, n *nodes.Node, a httpArgs) (Response, error) {
				return HTTP(ctx, h.session.Dialer, n, Request{
					Path: a.Path, Port: a.Port, TLS: a.TLS.on, Trust: a.TLS.trust, Host: a.Host,
					Method: a.Method, Body: a.Body, Headers: a.Headers, Timeout: a.Timeout,
				})
			}),
		},
		{
			Name: "forward", Doc: "Makes a local port whose connections come out at the node, until it is closed or rollsh ends.", Returns: "Forward", Acts: true,
			Example: `print(node("web1"):forward{to = "127.0.0.1:80"}.address)`,
			Do: onNode(func(ctx context.Context, n *nodes.Node, a forwardArgs) (*Forward, error) {
				return NewForward(ctx, h.session.Dialer, n, string(a.To), string(a.Listen))
			}),
		},
	}
}

func forwardClass() lua.Class {
	return lua.Class{
		Name: "Forward", Doc: "A local port whose connections come out at a node.", Of: (*Forward)(nil),
		String: lua.StringOf(func(f *Forward) string { return f.Address + " -> " + f.To }),
		Fields: []lua.Field{
			lua.FieldOf("address", "string", "host:port to connect to", func(f *Forward) any { return f.Address }),
			lua.FieldOf("to", "string", "where it comes out", func(f *Forward) any { return f.To }),
		},
		Funcs: []lua.Func{{
			Name: "close", Doc: "Ends it.", Returns: "nil", Example: `forward:close()`,
			Do: lua.Method(func(_ context.Context, f *Forward, _ lua.None) (lua.None, error) { return lua.None{}, f.Close() }),
		}},
	}
}
