package haproxy_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rollsh/rollsh/nodes"
	"github.com/rollsh/rollsh/nodes/nodetest"
)

// app is a server behind HAProxy: it answers slowly, and fails when told to.
type app struct {
	name  string
	addr  string
	sick  atomic.Bool
	began atomic.Int64
	hold  atomic.Pointer[chan struct{}] // requests for /hold wait for its end
}

// balancer is a real HAProxy in front of apps.
type balancer struct {
	dir    string
	socket nodes.RemotePath
	url    string
	conf   string
	proc   *exec.Cmd
}

func startApp(t *testing.T, name string) *app {
	t.Helper()
	a := &app{name: name}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	a.addr = l.Addr().String()
	server := &http.Server{Handler: http.HandlerFunc(a.serve)}
	go func() { _ = server.Serve(l) }() // ends with Close
	t.Cleanup(func() { _ = server.Close() })
	return a
}

func (a *app) serve(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.URL.Path == "/health" && a.sick.Load():
		w.WriteHeader(http.StatusServiceUnavailable)
	case r.URL.Path == "/hold":
		a.began.Add(1)
		if hold := a.hold.Load(); hold != nil {
			select {
			case <-*hold:
			case <-r.Context().Done():
			}
		}
		fmt.Fprint(w, a.name)
	default:
		fmt.Fprint(w, a.name)
	}
}

// startBalancer starts HAProxy; level is of its socket.
func startBalancer(t *testing.T, level string, apps ...*app) *balancer {
	t.Helper()
	nodetest.Need(t, "haproxy")
	port, err := nodetest.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "lb") //nolint:usetesting // a socket\'s path has little room, and t.TempDir is long
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	b := &balancer{dir: dir, socket: nodes.RemotePath(filepath.Join(dir, "s")), url: "http://127.0.0.1:" + strconv.Itoa(port)}
	b.conf = filepath.Join(dir, "haproxy.cfg")
	if err := os.WriteFile(b.conf, []byte(config(string(b.socket), level, port, apps)), 0o600); err != nil {
		t.Fatal(err)
	}
	b.start(t)
	return b
}

func config(socket, level string, port int, apps []*app) string {
	text := fmt.Sprintf(`global
  stats socket %s mode 600 level %s
defaults
  mode http
  timeout connect 2s
  timeout client 30s
  timeout server 30s
frontend fe
  bind 127.0.0.1:%d
  default_backend web
backend other
  server web1 127.0.0.1:1
backend web
  balance roundrobin
  option httpchk GET /health
  default-server check inter 100ms fall 2 rise 1
`, socket, level, port)
	for _, a := range apps {
		text += fmt.Sprintf("  server %s %s\n", a.name, a.addr)
	}
	return text
}

func (b *balancer) start(t *testing.T) {
	t.Helper()
	var log strings.Builder
	b.proc = exec.Command(nodetest.Program("haproxy"), "-db", "-f", b.conf)
	b.proc.Stdout, b.proc.Stderr = &log, &log
	if err := b.proc.Start(); err != nil {
		t.Fatal(err)
	}
	proc := b.proc
	t.Cleanup(func() {
		_ = proc.Process.Kill()
		_ = proc.Wait() // it was killed
	})
	eventually(t, "haproxy serves", func() bool {
		res, err := http.Get(b.url)
		if err != nil {
			return false
		}
		_ = res.Body.Close()
		return res.StatusCode == http.StatusOK
	})
}

// raw is HAProxy's own word, asked without the code under test.
func (b *balancer) raw(t *testing.T, command string) string {
	t.Helper()
	c, err := net.Dial("unix", string(b.socket))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := fmt.Fprintln(c, command); err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	buf := make([]byte, 4096)
	for {
		n, err := c.Read(buf)
		out.Write(buf[:n])
		if err != nil {
			return out.String()
		}
	}
}

// status is the status column of "show stat" for web/NAME.
func (b *balancer) status(t *testing.T, name string) string {
	t.Helper()
	for line := range strings.Lines(b.raw(t, "show stat")) {
		if f := strings.Split(line, ","); len(f) > 17 && f[0] == "web" && f[1] == name {
			return f[17]
		}
	}
	return ""
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-ctx.Done():
			t.Fatalf("never: %s", what)
		case <-tick.C:
		}
	}
}
