package roll_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rollsh/rollsh/nodes"
)

// A node that a roll left drained stays known as such, and the next roll puts it
// back only when its check passes, whether or not it has changes.
func TestNodeLeftDrainedIsTheNextRollsToo(t *testing.T) {
	p := newPlace(t, 2)
	p.flag("web2.sick", true)
	_, err := p.roll(nodes.Recipe{})
	wantKind(t, err, nodes.Tasks, "web2")
	if err := p.journal.CloseRoll(t.Context(), p.last().ID, "by hand"); err != nil {
		t.Fatal(err)
	}
	_, err = p.roll(nodes.Recipe{})
	wantKind(t, err, nodes.Tasks, "web2")
	if e := p.last(); states(e) != "web1=done web2=left-drained" || !p.raised("web2.out") || !strings.Contains(p.events.Text(nodes.Warned), "web2: left drained by an earlier roll") {
		t.Errorf("%s; %s", states(e), p.events.Text(nodes.Warned))
	}
	if err := p.journal.CloseRoll(t.Context(), p.last().ID, "again"); err != nil {
		t.Fatal(err)
	}
	if got := p.eval(`return tostring(roll.status{ name = "www" }[1].nodes.web2.drained)`); got != "true" {
		t.Errorf("status: drained is %s", got)
	}
	p.flag("web2.sick", false)
	if _, err := p.roll(nodes.Recipe{}); err != nil {
		t.Fatal(err)
	}
	if e := p.last(); states(e) != "web1=done web2=done" || e.Nodes[1].Out || p.raised("web2.out") {
		t.Error(states(e))
	}
}

// TestNodeChangedByHand: nobody is asked about a roll that would be refused, and
// only the node in question is to blame.
func TestNodeChangedByHand(t *testing.T) {
	p := newPlace(t, 2)
	if _, err := p.roll(nodes.Recipe{}); err != nil {
		t.Fatal(err)
	}
	p.commit("bob", "two", "index.html", "two\n")
	if err := os.WriteFile(filepath.Join(p.Dir(1), "www", "lib", "a.txt"), []byte("hot fix\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	p.confirmed = func() { t.Error("asked") }
	_, err := p.roll(nodes.Recipe{})
	wantKind(t, err, nodes.Changed, "web2", "lib/a.txt")
	if e := p.last(); p.pages() != "one one" || e.Unfinished() || states(e) != "web1=untouched web2=untouched" {
		t.Errorf("pages %q, %s", p.pages(), states(e))
	}
	if rev := strings.TrimSpace(p.run("svn", "info", "--show-item", "revision", p.co)); rev != "2" {
		t.Errorf("the checkout went to r%s", rev)
	}
}

// TestNodeChangedAfterTheConfirmation: what was confirmed is what runs.
func TestNodeChangedAfterTheConfirmation(t *testing.T) {
	p := newPlace(t, 2)
	if _, err := p.roll(nodes.Recipe{}); err != nil {
		t.Fatal(err)
	}
	p.commit("bob", "two", "index.html", "two\n")
	p.confirmed = func() {
		if err := os.WriteFile(filepath.Join(p.Dir(1), "www", "lib", "a.txt"), []byte("hot fix\n"), 0o644); err != nil {
			t.Error(err)
		}
	}
	_, err := p.roll(nodes.Recipe{})
	if kind := nodes.KindOf(err); kind != nodes.Changed && kind != nodes.Tasks {
		t.Fatalf("%q: %v", kind, err)
	}
	if said := p.events.Text(nodes.Said); !strings.Contains(said, "nothing was switched: all nodes are as they were") {
		t.Errorf("said %s", said)
	}
	if e := p.last(); p.pages() != "one one" || e.Unfinished() || states(e) != "web1=untouched web2=failed" {
		t.Errorf("pages %q, %s", p.pages(), states(e))
	}
}
