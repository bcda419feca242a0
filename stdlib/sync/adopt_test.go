package sync_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rollsh/rollsh/nodes"
	"github.com/rollsh/rollsh/nodes/nodetest"
	"github.com/rollsh/rollsh/stdlib/sync"
)

func TestAdopt(t *testing.T) {
	r := newRig(t, 1)
	r.file("a", "1")
	r.file("gone", "1")
	r.push()
	fixed := strings.Repeat("fixed by hand\n", 100_000)
	write(t, filepath.Join(r.live(0), "a"), fixed)
	must(t, os.Chmod(filepath.Join(r.live(0), "a"), 0o750))
	write(t, filepath.Join(r.live(0), "new/deep/b"), "new")
	must(t, os.Remove(filepath.Join(r.live(0), "gone")))
	must(t, os.Chtimes(filepath.Join(r.live(0), "a"), time.Unix(1e9, 5), time.Unix(1e9, 5)))
	take := func() *sync.Drift {
		res, err := r.engine.Drift(r.ctx(), r.set, sync.Options{From: nodes.Dir(r.src)})
		must(t, err)
		return res.List[0].Value.(*sync.Drift)
	}
	d := take()
	must(t, d.Adopt(r.ctx(), "a"))
	must(t, d.Adopt(r.ctx(), "new/deep/b"))
	wantKind(t, d.Adopt(r.ctx(), "gone"), nodes.Refused, "gone was deleted on the node")
	wantKind(t, d.Adopt(r.ctx(), "../x"), nodes.NotFound, "../x is not among what differs")
	r.remove("gone")
	r.equal(0)
	if v := r.stats(r.push(), 0); v.Added+v.Changed != 0 || v.Bytes != 0 {
		t.Errorf("what was adopted is sent again: %+v", v)
	}

	write(t, filepath.Join(r.live(0), "a"), "by hand again")
	d = take()
	r.file("a", "changed in the source meanwhile")
	wantKind(t, d.Adopt(r.ctx(), "a"), nodes.Changed, "is not as it was when the drift was taken")
	victim := t.TempDir()
	write(t, filepath.Join(r.live(0), "l/x"), "planted")
	d = take()
	link(t, victim, filepath.Join(r.src, "l"))
	if err := d.Adopt(r.ctx(), "l/x"); err == nil {
		t.Error("a link in the source was followed")
	}
	if got := names(t, victim); len(got) != 0 {
		t.Errorf("written outside the source: %v", got)
	}
}

// The first plan of a tree says which files of others it replaces, before those of which
// only times or permissions change. Drift from a source that is rolled with other
// permissions than its own tells those that are not as rolled.
func TestFirstPlanAndDriftOfPermissions(t *testing.T) {
	r := newRig(t, 2, nodetest.SFTPOnly(1))
	for _, name := range []string{"a-same", "z-fixed"} {
		r.file(name, "1")
		for i := range 2 {
			write(t, filepath.Join(r.live(i), name), "1")
		}
	}
	write(t, filepath.Join(r.live(0), "z-fixed"), "by hand")
	write(t, filepath.Join(r.live(1), "z-fixed"), "by hand")
	must(t, os.Chmod(filepath.Join(r.src, "a-same"), 0o664))
	old := r.options()
	p, err := r.engine.Plan(r.ctx(), r.set, old)
	must(t, err)
	if want := "  ~ z-fixed (what it replaces was not put there by a roll)\n  ~ a-same: permissions 0644 to 0664"; !strings.Contains(p.Text(), want) {
		t.Errorf("%q is not in:\n%s", want, p.Text())
	}
	files, dirs := uint32(0o644), uint32(0o755)
	perms := sync.Perms{Files: &files, Dirs: &dirs}
	r.push(func(o *sync.Options) { o.Perms = perms })
	must(t, os.Chmod(filepath.Join(r.live(0), "a-same"), 0o600))
	res, err := r.engine.Drift(r.ctx(), r.set, sync.Options{From: nodes.Dir(r.src), Perms: perms})
	must(t, err)
	for i, want := range []int{1, 0} {
		if d := res.List[i].Value.(*sync.Drift); len(d.Changed) != want {
			t.Errorf("node %d: %+v", i, d.Changed)
		}
	}
}
