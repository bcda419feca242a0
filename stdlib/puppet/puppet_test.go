package puppet_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rollsh/rollsh/lua"
	"github.com/rollsh/rollsh/nodes"
	"github.com/rollsh/rollsh/nodes/nodetest"
	"github.com/rollsh/rollsh/stdlib/puppet"
	"github.com/rollsh/rollsh/stdlib/ssh"
)

// place is a Puppet with folders of its own on this machine.
type place struct {
	session *nodes.Session
	dir     string
	args    []string
}

func newPlace(t *testing.T) *place {
	t.Helper()
	nodetest.Need(t, "puppet")
	p := &place{session: &nodes.Session{Project: t.TempDir(), Home: t.TempDir(), Events: nodes.Discard{}, Service: nodes.NewService(), Person: &nodetest.Person{}}, dir: t.TempDir()}
	pool := ssh.NewPool(p.session)
	t.Cleanup(pool.Close)
	p.session.Dialer, p.session.Here = pool, ssh.NewLocal(p.session)
	for _, name := range []string{"confdir", "vardir", "publicdir", "rundir", "logdir"} {
		p.args = append(p.args, "--"+name, filepath.Join(p.dir, name))
	}
	return p
}

func (p *place) manifest(t *testing.T, text string) nodes.RemotePath {
	t.Helper()
	file := filepath.Join(p.dir, "it's a manifest.pp")
	if err := os.WriteFile(file, []byte(strings.ReplaceAll(text, "DIR", p.dir)), 0o644); err != nil {
		t.Fatal(err)
	}
	return nodes.RemotePath(file)
}

func (p *place) run(ctx context.Context, t *testing.T, o puppet.Options) (puppet.Outcome, *nodes.Error) {
	t.Helper()
	o.Args = p.args
	set := nodes.Set{Nodes: []*nodes.Node{{Name: "web1", Local: true}}}
	r, err := puppet.Run(ctx, p.session.Dialer, set, nodes.EachOpts{Op: "puppet.run"}, o)
	if err != nil {
		return puppet.Outcome{}, nodes.AsError(err, nodes.Internal)
	}
	out, _ := r.List[0].Value.(puppet.Outcome)
	return out, nodes.AsError(r.List[0].Err, nodes.Internal)
}

const good = `file { 'DIR/out': content => "x\n" }`

func TestApply(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	m := p.manifest(t, good)
	out, err := p.run(t.Context(), t, puppet.Options{Apply: m, Noop: true})
	if err != nil || out.Changed != 0 || out.Pending != 1 || out.Resources == 0 {
		t.Errorf("noop: %+v %v", out, err)
	}
	if _, err := os.Stat(filepath.Join(p.dir, "out")); err == nil {
		t.Error("noop made the file")
	}
	out, err = p.run(t.Context(), t, puppet.Options{Apply: m, Environment: "production"})
	if err != nil || out.Changed != 1 || out.Failed != 0 || out.Pending != 0 {
		t.Errorf("first: %+v %v", out, err)
	}
	if text, err := os.ReadFile(filepath.Join(p.dir, "out")); err != nil || string(text) != "x\n" {
		t.Errorf("%q %v", text, err)
	}
	m = p.manifest(t, good+"\n"+`file { 'DIR/none/out': content => "x" }`+"\nexec { '/bin/false': }")
	out, err = p.run(t.Context(), t, puppet.Options{Apply: m})
	if err == nil || err.Kind != nodes.Exit || err.Code != "4" || out.Failed != 2 || out.Changed != 0 {
		t.Fatalf("failing: %+v %v", out, err)
	}
	for _, part := range []string{"2 of", "Exec[/bin/false] (", "returned 1", "none/out] (", "No such file"} {
		if !strings.Contains(err.Message, part) {
			t.Errorf("%q is not in %q", part, err.Message)
		}
	}
	m = p.manifest(t, "file { 'DIR/out' ensure }")
	if out, err = p.run(t.Context(), t, puppet.Options{Apply: m}); err == nil || err.Kind != nodes.Exit || !strings.Contains(err.Message, "did not run") || !strings.Contains(err.Message, "yntax error") {
		t.Errorf("a manifest that does not parse: %+v %v", out, err)
	}
}

// earlier is the summary of a good run, as Puppet 7.23 writes it.
const earlier = "---\nresources:\n  changed: 1\n  failed: 0\n  total: 8\ntime:\n  last_run: 1795392307\nevents:\n  failure: 0\n"

// TestAgent is what can be seen of the agent without a server.
func TestAgent(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	public := filepath.Join(p.dir, "publicdir")
	if err := os.Mkdir(public, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(public, "last_run_summary.yaml"), []byte(earlier), 0o644); err != nil {
		t.Fatal(err)
	}
	p.args = append(p.args, "--server", "127.0.0.1", "--serverport", "1")
	if _, err := p.run(t.Context(), t, puppet.Options{}); err == nil || err.Kind != nodes.Exit || !strings.Contains(err.Message, "did not run") {
		t.Errorf("no server: %v", err)
	}
	state := filepath.Join(p.dir, "vardir", "state")
	lock := filepath.Join(state, "agent_disabled.lock") // as puppet agent --disable writes it
	if err := os.WriteFile(lock, []byte(`{"disabled_message":"we're moving"}`), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := p.run(t.Context(), t, puppet.Options{}); err == nil || err.Kind != nodes.Refused || !strings.Contains(err.Message, "we're moving") {
		t.Errorf("disabled: %v", err)
	}
}

func TestBadOptions(t *testing.T) {
	for _, o := range []puppet.Options{{Environment: "a b"}, {Environment: "--x"}, {Apply: "site.pp"}} {
		if _, err := puppet.Run(t.Context(), nil, nodes.Set{}, nodes.EachOpts{}, o); nodes.KindOf(err) != nodes.Usage {
			t.Errorf("%+v: %v", o, err)
		}
	}
}

func TestCancel(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	m := p.manifest(t, `exec { '/bin/sh -c "touch DIR/began; sleep 60"': timeout => 0 }`)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for range tick.C {
			if _, err := os.Stat(filepath.Join(p.dir, "began")); err == nil || ctx.Err() != nil || t.Context().Err() != nil {
				cancel()
				return
			}
		}
	}()
	_, err := p.run(ctx, t, puppet.Options{Apply: m, Timeout: time.Minute})
	if err == nil || err.Kind != nodes.Cancelled {
		t.Errorf("got %v", err)
	}
}

func TestLuaOverSSH(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	bed := nodetest.Start(t, 1)
	s := bed.Session(nil)
	pool := ssh.NewPool(s)
	t.Cleanup(pool.Close)
	s.Dialer = pool
	h := lua.New(s, []lua.Module{puppet.Module(s), {Values: map[string]any{"web1": bed.Node(0)}}})
	args := `args={"` + strings.Join(p.args, `", "`) + `"}`
	src := `local r = puppet.run(web1, {apply="` + string(p.manifest(t, good)) + `", ` + args + `}) return r.web1.value.changed, r.web1.value.failed`
	values, err := h.Eval(t.Context(), src)
	if err != nil || len(values) != 2 || h.Inspect(values[0]) != "1" || h.Inspect(values[1]) != "0" {
		t.Fatalf("%v %v", values, err)
	}
	p.manifest(t, "exec { '/bin/false': }")
	if _, err := h.Eval(t.Context(), src); nodes.KindOf(err) != nodes.Tasks || !strings.Contains(err.Error(), "web1") {
		t.Errorf("a failing run: %v", err)
	}
}
