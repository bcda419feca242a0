package sync_test

import (
	"fmt"
	"math/rand"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/rollsh/rollsh/nodes"
	"github.com/rollsh/rollsh/nodes/nodetest"
	"github.com/rollsh/rollsh/stdlib/sync"
	"golang.org/x/sys/unix"
)

func TestDiskFull(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("mounting needs root")
	}
	for _, c := range []struct {
		name        string
		mount       func(t *testing.T, at string)
		files, size int
		says        string
	}{
		{"bytes", inMemory("size=8m"), 300, 40_000, "has room for"},
		{"inodes", inMemory("nr_inodes=200"), 300, 10, "inodes left; the change takes"},
		{"while it is written", inMemory("size=3m"), 1200, 1, "no space left"}, // a page each, which cannot be foreseen
		{"quota", withQuota, 300, 40_000, "the quota is used up"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t, 2)
			full := filepath.Join(r.bed.Dir(1), "full")
			must(t, os.Mkdir(full, 0o755))
			c.mount(t, full)
			nd := *r.set.Nodes[1]
			nd.Path = nodes.RemotePath(full + "/www")
			r.set.Nodes[1] = &nd
			r.file("a", "1")
			r.push()
			before := snapshot(t, full+"/www")
			r.file("a", "2")
			noise := rand.New(rand.NewSource(1))
			for i := range c.files {
				b := make([]byte, c.size)
				_, _ = noise.Read(b)
				r.file(fmt.Sprintf("big/%d", i), string(b))
			}
			_, err := r.try()
			wantKind(t, err, nodes.Space, "web2", c.says)
			if d := mapDifference(before, snapshot(t, full+"/www")); d != "" {
				t.Error(d)
			}
			if b, _ := os.ReadFile(filepath.Join(r.live(0), "a")); string(b) != "1" {
				t.Errorf("the other node was switched: %s", b)
			}
			r.remove("big")
			run(t, "sync", "-f", full) // btrfs counts what was removed until then
			r.push()
			if d := difference(t, r.src, full+"/www"); d != "" {
				t.Errorf("a smaller roll after that:\n%s", d)
			}
		})
	}
}

// inMemory mounts a filesystem with limits.
func inMemory(options string) func(*testing.T, string) {
	return func(t *testing.T, at string) {
		if err := unix.Mount("full", at, "tmpfs", 0, options); err != nil {
			t.Skip("cannot mount: ", err)
		}
		t.Cleanup(func() { _ = unix.Unmount(at, unix.MNT_DETACH) })
	}
}

// withQuota mounts a filesystem that has room, and a quota of 8 MB. It is one of
// btrfs, whose quotas hold for root too.
func withQuota(t *testing.T, at string) {
	nodetest.Need(t, "mkfs.btrfs", "btrfs")
	image := at + ".image"
	must(t, os.WriteFile(image, nil, 0o600))
	must(t, os.Truncate(image, 120<<20))
	run(t, nodetest.Program("mkfs.btrfs"), "-q", image)
	if out, err := exec.Command("mount", "-o", "loop", image, at).CombinedOutput(); err != nil {
		t.Skipf("cannot mount: %v: %s", err, out)
	}
	t.Cleanup(func() { _ = unix.Unmount(at, unix.MNT_DETACH) })
	run(t, nodetest.Program("btrfs"), "quota", "enable", at)
	run(t, nodetest.Program("btrfs"), "qgroup", "limit", "8M", at)
}

func TestStateInsideAMountPoint(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("mounting needs root")
	}
	r := newRig(t, 1)
	must(t, os.Mkdir(r.live(0), 0o755))
	if err := unix.Mount("www", r.live(0), "tmpfs", 0, "size=4m"); err != nil {
		t.Skip("cannot mount: ", err)
	}
	t.Cleanup(func() { _ = unix.Unmount(r.live(0), unix.MNT_DETACH) })
	r.file("a", "1")
	r.push()
	r.file("a", "2")
	r.push(func(o *sync.Options) { o.Delete = "all" })
	r.equal(0)
	st, err := os.Stat(filepath.Join(r.live(0), ".rollsh"))
	if err != nil || st.Mode().Perm() != 0o700 {
		t.Errorf("%v %v", st, err)
	}
}
