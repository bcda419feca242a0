package svn_test

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rollsh/rollsh/nodes"
	"github.com/rollsh/rollsh/nodes/nodetest"
	"github.com/rollsh/rollsh/stdlib/svn"
)

// line is ten numbered lines, some of them replaced.
func lines(changes ...string) string {
	l := strings.Split("1 2 3 4 5 6 7 8 9 10", " ")
	for _, c := range changes {
		n := strings.Fields(c)[0]
		for i := range l {
			if l[i] == n {
				l[i] = c
			}
		}
	}
	return strings.Join(l, "\n") + "\n"
}

// newLine makes /trunk with a few files at r2, /branches/production copied from
// it at r3, and commits on trunk: r4 alice a.php line 2 (#1), r5 bob b.php, r6
// alice a.php lines 2 and 3 (#2), r7 carol new dir, r8 bob c.php.
func newLine(t *testing.T) *bench { return from(t, "line", line) }

func line(b *bench) {
	for _, f := range []string{"a.php", "b.php", "c.php", "lib/d.php"} {
		b.write("trunk/"+f, lines())
	}
	b.commit("alice", "r2")
	b.run(b.dev, "svn", "copy", "-q", "-m", "r3 production", b.repo.File+"/trunk", b.repo.File+"/branches/production")
	b.run(b.dev, "svn", "update", "-q")
	b.write("trunk/a.php", lines("2 two"))
	b.commit("alice", "r4 two, fixes #1")
	b.write("trunk/b.php", lines("5 five"))
	b.commit("bob", "r5 five")
	b.write("trunk/a.php", lines("2 zwei", "3 drei"))
	b.commit("alice", "r6 zwei, fixes #2")
	b.write("trunk/new/x.php", lines())
	b.commit("carol", "r7 new")
	b.write("trunk/c.php", lines("9 nine"))
	b.commit("bob", "r8 nine\n\n........\nodd text")
}

func (b *bench) merge() *svn.Merge {
	b.t.Helper()
	return must[*svn.Merge](b.t)(b.svn.Merge(b.ctx(), "^/trunk", b.checkout("/branches/production")))
}

func revs(t *testing.T, s string) svn.Revisions {
	t.Helper()
	return must[svn.Revisions](t)(svn.ParseRevisions(s))
}

func (b *bench) available(m *svn.Merge) string {
	b.t.Helper()
	return must[svn.List](b.t)(m.Available(b.ctx(), svn.Filter{})).Changesets.Revs()
}

func TestMergePicksCommitsAndLists(t *testing.T) {
	t.Parallel()
	b := newLine(t)
	ctx, m := b.ctx(), b.merge()
	if got := b.available(m); got != "r4-8" {
		t.Fatalf("available %s", got)
	}
	f := must[svn.List](t)(m.Available(ctx, svn.Filter{Author: "alice", Ticket: "#2"}))
	if f.Changesets.Revs() != "r6" {
		t.Errorf("filtered %s", f.Changesets.Revs())
	}
	taken := must[svn.Taken](t)(m.Take(ctx, revs(t, "5,4,7"), false))
	if d := cmp.Diff([]string{"a.php", "b.php", "new/x.php"}, taken.Files); d != "" || len(taken.Conflicts) != 0 {
		t.Errorf("took %s %v", d, taken.Conflicts)
	}
	if s := must[*svn.State](t)(m.State(ctx)); s == nil || s.Picks != "r4-5,r7" || s.Step != "merged" || s.Who != "alice" {
		t.Errorf("state %+v", s)
	}
	message := must[string](t)(m.Message(ctx))
	if !strings.HasPrefix(message, "Merged revisions 4-5,7 from /trunk (#1)\n") {
		t.Errorf("message %s", message)
	}
	again := must[svn.Taken](t)(m.Take(ctx, revs(t, "4-5,7"), false))
	if d := cmp.Diff(taken.Files, again.Files); d != "" {
		t.Error("the second take changed something", d)
	}
	if rev := must[int](t)(m.Commit(ctx, "", true)); rev != 9 {
		t.Errorf("committed r%d", rev)
	}
	if got := b.available(m); got != "r6,r8" {
		t.Errorf("available %s", got)
	}
	if got := must[nodes.Changesets](t)(m.Integrated(ctx)).Revs(); got != "r4-5,r7" {
		t.Errorf("integrated %s", got)
	}
	if s := must[*svn.State](t)(m.State(ctx)); s != nil {
		t.Errorf("state %+v", s)
	}
	if !must[bool](t)(m.Into.Clean(ctx)) {
		t.Error("not clean after the commit")
	}
	_, err := m.Take(ctx, revs(t, "4,3,9,77,6"), false)
	fails(t, err, nodes.Refused, "r4 is already merged", "r3 is no change of /trunk", "r9 is", "r77 is not a revision yet")
	log := b.run("", "svn", "log", "-r9", b.repo.File)
	if !strings.Contains(log, "r4 two, fixes #1") {
		t.Errorf("log %s", log)
	}
}

func TestMessagesNestAndParse(t *testing.T) {
	t.Parallel()
	b := newLine(t)
	ctx, m := b.ctx(), b.merge()
	must[svn.Taken](t)(m.Take(ctx, revs(t, "8"), false))
	message := must[string](t)(m.Message(ctx))
	must[int](t)(m.Commit(ctx, "", true))
	inner := nodes.Changeset{Message: message}.Merged()
	if len(inner) != 1 || inner[0].Message != "r8 nine\n\n........\nodd text" || inner[0].Author != "bob" {
		t.Fatalf("parsed %+v of %s", inner, message)
	}
	if got := svn.Table(nodes.Changesets{{Rev: 9, Message: message}}, 40, nil); !strings.HasSuffix(got, "\n  r8 bob: r8 nine\n") {
		t.Errorf("the list does not tell what was merged:\n%s", got)
	}
	b.run(b.dev, "svn", "copy", "-q", "-m", "r10", b.repo.File+"/branches/production@8", b.repo.File+"/branches/beta")
	outer := must[*svn.Merge](t)(b.svn.Merge(ctx, "^/branches/production", b.checkout("/branches/beta")))
	must[svn.Taken](t)(outer.Take(ctx, revs(t, "9"), false))
	nested := nodes.Changeset{Message: must[string](t)(outer.Message(ctx))}.Merged()
	if len(nested) != 1 || nested[0].Rev != 9 {
		t.Fatalf("nested %+v", nested)
	}
	if d := cmp.Diff(inner, nested[0].Merged()); d != "" {
		t.Error(d)
	}
}

func TestBlockUnblockRollback(t *testing.T) {
	t.Parallel()
	b := newLine(t)
	ctx, m := b.ctx(), b.merge()
	cs := must[nodes.Changesets](t)(m.Block(ctx, revs(t, "5,7"), "not before christmas"))
	if cs.Revs() != "r5,r7" {
		t.Errorf("blocked %s", cs.Revs())
	}
	must[int](t)(m.Commit(ctx, "", true))
	if got := b.available(m); got != "r4,r6,r8" {
		t.Errorf("available %s", got)
	}
	list := must[nodes.Changesets](t)(m.Blocked(ctx))
	if note := `^blocked by alice on 20\d\d-\d\d-\d\d: not before christmas$`; list.Revs() != "r5,r7" || !regexp.MustCompile(note).MatchString(list[1].Note) {
		t.Errorf("blocked %+v", list)
	}
	if got := svn.Table(list, 40, nil); strings.Count(got, "\n  blocked by alice on ") != 2 || strings.Count(got, ": not\n  before christmas\n") != 2 {
		t.Errorf("shown as\n%s", got)
	}
	if got := b.run("", "svn", "mergeinfo", "--show-revs", "eligible", b.repo.File+"/trunk", b.repo.File+"/branches/production"); strings.Contains(got, "r5") {
		t.Errorf("other clients are offered %s", got)
	}
	_, err := m.Take(ctx, revs(t, "5"), false)
	fails(t, err, nodes.Refused, "r5 is "+list[0].Note)
	must[nodes.Changesets](t)(m.Unblock(ctx, revs(t, "all")))
	must[int](t)(m.Commit(ctx, "unblocked", true))
	if got := b.available(m); got != "r4-8" {
		t.Errorf("available %s", got)
	}
	if p := b.run("", "svn", "proplist", b.repo.File+"/branches/production"); strings.Contains(p, "rollsh") {
		t.Errorf("the property is still there: %s", p)
	}
	must[svn.Taken](t)(m.Take(ctx, revs(t, "4,6,7"), false))
	roll := must[int](t)(m.Commit(ctx, "", true))
	must[svn.Taken](t)(m.Rollback(ctx, revs(t, "6")))
	must[int](t)(m.Commit(ctx, "", true))
	if got := readFile(t, filepath.Join(m.Into.Path, "a.php")); got != lines("2 two") {
		t.Errorf("a.php is %s", got)
	}
	if got := b.available(m); got != "r5-6,r8" {
		t.Errorf("available %s", got)
	}
	must[svn.Taken](t)(m.Take(ctx, revs(t, "6"), false))
	must[int](t)(m.Commit(ctx, "", true))
	r := revs(t, "1")
	_ = r.UnpackLua(float64(roll))
	_, err = m.Rollback(ctx, revs(t, "5"))
	fails(t, err, nodes.Refused, "r5 is neither merged nor blocked")
	var whole svn.Revisions
	_ = whole.UnpackLua(float64(roll))
	must[svn.Taken](t)(m.Rollback(ctx, whole))
	must[int](t)(m.Commit(ctx, "", true))
	if got := b.available(m); got != "r4-8" {
		t.Errorf("after the rollback of r%d available is %s", roll, got)
	}
	if d := cmp.Diff(tree(t, b.checkoutAt("/branches/production", "3").Path), tree(t, m.Into.Path)); d != "" {
		t.Error(d)
	}
}

func (b *bench) checkoutAt(path, rev string) *svn.Checkout {
	b.t.Helper()
	co := b.checkout(path)
	must[int](b.t)(co.Update(b.ctx(), nodes.Revision(rev)))
	return co
}

func TestConflictStopsAndTheSameCallGoesOn(t *testing.T) {
	t.Parallel()
	b := newLine(t)
	ctx, m := b.ctx(), b.merge()
	own := filepath.Join(m.Into.Path, "upload/pic")
	writeFile(t, own, "not svn's")
	taken := must[svn.Taken](t)(m.Take(ctx, revs(t, "6,8"), false)) // r6 needs r4
	if len(taken.Conflicts) != 1 {
		t.Fatalf("conflicts %v", taken.Conflicts)
	}
	k := taken.Conflicts[0]
	mine, _ := k.Side(1)
	theirs, _ := k.Side(2)
	if k.Path != "a.php" || k.Kind != "text" || mine != lines() || theirs != lines("2 zwei", "3 drei") {
		t.Errorf("conflict %+v", k)
	}
	if s := k.Sentence(); !strings.Contains(s, "r6 by alice") || !strings.Contains(s, "it needs r4") {
		t.Errorf("why: %s", s)
	}
	_, err := m.Commit(ctx, "", true)
	fails(t, err, nodes.Conflict, "a.php")
	_, err = m.Take(ctx, revs(t, "5"), false)
	fails(t, err, nodes.Refused, "under way", "r6,r8", "alice")
	fails(t, k.Resolve(ctx, "working"), nodes.Conflict, "markers")
	fails(t, k.Resolve(ctx, "my-way"), nodes.Usage)
	for range 2 {
		if err := k.Resolve(ctx, "theirs"); err != nil {
			t.Fatal(err)
		}
	}
	fails(t, k.Resolve(ctx, "mine"), nodes.Refused, "a.php is resolved already: theirs")
	fails(t, k.ResolveWith(ctx, []byte("text\n")), nodes.Refused, "resolved already")
	// another process, another person
	other := must[*svn.Merge](t)(svn.New(b.session).Merge(ctx, "", m.Into))
	taken = must[svn.Taken](t)(other.Take(ctx, revs(t, "6,8"), false))
	if len(taken.Conflicts) != 0 || !contains(taken.Files, "c.php") {
		t.Fatalf("taken %+v", taken)
	}
	must[int](t)(other.Commit(ctx, "", true))
	if got := b.available(m); got != "r4-5,r7" {
		t.Errorf("available %s", got)
	}
	if readFile(t, own) != "not svn's" {
		t.Error("the host's own file was touched")
	}
}

func contains(list []string, s string) bool {
	return strings.Contains("\n"+strings.Join(list, "\n")+"\n", "\n"+s+"\n")
}

func TestAbandonLeavesWhatWasThere(t *testing.T) {
	t.Parallel()
	b := newLine(t)
	ctx, m := b.ctx(), b.merge()
	writeFile(t, filepath.Join(m.Into.Path, "upload/pic"), "not svn's")
	before := tree(t, m.Into.Path)
	must[svn.Taken](t)(m.Take(ctx, revs(t, "4-8"), false))
	writeFile(t, filepath.Join(m.Into.Path, "after"), "made while testing")
	writeFile(t, filepath.Join(m.Into.Path, "new/x.php"), "edited while testing")
	writeFile(t, filepath.Join(m.Into.Path, "new/cache/theirs"), "a program made it")
	if err := m.Abandon(ctx); err != nil {
		t.Fatal(err)
	}
	after := tree(t, m.Into.Path)
	if !strings.Contains(after["new/cache/theirs"], "a program made it") {
		t.Error("a file of others in a folder of the merge is gone")
	}
	for _, f := range []string{"after", "new/", "new/cache/", "new/cache/theirs"} {
		delete(after, f)
	}
	if d := cmp.Diff(before, after); d != "" {
		t.Error(d)
	}
	fails(t, m.Abandon(ctx), nodes.Refused, "no merge is under way")
	if got := b.available(m); got != "r4-8" {
		t.Errorf("available %s", got)
	}
}

func TestTakeRefusesWorkingCopiesThatAreNotFit(t *testing.T) {
	t.Parallel()
	b := newLine(t)
	ctx, m := b.ctx(), b.merge()
	refused := func(kind nodes.Kind, words ...string) {
		t.Helper()
		_, err := m.Take(ctx, revs(t, "5"), false)
		fails(t, err, kind, words...)
		if s, _ := m.State(ctx); s != nil {
			t.Errorf("a merge is under way: %+v", s)
		}
	}
	writeFile(t, filepath.Join(m.Into.Path, "a.php"), "mine")
	refused(nodes.Refused, "a.php (modified)", "revert")
	_ = m.Into.Revert(ctx)
	_ = os.Remove(filepath.Join(m.Into.Path, "b.php"))
	refused(nodes.Refused, "b.php (missing)", "brings missing files back")
	_ = m.Into.Revert(ctx)
	b.run(m.Into.Path, "svn", "switch", "-q", "--ignore-ancestry", b.repo.File+"/trunk/lib", "lib")
	refused(nodes.Refused, "lib (switched)")
	b.run(m.Into.Path, "svn", "switch", "-q", "--ignore-ancestry", b.repo.File+"/branches/production/lib", "lib")
	b.run(m.Into.Path, "svn", "update", "-q", "--set-depth", "empty", "lib")
	refused(nodes.Refused, "sparse", "lib")
	b.run(m.Into.Path, "svn", "update", "-q", "--set-depth", "infinity", "lib")
	b.run(m.Into.Path, "svn", "update", "-q", "-r3", "lib")
	must[svn.Taken](t)(m.Take(ctx, revs(t, "5"), false)) // mixed: brought to HEAD
}

func TestOutOfDateCommitShowsAndAsks(t *testing.T) {
	t.Parallel()
	b := newLine(t)
	ctx, m := b.ctx(), b.merge()
	must[svn.Taken](t)(m.Take(ctx, revs(t, "5"), false))
	other := must[*svn.Merge](t)(b.svn.Merge(ctx, "^/trunk", b.checkout("/branches/production")))
	must[svn.Taken](t)(other.Take(ctx, revs(t, "8"), false))
	must[int](t)(other.Commit(ctx, "", true))
	_, err := m.Commit(ctx, "my text", true)
	fails(t, err, nodes.Refused, "moved on to r9", "nobody can be asked", "message is kept")
	b.session.Person.(*nodetest.Person).Answers = []string{"yes"}
	linted := 0
	lint := svn.New(b.session, func(context.Context, nodes.Touched) error { linted++; return nil })
	again := must[*svn.Merge](t)(lint.Merge(ctx, "", must[*svn.Checkout](t)(lint.Checkout(ctx, m.Into.Path, svn.CheckoutOptions{}))))
	must[int](t)(again.Commit(ctx, "", true))
	if linted == 0 {
		t.Error("not linted")
	}
	if log := b.run("", "svn", "log", "-r10", b.repo.File); !strings.Contains(log, "my text") {
		t.Errorf("log %s", log)
	}
	if got := b.available(m); got != "r4,r6-7" {
		t.Errorf("available %s", got)
	}
}

func TestLintStopsTheCommit(t *testing.T) {
	t.Parallel()
	b := newLine(t)
	ctx := b.ctx()
	b.svn = svn.New(b.session, func(ctx context.Context, what nodes.Touched) error {
		files, err := what.Touched(ctx)
		if err != nil || len(files) != 1 || files[0] != "b.php" {
			t.Errorf("touched %v %v", files, err)
		}
		return &nodes.Error{Kind: nodes.Lint, Message: "b.php:5: no"}
	})
	m := b.merge()
	must[svn.Taken](t)(m.Take(ctx, revs(t, "5"), false))
	_, err := m.Commit(ctx, "", true)
	fails(t, err, nodes.Lint)
	must[int](t)(m.Commit(ctx, "", false))
}

func TestUnrelatedAndForeignSources(t *testing.T) {
	t.Parallel()
	b := newLine(t)
	ctx := b.ctx()
	co := b.checkout("/branches/production")
	_, err := b.svn.Merge(ctx, "^/branches/production", co)
	fails(t, err, nodes.Refused, "itself")
	_, err = b.svn.Merge(ctx, "/tags", co)
	fails(t, err, nodes.Usage, "'/tags' is not the URL of a repository", `begins with ^/: "^/tags"`)
	_, err = b.svn.Merge(ctx, "^/nowhere", co)
	fails(t, err, nodes.NotFound)
	_, err = b.svn.Merge(ctx, "", co)
	fails(t, err, nodes.Usage)
	m := must[*svn.Merge](t)(b.svn.Merge(ctx, "^/tags", co))
	_, err = m.Available(ctx, svn.Filter{})
	fails(t, err, nodes.Refused, "no common history")
}

// A rollsh that was killed between svn's commit and its own note of it.
func TestCommitThatWasMadeIsFound(t *testing.T) {
	t.Parallel()
	b := newLine(t)
	ctx, m := b.ctx(), b.merge()
	must[svn.Taken](t)(m.Take(ctx, revs(t, "5"), false))
	b.run(m.Into.Path, "svn", "commit", "-q", "-m", "it was made")
	b.run(m.Into.Path, "svn", "update", "-q")
	_, err := m.Commit(ctx, "another text", true)
	fails(t, err, nodes.Refused, "nothing to commit")
	if rev := must[int](t)(m.Commit(ctx, "it was made", true)); rev != 9 {
		t.Errorf("found r%d", rev)
	}
	if s := must[*svn.State](t)(m.State(ctx)); s != nil {
		t.Errorf("state %+v", s)
	}
}
