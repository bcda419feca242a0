package sync_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/rollsh/rollsh/nodes"
	"github.com/rollsh/rollsh/nodes/nodetest"
	"github.com/rollsh/rollsh/stdlib/sync"
	"github.com/rollsh/rollsh/stdlib/sync/agent"
	"golang.org/x/sys/unix"
)

// disk is an ext4 filesystem in a file, whose power can be cut.
type disk struct {
	*testing.T
	image, at string
}

func newDisk(t *testing.T) *disk {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("mounting needs root")
	}
	nodetest.Need(t, "mkfs.ext4")
	dir := quickDir(t)
	d := &disk{T: t, image: filepath.Join(dir, "image"), at: filepath.Join(dir, "at")}
	f, err := os.Create(d.image)
	must(t, err)
	must(t, f.Truncate(24<<20))
	must(t, f.Close())
	must(t, os.Mkdir(d.at, 0o755))
	run(t, nodetest.Program("mkfs.ext4"), "-q", d.image)
	d.mount()
	t.Cleanup(func() { _ = unix.Unmount(d.at, unix.MNT_DETACH) })
	return d
}

func (d *disk) mount() {
	d.Helper()
	if out, err := exec.Command("mount", "-o", "loop", d.image, d.at).CombinedOutput(); err != nil {
		d.Skipf("cannot mount: %v: %s", err, out)
	}
}

// cut ends all writing at once, as a power loss does: what was not flushed is
// gone, and so is what the journal of the filesystem held in memory only.
func (d *disk) cut() {
	d.Helper()
	const shutdown, noFlush = 0x8004587d, 2 // EXT4_IOC_SHUTDOWN, EXT4_GOING_FLAGS_NOLOGFLUSH
	fd, err := unix.Open(d.at, unix.O_RDONLY|unix.O_DIRECTORY, 0)
	must(d.T, err)
	defer unix.Close(fd)
	must(d.T, unix.IoctlSetPointerInt(fd, shutdown, noFlush))
}

// again is the start after the power came back. The image is a copy then: other
// mount namespaces may still hold the dead filesystem.
func (d *disk) again() {
	d.Helper()
	waitFor(d.T, func() bool { return unix.Unmount(d.at, 0) == nil })
	old := d.image
	d.image += "'"
	run(d.T, "cp", "--sparse=always", old, d.image)
	must(d.T, os.Remove(old))
	d.mount()
}

// The power is lost at every point of a push in turn, with whatever the agent
// had not flushed by then. The tree is old, new, or in the middle of the burst,
// each file whole; the next push makes it new.
func TestPowerLoss(t *testing.T) {
	d := newDisk(t)
	b := newBench(t)
	b.live = filepath.Join(d.at, "node", "www")
	b.node.Path = nodes.RemotePath(b.live)
	seen := map[string]int{}
	first, step := stride()
	for n := first; ; n += step {
		must(t, os.RemoveAll(filepath.Dir(b.live)))
		b.renew()
		b.revision(1)
		b.push()
		old := snapshot(t, b.live)
		b.revision(2)
		b.renew(fmt.Sprintf("%s=any:%d", agent.CrashVariable, n))
		err := b.try()
		d.cut()
		b.engine.Close()
		d.again()
		state := b.mixed(old, snapshot(t, b.src))
		seen[state]++
		if err == nil && state != "new" {
			t.Fatalf("point %d: success, but after the power loss the tree is %s", n, state)
		}
		b.renew()
		b.push()
		if diff := difference(t, b.src, b.live); diff != "" {
			t.Fatalf("point %d (%s): the next push gave:\n%s", n, state, diff)
		}
		b.tidy(n)
		if err == nil || n > 75 {
			break
		}
	}
	if seen["old"] == 0 || seen["new"] == 0 {
		t.Errorf("not every part of the work was met: %v", seen)
	}
	t.Log(seen)
}

// What cannot be switched in the middle of the burst is put back: a file that
// became immutable, and a disk that others filled, after everything was staged.
func TestBurstThatCannotFinish(t *testing.T) {
	d := newDisk(t)
	nodetest.Need(t, "chattr")
	b := newBench(t)
	b.live = filepath.Join(d.at, "node", "www")
	b.node.Path = nodes.RemotePath(b.live)
	b.revision(1)
	b.push()
	old := snapshot(t, b.live)
	b.revision(2)
	stage := func() *sync.Staged {
		st, err := b.engine.Stage(t.Context(), b.set(), sync.Options{From: nodes.Dir(b.src)})
		must(t, err)
		return st
	}
	st := stage()
	held := filepath.Join(b.live, "changed/2")
	run(t, "chattr", "+i", held)
	_, err := st.Switch(t.Context(), b.set())
	run(t, "chattr", "-i", held)
	wantKind(t, err, nodes.Permission, "changed/2", "the tree was put back as it was")
	if diff := mapDifference(old, snapshot(t, b.live)); diff != "" {
		t.Errorf("after a file that could not be replaced:\n%s", diff)
	}

	st = stage()
	full, err := os.Create(filepath.Join(d.at, "full"))
	must(t, err)
	for block := make([]byte, 1<<16); err == nil; {
		_, err = full.Write(block)
	}
	must(t, full.Close())
	_, err = st.Switch(t.Context(), b.set())
	state := b.mixed(old, snapshot(t, b.live))
	if err != nil && mapDifference(old, snapshot(t, b.live)) != "" || err == nil && difference(t, b.src, b.live) != "" {
		t.Errorf("on a full disk: %v, the tree is %s", err, state)
	}
	must(t, os.Remove(filepath.Join(d.at, "full")))
	b.push()
	if diff := difference(t, b.src, b.live); diff != "" {
		t.Errorf("the next push gave:\n%s", diff)
	}
	b.tidyState()
}

// tidyState is tidy where the tree has other neighbours.
func (b *bench) tidyState() {
	b.Helper()
	found, err := filepath.Glob(filepath.Join(filepath.Dir(b.live), ".rollsh-www", "*-*"))
	must(b.T, err)
	for _, f := range found {
		if filepath.Base(f)[:5] != "undo-" {
			b.Errorf("left behind: %s", f)
		}
	}
}
