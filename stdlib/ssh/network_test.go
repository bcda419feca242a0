package ssh_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rollsh/rollsh/nodes"
	"github.com/rollsh/rollsh/nodes/nodetest"
	"github.com/rollsh/rollsh/stdlib/ssh"
)

// web is an HTTP server on loopback: the nodes' 127.0.0.1 too.
func web(t *testing.T, tls bool, f http.HandlerFunc) (port int) {
	t.Helper()
	s := httptest.NewUnstartedServer(f)
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	if tls {
		s.StartTLS()
	} else {
		s.Start()
	}
	t.Cleanup(s.Close)
	return s.Listener.Addr().(*net.TCPAddr).Port
}

func TestHTTPFromTheNode(t *testing.T) {
	b := start(t, 1)
	port := web(t, false, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("X-Seen", r.Host+" "+r.Header.Get("X-Asked"))
		w.WriteHeader(http.StatusTeapot)
		fmt.Fprintf(w, "%s %s %s", r.Method, r.URL, body)
	})
	r, err := ssh.HTTP(t.Context(), b.pool, b.Node(0), ssh.Request{Path: "/a?b=c", Port: port, Method: "put", Body: "text", Host: "www.example.org", Headers: map[string]string{"X-Asked": "yes"}})
	if err != nil || r.Status != 418 || r.Body != "PUT /a?b=c text" || r.Headers["x-seen"] != "www.example.org yes" {
		t.Errorf("%+v %v", r, err)
	}
	free, _ := nodetest.FreePort()
	_, err = ssh.HTTP(t.Context(), b.pool, b.Node(0), ssh.Request{Path: "/", Port: free})
	fails(t, err, nodes.Unreachable, "refused")
	secure := web(t, true, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "sealed") })
	_, err = ssh.HTTP(t.Context(), b.pool, b.Node(0), ssh.Request{Path: "/", Port: secure, TLS: true})
	fails(t, err, nodes.Protocol, "certificate")
	if r, err = ssh.HTTP(t.Context(), b.pool, b.Node(0), ssh.Request{Path: "/", Port: secure, TLS: true, Trust: true}); err != nil || r.Body != "sealed" {
		t.Errorf("%+v %v", r, err)
	}
	slow := web(t, false, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	began := time.Now()
	_, err = ssh.HTTP(t.Context(), b.pool, b.Node(0), ssh.Request{Path: "/", Port: slow, Timeout: 200 * time.Millisecond})
	fails(t, err, nodes.Timeout, "no answer")
	if d := time.Since(began); d > time.Second {
		t.Errorf("took %s", d)
	}
}

// What goes wrong in an answer is of the same kind as with http.request.
func TestHTTPWithoutAnAnswer(t *testing.T) {
	b := start(t, 1)
	cut := func(said string) int {
		return web(t, false, func(w http.ResponseWriter, _ *http.Request) {
			c, _, err := http.NewResponseController(w).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			fmt.Fprint(c, said)
			c.Close()
		})
	}
	for what, c := range map[string]struct {
		ask  ssh.Request
		kind nodes.Kind
		code string
		says string
	}{
		"nothing":     {ssh.Request{Port: cut("")}, nodes.Lost, "", "closed the connection before its answer was complete"},
		"half a head": {ssh.Request{Port: cut("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n")}, nodes.Lost, "", "closed the connection"},
		"half a body": {ssh.Request{Port: cut("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf")}, nodes.Lost, "", "closed the connection"},
		"no HTTP":     {ssh.Request{Port: cut("220 mail ready\r\n\r\n")}, nodes.Protocol, "http", "malformed"},
		"no TLS":      {ssh.Request{Port: cut("HTTP/1.1 400 no\r\n\r\n"), TLS: true}, nodes.Protocol, "tls", "does not speak TLS"},
	} {
		c.ask.Path = "/"
		_, err := ssh.HTTP(t.Context(), b.pool, b.Node(0), c.ask)
		if e := nodes.AsError(err, nodes.Internal); e == nil || e.Kind != c.kind || e.Code != c.code || !strings.Contains(e.Message, c.says) {
			t.Errorf("%s: %+v", what, e)
		}
		_, err = ssh.HTTP(t.Context(), b.pool, &nodes.Node{Name: "here", Local: true}, c.ask)
		if e := nodes.AsError(err, nodes.Internal); e == nil || e.Kind != c.kind || e.Code != c.code {
			t.Errorf("%s, here: %+v", what, e)
		}
	}
}

func TestHTTPWhereForwardingIsOff(t *testing.T) {
	b := start(t, 1, nodetest.Config("AllowTcpForwarding no"))
	_, err := ssh.HTTP(t.Context(), b.pool, b.Node(0), ssh.Request{Path: "/"})
	fails(t, err, nodes.Permission, "forwards nothing")
}

func TestWaitFor(t *testing.T) {
	b := start(t, 1)
	var asked atomic.Int32
	port := web(t, false, func(w http.ResponseWriter, _ *http.Request) {
		if asked.Add(1) < 3 {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})
	w := ssh.Wait{HTTP: "/health", Port: port, Run: "test -e " + b.Dir(0), Every: 10 * time.Millisecond}
	if err := ssh.WaitFor(t.Context(), b.pool, b.Node(0), w); err != nil || asked.Load() != 3 {
		t.Errorf("asked %d times: %v", asked.Load(), err)
	}
	for text, w := range map[string]ssh.Wait{
		"exit code 4":  {Run: "exit 4"},
		"status 404":   {HTTP: "/none", Port: web(t, false, http.NotFound)},
		"to 127.0.0.1": {Port: 1},
	} {
		w.Timeout, w.Every = 300*time.Millisecond, 20*time.Millisecond
		err := ssh.WaitFor(t.Context(), b.pool, b.Node(0), w)
		fails(t, err, nodes.Timeout, "in vain", text)
	}
	fails(t, ssh.WaitFor(t.Context(), b.pool, b.Node(0), ssh.Wait{}), nodes.Usage)
	// A node that is away may come back.
	b.Stop(0)
	done := make(chan error, 1)
	go func() {
		done <- ssh.WaitFor(t.Context(), b.pool, b.Node(0), ssh.Wait{Run: "true", Every: 20 * time.Millisecond})
	}()
	if err := b.Restart(0); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
	// A refused login is no reason to wait.
	refusing := start(t, 1, nodetest.RefusedKey())
	began := time.Now()
	fails(t, ssh.WaitFor(t.Context(), refusing.pool, refusing.Node(0), ssh.Wait{Run: "true"}), nodes.Auth)
	if d := time.Since(began); d > 10*time.Second {
		t.Errorf("waited %s for a refused login", d)
	}
}

func TestForward(t *testing.T) {
	b := start(t, 1)
	port := web(t, false, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "behind") })
	f, err := ssh.NewForward(t.Context(), b.pool, b.Node(0), fmt.Sprintf("127.0.0.1:%d", port), "")
	if err != nil {
		t.Fatal(err)
	}
	get := func() (string, error) {
		client := http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
		r, err := client.Get("http://" + f.Address)
		if err != nil {
			return "", err
		}
		defer r.Body.Close()
		body, err := io.ReadAll(r.Body)
		return string(body), err
	}
	if body, err := get(); err != nil || body != "behind" {
		t.Errorf("%q %v", body, err)
	}
	b.Cut(0)
	await(t, "the loss is seen", func() bool { return len(b.pool.Live()) == 0 })
	if body, err := get(); err != nil || body != "behind" {
		t.Errorf("after a loss: %q %v", body, err)
	}
	f.Close()
	if _, err := get(); err == nil {
		t.Error("it still listens")
	}
}

// terminal is a person who lends what a test made.
type terminal struct {
	nodetest.Person
	screen nodes.Screen
}

func (p *terminal) Lend(_ context.Context, f func(nodes.Screen) error) error { return f(p.screen) }

type syncBuffer struct {
	mu   sync.Mutex
	text strings.Builder
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

func TestShellOnATerminal(t *testing.T) {
	b := start(t, 1)
	in, keys := io.Pipe()
	out := &syncBuffer{}
	resized := make(chan [2]int, 1)
	b.session.Person = &terminal{screen: nodes.Screen{In: in, Out: out, Term: "xterm", Width: 100, Height: 30, Resized: resized}}
	ended := make(chan error, 1)
	var res nodes.Result
	go func() {
		var err error
		res, err = ssh.Interact(t.Context(), b.session, b.Node(0))
		ended <- err
	}()
	io.WriteString(keys, "stty size\n")
	await(t, "the size is told", func() bool { return strings.Contains(out.String(), "30 100") })
	resized <- [2]int{111, 44}
	await(t, "the new size arrives", func() bool {
		io.WriteString(keys, "stty size\n")
		time.Sleep(20 * time.Millisecond)
		return strings.Contains(out.String(), "44 111")
	})
	io.WriteString(keys, "exit 9\n")
	if err := <-ended; err != nil || res.Code != 9 {
		t.Errorf("%+v %v", res, err)
	}
	b.session.Person = &nodetest.Person{}
	_, err := ssh.Interact(t.Context(), b.session, b.Node(0))
	fails(t, err, nodes.Refused)
}
