package svn_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/rollsh/rollsh/nodes"
	"github.com/rollsh/rollsh/stdlib/svn"
)

// What is blocked beside what is taken is seen in the lists, and nothing is both.
func TestBlocksBesideTaken(t *testing.T) {
	t.Parallel()
	b := newLine(t)
	ctx, m := b.ctx(), b.merge()
	must[nodes.Changesets](t)(m.Block(ctx, revs(t, "8"), "later"))
	must[int](t)(m.Commit(ctx, "", true))
	must[svn.Taken](t)(m.Take(ctx, revs(t, "4"), false))
	must[nodes.Changesets](t)(m.Block(ctx, revs(t, "5"), "never"))
	if got := must[nodes.Changesets](t)(m.Blocked(ctx)).Revs(); got != "r5,r8" {
		t.Errorf("blocked %s", got)
	}
	if got := b.available(m); got != "r4,r6-7" {
		t.Errorf("available %s", got)
	}
	_, err := m.Block(ctx, revs(t, "5"), "never")
	fails(t, err, nodes.Refused, "r5 is blocked by alice")
	_, err = m.Take(ctx, revs(t, "5"), false)
	fails(t, err, nodes.Refused, "r5 is blocked by alice")
	_, err = m.Block(ctx, revs(t, "4"), "never")
	fails(t, err, nodes.Refused, "r4 is under way here already, and not committed yet")
	must[nodes.Changesets](t)(m.Unblock(ctx, revs(t, "8")))
	must[svn.Taken](t)(m.Take(ctx, revs(t, "8"), false))
	must[svn.Taken](t)(m.Take(ctx, revs(t, "4,6"), false))
	must[svn.Taken](t)(m.Take(ctx, revs(t, "4,6"), false))
	if got := must[*svn.State](t)(m.State(ctx)).Picks; got != "r4,r6,r8, block r5, unblock r8" {
		t.Errorf("picks %s", got)
	}
	text := must[string](t)(m.Message(ctx))
	if strings.Count(text, "r4 | alice") != 1 || strings.Count(text, "r6 | alice") != 1 || strings.Count(text, "r5 | bob") != 1 {
		t.Errorf("message\n%s", text)
	}
	must[int](t)(m.Commit(ctx, "", true))
	if got := b.available(m); got != "r7" {
		t.Errorf("available %s", got)
	}
}

// What was taken and then reverted by hand is not committed as if it were there.
func TestTakenAndRevertedByHand(t *testing.T) {
	t.Parallel()
	b := newLine(t)
	ctx, m := b.ctx(), b.merge()
	must[svn.Taken](t)(m.Take(ctx, revs(t, "4"), false))
	b.run(m.Into.Path, "svn", "revert", "-q", "-R", ".")
	_, err := m.Take(ctx, revs(t, "4"), false)
	fails(t, err, nodes.Changed, "r4 is not in "+m.Into.Path+" any more")
	must[svn.Taken](t)(m.Take(ctx, revs(t, "5"), false))
	_, err = m.Commit(ctx, "", true)
	fails(t, err, nodes.Changed, "r4 is not in "+m.Into.Path+" any more")
	if err := m.Abandon(ctx); err != nil {
		t.Fatal(err)
	}
	must[svn.Taken](t)(m.Take(ctx, revs(t, "4-5"), false))
	must[int](t)(m.Commit(ctx, "", true))
	if got := readFile(t, filepath.Join(m.Into.Path, "a.php")); got != lines("2 two") {
		t.Errorf("a.php is %s", got)
	}
	must[svn.Taken](t)(m.Rollback(ctx, revs(t, "4")))
	b.run(m.Into.Path, "svn", "revert", "-q", "-R", ".")
	_, err = m.Commit(ctx, "", true)
	fails(t, err, nodes.Changed, "r4 is not in "+m.Into.Path+" any more")
}

// A take of what was rolled back, or only recorded, says so: it would not be there.
func TestTakeOfWhatIsUndoneHere(t *testing.T) {
	t.Parallel()
	b := newLine(t)
	ctx, m := b.ctx(), b.merge()
	must[svn.Taken](t)(m.Take(ctx, revs(t, "4"), false))
	must[int](t)(m.Commit(ctx, "", true))
	must[svn.Taken](t)(m.Rollback(ctx, revs(t, "4")))
	_, err := m.Take(ctx, revs(t, "4"), false)
	fails(t, err, nodes.Refused, "r4 is rolled back here, and not committed yet")
	_, err = m.Take(ctx, revs(t, "4,5"), false)
	fails(t, err, nodes.Refused, "r4 is rolled back here, and not committed yet")
	must[svn.Taken](t)(m.Take(ctx, revs(t, "6"), true))
	_, err = m.Take(ctx, revs(t, "6"), false)
	fails(t, err, nodes.Refused, "r6 is recorded as merged here, without its changes, and not committed yet")
	must[svn.Taken](t)(m.Take(ctx, revs(t, "5"), false))
	must[svn.Taken](t)(m.Take(ctx, revs(t, "5-6"), true))
	if got := must[*svn.State](t)(m.State(ctx)).Picks; got != "r5-6, rollback r4" {
		t.Errorf("picks %s", got)
	}
}

// TakeAlone goes on with what it asks for, and refuses to go along with more: a commit
// would bring that too.
func TestTakeAlone(t *testing.T) {
	t.Parallel()
	b := newLine(t)
	m := b.merge()
	ctx := b.ctx()
	must[svn.Taken](t)(m.TakeAlone(ctx, revs(t, "4-5"), false))
	must[svn.Taken](t)(m.TakeAlone(ctx, revs(t, "r5,4"), false))
	if why := must[string](t)(m.Into.Unclean(ctx)); !strings.HasPrefix(why, "a merge is under way, r4-5 by ") || !strings.Contains(why, "a.php (modified)") {
		t.Errorf("not clean: %s", why)
	}
	for _, other := range []string{"5", "7", "4-5,7"} {
		_, err := m.TakeAlone(ctx, revs(t, other), false)
		fails(t, err, nodes.Refused, "a merge is under way", "r4-5", "m:abandon() drops it")
	}
	must[svn.Taken](t)(m.Take(ctx, revs(t, "7"), false))
	_, err := m.TakeAlone(ctx, revs(t, "7"), false)
	fails(t, err, nodes.Refused, "r4-5,r7")
}
