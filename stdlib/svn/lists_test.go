package svn_test

import (
	"testing"

	"github.com/rollsh/rollsh/stdlib/svn"
)

func TestWhatIsMergedInPartIsNoted(t *testing.T) {
	t.Parallel()
	b := newLine(t)
	b.load(svn.Loaded{Author: "bob", Message: "r9", Files: map[string]string{"trunk/b.php": lines("1 eins"), "trunk/lib/d.php": lines("1 eins")}})
	m := b.merge()
	b.run(m.Into.Path, "svn", "merge", "-q", "-c9", b.repo.File+"/trunk/lib", "lib")
	b.run(m.Into.Path, "svn", "commit", "-q", "-m", "r10 lib alone")
	list := must[svn.List](t)(m.Available(b.ctx(), svn.Filter{})).Changesets
	if i := len(list) - 1; list[i].Rev != 9 || list[i].Note == "" || list[i-1].Note != "" {
		t.Errorf("available %+v", list)
	}
}
