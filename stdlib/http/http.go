package http

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/rollsh/rollsh/nodes"
)

const (
	mostBody      = 64 << 20
	mostRedirects = 10
)

// Request is one question to a web server. URL must be given.
type Request struct {
	Method   string // GET where empty
	URL      string
	Body     string
	Headers  map[string]string
	Host     string // ask for this name instead of the one in URL; may have a port
	User     string // for basic authentication
	Password nodes.Secret
	CA       string        // file of certificates to trust instead of the machine's own
	Timeout  time.Duration // of all of it; 10 s where 0
	Stay     bool          // give a redirect as the answer instead of following it
}

// Answer is what a web server said. Headers have lower-case names; one that
// came several times is joined with ", ".
type Answer struct {
	Status    int               `lua:"status"`
	Headers   map[string]string `lua:"headers"`
	Body      []byte            `lua:"body"`
	Truncated bool              `lua:"truncated"` // the body went on after 64 MiB
	URL       string            `lua:"url"`       // that answered, after redirects
	Elapsed   time.Duration     `lua:"seconds"`
}

// Do asks. Whatever is answered is no error; no answer is. Paths in q belong to
// the project of s.
func Do(ctx context.Context, s *nodes.Session, q Request) (Answer, error) {
	start := time.Now()
	target, err := parse(q.URL)
	if err != nil {
		return Answer{}, err
	}
	if err := s.ReachURL(target); err != nil {
		return Answer{}, err
	}
	if q.Timeout <= 0 {
		q.Timeout = 10 * time.Second
	}
	client, err := newClient(s, q, target)
	if err != nil {
		return Answer{}, err
	}
	defer client.CloseIdleConnections()
	ctx, cancel := context.WithTimeoutCause(ctx, q.Timeout, &nodes.Error{Kind: nodes.Timeout, Message: "no answer from " + target.Host + " within " + q.Timeout.String()})
	defer cancel()
	req, err := build(ctx, q, target)
	if err != nil {
		return Answer{}, err
	}
	res, err := client.Do(req)
	if err != nil {
		return Answer{}, failure(ctx, asked(req, target, err), err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, mostBody+1))
	if err != nil {
		return Answer{}, failure(ctx, asked(req, target, err), err)
	}
	a := Answer{Status: res.StatusCode, Headers: lowered(res.Header), URL: res.Request.URL.Redacted()}
	a.Truncated = len(body) > mostBody
	a.Body = body[:min(len(body), mostBody)]
	a.Elapsed = time.Since(start)
	return a, nil
}

// OK reports whether the answer, after redirects, is a 2xx; else why not. It
// fails only for a bad request, one that a policy denies, and when ctx ends.
func OK(ctx context.Context, s *nodes.Session, q Request) (bool, string, error) {
	a, err := Do(ctx, s, q)
	switch {
	case err != nil && (ctx.Err() != nil || nodes.KindOf(err) == nodes.Usage || nodes.KindOf(err) == nodes.Policy):
		return false, "", err
	case err != nil:
		return false, nodes.AsError(err, nodes.Internal).Message, nil
	case a.Status/100 != 2:
		return false, "http " + strconv.Itoa(a.Status) + " from " + a.URL, nil
	}
	return true, "", nil
}

func parse(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	if err != nil || u.Hostname() == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, &nodes.Error{Kind: nodes.Usage, Message: "url: '" + nodes.Clean(text) + "' is not an address like https://example.org/path"}
	}
	return u, nil
}

// build writes the request. With q.Host the address carries that name, and the
// client's dialer knows the machine.
func build(ctx context.Context, q Request, target *url.URL) (*http.Request, error) {
	u := *target
	if q.Host != "" {
		u.Host = net.JoinHostPort(hostname(q.Host), portOf(target))
	}
	method := q.Method
	if method == "" {
		method = http.MethodGet
	}
	req, err := http.NewRequestWithContext(ctx, method, u.String(), bytes.NewReader([]byte(q.Body)))
	if err != nil {
		return nil, &nodes.Error{Kind: nodes.Usage, Message: "method: '" + nodes.Clean(method) + "' is none"}
	}
	if q.Host != "" {
		req.Host = q.Host
	}
	req.Header.Set("User-Agent", "rollsh")
	for name, value := range q.Headers {
		req.Header.Set(name, value)
	}
	if q.User != "" {
		req.SetBasicAuth(q.User, q.Password.Reveal())
	}
	return req, nil
}

func newClient(s *nodes.Session, q Request, target *url.URL) (*http.Client, error) {
	roots, err := s.Roots(q.CA)
	if err != nil {
		return nil, err
	}
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.TLSClientConfig = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	t.DisableKeepAlives = true
	if q.Host != "" {
		if strings.ContainsAny(q.Host, "/ @\r\n") || hostname(q.Host) == "" {
			return nil, &nodes.Error{Kind: nodes.Usage, Message: "host: '" + nodes.Clean(q.Host) + "' is not a name"}
		}
		t.Proxy = nil
		t.DialContext = sameMachine(hostname(q.Host), target.Hostname())
	}
	return &http.Client{Transport: t, CheckRedirect: func(next *http.Request, via []*http.Request) error {
		switch {
		case q.Stay:
			return http.ErrUseLastResponse
		case len(via) > mostRedirects:
			return errRedirects
		}
		return s.ReachURL(next.URL)
	}}, nil
}

var errRedirects = errors.New("too many redirects")

// sameMachine dials machine wherever name is asked for.
func sameMachine(name, machine string) func(ctx context.Context, network, addr string) (net.Conn, error) {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		host, port, err := net.SplitHostPort(addr)
		if err == nil && strings.EqualFold(host, name) {
			addr = net.JoinHostPort(machine, port)
		}
		return new(net.Dialer).DialContext(ctx, network, addr)
	}
}

func hostname(host string) string { return (&url.URL{Host: host}).Hostname() }

func portOf(u *url.URL) string {
	switch {
	case u.Port() != "":
		return u.Port()
	case u.Scheme == "https":
		return "443"
	}
	return "80"
}

func lowered(h http.Header) map[string]string {
	out := make(map[string]string, len(h))
	for name, values := range h {
		out[strings.ToLower(name)] = strings.Join(values, ", ")
	}
	return out
}

// asked is the machine that gave no answer: where a redirect led, or else that
// of the address.
func asked(req *http.Request, target *url.URL, err error) string {
	var u *url.Error
	if errors.As(err, &u) {
		if last, err := url.Parse(u.URL); err == nil && last.Host != "" && last.Host != req.URL.Host {
			return last.Host
		}
	}
	return target.Host
}

// failure says why there is no answer from the machine at.
func failure(ctx context.Context, at string, err error) error {
	if ctx.Err() != nil {
		return nodes.Stopped(ctx)
	}
	if errors.Is(err, errRedirects) {
		return &nodes.Error{Kind: nodes.Protocol, Code: "redirects", Message: at + ": more than " + strconv.Itoa(mostRedirects) + " redirects"}
	}
	if denied := (*nodes.Error)(nil); errors.As(err, &denied) && denied.Kind == nodes.Policy {
		return denied
	}
	e := nodes.NoAnswer(at, err)
	if e.Code == "certificate" {
		e.Hint = "give the file of its CA as ca=, or the name it is for as host="
	}
	return e
}
