package stdlib_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rollsh/rollsh/lua"
	"github.com/rollsh/rollsh/nodes"
	"github.com/rollsh/rollsh/nodes/nodetest"
	"github.com/rollsh/rollsh/stdlib"
)

// sickBackend is a real HAProxy with one server, whose health check never passes;
// stop ends it.
func sickBackend(t *testing.T) (socket string, stop func()) {
	t.Helper()
	nodetest.Need(t, "haproxy")
	dir, err := os.MkdirTemp("", "lb") //nolint:usetesting // a socket's path has little room, and t.TempDir is long
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	socket = filepath.Join(dir, "s")
	conf := filepath.Join(dir, "haproxy.cfg")
	text := fmt.Sprintf(`global
  stats socket %s mode 600 level admin
defaults
  mode http
  timeout connect 2s
  timeout client 9s
  timeout server 9s
backend web
  server web1 127.0.0.1:1 check inter 50ms
`, socket)
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	proc := exec.CommandContext(ctx, nodetest.Program("haproxy"), "-db", "-f", conf)
	if err := proc.Start(); err != nil {
		t.Fatal(err)
	}
	stop = func() {
		cancel()
		_ = proc.Wait() // it was killed
	}
	t.Cleanup(stop)
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		c, err := net.Dial("unix", socket)
		if err == nil {
			_ = c.Close()
			return socket, stop
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
}

// TestNodeThatIsPutBackInVain: what its balancer says of it then is what is said;
// where that cannot be asked either, nobody knows.
func TestNodeThatIsPutBackInVain(t *testing.T) {
	socket, stop := sickBackend(t)
	events := &nodetest.Recorder{}
	s := &nodes.Session{Home: t.TempDir(), Events: events, Service: nodes.NewService(), Cache: t.TempDir(), State: t.TempDir(), User: "ann", Host: "here"}
	l := stdlib.New(s)
	t.Cleanup(l.Close)
	h := lua.New(s, append(l.Modules, lua.Module{Name: "balancer", Funcs: []lua.Func{{
		Name: "stop", Doc: "Stops it.", Do: lua.Pure(func(lua.None) (lua.None, error) { stop(); return lua.None{}, nil }),
	}}}))
	for _, tc := range []struct{ act, state, why string }{
		{`function() end`, "failed", "it cannot be put back: web/web1 is ready, but its health check does not pass after 200ms; its balancer has it in service, but its health check does not pass"},
		{`function() balancer.stop() end`, "unknown", "its balancer cannot be asked: "},
	} {
		values, err := h.Eval(t.Context(), fmt.Sprintf(`
			local lb = haproxy.backend{ on=here, socket=%q, backend="web", wait=0.2, last=true }
			local n = node{ name="web1", host="192.0.2.1" }
			local R = roll.begin{ name=%q, to=n }
			local ok, err = pcall(R.drained, R, n, { drain=lb }, %s)
			R:finish(tostring(err), "failed")
			return roll.history{ limit=1 }[1].nodes.web1`, socket, tc.state, tc.act))
		if err != nil || len(values) != 1 || h.Value(values[0]) != tc.state {
			t.Fatalf("%s: %v, %v", tc.state, values, err)
		}
		if said := events.Text(nodes.State); !strings.Contains(said, tc.why) {
			t.Errorf("%s: said %q", tc.state, said)
		}
		if out := len(s.Service.Out()) == 1; out != (tc.state == "unknown") {
			t.Errorf("%s: out of service: %v", tc.state, s.Service.Out())
		}
	}
}
