package haproxy_test

import (
	"context"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rollsh/rollsh/lua"
	"github.com/rollsh/rollsh/nodes"
	"github.com/rollsh/rollsh/nodes/nodetest"
	"github.com/rollsh/rollsh/stdlib/haproxy"
	"github.com/rollsh/rollsh/stdlib/ssh"
)

var _ nodes.Balancer = (*haproxy.Backend)(nil)

func localSession(t *testing.T) *nodes.Session {
	t.Helper()
	s := &nodes.Session{Project: t.TempDir(), Home: t.TempDir(), Events: nodes.Discard{}, Service: nodes.NewService(), Person: &nodetest.Person{}}
	pool := ssh.NewPool(s)
	t.Cleanup(pool.Close)
	s.Dialer, s.Here = pool, ssh.NewLocal(s)
	return s
}

func local(names ...string) nodes.Set {
	var set nodes.Set
	for _, name := range names {
		set.Nodes = append(set.Nodes, &nodes.Node{Name: nodes.Name(name), Local: true})
	}
	return set
}

func web(i int) *nodes.Node { return &nodes.Node{Name: nodes.Name("web" + string(rune('0'+i)))} }

func apps(t *testing.T) []*app {
	t.Helper()
	return []*app{startApp(t, "web1"), startApp(t, "web2"), startApp(t, "web3")}
}

func backend(t *testing.T, s *nodes.Session, c haproxy.Config) *haproxy.Backend {
	t.Helper()
	if c.Backend == "" {
		c.Backend = "web"
	}
	b, err := haproxy.New(s.Dialer, c)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func kind(t *testing.T, what string, err error, want nodes.Kind, parts ...string) {
	t.Helper()
	if nodes.KindOf(err) != want {
		t.Errorf("%s: kind %q: %v, want %q", what, nodes.KindOf(err), err, want)
		return
	}
	for _, part := range parts {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%s: %v does not say %q", what, err, part)
		}
	}
}

func TestDrainAndReady(t *testing.T) {
	servers := apps(t)
	lb := startBalancer(t, "admin", servers...)
	b := backend(t, localSession(t), haproxy.Config{On: local("lb"), Socket: lb.socket, Wait: 10 * time.Second})
	ctx := t.Context()
	st, err := b.State(ctx, web(2))
	if err != nil || st != (nodes.BalancerState{Admin: "ready", Up: true}) {
		t.Fatalf("at first: %+v %v", st, err)
	}
	hold := make(chan struct{})
	servers[1].hold.Store(&hold)
	var clients sync.WaitGroup
	for range 3 { // one of three goes to web2 and stays
		clients.Go(func() {
			if res, err := http.Get(lb.url + "/hold"); err == nil {
				_ = res.Body.Close()
			}
		})
	}
	eventually(t, "a session on web2", func() bool { return servers[1].began.Load() > 0 })
	kind(t, "a session stays", b.DrainWithin(ctx, web(2), 300*time.Millisecond), nodes.Timeout, "web/web2", "1 session left")
	if n, err := b.Sessions(ctx, web(2)); n != 1 || err != nil || lb.status(t, "web2") != "DRAIN" {
		t.Errorf("%d sessions %v, haproxy says %s", n, err, lb.status(t, "web2"))
	}
	drained := make(chan error, 1)
	go func() { drained <- b.Drain(ctx, web(2)) }()
	select {
	case err := <-drained:
		t.Fatalf("drained with a session open: %v", err)
	case <-time.After(200 * time.Millisecond):
	}
	close(hold)
	if err := <-drained; err != nil {
		t.Fatal(err)
	}
	clients.Wait()
	if st, err := b.State(ctx, web(2)); err != nil || st.Admin != "drain" || st.Sessions != 0 {
		t.Errorf("drained: %+v %v", st, err)
	}
	servers[1].sick.Store(true)
	eventually(t, "haproxy sees that web2 is sick", func() bool { st, err := b.State(ctx, web(2)); return err == nil && !st.Up })
	if st, _ := b.State(ctx, web(2)); st.Admin != "drain" {
		t.Errorf("drained and sick: %+v", st)
	}
	sick := backend(t, localSession(t), haproxy.Config{On: local("lb"), Socket: lb.socket, Wait: 300 * time.Millisecond})
	kind(t, "ready but sick", sick.Ready(ctx, web(2)), nodes.Timeout, "health check")
	time.AfterFunc(200*time.Millisecond, func() { servers[1].sick.Store(false) })
	if err := b.Ready(ctx, web(2)); err != nil || lb.status(t, "web2") != "UP" {
		t.Errorf("ready: %v, haproxy says %s", err, lb.status(t, "web2"))
	}
}

func TestRefusals(t *testing.T) {
	servers := apps(t)
	lb := startBalancer(t, "admin", servers...)
	s := localSession(t)
	b := backend(t, s, haproxy.Config{On: local("lb"), Socket: lb.socket, Wait: 5 * time.Second})
	ctx := t.Context()
	kind(t, "unknown server", b.Drain(ctx, web(9)), nodes.NotFound, "web/web9", "server=")
	kind(t, "unknown server", b.Ready(ctx, web(9)), nodes.NotFound)
	kind(t, "a name that would be a command", b.Drain(ctx, &nodes.Node{Name: "web1 state maint;"}), nodes.Usage)
	kind(t, "unknown backend", backend(t, s, haproxy.Config{On: local("lb"), Socket: lb.socket, Backend: "none"}).Drain(ctx, web(1)), nodes.NotFound, "haproxy knows no backend none")
	kind(t, "no socket", backend(t, s, haproxy.Config{On: local("lb"), Socket: lb.socket + "x"}).Drain(ctx, web(1)), nodes.Unreachable, "cannot talk to haproxy at "+string(lb.socket)+"x: No such file or directory", "running")

	lb.raw(t, "set server web/web1 state maint")
	kind(t, "in maintenance", b.Drain(ctx, web(1)), nodes.Refused, "maintenance")
	if got := lb.status(t, "web1"); got != "MAINT" {
		t.Errorf("a refused drain changed web1 to %s", got)
	}
	if err := b.Drain(ctx, web(2)); err != nil {
		t.Fatal(err)
	}
	if err := b.Drain(ctx, web(2)); err != nil {
		t.Errorf("drained again: %v", err)
	}
	kind(t, "the last", b.Drain(ctx, web(3)), nodes.Refused, "last server")
	if got := lb.status(t, "web3"); got != "UP" {
		t.Errorf("a refused drain changed web3 to %s", got)
	}
	last := backend(t, s, haproxy.Config{On: local("lb"), Socket: lb.socket, Last: true})
	if err := last.Drain(ctx, web(3)); err != nil || lb.status(t, "web3") != "DRAIN" {
		t.Errorf("last=true: %v, haproxy says %s", err, lb.status(t, "web3"))
	}

	weak := startBalancer(t, "operator", servers...)
	kind(t, "a socket without level admin", backend(t, s, haproxy.Config{On: local("lb"), Socket: weak.socket}).Drain(ctx, web(1)), nodes.Permission, "level admin")

	for _, c := range []haproxy.Config{
		{Socket: lb.socket, Backend: "web"},
		{On: local("lb"), Socket: "run/s", Backend: "web"},
		{On: local("lb"), Socket: "/a,b", Backend: "web"},
		{On: local("lb"), Socket: lb.socket, Backend: "web;shutdown"},
	} {
		if _, err := haproxy.New(s.Dialer, c); nodes.KindOf(err) != nodes.Usage {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

func TestAllAtOnceLeavesOneServing(t *testing.T) {
	lb := startBalancer(t, "admin", apps(t)...)
	b := backend(t, localSession(t), haproxy.Config{On: local("lb"), Socket: lb.socket})
	var refused atomic.Int32
	var all sync.WaitGroup
	for i := 1; i <= 3; i++ {
		all.Go(func() {
			if err := b.Drain(t.Context(), web(i)); nodes.KindOf(err) == nodes.Refused {
				refused.Add(1)
			} else if err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if refused.Load() != 1 {
		t.Errorf("%d of 3 refused, want 1", refused.Load())
	}
}

// TestOverSSH: a balancer reached over ssh, with each program that can talk to a
// socket.
func TestOverSSH(t *testing.T) {
	servers := apps(t)
	one := startBalancer(t, "admin", servers...)
	for _, program := range []string{"socat", "nc", "python3", "perl", ""} {
		t.Run("by "+program, func(t *testing.T) {
			bed := nodetest.Start(t, 1, nodetest.Names("lb1"), nodetest.Env("PATH", only(t, program)))
			s := bed.Session(nil)
			pool := ssh.NewPool(s)
			t.Cleanup(pool.Close)
			s.Dialer = pool
			b := backend(t, s, haproxy.Config{On: nodes.Set{Nodes: []*nodes.Node{bed.Node(0)}}, Socket: one.socket, Wait: 10 * time.Second})
			err := b.Drain(t.Context(), web(1))
			if program == "" {
				kind(t, "no program", err, nodes.NotFound, "socat")
				return
			}
			if err != nil || one.status(t, "web1") != "DRAIN" {
				t.Fatalf("%v, haproxy says %s", err, one.status(t, "web1"))
			}
			if err := b.Ready(t.Context(), web(1)); err != nil || one.status(t, "web1") != "UP" {
				t.Fatalf("%v, haproxy says %s", err, one.status(t, "web1"))
			}
		})
	}
}

// only makes a PATH with little more than one program.
func only(t *testing.T, program string) string {
	t.Helper()
	dir := t.TempDir()
	need := []string{"sh", "bash", "grep", "env", "cat"}
	if program != "" {
		nodetest.Need(t, program)
		need = append(need, program)
	}
	for _, name := range need {
		target := nodetest.Program(name)
		if name == "python3" {
			target = "/usr/bin/python3"
		}
		if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// TestSeveralBalancers: all are told, one that fails is named, and they must
// agree.
func TestSeveralBalancers(t *testing.T) {
	servers := apps(t)
	lb := startBalancer(t, "admin", servers...)
	other := startBalancer(t, "admin", servers...)
	s := localSession(t)
	s.Dialer = &redirect{s.Dialer, map[nodes.Name][2]string{"lb2": {string(lb.socket), string(other.socket)}}}
	b := backend(t, s, haproxy.Config{On: local("lb1", "lb2"), Socket: lb.socket, Wait: 5 * time.Second})
	ctx := t.Context()
	if err := b.Drain(ctx, web(1)); err != nil || lb.status(t, "web1") != "DRAIN" || other.status(t, "web1") != "DRAIN" {
		t.Fatalf("%v: %s, %s", err, lb.status(t, "web1"), other.status(t, "web1"))
	}
	other.raw(t, "set server web/web1 state ready")
	_, err := b.State(ctx, web(1))
	kind(t, "they do not agree", err, nodes.Changed, "lb1 says drain", "lb2 says ready")
	if err := b.Ready(ctx, web(1)); err != nil {
		t.Errorf("ready mends that: %v", err)
	}
	_ = other.proc.Process.Kill()
	_ = other.proc.Wait() // it was killed
	kind(t, "one is away", b.Drain(ctx, web(2)), nodes.Unreachable, "lb2")
	if got := lb.status(t, "web2"); got != "UP" {
		t.Errorf("lb2 is away, and lb1 has web2 as %s: nothing should have begun", got)
	}
	kind(t, "one is away", b.Ready(ctx, web(2)), nodes.Unreachable, "lb2", "ready already: lb1")
}

// redirect gives a balancer a socket of its own: two real ones on one machine
// cannot have the same.
type redirect struct {
	nodes.Dialer
	sockets map[nodes.Name][2]string
}

func (r *redirect) Dial(ctx context.Context, n *nodes.Node) (nodes.Conn, error) {
	conn, err := r.Dialer.Dial(ctx, n)
	return &redirected{conn, r.sockets[n.Name]}, err
}

type redirected struct {
	nodes.Conn
	swap [2]string
}

func (r *redirected) Run(ctx context.Context, c nodes.Cmd) (nodes.Result, error) {
	for i := range c.Argv {
		if r.swap[0] != "" {
			c.Argv[i] = strings.Replace(c.Argv[i], r.swap[0], r.swap[1], 1)
		}
	}
	return r.Conn.Run(ctx, c)
}

// TestNoRequestFails: clients at work while each server is drained, restarted
// and put back lose nothing.
func TestNoRequestFails(t *testing.T) {
	servers := apps(t)
	lb := startBalancer(t, "admin", servers...)
	b := backend(t, localSession(t), haproxy.Config{On: local("lb"), Socket: lb.socket, Wait: 10 * time.Second})
	ctx, stop := context.WithCancel(t.Context())
	var failed, well atomic.Int32
	var clients sync.WaitGroup
	for range 4 {
		clients.Go(func() {
			for ctx.Err() == nil {
				res, err := http.Get(lb.url)
				if err != nil {
					failed.Add(1)
					continue
				}
				_, _ = io.Copy(io.Discard, res.Body)
				_ = res.Body.Close()
				if res.StatusCode != 200 {
					failed.Add(1)
				} else {
					well.Add(1)
				}
			}
		})
	}
	for i := 1; i <= 3; i++ {
		if err := b.Drain(t.Context(), web(i)); err != nil {
			t.Fatal(err)
		}
		servers[i-1].sick.Store(true)
		eventually(t, "down", func() bool { st, err := b.State(t.Context(), web(i)); return err == nil && !st.Up })
		servers[i-1].sick.Store(false)
		if err := b.Ready(t.Context(), web(i)); err != nil {
			t.Fatal(err)
		}
	}
	stop()
	clients.Wait()
	if failed.Load() > 0 || well.Load() == 0 {
		t.Errorf("%d requests failed, %d were well", failed.Load(), well.Load())
	}
}

func TestCancel(t *testing.T) {
	servers := apps(t)
	lb := startBalancer(t, "admin", servers...)
	b := backend(t, localSession(t), haproxy.Config{On: local("lb"), Socket: lb.socket, Wait: time.Minute})
	for _, a := range servers {
		a.sick.Store(true)
	}
	eventually(t, "down", func() bool { st, err := b.State(t.Context(), web(1)); return err == nil && !st.Up })
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(100*time.Millisecond, cancel)
	start := time.Now()
	kind(t, "cancelled", b.Ready(ctx, web(1)), nodes.Cancelled)
	if time.Since(start) > 2*time.Second {
		t.Errorf("took %v", time.Since(start))
	}
}

func TestLua(t *testing.T) {
	lb := startBalancer(t, "admin", startApp(t, "www-a"), startApp(t, "web2"))
	s := localSession(t)
	h := lua.New(s, []lua.Module{haproxy.Module(s), {Name: "", Values: map[string]any{"socket": string(lb.socket), "lbnode": &nodes.Node{Name: "lb", Local: true}, "a": &nodes.Node{Name: "a"}, "web2": web(2)}}})
	for _, c := range []struct{ src, want string }{
		{`return B:state(a).admin`, `"ready"`},
		{`B:drain(a, {wait=1}) return B:state(a).admin, B:sessions(a)`, `"drain" 0`},
		{`B:ready(a) return B:state(a).up`, `true`},
		{`return pcall(B.drain, B, web2)`, `false`}, // www-web2 is unknown
		{`local F = haproxy.backend{ on=lbnode, socket=socket, backend="web", server=function(n) sleep(0) if n.name == "a" then return "www-" .. n.name end end } return F:state(a).up, F:state(web2).up`, `true true`},
		{`local F = haproxy.backend{ on=lbnode, socket=socket, backend="web", server=function() error "none" end } local ok, e = pcall(F.state, F, a) return e.message, e.node`, `"none" "a"`},
	} {
		src := `local B = haproxy.backend{ on=lbnode, socket="` + string(lb.socket) + `", backend="web", server="www-{name}" } ` + c.src
		values, err := h.Eval(t.Context(), src)
		var got []string
		for _, v := range values {
			got = append(got, h.Inspect(v))
		}
		if err != nil || !strings.HasPrefix(strings.Join(got, " "), c.want) {
			t.Errorf("%s: %q %v", c.src, got, err)
		}
	}
}
