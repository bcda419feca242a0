package roll_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rollsh/rollsh/nodes"
	"github.com/rollsh/rollsh/nodes/nodetest"
	"github.com/rollsh/rollsh/stdlib/roll"
)

// A gate is asked between tiers and between batches, and sees all of the roll.
func TestGateSeesTheWholeRoll(t *testing.T) {
	p := newPlace(t, 3)
	file := filepath.Join(p.session.Project, "nodes", "prod")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	first, rest, _ := strings.Cut(string(text), "\n")
	if err := os.WriteFile(file, []byte("[canary]\n"+first+"\n[app]\n"+rest), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = p.roll(nodes.Recipe{}, "--gate")
	wantKind(t, err, nodes.Refused, "stopped after web[1-2]: the gate said no")
	if got := states(p.last()); got != "web1=done web2=done web3=staged" {
		t.Error(got)
	}
	if shown := p.shown; !strings.Contains(shown, "web1|web[2-3]\nweb[1-2]|web3") {
		t.Error(shown)
	}
}

func TestNodeThatFailsStopsTheRoll(t *testing.T) {
	p := newPlace(t, 4)
	if _, err := p.roll(nodes.Recipe{}); err != nil {
		t.Fatal(err)
	}
	p.commit("bob", "two", "index.html", "two\n")
	p.flag("web2.sick", true)
	_, err := p.roll(nodes.Recipe{})
	wantKind(t, err, nodes.Tasks, "web2", "2 untouched")
	e := p.last()
	if states(e) != "web1=done web2=left-drained web3=staged web4=staged" || e.State != roll.RollFailed || !e.Unfinished() {
		t.Errorf("%s %s", e.State, states(e))
	}
	if !strings.HasPrefix(e.Why, "1 of 4 failed, 2 untouched: ") || !strings.Contains(e.Why, "web2: ") || !strings.Contains(e.Why, "exit code 1") {
		t.Errorf("the reason is %q", e.Why)
	}
	if p.pages() != "two two one one" || p.raised("web1.out") || !p.raised("web2.out") || p.raised("web3.out") {
		t.Errorf("pages %q", p.pages())
	}
	if !strings.Contains(p.events.Text(nodes.Warned), "left drained: web2") {
		t.Errorf("not said: %s", p.events.Text(nodes.Warned))
	}
	_, err = p.roll(nodes.Recipe{})
	wantKind(t, err, nodes.Refused, "unfinished", e.ID)
	if got := p.eval(`local n = roll.status{ name = "www" }[1].nodes return n.web2.state .. " " .. n.web3.state .. " r" .. n.web3.rev`); got != "left-drained staged r2" {
		t.Errorf("status: %s", got)
	}
	if got := p.eval(`return #roll.pending{ name = "www" } .. " " .. roll.pending().revs`); got != "1 r3" {
		t.Errorf("pending: %s", got)
	}

	_, err = p.roll(nodes.Recipe{Mode: nodes.ModeResume, RollID: e.ID})
	wantKind(t, err, nodes.Tasks, "web2: still left-drained", "--failed")
	if e = p.last(); states(e) != "web1=done web2=left-drained web3=done web4=done" || e.State != roll.RollFailed || !e.Unfinished() {
		t.Errorf("%s %s", e.State, states(e))
	}
	p.flag("web2.sick", false)
	if _, err = p.roll(nodes.Recipe{Mode: nodes.ModeResume, RollID: e.ID, Failed: true}); err != nil {
		t.Fatal(err)
	}
	e = p.last()
	defer func() { // and all of it can be undone, also what was switched before the resume
		if _, err := p.roll(nodes.Recipe{Mode: nodes.ModeBack, RollID: e.ID}); err != nil {
			t.Fatal(err)
		}
		if e = p.last(); e.State != roll.RollUndone || p.pages() != "one one one one" {
			t.Errorf("%s %s, pages %q", e.State, states(e), p.pages())
		}
	}()
	if states(e) != "web1=done web2=done web3=done web4=done" || e.State != roll.RollDone || p.pages() != "two two two two" || p.raised("web2.out") {
		t.Errorf("%s %s, pages %q", e.State, states(e), p.pages())
	}
}

func TestToleratedFailuresAreRaisedAtTheEnd(t *testing.T) {
	p := newPlace(t, 3)
	p.flag("web1.no", true) // before fails: it is never drained
	_, err := p.roll(nodes.Recipe{}, "--max_failed=1")
	wantKind(t, err, nodes.Tasks, "web1")
	e := p.last()
	if states(e) != "web1=failed web2=done web3=done" || e.Unfinished() || p.pages() != " one one" || p.raised("web1.out") {
		t.Errorf("%s unfinished=%v %s, pages %q", e.State, e.Unfinished(), states(e), p.pages())
	}
}

func TestAfterThatFailsLeavesTheNodeInServiceIfItsCheckPasses(t *testing.T) {
	p := newPlace(t, 2)
	_, err := p.roll(nodes.Recipe{}, "--after=echo no such service >&2; exit 5")
	wantKind(t, err, nodes.Tasks, "no such service")
	e := p.last()
	if states(e) != "web1=failed web2=staged" || p.raised("web1.out") || !strings.Contains(e.Nodes[0].Why, "its check passes") {
		t.Errorf("%s %+v", states(e), e.Nodes[0])
	}
}

func TestNodeThatIsDown(t *testing.T) {
	p := newPlace(t, 3)
	p.Stop(1)
	_, err := p.roll(nodes.Recipe{})
	wantKind(t, err, nodes.Tasks, "web2")
	e := p.last()
	if states(e) != "web1=untouched web2=unreachable web3=untouched" || e.Unfinished() || p.pages() != "  " {
		t.Errorf("%s, pages %q", states(e), p.pages())
	}
}

func TestToleratedNodeThatIsDownIsRaisedAtTheEnd(t *testing.T) {
	p := newPlace(t, 3)
	p.Stop(1)
	_, err := p.roll(nodes.Recipe{}, "--max_unreachable=1")
	wantKind(t, err, nodes.Tasks, "web2")
	e := p.last()
	if states(e) != "web1=done web2=unreachable web3=done" || e.Unfinished() || p.pages() != "one  one" {
		t.Errorf("%s unfinished=%v, pages %q", states(e), e.Unfinished(), p.pages())
	}
}

// TestBudgetHoldsOverTheWholeRoll: two of six may not fail.
func TestBudgetHoldsOverTheWholeRoll(t *testing.T) {
	p := newPlace(t, 6)
	for _, name := range []string{"web1.sick", "web3.sick", "web4.sick"} {
		p.flag(name, true)
	}
	_, err := p.roll(nodes.Recipe{}, "--max_failed=1", "--at_once=2")
	wantKind(t, err, nodes.Tasks, "web1", "web3")
	e := p.last()
	if got := states(e); !strings.HasPrefix(got, "web1=left-drained web2=done web3=left-drained web4=") || !strings.HasSuffix(got, " web5=staged web6=staged") {
		t.Error(got)
	}
	if !e.Unfinished() || p.page(4) != "" || p.page(5) != "" {
		t.Errorf("unfinished %v, pages %q", e.Unfinished(), p.pages())
	}
}

// What keeps all nodes from being reached is told once, and each node's line
// says what it is.
func TestNodesThatCannotBeReachedAreToldOnce(t *testing.T) {
	p := newPlace(t, 3)
	for i := range 3 {
		p.Stop(i)
	}
	_, err := p.roll(nodes.Recipe{})
	wantKind(t, err, nodes.Tasks, "web[1-3]: cannot reach ")
	if n := strings.Count(err.Error()+p.events.Text(nodes.State)+p.events.Text(nodes.Warned), "connection refused"); n != 1 {
		t.Errorf("told %d times:\n%v\n%s%s", n, err, p.events.Text(nodes.State), p.events.Text(nodes.Warned))
	}
	if e := p.last(); states(e) != "web1=unreachable web2=unreachable web3=unreachable" || !strings.Contains(e.Nodes[2].Why, "connection refused") {
		t.Errorf("%s: %s", states(e), e.Nodes[2].Why)
	}
}

// TestClocksThatAreOff: the same of several nodes is told once.
func TestClocksThatAreOff(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "date"), []byte("#!/bin/sh\nPATH=${PATH#*:} exec date -d '+2 hours' \"$@\"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	b := onNodes(t, 3, nodetest.Env("PATH", dir+":"+os.Getenv("PATH")))
	r := begin(t, b.journal, b.set)
	good, _, err := r.Preflight(t.Context(), nodes.RemotePath(dir+"/www"))
	if err != nil || len(good.Nodes) != 3 {
		t.Fatalf("%v, %v", good.Fold(), err)
	}
	said := b.events.Text(nodes.Warned)
	if !strings.Contains(said, "web[1-3]: its clock is ") || !strings.Contains(said, " fast") || strings.Count(said, "clock") != 1 {
		t.Errorf("%q", said)
	}
}
