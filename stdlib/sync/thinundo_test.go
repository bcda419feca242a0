package sync_test

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rollsh/rollsh/nodes"
	"github.com/rollsh/rollsh/nodes/nodetest"
	"github.com/rollsh/rollsh/stdlib/sync"
)

// Over SFTP an undo gives back contents, permissions, links, types and what was
// deleted, as the agent's does; and a change that was made by hand since stops
// it.
func TestUndoOverSFTP(t *testing.T) {
	r := newRig(t, 2, nodetest.SFTPOnly(1))
	r.file("changed", "one")
	r.file("mode", "the same")
	r.file("d/deleted", "two")
	r.file("turns", "a file")
	link(t, "changed", filepath.Join(r.src, "l"))
	r.wholeSeconds()
	r.push()
	before := snapshot(t, r.live(1))
	r.file("changed", "one and more")
	must(t, os.Chmod(filepath.Join(r.src, "mode"), 0o600))
	r.remove("d")
	r.remove("turns")
	r.remove("l")
	link(t, "elsewhere", filepath.Join(r.src, "l"))
	r.file("turns/into", "a folder")
	r.file("new", "new")
	r.wholeSeconds()
	second := r.push()
	after := snapshot(t, r.live(1))
	undo := func(roll string, force bool) (*nodes.Results, error) {
		return r.engine.Undo(r.ctx(), r.set, "", roll, force)
	}
	write(t, filepath.Join(r.live(1), "new"), "by hand!")
	_, err := undo("", false)
	wantKind(t, err, nodes.Changed, "web2", "new was changed on the node since roll 2")
	must(t, os.WriteFile(filepath.Join(r.live(1), "changed"), []byte("by hand too"), 0o644))
	res, err := r.engine.Undo(r.ctx(), nodes.Set{Nodes: r.set.Nodes[1:]}, "", second.RollID, true)
	must(t, err)
	if d := mapDifference(before, snapshot(t, r.live(1))); d != "" {
		t.Errorf("after the undo: %s", d)
	}
	if v := r.stats(res, 0); v.Changed != 4 || v.Added != 1 || v.Deleted != 2 {
		t.Errorf("%+v", v)
	}
	if got := strings.Join(r.state(1), " "); strings.Contains(got, "stage-") || strings.Contains(got, "lock") || strings.Count(got, "undo-") != 1 {
		t.Errorf("left behind: %v", got)
	}
	if _, err = undo(second.RollID, false); err != nil { // undone on both by now
		t.Error(err)
	}
	r.push()
	if d := mapDifference(after, snapshot(t, r.live(1))); d != "" {
		t.Errorf("pushed again: %s", d)
	}
	if _, err := undo("", false); err != nil {
		t.Error(err)
	}
	if d := mapDifference(before, snapshot(t, r.live(1))); d != "" {
		t.Errorf("undone again: %s", d)
	}
}

// flaky is this machine's files as SFTP shows them, until the line is cut.
type flaky struct {
	nodes.Conn
	left *atomic.Int64 // requests that change something, until the cut
}

// Files counts.
func (f flaky) Files(ctx context.Context) (nodes.Files, error) {
	files, err := f.Conn.Files(ctx)
	return flakyFiles{files, f.left}, err
}

type flakyFiles struct {
	nodes.Files
	left *atomic.Int64
}

func (f flakyFiles) cut() error {
	if f.left.Add(-1) < 0 {
		return &nodes.Error{Kind: nodes.Lost, Message: "the line was cut"}
	}
	return nil
}

// ReadDir lists in another order than that of the names, as servers may.
func (f flakyFiles) ReadDir(name nodes.RemotePath) ([]nodes.FileInfo, error) {
	list, err := f.Files.ReadDir(name)
	slices.Reverse(list)
	return list, err
}

// Rename may be cut off.
func (f flakyFiles) Rename(from, to nodes.RemotePath) error {
	if err := f.cut(); err != nil {
		return err
	}
	return f.Files.Rename(from, to)
}

// Remove may be cut off.
func (f flakyFiles) Remove(name nodes.RemotePath) error {
	if err := f.cut(); err != nil {
		return err
	}
	return f.Files.Remove(name)
}

// Mkdir may be cut off.
func (f flakyFiles) Mkdir(name nodes.RemotePath, perm os.FileMode) error {
	if err := f.cut(); err != nil {
		return err
	}
	return f.Files.Mkdir(name, perm)
}

// Chmod may be cut off.
func (f flakyFiles) Chmod(name nodes.RemotePath, perm os.FileMode) error {
	if err := f.cut(); err != nil {
		return err
	}
	return f.Files.Chmod(name, perm)
}

// Link may be cut off.
func (f flakyFiles) Link(from, to nodes.RemotePath) error {
	if err := f.cut(); err != nil {
		return err
	}
	return f.Files.Link(from, to)
}

// Create may be cut off.
func (f flakyFiles) Create(name nodes.RemotePath, perm os.FileMode) (nodes.FileWriter, error) {
	if err := f.cut(); err != nil {
		return nil, err
	}
	return f.Files.Create(name, perm)
}

// A lock over SFTP that its holder has made and not written yet holds, until it
// is old.
func TestSFTPLockThatIsBeingMade(t *testing.T) {
	b := newBench(t)
	b.engine.NoAgent()
	b.revision(1)
	b.push()
	lock := filepath.Join(filepath.Dir(b.live), ".rollsh-www", "lock-sftp")
	write(t, lock, "")
	b.revision(2)
	wantKind(t, b.try(), nodes.Locked, "locked by somebody since")
	old := time.Now().Add(-time.Hour)
	must(t, os.Chtimes(lock, old, old))
	b.push()
}

// The line is cut at every request of a push and of an undo in turn. The tree
// is old, new, or in the middle of the burst in its order, and the next push or
// undo makes it whole, over SFTP and by the agent alike.
func TestSFTPCutAnywhere(t *testing.T) {
	b := newBench(t)
	left := &atomic.Int64{}
	here := b.s.Here
	limit := func(n int64) {
		left.Store(n)
		b.renew()
		b.engine.NoAgent()
	}
	b.s.Here = flaky{here, left}
	b.revision(1)
	limit(1 << 40)
	b.push()
	old := snapshot(t, b.live)
	b.revision(2)
	b.push()
	now := snapshot(t, b.live)
	must(t, b.undo())
	if d := mapDifference(old, snapshot(t, b.live)); d != "" {
		t.Fatalf("undone: %s", d)
	}
	seen := map[string]int{}
	unlock := func() { must(t, os.RemoveAll(filepath.Join(filepath.Dir(b.live), ".rollsh-www", "lock-sftp"))) }
	again := func(n int64) {
		t.Helper()
		unlock()
		limit(1 << 40)
		if n%2 == 0 {
			b.renew() // the agent settles what SFTP began
		}
	}
	step := int64(1)
	if !(os.Getenv("ROLLSH_FAULTS") == "all") {
		step = 7
	}
	for n := time.Now().UnixNano() % step; ; n += step {
		limit(n)
		err := b.try()
		whole := left.Load() >= 0 // what is cut off may be the cleaning up, which is no error
		if err != nil && nodes.KindOf(err) != nodes.Lost {
			t.Fatalf("cut at %d, pushed: %v", n, err)
		}
		what := b.mixed(old, now)
		seen[what]++
		again(n)
		b.push()
		if d := mapDifference(now, snapshot(t, b.live)); d != "" {
			t.Fatalf("cut at %d, pushed again: %s", n, d)
		}
		limit(n)
		err = b.undo()
		whole = whole && left.Load() >= 0
		seen["undo "+b.mixed(old, now)]++
		again(n + 1)
		if err != nil {
			err = b.undo()
		}
		if nodes.KindOf(err) == nodes.NotFound && mapDifference(old, snapshot(t, b.live)) == "" {
			err = nil // it was done, and only that was not told
		}
		if d := mapDifference(old, snapshot(t, b.live)); d != "" || err != nil {
			t.Fatalf("undo cut at %d, undone again: %v %s", n, err, d)
		}
		if whole {
			break
		}
	}
	if seen["old"] == 0 || seen["new"] == 0 || seen["undo new"] == 0 || (os.Getenv("ROLLSH_FAULTS") == "all") && (seen["between"] == 0 || seen["undo between"] == 0) {
		t.Errorf("not all was met: %v", seen)
	}
	again(1)
	b.push()
	got, err := os.ReadDir(filepath.Join(filepath.Dir(b.live), ".rollsh-www"))
	must(t, err)
	for _, e := range got {
		if strings.HasPrefix(e.Name(), "stage-") {
			t.Errorf("left behind: %s", e.Name())
		}
	}
}

// What the agent did can be undone over SFTP, and the reverse.
func TestUndoOfTheOther(t *testing.T) {
	b := newBench(t)
	for _, thinFirst := range []bool{true, false} {
		engine := func(thin bool) {
			b.renew()
			if thin {
				b.engine.NoAgent()
			}
		}
		engine(thinFirst)
		b.revision(1)
		b.push()
		old := snapshot(t, b.live)
		b.revision(2)
		b.push(func(o *sync.Options) { o.Undo = 2 })
		engine(!thinFirst)
		must(t, b.undo())
		if d := mapDifference(old, snapshot(t, b.live)); d != "" {
			t.Errorf("thin first %v: %s", thinFirst, d)
		}
	}
}
