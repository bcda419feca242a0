package svn_test

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/rollsh/rollsh/nodes"
	"github.com/rollsh/rollsh/stdlib/svn"
)

// svn leaves out what a file that it does not know stands in the way of, records
// it as merged and ends with 0: that is no success, and what was taken before stays.
func TestFilesInTheWayOfAMerge(t *testing.T) {
	t.Parallel()
	b := newLine(t)
	ctx, m := b.ctx(), b.merge()
	writeFile(t, filepath.Join(m.Into.Path, "new", "x.php"), "of the host")
	_, err := m.Take(ctx, revs(t, "7"), false)
	fails(t, err, nodes.Refused, "in the way", "new", "nothing of it is merged")
	if s := must[*svn.State](t)(m.State(ctx)); s != nil || !must[bool](t)(m.Into.Clean(ctx)) {
		t.Errorf("state %+v", s)
	}
	must[svn.Taken](t)(m.Take(ctx, revs(t, "5"), false))
	_, err = m.Take(ctx, revs(t, "7"), false)
	fails(t, err, nodes.Refused, "in the way")
	if s := must[*svn.State](t)(m.State(ctx)); s == nil || s.Picks != "r5" || s.Step != "merged" {
		t.Errorf("state %+v", s)
	}
	if got := readFile(t, filepath.Join(m.Into.Path, "b.php")); got != lines("5 five") {
		t.Errorf("b.php %q", got)
	}
	if got := readFile(t, filepath.Join(m.Into.Path, "new", "x.php")); got != "of the host" {
		t.Errorf("new/x.php %q", got)
	}
}

// A folder that goes by a choice does not take the host's own files with it.
func TestChoicesSpareWhatSvnDoesNotKnow(t *testing.T) {
	t.Parallel()
	b, m := matrix(t)
	ctx := b.ctx()
	rev := must[svn.List](t)(m.Available(ctx, svn.Filter{})).Changesets
	list := must[svn.Taken](t)(m.Take(ctx, revs(t, rev.Revs()), false)).Conflicts
	k := list[slices.IndexFunc(list, func(k *svn.Conflict) bool { return k.Path == "lib/old" })]
	own := filepath.Join(m.Into.Path, "lib/old/upload")
	writeFile(t, own, "not svn's")
	fails(t, k.Resolve(ctx, "theirs"), nodes.Conflict, "files that svn does not know would be removed: lib/old/upload")
	if readFile(t, own) != "not svn's" || readFile(t, filepath.Join(m.Into.Path, "lib/old/f")) != lines("7 mine") {
		t.Error("something is gone")
	}
	if err := os.Rename(own, filepath.Join(m.Into.Path, "upload")); err != nil {
		t.Fatal(err)
	}
	if err := k.Resolve(ctx, "theirs"); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(filepath.Dir(own)); err == nil {
		t.Error("lib/old is still there")
	}
}
