package roll_test

import (
	"context"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/rollsh/rollsh/nodes"
	"github.com/rollsh/rollsh/stdlib/roll"
)

// TestKilledInARoll: the next rollsh says what is unknown, and resume mends it.
func TestKilledInARoll(t *testing.T) {
	p := newPlace(t, 3)
	args := []string{
		"--dir=" + p.dir, "--co=" + p.co, "--url=" + p.repo.File + "/trunk",
		"--after=touch " + p.dir + "/begun; test -e " + p.dir + "/go || sleep 60",
	}
	kill := p.rollElsewhere(args, "begun")
	if e := p.last(); e.State != roll.Running {
		t.Errorf("while it runs: %s", e.State)
	}
	kill()
	e := p.last()
	if e.State != roll.Interrupted || states(e) != "web1=unknown web2=staged web3=staged" || !e.Nodes[0].Out || !p.raised("web1.out") {
		t.Errorf("%s %s", e.State, states(e))
	}
	if said := p.journal.CutShort(t.Context()); len(said) != 1 || !strings.Contains(said[0], e.ID) || !strings.Contains(said[0], "drained: web1") {
		t.Errorf("said first: %q", said)
	}
	_, err := p.roll(nodes.Recipe{})
	wantKind(t, err, nodes.Refused, "unfinished", "1 unknown, 2 staged")
	p.flag("go", true)
	if _, err := p.roll(nodes.Recipe{Mode: nodes.ModeResume, RollID: e.ID}, args[3]); err != nil {
		t.Fatal(err)
	}
	if e = p.last(); e.State != roll.RollDone || p.pages() != "one one one" || p.raised("web1.out") {
		t.Errorf("%s %s, pages %q", e.State, states(e), p.pages())
	}
}

// rollElsewhere runs testdata/prod.lua in a process of its own, and returns when
// a flag is raised; kill ends the process as kill -9 does.
func (p *place) rollElsewhere(args []string, flag string) (kill func()) {
	p.t.Helper()
	cmd := exec.CommandContext(p.t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), child+"=recipe", "ROLL_TEST_SESSION="+encode(p.t, sessionText{p.session.Project, p.session.State, p.session.Cache, p.session.Home, p.session.User}),
		"ROLL_TEST_ARGS="+encode(p.t, args), "ROLL_TEST_RECIPE="+testdata(p.t, "prod.lua"))
	said := &strings.Builder{}
	cmd.Stderr = said
	if err := cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	await(p.t, func() bool {
		select {
		case err := <-ended:
			p.t.Fatalf("it ended: %v: %s", err, said)
		default:
		}
		return p.raised(flag)
	})
	p.elsewhere = cmd.Process
	return func() {
		p.t.Helper()
		if err := cmd.Process.Kill(); err != nil {
			p.t.Fatal(err)
		}
		<-ended
	}
}

// TestCtrlCInARoll: the node in hand goes through, the next is not begun.
func TestCtrlCInARoll(t *testing.T) {
	p := newPlace(t, 3)
	p.session.Interrupt = nodes.NewInterrupt()
	ctx, end := p.session.Interrupt.Begin(t.Context())
	defer end()
	after := "--after=touch " + p.dir + "/begun; until test -e " + p.dir + "/go; do sleep 0.05; done"
	ended := make(chan error)
	go func() {
		_, err := p.rollAs(ctx, nodes.Recipe{}, []string{"yes"}, after)
		ended <- err
	}()
	await(t, func() bool { return p.raised("begun") })
	if stage := p.session.Interrupt.Hit("INT"); stage != nodes.Stopping {
		t.Errorf("stage %v", stage)
	}
	p.flag("go", true)
	err := <-ended
	wantKind(t, err, nodes.Cancelled)
	if signal := nodes.AsError(err, nodes.Internal).Signal; signal != "INT" {
		t.Errorf("signal %q: the exit code would not be 130", signal)
	}
	e := p.last()
	if e.State != roll.Stopped || states(e) != "web1=done web2=staged web3=staged" || p.pages() != "one  " || p.raised("web1.out") {
		t.Errorf("%s %s, pages %q", e.State, states(e), p.pages())
	}
}

// TestCtrlCWhileNodesAreStaged: it is said that nothing was switched.
func TestCtrlCWhileNodesAreStaged(t *testing.T) {
	p := newPlace(t, 2)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	p.confirmed = func() { p.Freeze(0) }
	ended := make(chan error)
	go func() {
		_, err := p.rollAs(ctx, nodes.Recipe{}, []string{"yes"})
		ended <- err
	}()
	await(t, func() bool { return strings.Count(p.events.Text(nodes.Started), "staging ") == 2 })
	cancel()
	err := <-ended
	p.Thaw(0)
	wantKind(t, err, nodes.Cancelled)
	e := p.last()
	if e.State != roll.Stopped || states(e) != "web1=untouched web2=untouched" && states(e) != "web1=untouched web2=staged" || p.pages() != " " {
		t.Errorf("%s %s, pages %q", e.State, states(e), p.pages())
	}
	if said := p.events.Text(nodes.Said); !strings.Contains(said, "nothing was switched: all nodes are as they were") {
		t.Errorf("%q", said)
	}
}

// TestConnectionLostInARoll: a node that went away is not called done.
func TestConnectionLostInARoll(t *testing.T) {
	p := newPlace(t, 2)
	after := "--after=touch " + p.dir + "/begun; sleep 60"
	ended := make(chan error)
	go func() {
		_, err := p.rollAs(t.Context(), nodes.Recipe{}, []string{"yes"}, after)
		ended <- err
	}()
	await(t, func() bool { return p.raised("begun") })
	p.Stop(0)
	wantKind(t, <-ended, nodes.Tasks, "web1")
	e := p.last()
	if states(e) != "web1=left-drained web2=staged" || !p.raised("web1.out") || !e.Unfinished() {
		t.Errorf("%s %+v", states(e), e.Nodes[0])
	}
}

// TestCancelInARoll cancels all while web1 is out of service.
func TestCancelInARoll(t *testing.T) {
	p := newPlace(t, 3)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan error, 1)
	after := "--after=touch " + p.dir + "/begun; test -e " + p.dir + "/go || sleep 60"
	go func() {
		_, err := p.rollAs(ctx, nodes.Recipe{}, []string{"yes"}, after)
		ended <- err
	}()
	await(t, func() bool {
		if len(ended) > 0 {
			t.Fatal("the roll ended before its command began: ", <-ended)
		}
		return p.raised("begun")
	})
	cancel()
	err := <-ended
	wantKind(t, err, nodes.Cancelled)
	if at := nodes.AsError(err, nodes.Internal).Where; !strings.Contains(at, "prod.lua:") {
		t.Errorf("said of %q, not of the recipe", at)
	}
	e := p.last()
	if e.State != roll.Stopped || states(e) != "web1=checked web2=staged web3=staged" || p.raised("web1.out") {
		t.Errorf("%s %s %+v", e.State, states(e), e.Nodes[0])
	}
	if locks, err := p.journal.Locks(t.Context(), "www"); err != nil || len(locks) != 0 {
		t.Errorf("locks %v, %v", locks, err)
	}
	p.flag("go", true)
	if _, err := p.roll(nodes.Recipe{Mode: nodes.ModeResume, RollID: e.ID}, after); err != nil {
		t.Fatal(err)
	}
	if e = p.last(); e.State != roll.RollDone || p.pages() != "one one one" {
		t.Errorf("%s %s, pages %q", e.State, states(e), p.pages())
	}
}
