package sync_test

import (
	"fmt"
	"math/rand"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rollsh/rollsh/nodes"
	"github.com/rollsh/rollsh/nodes/nodetest"
	"golang.org/x/sys/unix"
)

// Holes stay holes, and a file that ends in one has its size.
func TestSparse(t *testing.T) {
	b := newBench(t)
	must(t, os.MkdirAll(b.src, 0o755))
	f, err := os.Create(filepath.Join(b.src, "image"))
	must(t, err)
	_, err = f.WriteAt([]byte("in the middle"), 20_000_003)
	must(t, err)
	must(t, f.Truncate(40_000_001))
	must(t, f.Close())
	b.push()
	run(t, "cmp", filepath.Join(b.src, "image"), filepath.Join(b.live, "image"))
	var st unix.Stat_t
	must(t, unix.Stat(filepath.Join(b.live, "image"), &st))
	if st.Blocks*512 > 1<<20 {
		t.Errorf("40 MB of nothing take %d bytes", st.Blocks*512)
	}
}

// Undos go when they are old, or when room is needed; the last one stays.
func TestUndosMakeRoom(t *testing.T) {
	r := newRig(t, 1)
	small := r.smallDisk()
	noise := rand.New(rand.NewSource(1))
	fill := func(name string) {
		b := make([]byte, 1_000_000)
		_, _ = noise.Read(b)
		r.file(name, string(b))
	}
	undos := func() int {
		found, _ := filepath.Glob(small + "/.rollsh-www/undo-*")
		return len(found)
	}
	for n := range 9 {
		fill("big")
		r.push()
		r.file("small", fmt.Sprint(n))
	}
	if text := r.events.Text(nodes.Warned); !strings.Contains(text, "to make room, the ") {
		t.Errorf("it is not said that undos went: %s", text)
	}
	if n := undos(); n < 1 || n > 4 {
		t.Errorf("%d undos", n)
	}
	// what old undos can make free counts as room, for a plan too
	b := make([]byte, 1_000_000)
	_, _ = noise.Read(b)
	for undos() < 4 {
		fill("big")
		r.push()
	}
	r.file("more", string(b))
	r.file("still more", string(b))
	var fs unix.Statfs_t
	must(t, unix.Statfs(small, &fs))
	if free := fs.Bavail * uint64(fs.Bsize); free > 3_000_000 {
		t.Fatalf("%d bytes are free: nothing has to go", free)
	}
	p, err := r.engine.Plan(r.ctx(), r.set, r.options())
	must(t, err)
	must(t, p.Ready())
	_, err = r.engine.Preflight(r.ctx(), r.set, r.options())
	must(t, err)
	r.push()
	if d := difference(t, r.src, small+"/www"); d != "" {
		t.Errorf("%.300q", d)
	}
	r.file("too much", strings.Repeat(string(b), 6))
	if p, err = r.engine.Plan(r.ctx(), r.set, r.options()); err != nil {
		t.Fatal(err)
	}
	wantKind(t, p.Ready(), nodes.Space, "; the change takes 6.0 MB, and 1.0 MB must stay free")
	r.remove("too much")
	before := undos()
	old := time.Now().Add(-100 * 24 * time.Hour)
	found, _ := filepath.Glob(small + "/.rollsh-www/undo-*")
	for _, f := range found {
		must(t, os.Chtimes(f, old, old))
	}
	r.file("small", "last")
	r.push()
	if n := undos(); n != 1 {
		t.Errorf("of %d undos that are old, %d are left", before, n)
	}
	if _, err := r.engine.Undo(r.ctx(), r.set, "", "", false); err != nil {
		t.Error(err)
	}
}

// smallDisk puts the tree of the first node on a filesystem of 6 MB.
func (r *rig) smallDisk() string {
	r.Helper()
	if os.Geteuid() != 0 {
		r.Skip("mounting needs root")
	}
	small := filepath.Join(r.bed.Dir(0), "small")
	must(r.T, os.Mkdir(small, 0o755))
	if err := unix.Mount("small", small, "tmpfs", 0, "size=6m"); err != nil {
		r.Skip("cannot mount: ", err)
	}
	r.Cleanup(func() { _ = unix.Unmount(small, unix.MNT_DETACH) })
	r.set.Nodes[0].Path = nodes.RemotePath(small + "/www")
	return small
}

// Over SFTP too.
func TestUndosMakeRoomOverSFTP(t *testing.T) {
	r := newRig(t, 1, nodetest.SFTPOnly())
	small := r.smallDisk()
	for n := range 5 {
		r.file("big", strings.Repeat(fmt.Sprint(n), 1_500_000))
		r.push()
	}
	if text := r.events.Text(nodes.Warned); !strings.Contains(text, "to make room, the ") {
		t.Errorf("it is not said that undos went: %s", text)
	}
	if found, _ := filepath.Glob(small + "/.rollsh-www/undo-*"); len(found) == 0 || len(found) > 2 {
		t.Errorf("undos: %q", found)
	}
}
