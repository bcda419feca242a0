package roll_test

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
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

// TestBackAsksInRevisions: a person knows revisions, changesets and people, not
// ids; each node goes back to what it had before the roll.
func TestBackAsksInRevisions(t *testing.T) {
	p := newPlace(t, 3)
	p.flag("web3.sick", true)
	_, err := p.roll(nodes.Recipe{}) // web3 stays at nothing that is known
	wantKind(t, err, nodes.Tasks)
	p.flag("web3.sick", false)
	if err := p.journal.CloseRoll(t.Context(), p.last().ID, "test"); err != nil {
		t.Fatal(err)
	}
	p.commit("bob", "two, fixes #7", "index.html", "two\n")
	p.flag("web2.sick", true)
	_, err = p.roll(nodes.Recipe{})
	wantKind(t, err, nodes.Tasks)
	p.flag("web2.sick", false)
	p.commit("carol", "three", "index.html", "three\n") // does not come into it
	if _, err := p.roll(nodes.Recipe{Mode: nodes.ModeBack, RollID: p.last().ID}); err != nil {
		t.Fatal(err)
	}
	if want := []string{"take www back from r3 to r2 on web[1-2]?"}; !slices.Equal(p.asked, want) {
		t.Errorf("asked %q, want %q", p.asked, want)
	}
	said := p.shown + p.events.Text(nodes.Said)
	for _, want := range []string{"undoes the roll of www by " + p.session.User + "@" + p.session.Host + " on 20", "two, fixes #7", "bob"} {
		if !strings.Contains(said, want) {
			t.Errorf("%q is not said:\n%s", want, said)
		}
	}
}

// TestBackAsksForEachRevision: nodes that had different ones go back to these.
func TestBackAsksForEachRevision(t *testing.T) {
	p := newPlace(t, 3)
	if _, err := p.roll(nodes.Recipe{}); err != nil {
		t.Fatal(err)
	}
	for i, only := range []string{"--only=web[1-2]", "--only=web1"} {
		p.commit("bob", "next", "index.html", strconv.Itoa(i)+"\n")
		if _, err := p.roll(nodes.Recipe{}, only); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := p.roll(nodes.Recipe{}); err != nil {
		t.Fatal(err)
	}
	if _, err := p.roll(nodes.Recipe{Mode: nodes.ModeBack, RollID: p.last().ID}); err != nil {
		t.Fatal(err)
	}
	if want := []string{"take www back from r4 to r3 on web2 and to r2 on web3 (web1 had it all before)?"}; !slices.Equal(p.asked, want) {
		t.Errorf("asked %q, want %q", p.asked, want)
	}
	if p.pages() != "1 0 one" {
		t.Errorf("pages %q", p.pages())
	}
}

// TestBackToWhatWasThereBefore: the first roll replaced what has no revision.
func TestBackToWhatWasThereBefore(t *testing.T) {
	p := newPlace(t, 2)
	if _, err := p.roll(nodes.Recipe{}); err != nil {
		t.Fatal(err)
	}
	if _, err := p.roll(nodes.Recipe{Mode: nodes.ModeBack, RollID: p.last().ID}); err != nil {
		t.Fatal(err)
	}
	if want := []string{"take www back from r2 to what was there before on web[1-2]?"}; !slices.Equal(p.asked, want) {
		t.Errorf("asked %q, want %q", p.asked, want)
	}
}

// TestNoToBackLeavesTheRollAsItWas: it is done, and the next one may begin.
func TestNoToBackLeavesTheRollAsItWas(t *testing.T) {
	p := newPlace(t, 2)
	if _, err := p.roll(nodes.Recipe{}); err != nil {
		t.Fatal(err)
	}
	was := p.last()
	_, err := p.rollAs(t.Context(), nodes.Recipe{Mode: nodes.ModeBack, RollID: was.ID}, []string{"no"})
	wantKind(t, err, nodes.Refused, "nothing was changed")
	if now := p.last(); now.State != roll.RollDone || now.Unfinished() || !now.Complete || now.Why != "" || !now.Ended.Equal(was.Ended) {
		t.Errorf("%s, complete %v, %q, ended %s; it was %s", now.State, now.Complete, now.Why, now.Ended, was.Ended)
	}
	if strings.Contains(p.events.Text(nodes.Warned), "unfinished") {
		t.Errorf("warned %s", p.events.Text(nodes.Warned))
	}
	p.Stop(1)
	_, err = p.roll(nodes.Recipe{Mode: nodes.ModeBack, RollID: was.ID})
	wantKind(t, err, nodes.Tasks, "web2: cannot reach")
	if now := p.last(); now.State != roll.RollDone || states(now) != "web1=done web2=done" {
		t.Errorf("%s %s", now.State, states(now))
	}
	if err := p.Restart(1); err != nil {
		t.Fatal(err)
	}
	p.commit("bob", "two", "index.html", "two\n")
	if _, err := p.roll(nodes.Recipe{}); err != nil || p.pages() != "two two" {
		t.Errorf("%v, pages %q", err, p.pages())
	}
}

// TestNoToResumeLeavesTheRollAsItWas: one that failed within its budget bars
// nobody.
func TestNoToResumeLeavesTheRollAsItWas(t *testing.T) {
	p := newPlace(t, 2)
	p.flag("web2.sick", true)
	_, err := p.roll(nodes.Recipe{}, "--max_failed=1")
	wantKind(t, err, nodes.Tasks, "web2")
	was := p.last()
	_, err = p.rollAs(t.Context(), nodes.Recipe{Mode: nodes.ModeResume, RollID: was.ID, Failed: true}, []string{"no"}, "--max_failed=1")
	wantKind(t, err, nodes.Refused, "nothing was changed")
	if now := p.last(); now.State != was.State || now.Unfinished() || states(now) != states(was) || now.Nodes[1].Why != was.Nodes[1].Why {
		t.Errorf("%s %s, %s; it was %s %s", now.State, states(now), now.Nodes[1].Why, was.State, states(was))
	}
}

// TestBackAfterAnUndoByHand: what was put back by force, as its error says, is not in
// the way of back.
func TestBackAfterAnUndoByHand(t *testing.T) {
	p := newPlace(t, 2)
	for _, page := range []string{"", "two\n"} {
		if page != "" {
			p.commit("bob", "two", "index.html", page)
		}
		if _, err := p.roll(nodes.Recipe{}); err != nil {
			t.Fatal(err)
		}
	}
	www := filepath.Join(p.Dir(0), "www")
	if err := os.WriteFile(filepath.Join(www, "index.html"), []byte("by hand\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	back := nodes.Recipe{Mode: nodes.ModeBack, RollID: p.last().ID}
	_, err := p.roll(back)
	wantKind(t, err, nodes.Tasks, "web1: index.html was changed on the node since roll", "force=true} puts the old one back")
	p.eval(`return sync.undo{to=nodes "prod":only "web1", path="` + www + `", roll="` + p.last().Nodes[0].Undo + `", force=true}`)
	if _, err := p.roll(back); err != nil {
		t.Fatal(err)
	}
	if e := p.last(); e.State != roll.RollUndone || p.pages() != "one one" {
		t.Errorf("%s %s, pages %q", e.State, states(e), p.pages())
	}
}
