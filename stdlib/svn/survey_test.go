package svn_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rollsh/rollsh/nodes"
	"github.com/rollsh/rollsh/stdlib/svn"
)

// dates gives the times of a tree, which must tell its revision besides.
func dates(t *testing.T, at nodes.Tree) map[string]time.Time {
	t.Helper()
	rev, times, err := at.Dated(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if want := must[nodes.Revision](t)(at.Revision(t.Context())); rev != want {
		t.Errorf("dated r%s, but it is at r%s", rev, want)
	}
	return times
}

// What was read of a checkout before serves again only as far as it is still so:
// after every kind of change, the same object tells what a new one does.
func TestCheckoutAfterChanges(t *testing.T) {
	t.Parallel()
	b, co, _ := kindsOfChange(t)
	file := func(name string) string { return filepath.Join(co.Path, name) }
	inSvn := func(args ...string) func() { return func() { b.run(co.Path, "svn", args...) } }
	original := readFile(t, file("same.php"))
	for _, step := range []struct {
		name string
		do   func()
	}{
		{"nothing", func() {}},
		{"a file is edited", func() { writeFile(t, file("same.php"), "edited\n") }},
		{"it is put back by hand", func() { writeFile(t, file("same.php"), original) }},
		{"a file is gone", func() { _ = os.Remove(file("same.php")) }},
		{"a file is not svn's", func() { writeFile(t, file("new.php"), "new\n") }},
		{"it is added", inSvn("add", "-q", "new.php")},
		{"a property is set, another is a copy", func() {
			b.run(co.Path, "svn", "revert", "-q", "same.php")
			b.run(co.Path, "svn", "propset", "-q", "p", "v", "mine.php")
			b.run(co.Path, "svn", "copy", "-q", "gone", "copy")
		}},
		{"all is reverted", inSvn("revert", "-q", "-R", ".")},
		{"a part is updated", inSvn("update", "-q", "-r", "3", "gone")},
		{"all is updated", inSvn("update", "-q", "-r", "4")},
		{"twice within a moment", func() {
			b.run(co.Path, "svn", "update", "-q", "-r", "2", "exec.sh")
			b.run(co.Path, "svn", "update", "-q", "-r", "3", "mod.php")
		}},
		{"a part is of elsewhere", inSvn("switch", "-q", "--ignore-ancestry", "^/trunk/mine.php@2", "same.php")},
	} {
		step.do()
		fresh := must[*svn.Checkout](t)(b.svn.Checkout(b.ctx(), co.Path, svn.CheckoutOptions{}))
		if d := cmp.Diff(told(t, fresh), told(t, co)); d != "" {
			t.Errorf("%s: it tells (+) what is not so (-):\n%s", step.name, d)
		}
	}
}

// told is all that a checkout tells of itself.
func told(t *testing.T, co *svn.Checkout) map[string]string {
	t.Helper()
	out := map[string]string{}
	out["clean"] = must[string](t)(co.Unclean(t.Context()))
	for _, s := range must[[]svn.Status](t)(co.Status(t.Context())) {
		out["status "+s.Path] = s.String()
	}
	for name, at := range dates(t, co) {
		out["time "+name] = at.String()
	}
	return out
}
