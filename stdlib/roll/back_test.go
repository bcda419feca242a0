package roll_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rollsh/rollsh/nodes"
	"github.com/rollsh/rollsh/stdlib/roll"
)

func TestBackUndoesOnlyWhatWasSwitched(t *testing.T) {
	p := newPlace(t, 3)
	if _, err := p.roll(nodes.Recipe{}); err != nil {
		t.Fatal(err)
	}
	p.commit("bob", "two", "index.html", "two\n")
	p.flag("web2.sick", true)
	_, err := p.roll(nodes.Recipe{})
	wantKind(t, err, nodes.Tasks)
	p.flag("web2.sick", false)
	id := p.last().ID
	if _, err := p.roll(nodes.Recipe{Mode: nodes.ModeBack, RollID: id}); err != nil {
		t.Fatal(err)
	}
	e := p.last()
	if e.State != roll.RollUndone || states(e) != "web1=undone web2=undone web3=untouched" || p.pages() != "one one one" || p.raised("web2.out") {
		t.Errorf("%s %s, pages %q", e.State, states(e), p.pages())
	}
	if _, err := p.roll(nodes.Recipe{}); err != nil { // and the name is free again
		t.Fatal(err)
	}
	if p.pages() != "two two two" {
		t.Errorf("pages %q", p.pages())
	}
}

// TestBackWithoutIDAfterARefusedRoll takes the roll before it.
func TestBackWithoutIDAfterARefusedRoll(t *testing.T) {
	p := newPlace(t, 1)
	if _, err := p.roll(nodes.Recipe{}); err != nil {
		t.Fatal(err)
	}
	p.commit("bob", "two", "index.html", "two\n")
	if _, err := p.roll(nodes.Recipe{}); err != nil {
		t.Fatal(err)
	}
	two := p.last().ID
	if _, err := p.roll(nodes.Recipe{}); err != nil { // everything is there
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(p.co, "index.html"), []byte("by hand\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	_, err := p.roll(nodes.Recipe{})
	wantKind(t, err, nodes.Refused)
	e, err := p.journal.Pick(t.Context(), "", nodes.ModeBack)
	if err != nil || e.ID != two {
		t.Fatalf("back means %s, %v", e.ID, err)
	}
	if _, err := p.roll(nodes.Recipe{Mode: nodes.ModeBack, RollID: e.ID}); err != nil || p.pages() != "one" {
		t.Errorf("%v, pages %q", err, p.pages())
	}
	e, err = p.journal.Pick(t.Context(), "", nodes.ModeBack)
	if err != nil || e.ID != two {
		t.Fatalf("back means %s, %v", e.ID, err)
	}
	_, err = p.roll(nodes.Recipe{Mode: nodes.ModeBack, RollID: e.ID})
	wantKind(t, err, nodes.Refused, "is undone", "give the id of one")
}

// TestResumeOfOneOfTwoNames leaves the other name of the recipe alone.
func TestResumeOfOneOfTwoNames(t *testing.T) {
	p := newPlace(t, 2)
	p.flag("web2.sick", true)
	_, err := p.roll(nodes.Recipe{}, "--second", "--at_once=all")
	wantKind(t, err, nodes.Tasks)
	p.flag("web2.sick", false)
	e := p.last()
	if _, err := p.roll(nodes.Recipe{Mode: nodes.ModeResume, RollID: e.ID, Failed: true}, "--second", "--at_once=all"); err != nil {
		t.Fatal(err)
	}
	if e = p.last(); e.State != roll.RollDone || p.pages() != "one one" {
		t.Errorf("%s %s, pages %q", e.State, states(e), p.pages())
	}
	other, err := p.journal.History(t.Context(), "docs", 0)
	if err != nil || len(other) != 1 {
		t.Errorf("docs was rolled %d times, %v", len(other), err)
	}
	if !strings.Contains(p.events.Text(nodes.Warned), "docs is passed over") {
		t.Errorf("%q", p.events.Text(nodes.Warned))
	}
}
