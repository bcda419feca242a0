package ssh

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/rollsh/rollsh/nodes"
)

// DialFrom opens a stream from the node; see [nodes.Network].
func (n *nodeConn) DialFrom(ctx context.Context, network, address string) (net.Conn, error) {
	c, err := n.dial(ctx, network, address)
	return c, n.at(err)
}

// DialFrom opens a stream from this machine.
func (l *Local) DialFrom(ctx context.Context, network, address string) (net.Conn, error) {
	if host, port, err := net.SplitHostPort(address); err == nil {
		if err := l.session.Reach("", host, port); err != nil {
			return nil, err
		}
	}
	var d net.Dialer
	c, err := d.DialContext(ctx, network, address)
	switch {
	case ctx.Err() != nil:
		return nil, nodes.Stopped(ctx)
	case err != nil:
		return nil, &nodes.Error{Kind: nodes.Unreachable, Message: "no connection to " + address + ": " + err.Error(), Cause: err}
	}
	return c, nil
}

// network finds the node's way to open streams.
func network(ctx context.Context, d nodes.Dialer, n *nodes.Node) (nodes.Network, error) {
	c, err := d.Dial(ctx, n)
	if err != nil {
		return nil, err
	}
	if w, ok := c.(nodes.Network); ok {
		return w, nil
	}
	return nil, &nodes.Error{Kind: nodes.Permission, Message: "this connection opens no streams", Node: n.Name}
}

// Request is an HTTP request that is made from a node.
type Request struct {
	Path    string // a path, or a whole URL
	Port    int    // where Path is no URL; 0: 80, or 443 with TLS
	TLS     bool
	Trust   bool   // with TLS: do not verify the certificate
	Host    string // Host header and name in the certificate; empty: the node's address
	Method  string // empty: GET
	Body    string
	Headers map[string]string
	Timeout time.Duration // 0: 30 s
}

// Response is what came back.
type Response struct {
	Status  int               `lua:"status"`
	Headers map[string]string `lua:"headers"` // lower-case keys
	Body    string            `lua:"body"`
	Seconds float64           `lua:"seconds"`
}

// bodyLimit is how much of a response's body is taken.
const bodyLimit = 64 << 20

// HTTP makes a request from the node itself. It fails only when there is no
// answer; redirects are not followed.
func HTTP(ctx context.Context, d nodes.Dialer, n *nodes.Node, r Request) (Response, error) {
	if r.Timeout == 0 {
		r.Timeout = 30 * time.Second
	}
	ctx, cancel := context.WithTimeoutCause(ctx, r.Timeout, &nodes.Error{
		Kind: nodes.Timeout, Node: n.Name, Message: fmt.Sprintf("no answer to %s within %s", r.Path, r.Timeout),
	})
	defer cancel()
	from, err := network(ctx, d, n)
	if err != nil {
		return Response{}, err
	}
	req, err := r.build(ctx, n)
	if err != nil {
		return Response{}, err
	}
	transport := &http.Transport{
		DialContext:       from.DialFrom,
		TLSClientConfig:   &tls.Config{ServerName: r.serverName(n), InsecureSkipVerify: r.Trust}, // asked for by tls="insecure"
		DisableKeepAlives: true,
	}
	client := http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	began := time.Now()
	resp, err := client.Do(req)
	if err != nil {
		return Response{}, httpFailed(ctx, req, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, bodyLimit+1))
	if err != nil {
		return Response{}, httpFailed(ctx, req, err)
	}
	if len(body) > bodyLimit {
		return Response{}, &nodes.Error{Kind: nodes.Protocol, Message: fmt.Sprintf("%s: the answer is larger than %d MiB", req.URL, bodyLimit>>20)}
	}
	out := Response{Status: resp.StatusCode, Headers: map[string]string{}, Body: string(body), Seconds: time.Since(began).Seconds()}
	for k, v := range resp.Header {
		out.Headers[strings.ToLower(k)] = strings.Join(v, ", ")
	}
	return out, nil
}

// serverName is the name that the certificate must have.
func (r Request) serverName(n *nodes.Node) string {
	if r.Host == "" {
		return n.Address()
	}
	if host, _, err := net.SplitHostPort(r.Host); err == nil {
		return host
	}
	return r.Host
}

func (r Request) build(ctx context.Context, n *nodes.Node) (*http.Request, error) {
	address := r.Path
	if !strings.HasPrefix(address, "http://") && !strings.HasPrefix(address, "https://") {
		scheme, port := "http", 80
		if r.TLS {
			scheme, port = "https", 443
		}
		if r.Port != 0 {
			port = r.Port
		}
		address = scheme + "://" + net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) + "/" + strings.TrimPrefix(r.Path, "/")
	}
	if _, err := url.Parse(address); err != nil {
		return nil, &nodes.Error{Kind: nodes.Usage, Message: fmt.Sprintf("%q is no path or URL", r.Path), Cause: err}
	}
	method := r.Method
	if method == "" {
		method = http.MethodGet
	}
	req, err := http.NewRequestWithContext(ctx, strings.ToUpper(method), address, strings.NewReader(r.Body))
	if err != nil {
		return nil, &nodes.Error{Kind: nodes.Usage, Message: err.Error(), Cause: err}
	}
	req.Host = r.Host
	if r.Host == "" {
		req.Host = n.Address()
	}
	for k, v := range r.Headers {
		req.Header.Set(k, v)
	}
	return req, nil
}

func httpFailed(ctx context.Context, req *http.Request, err error) error {
	if ctx.Err() != nil {
		return nodes.Stopped(ctx)
	}
	e := nodes.NoAnswer(req.URL.Host, err)
	if e.Code == "certificate" {
		e.Hint = "give the name it is for as host="
	}
	return e
}

// Wait is what is waited for; all that is given must hold.
type Wait struct {
	HTTP    string // path or URL that answers with 2xx
	TLS     bool
	Trust   bool // with TLS: do not verify the certificate
	Host    string
	Port    int           // for HTTP, or a port that takes connections
	Run     string        // command that exits with 0
	Timeout time.Duration // 0: 30 s
	Every   time.Duration // 0: 1 s
}

// WaitFor asks again and again until all holds. A node that cannot be reached
// may come up yet; a refused login or a wrong host key ends the waiting. When
// the time is over it fails with Timeout and says what was missing last.
func WaitFor(ctx context.Context, d nodes.Dialer, n *nodes.Node, w Wait) error {
	if w.HTTP == "" && w.Port == 0 && w.Run == "" {
		return &nodes.Error{Kind: nodes.Usage, Message: "nothing to wait for: give http, port or run"}
	}
	if w.Timeout == 0 {
		w.Timeout = 30 * time.Second
	}
	if w.Every == 0 {
		w.Every = time.Second
	}
	limit, cancel := context.WithTimeout(ctx, w.Timeout)
	defer cancel()
	last := "it was not asked yet"
	for {
		missing, err := w.once(limit, d, n)
		switch {
		case err == nil && missing == "":
			return nil
		case ctx.Err() != nil:
			return nodes.Stopped(ctx)
		case err != nil && limit.Err() == nil:
			return err
		case limit.Err() == nil:
			last = missing
		}
		select {
		case <-limit.Done():
			if ctx.Err() != nil {
				return nodes.Stopped(ctx)
			}
			return &nodes.Error{Kind: nodes.Timeout, Node: n.Name, Message: fmt.Sprintf("waited %s in vain: %s", w.Timeout, last)}
		case <-time.After(w.Every):
		}
	}
}

// once asks once. The text says what is missing; an error ends the waiting.
func (w Wait) once(ctx context.Context, d nodes.Dialer, n *nodes.Node) (string, error) {
	missing, err := w.ask(ctx, d, n)
	switch nodes.KindOf(err) {
	case "":
		return missing, nil
	case nodes.Unreachable, nodes.Lost, nodes.Timeout, nodes.Protocol:
		return nodes.AsError(err, nodes.Internal).Message, nil
	}
	return "", err
}

func (w Wait) ask(ctx context.Context, d nodes.Dialer, n *nodes.Node) (string, error) {
	if w.HTTP != "" {
		r, err := HTTP(ctx, d, n, Request{Path: w.HTTP, Port: w.Port, TLS: w.TLS, Trust: w.Trust, Host: w.Host})
		if err != nil {
			return "", err
		}
		if r.Status < 200 || r.Status > 299 {
			return fmt.Sprintf("%s answers with status %d", w.HTTP, r.Status), nil
		}
	} else if w.Port != 0 {
		from, err := network(ctx, d, n)
		if err != nil {
			return "", err
		}
		c, err := from.DialFrom(ctx, "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(w.Port)))
		if err != nil {
			return "", err
		}
		c.Close()
	}
	if w.Run == "" {
		return "", nil
	}
	c, err := d.Dial(ctx, n)
	if err != nil {
		return "", err
	}
	res, err := c.Run(ctx, nodes.Cmd{Line: w.Run, Quiet: true})
	if err != nil || res.OK() {
		return "", err
	}
	return w.Run + ": " + ending(res), nil
}

// Forward is a local port whose connections come out at the node.
type Forward struct {
	Address string // where it listens
	To      string

	listener net.Listener
	cancel   context.CancelFunc
	wg       sync.WaitGroup
}

// NewForward listens on a local address (an empty one, or port 0, takes a free
// port of 127.0.0.1) and passes connections on to an address as the node sees
// it, until Close. Connections are made when they are used, so it outlives a
// lost one.
func NewForward(ctx context.Context, d nodes.Dialer, n *nodes.Node, to, listen string) (*Forward, error) {
	if _, _, err := net.SplitHostPort(to); err != nil {
		return nil, &nodes.Error{Kind: nodes.Usage, Message: fmt.Sprintf("to=%q: host:port is wanted", to)}
	}
	if listen == "" {
		listen = "127.0.0.1:0"
	}
	if _, err := network(ctx, d, n); err != nil {
		return nil, err
	}
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", listen)
	if err != nil {
		return nil, &nodes.Error{Kind: nodes.Failed, Message: "cannot listen on " + listen + ": " + err.Error(), Cause: err}
	}
	live, cancel := context.WithCancel(context.WithoutCancel(ctx))
	f := &Forward{Address: l.Addr().String(), To: to, listener: l, cancel: cancel}
	f.wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			f.wg.Go(func() { f.serve(live, d, n, c) })
		}
	})
	return f, nil
}

func (f *Forward) serve(ctx context.Context, d nodes.Dialer, n *nodes.Node, local net.Conn) {
	defer local.Close()
	from, err := network(ctx, d, n)
	if err != nil {
		return
	}
	remote, err := from.DialFrom(ctx, "tcp", f.To)
	if err != nil {
		return
	}
	defer remote.Close()
	stop := context.AfterFunc(ctx, func() { local.Close(); remote.Close() })
	defer stop()
	var both sync.WaitGroup
	both.Go(func() { splice(remote, local) })
	both.Go(func() { splice(local, remote) })
	both.Wait()
}

// splice copies one direction and passes its end on.
func splice(to, from net.Conn) {
	_, _ = io.Copy(to, from)
	if half, ok := to.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite()
		return
	}
	to.Close()
}

// Close stops listening and ends the connections.
func (f *Forward) Close() error {
	err := f.listener.Close()
	f.cancel()
	f.wg.Wait()
	return err
}
