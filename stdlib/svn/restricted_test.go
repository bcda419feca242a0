package svn_test

import (
	"path/filepath"
	"testing"

	"github.com/rollsh/rollsh/nodes"
	"github.com/rollsh/rollsh/nodes/nodetest"
	"github.com/rollsh/rollsh/stdlib/svn"
)

// Who may read two branches and not the root of the repository merges as others
// do: fresh, from the cache, and after somebody committed.
func TestMergeWithoutReadingTheRoot(t *testing.T) {
	t.Parallel()
	b := newLine(t)
	ctx := b.ctx()
	served := nodetest.Svn(t)
	b.run("", "sh", "-c", "svnadmin dump -q "+nodes.Quote(b.repo.Path)+" | (rm -rf "+nodes.Quote(served.Path+"/db")+" && svnadmin create new && mv new/db "+nodes.Quote(served.Path)+" && svnadmin load -q "+nodes.Quote(served.Path)+")")
	writeFile(t, filepath.Join(served.Path, "conf", "authz"), "[/]\nrw = rw\n* =\n[/trunk]\nrw = rw\nro = r\n[/branches/production]\nro = rw\n")
	open := func() *svn.Merge {
		v := svn.New(b.session)
		co := must[*svn.Checkout](t)(v.Checkout(ctx, filepath.Join(b.session.Project, "co"), svn.CheckoutOptions{URL: served.URL + "/branches/production", User: "ro", Password: nodes.NewSecret("ro-pw"), Create: true}))
		return must[*svn.Merge](t)(v.Merge(ctx, "^/trunk", co))
	}
	if got := b.available(open()); got != "r4-8" {
		t.Errorf("available %s", got)
	}
	m := open()
	if got := b.available(m); got != "r4-8" {
		t.Errorf("from the cache %s", got)
	}
	if p := must[svn.Preview](t)(m.Preview(ctx, revs(t, "6"))); p.Clean || p.Needs.Revs() != "r4" {
		t.Errorf("preview %+v", p)
	}
	must[svn.Taken](t)(m.Take(ctx, revs(t, "4,6"), false))
	must[int](t)(m.Commit(ctx, "", true))
	if got := b.available(open()); got != "r5,r7-8" {
		t.Errorf("available %s", got)
	}
}
