package svn_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	_ "modernc.org/sqlite"

	"github.com/rollsh/rollsh/nodes"
	"github.com/rollsh/rollsh/stdlib/svn"
)

// kindsOfChange makes a trunk in which r3 and r4 change something of every kind, with
// two checkouts at r2.
func kindsOfChange(t *testing.T) (b *bench, co, other *svn.Checkout) {
	t.Helper()
	b = newBench(t)
	b.write("trunk/same.php", "1\n")
	b.write("trunk/gone/x.php", "1\n")
	b.write("trunk/mod.php", "$Id$\n")
	b.write("trunk/exec.sh", "1\n")
	b.write("trunk/was-file", "1\n")
	b.write("trunk/mine.php", "1\n")
	b.run(b.dev, "svn", "propset", "-q", "svn:keywords", "Id", "trunk/mod.php")
	b.commit("bob", "r2")
	co, other = b.checkout("/trunk"), b.checkout("/trunk")
	b.run(b.dev, "svn", "rm", "-q", "trunk/gone", "trunk/was-file")
	b.commit("bob", "r3")
	b.write("trunk/new dir/deep/é@1.php", "n\n")
	b.write("trunk/was-file/now-dir", "n\n")
	b.write("trunk/mod.php", "$Id$\n2\n")
	b.run(b.dev, "svn", "propset", "-q", "svn:executable", "*", "trunk/exec.sh")
	if err := os.Symlink("same.php", filepath.Join(b.dev, "trunk/link")); err != nil {
		t.Fatal(err)
	}
	b.run(b.dev, "svn", "add", "-q", "trunk/link")
	b.commit("bob", "r4")
	return b, co, other
}

// What At shows must be what an update would have made.
func TestAtEqualsAnUpdate(t *testing.T) {
	t.Parallel()
	b, co, other := kindsOfChange(t)
	ctx := b.ctx()
	for _, c := range []*svn.Checkout{co, other} {
		writeFile(t, filepath.Join(c.Path, "mine.php"), "local\n")
		writeFile(t, filepath.Join(c.Path, "upload/pic"), "unversioned\n")
		_ = os.Remove(filepath.Join(c.Path, "same.php"))
	}
	before := tree(t, co.Path)
	for _, rev := range []nodes.Revision{"HEAD", "3", "2"} {
		n := must[int](t)(other.Update(ctx, rev))
		at, done, err := co.At(ctx, rev)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(tree(t, other.Path), tree(t, at.Root())); d != "" {
			t.Errorf("at %s: %s", rev, d)
		}
		if r := must[nodes.Revision](t)(at.Revision(ctx)); string(r) != fmt.Sprint(n) {
			t.Errorf("revision %s", r)
		}
		want, got := dates(t, other), dates(t, at)
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("times at %s: %s", rev, d)
		}
		done()
		if _, err := os.Stat(at.Root()); err == nil {
			t.Error("the shadow is still there")
		}
	}
	if d := cmp.Diff(before, tree(t, co.Path)); d != "" {
		t.Errorf("the checkout was changed: %s", d)
	}
	must[int](t)(co.Update(ctx, ""))
	at, done, err := co.At(ctx, "HEAD")
	if err != nil || at.(*svn.Checkout) != co {
		t.Errorf("nothing to do, but %v %v", at, err)
	}
	done()
	writeFile(t, filepath.Join(co.Path, "mod.php"), "local\n")
	_, _, err = co.At(ctx, "2")
	fails(t, err, nodes.Conflict, "mod.php")
}
