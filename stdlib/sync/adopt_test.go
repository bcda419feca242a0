package sync_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rollsh/rollsh/nodes"
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
