package roll_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rollsh/rollsh/nodes"
	"github.com/rollsh/rollsh/nodes/nodetest"
	"github.com/rollsh/rollsh/stdlib/roll"
)

func TestRollFromCheckoutToNodes(t *testing.T) {
	p := newPlace(t, 3)
	o, err := p.roll(nodes.Recipe{})
	if err != nil {
		t.Fatal(err)
	}
	if o.State != "done" || o.Nodes["web3"] != "done" || o.From != nil || o.To != 2.0 || p.pages() != "one one one" {
		t.Errorf("%+v, pages %q", o, p.pages())
	}
	p.commit("bob", "better page, see #2", "index.html", "two\n")
	p.commit("carol", "gone", "lib/b.txt", "b\n")
	if o, err = p.roll(nodes.Recipe{}); err != nil {
		t.Fatal(err)
	}
	if o.State != "done" || o.From != 2.0 || o.To != 4.0 || p.pages() != "two two two" {
		t.Errorf("%+v, pages %q", o, p.pages())
	}
	said, err := os.ReadFile(p.says)
	if err != nil || !strings.Contains(string(said), "bob") || !strings.Contains(string(said), "carol") {
		t.Errorf("announced: %s, %v", said, err)
	}
	if e := p.last(); len(e.Changesets) != 2 || e.Digest == "" || !strings.HasSuffix(e.Recipe, "prod.lua") || e.Source != p.co {
		t.Errorf("%+v", e)
	}
	for _, name := range []string{"web1.out", "web2.out", "web3.out"} {
		if p.raised(name) {
			t.Errorf("%s: still out of service", name)
		}
	}
}

func TestSecondRollSaysUnchangedAndDrainsNobody(t *testing.T) {
	p := newPlace(t, 2)
	if _, err := p.roll(nodes.Recipe{}); err != nil {
		t.Fatal(err)
	}
	before := len(p.events.Events())
	o, err := p.rollAs(t.Context(), nodes.Recipe{}, nil) // nobody is asked
	if err != nil || o.State != "done" {
		t.Fatalf("%+v, %v", o, err)
	}
	said := ""
	for _, e := range p.events.Events()[before:] {
		said += string(e.Type) + " " + e.Text + e.State + "\n"
	}
	if !strings.Contains(said, "unchanged on web[1-2]") || strings.Contains(said, "drained") {
		t.Errorf("%s", said)
	}
}

func TestPlanOfARollChangesNothing(t *testing.T) {
	p := newPlace(t, 2)
	if _, err := p.rollAs(t.Context(), nodes.Recipe{Mode: nodes.ModePlan}, nil); err != nil || !strings.Contains(p.shown, "+ index.html") {
		t.Errorf("without a checkout: %v\n%s", err, p.shown)
	}
	if _, err := os.Stat(p.co); err == nil || p.pages() != " " {
		t.Error("a plan made the checkout")
	}
	if _, err := p.roll(nodes.Recipe{}); err != nil {
		t.Fatal(err)
	}
	p.commit("bob", "two", "index.html", "two\n")
	tree := p.run("sh", "-c", "find "+p.co+" -path '*/.svn' -prune -o -type f -print0 | sort -z | xargs -0 sha256sum")
	if _, err := p.rollAs(t.Context(), nodes.Recipe{Mode: nodes.ModePlan}, nil); err != nil {
		t.Fatal(err)
	}
	said := p.shown + p.events.Text(nodes.Said)
	for _, want := range []string{"index.html", "bob", "drain: touch", "check: test"} {
		if !strings.Contains(said, want) {
			t.Errorf("the plan does not say %q:\n%s", want, said)
		}
	}
	if p.pages() != "one one" || strings.TrimSpace(p.run("svn", "info", "--show-item", "revision", p.co)) != "2" {
		t.Error("a plan changed something")
	}
	if now := p.run("sh", "-c", "find "+p.co+" -path '*/.svn' -prune -o -type f -print0 | sort -z | xargs -0 sha256sum"); now != tree {
		t.Error("a plan changed the checkout")
	}
	if list, err := p.journal.History(t.Context(), "", 0); err != nil || len(list) != 1 {
		t.Errorf("a plan wrote to the journal: %v, %v", list, err)
	}
}

func TestRefusedConfirmationChangesNothing(t *testing.T) {
	p := newPlace(t, 2)
	_, err := p.rollAs(t.Context(), nodes.Recipe{}, []string{"no"})
	wantKind(t, err, nodes.Refused, "nothing was changed")
	e := p.last()
	if e.State != roll.Stopped || e.Unfinished() || p.pages() != " " {
		t.Errorf("%s, pages %q", e.State, p.pages())
	}
}

func TestRollOfAPlainFolder(t *testing.T) {
	p := newPlace(t, 2)
	folder := t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, "index.html"), []byte("plain\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	o, err := p.roll(nodes.Recipe{}, "--lint", "--folder="+folder)
	if err != nil || o.State != "done" || o.To != nil || p.pages() != "plain plain" {
		t.Errorf("%+v, %v, pages %q", o, err, p.pages())
	}
	if _, err := p.roll(nodes.Recipe{}, "--lint", "--folder="+folder, "--rev=r12"); nodes.KindOf(err) != nodes.Usage || !strings.Contains(err.Error(), "no revisions") {
		t.Errorf("with rev=r12: %v", err)
	}
	_, err = p.roll(nodes.Recipe{}, "--lint", "--folder="+folder+"/missing")
	wantKind(t, err, nodes.NotFound, "roll: from: there is no folder "+folder+"/missing")
	_, err = p.roll(nodes.Recipe{}, "--lint", "--folder="+folder+"/index.html")
	wantKind(t, err, nodes.Usage, "roll: from: "+folder+"/index.html is not a folder")
	if list, err := p.journal.History(t.Context(), "", 0); err != nil || len(list) != 1 {
		t.Errorf("%d rolls are in the journal, %v; one began", len(list), err)
	}
}

// A folder without files is refused before anybody is asked, until it is said to be
// meant.
func TestRollOfAFolderWithoutFiles(t *testing.T) {
	p := newPlace(t, 2)
	full := t.TempDir()
	for i := range 11 {
		if err := os.WriteFile(filepath.Join(full, fmt.Sprintf("%d.txt", i)), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(full, "index.html"), []byte("one"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := p.roll(nodes.Recipe{}, "--folder="+full); err != nil {
		t.Fatal(err)
	}
	p.confirmed = func() { t.Error("asked") }
	empty := t.TempDir()
	_, err := p.roll(nodes.Recipe{}, "--folder="+empty)
	wantKind(t, err, nodes.Refused, "there are no files to send in "+empty, "empty=true")
	if e := p.last(); p.pages() != "one one" || e.Unfinished() {
		t.Errorf("pages %q, %s", p.pages(), states(e))
	}
	p.confirmed = nil
	if _, err := p.roll(nodes.Recipe{}, "--folder="+empty, "--empty"); err != nil || p.pages() != " " {
		t.Errorf("%v, pages %q", err, p.pages())
	}
}

func TestLintRefusesBeforeANodeIsTouched(t *testing.T) {
	p := newPlace(t, 2)
	if _, err := p.roll(nodes.Recipe{}, "--lint"); err != nil {
		t.Fatal(err)
	}
	p.commit("bob", "oops", "data.json", "{ no json\n", "index.html", "two\n")
	_, err := p.roll(nodes.Recipe{}, "--lint")
	wantKind(t, err, nodes.Lint, "data.json")
	e := p.last()
	if e.State != roll.Stopped || e.Unfinished() || states(e) != "web1=untouched web2=untouched" || p.pages() != "one one" {
		t.Errorf("%s %s, pages %q", e.State, states(e), p.pages())
	}
	if rev := strings.TrimSpace(p.run("svn", "info", "--show-item", "revision", p.co)); rev != "2" {
		t.Errorf("the checkout went to r%s", rev)
	}
	p.commit("bob", "mended", "data.json", "{}\n")
	if _, err := p.roll(nodes.Recipe{}, "--lint"); err != nil {
		t.Fatal(err)
	}
}

func TestCheckoutWithChangesOfItsOwn(t *testing.T) {
	p := newPlace(t, 1)
	if _, err := p.roll(nodes.Recipe{}); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(p.co, "index.html"), []byte("by hand\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	_, err := p.roll(nodes.Recipe{})
	wantKind(t, err, nodes.Refused, ": roll: ", "index.html (modified)")
	if p.pages() != "one" {
		t.Errorf("pages %q", p.pages())
	}
}

func TestOlderRevisionTakesBack(t *testing.T) {
	p := newPlace(t, 2)
	p.commit("bob", "two", "index.html", "two\n")
	if _, err := p.roll(nodes.Recipe{}); err != nil {
		t.Fatal(err)
	}
	o, err := p.roll(nodes.Recipe{}, "--rev=2")
	if err != nil || o.From != 3.0 || o.To != 2.0 || p.pages() != "one one" {
		t.Errorf("%+v, %v, pages %q", o, err, p.pages())
	}
	if !strings.Contains(p.events.Text(nodes.Warned), "r2 is older than r3") {
		t.Errorf("%q", p.events.Text(nodes.Warned))
	}
}

// TestRollTakesTheOptionsOfAPush: what its warnings and docs name can be said in roll{} too.
func TestRollTakesTheOptionsOfAPush(t *testing.T) {
	p := newPlace(t, 1)
	www, src := filepath.Join(p.Dir(0), "www"), t.TempDir()
	for _, name := range []string{www + "/old", src + "/new"} {
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte("x"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	code := `return roll{name="www", from="` + src + `", to=nodes "prod", path="` + www + `", lint=false, adopt="all", undo=1, setuid=true}.state`
	for range 2 { // the first takes it, the second takes it away
		p.session.Person = &nodetest.Person{Answers: []string{"yes"}}
		if got := p.eval(code); got != `"done"` && got != "done" {
			t.Fatal(got)
		}
	}
	if _, err := os.Stat(www + "/old"); !os.IsNotExist(err) {
		t.Errorf("what was adopted, and is not in the source, is there: %v", err)
	}
}
