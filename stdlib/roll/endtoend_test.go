package roll_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rollsh/rollsh/lua"
	"github.com/rollsh/rollsh/nodes"
	"github.com/rollsh/rollsh/nodes/nodetest"
	"github.com/rollsh/rollsh/stdlib/lint"
	"github.com/rollsh/rollsh/stdlib/roll"
	"github.com/rollsh/rollsh/stdlib/sync"
)

// place is a project with a repository, a checkout and real nodes.
type place struct {
	*bench
	t    *testing.T
	repo *nodetest.Repository
	dev  string // working copy of the developers
	co   string // checkout that is rolled
	dir  string // flags of the nodes: web1.out, web1.sick, web1.no
	says string // the notices

	confirmed func() // called after each confirmation
}

func newPlace(t *testing.T, n int, opts ...nodetest.Option) *place {
	t.Helper()
	t.Parallel() // they wait for servers most of the time
	names := make([]string, n)
	for i := range names {
		names[i] = fmt.Sprintf("web%d", i+1)
	}
	p := &place{bench: onNodes(t, n, append(opts, nodetest.Names(names...))...), t: t, repo: nodetest.Svn(t)}
	p.dir, p.dev, p.co = t.TempDir(), filepath.Join(t.TempDir(), "dev"), filepath.Join(t.TempDir(), "co")
	p.says = filepath.Join(p.dir, "says")
	engine := sync.New(p.session)
	t.Cleanup(engine.Close)
	p.more = append(p.more, engine.Module(), lint.Module(p.session))
	p.nodesFile(t, p.dir)
	p.run("svn", "checkout", "-q", p.repo.File+"/trunk", p.dev)
	p.commit("alice", "first page, fixes #1", "index.html", "one\n", "lib/a.txt", "a\n")
	return p
}

func (p *place) run(args ...string) string {
	p.t.Helper()
	cmd := exec.CommandContext(p.t.Context(), args[0], args[1:]...)
	cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8")
	out, err := cmd.CombinedOutput()
	if err != nil {
		p.t.Fatalf("%q: %v: %s", args, err, out)
	}
	return string(out)
}

// commit writes files, given as name and text in turn, and commits them.
func (p *place) commit(author, message string, files ...string) {
	p.t.Helper()
	for i := 0; i < len(files); i += 2 {
		file := filepath.Join(p.dev, files[i])
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			p.t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(files[i+1]), 0o644); err != nil {
			p.t.Fatal(err)
		}
	}
	p.run("svn", "add", "-q", "--force", p.dev)
	p.run("svn", "commit", "-q", "--username", author, "-m", message, p.dev)
}

func (p *place) flag(name string, up bool) {
	p.t.Helper()
	file := filepath.Join(p.dir, name)
	err := os.Remove(file)
	if up {
		err = os.WriteFile(file, nil, 0o600)
	}
	if err != nil {
		p.t.Fatal(err)
	}
}

func (p *place) raised(name string) bool {
	_, err := os.Stat(filepath.Join(p.dir, name))
	return err == nil
}

// page is what a node serves.
func (p *place) page(i int) string {
	text, _ := os.ReadFile(filepath.Join(p.Dir(i), "www", "index.html"))
	return strings.TrimSpace(string(text))
}

func (p *place) pages() string {
	all := make([]string, p.Len())
	for i := range all {
		all[i] = p.page(i)
	}
	return strings.Join(all, " ")
}

// answering does something after each confirmation.
type answering struct {
	*nodetest.Person
	then func()
}

func (a answering) Confirm(ctx context.Context, text string) (bool, error) {
	ok, err := a.Person.Confirm(ctx, text)
	if a.then != nil {
		a.then()
	}
	return ok, err
}

type outcome struct {
	ID    string
	State string
	Nodes map[string]string
	From  any
	To    any
}

// roll runs testdata/prod.lua; the person answers yes to everything.
func (p *place) roll(r nodes.Recipe, args ...string) (outcome, error) {
	p.t.Helper()
	return p.rollAs(p.t.Context(), r, []string{"yes", "yes", "yes", "yes", "yes"}, args...)
}

func (p *place) rollAs(ctx context.Context, r nodes.Recipe, answers []string, args ...string) (outcome, error) {
	p.t.Helper()
	person := &nodetest.Person{Answers: answers}
	p.session.Person = answering{person, p.confirmed}
	r.Path = testdata(p.t, "prod.lua")
	r.Args = append([]string{"--dir=" + p.dir, "--co=" + p.co, "--url=" + p.repo.File + "/trunk", "--say=" + p.says}, args...)
	err := p.recipe(ctx, r)
	var o outcome
	if err == nil && r.Mode == nodes.ModeRun {
		if err := json.Unmarshal([]byte(person.Shown[len(person.Shown)-1]), &o); err != nil {
			p.t.Fatalf("%v: %q", err, person.Shown)
		}
	}
	p.shown = strings.Join(person.Shown, "\n")
	return o, err
}

// eval runs Lua as the prompt does, and gives the text of its value.
func (p *place) eval(src string) string {
	p.t.Helper()
	p.session.Recipe = &nodes.Recipe{}
	h := lua.New(p.session, p.modules())
	values, err := h.Eval(p.t.Context(), src)
	if err != nil || len(values) != 1 {
		p.t.Fatalf("%s: %v, %v", src, values, err)
	}
	return h.Text(values[0])
}

func (p *place) last() roll.Entry {
	p.t.Helper()
	list, err := p.journal.History(p.t.Context(), "www", 1)
	if err != nil || len(list) != 1 {
		p.t.Fatalf("%v, %v", list, err)
	}
	return list[0]
}

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

func TestRefusedConfirmationChangesNothing(t *testing.T) {
	p := newPlace(t, 2)
	_, err := p.rollAs(t.Context(), nodes.Recipe{}, []string{"no"})
	wantKind(t, err, nodes.Refused, "nothing was changed")
	e := p.last()
	if e.State != roll.Stopped || e.Unfinished() || p.pages() != " " {
		t.Errorf("%s, pages %q", e.State, p.pages())
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
	if e := p.last(); p.pages() != "one one" || e.Unfinished() || states(e) != "web1=untouched web2=failed" {
		t.Errorf("pages %q, %s", p.pages(), states(e))
	}
}

// TestKilledInARoll: the next rollsh says what is unknown, and resume mends it.
func TestKilledInARoll(t *testing.T) {
	p := newPlace(t, 3)
	args := []string{
		"--dir=" + p.dir, "--co=" + p.co, "--url=" + p.repo.File + "/trunk",
		"--after=touch " + p.dir + "/begun; test -e " + p.dir + "/go || sleep 60",
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), child+"=recipe", "ROLL_TEST_SESSION="+encode(t, sessionText{p.session.Project, p.session.State, p.session.Cache, p.session.Home, p.session.User}),
		"ROLL_TEST_ARGS="+encode(t, args), "ROLL_TEST_RECIPE="+testdata(t, "prod.lua"))
	said := &strings.Builder{}
	cmd.Stderr = said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	await(t, func() bool {
		select {
		case err := <-ended:
			t.Fatalf("it ended: %v: %s", err, said)
		default:
		}
		return p.raised("begun")
	})
	if e := p.last(); e.State != roll.Running {
		t.Errorf("while it runs: %s", e.State)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-ended
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

func await(t *testing.T, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it never came")
		}
	}
}
