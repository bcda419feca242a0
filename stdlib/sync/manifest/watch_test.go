//go:build linux

package manifest_test

import (
	"fmt"
	"io/fs"
	"math/rand"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rollsh/rollsh/stdlib/sync/manifest"
	"golang.org/x/sys/unix"
)

// watchedTree is a tree that is scanned with a watch and without.
type watchedTree struct {
	*testing.T
	root string
	fd   int
	w    *manifest.Watch
}

func newWatchedTree(t *testing.T) *watchedTree {
	t.Helper()
	tree := &watchedTree{T: t, root: filepath.Join(t.TempDir(), "tree")}
	tree.must(os.Mkdir(tree.root, 0o755))
	var err error
	tree.w, err = manifest.NewWatch()
	tree.must(err)
	t.Cleanup(tree.w.Close)
	tree.fd, err = unix.Open(tree.root, unix.O_RDONLY|unix.O_DIRECTORY, 0)
	tree.must(err)
	t.Cleanup(func() { _ = unix.Close(tree.fd) })
	return tree
}

func (t *watchedTree) must(err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (t *watchedTree) at(p string) string { return filepath.Join(t.root, p) }

func (t *watchedTree) write(p, text string) {
	t.Helper()
	t.must(os.MkdirAll(filepath.Dir(t.at(p)), 0o755))
	t.must(os.WriteFile(t.at(p), []byte(text), 0o644))
}

// scan scans with the watch, which remembers no more than most entries.
func (t *watchedTree) scan(most int) []manifest.Entry {
	t.Helper()
	return t.read(t.w.Scan(t.fd, t.rules(), runtime.NumCPU(), nil, most))
}

func (t *watchedTree) rules() *manifest.Rules {
	t.Helper()
	rules, err := manifest.Compile(manifest.Patterns{})
	t.must(err)
	return rules
}

func (t *watchedTree) read(s *manifest.Scanner) (out []manifest.Entry) {
	t.Helper()
	defer s.Close()
	for e := s.Next(); e != nil; e = s.Next() {
		out = append(out, *e)
	}
	t.must(s.Err())
	return out
}

// same scans both ways, and compares all that lstat tells.
func (t *watchedTree) same(after string) {
	t.Helper()
	got, want := t.scan(1<<20), t.read(manifest.Scan(t.fd, t.rules(), 1, nil))
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Fatalf("after %s:\ngot  %v\nwant %v", after, got, want)
	}
}

// Whatever is done to a tree, and to a file that has another name outside of it, a
// scan with a watch finds what one without finds.
func TestWatchMissesNothing(t *testing.T) {
	for seed := range int64(12) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			tree := newWatchedTree(t)
			tree.write("a/b", "")
			tree.must(os.Link(tree.at("a/b"), tree.root+"-outside"))
			rnd := rand.New(rand.NewSource(seed))
			for range 250 {
				log := ""
				for range rnd.Intn(4) {
					log += tree.edit(rnd) + "; "
				}
				tree.same(log)
			}
		})
	}
}

// What did not change is not looked at again: a name that is linked to a file from
// elsewhere is nothing that the kernel reports, and is found when it is too late for
// what was remembered, or too much.
func TestWatchRemembers(t *testing.T) {
	tree := newWatchedTree(t)
	tree.write("a/b/c", "1")
	tree.write("a/d", "1")
	tree.write("e/f", "1")
	tree.same("nothing")
	tree.must(os.Link(tree.at("a/b/c"), tree.root+"-outside"))
	many := func(most int) bool {
		for _, e := range tree.scan(most) {
			if e.Path == "a/b/c" {
				return e.Many
			}
		}
		t.Fatal("a/b/c was not found")
		return false
	}
	if many(1 << 20) {
		t.Error("a folder was looked at in which nothing changed")
	}
	tree.must(os.Rename(tree.at("a"), tree.at("g")))
	tree.must(os.Rename(tree.at("g"), tree.at("a")))
	if !many(3) {
		t.Error("a folder that was renamed was taken as known")
	}
	if n := tree.w.Entries(); n > 3 {
		t.Errorf("%d entries are remembered, of at most 3", n)
	}
}

// When more happened than the kernel keeps reports of, all is looked at again.
func TestWatchOverflows(t *testing.T) {
	b, err := os.ReadFile("/proc/sys/fs/inotify/max_queued_events")
	if err != nil {
		t.Fatal(err)
	}
	most, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil {
		t.Fatal(err)
	}
	tree := newWatchedTree(t)
	for _, p := range []string{"a/1", "b/1", "c/1"} {
		tree.write(p, "")
	}
	tree.same("nothing")
	for i := range most/2 + 1 { // of the same event twice in a row there is one report
		tree.must(os.Truncate(tree.at("a/1"), int64(i)))
		tree.must(os.Truncate(tree.at("b/1"), int64(i)))
	}
	tree.write("c/1", "unheard of")
	tree.same("an overflow")
}

// What is mounted over a folder is found, and what is in it when it is gone again.
func TestWatchAndMounts(t *testing.T) {
	tree := newWatchedTree(t)
	tree.write("a/b", "below")
	tree.same("nothing")
	if err := unix.Mount("tmpfs", tree.at("a"), "tmpfs", 0, ""); err != nil {
		t.Skip("cannot mount: ", err)
	}
	defer func() { _ = unix.Unmount(tree.at("a"), unix.MNT_DETACH) }()
	tree.write("a/c", "above")
	tree.same("a mount")
	tree.write("a/d", "above")
	tree.same("a change in it")
	tree.must(unix.Unmount(tree.at("a"), 0))
	tree.same("the end of it")
}

// edit does something at random to the tree; what cannot be done is left.
func (t *watchedTree) edit(rnd *rand.Rand) string {
	name := func() string {
		p := ""
		for range 1 + rnd.Intn(3) {
			p = manifest.Join(p, string(rune('a'+rnd.Intn(3))))
		}
		return p
	}
	p, q := name(), name()
	from, to := t.at(p), t.at(q)
	edits := []struct {
		name string
		do   func() error
	}{
		{"write", func() error { return os.WriteFile(from, make([]byte, rnd.Intn(9)), 0o644) }},
		{"mkdir", func() error { return os.Mkdir(from, 0o755) }},
		{"mkdirs", func() error { return os.MkdirAll(from, 0o755) }},
		{"rename", func() error { return os.Rename(from, to) }},
		{"exchange", func() error { return unix.Renameat2(-1, from, -1, to, unix.RENAME_EXCHANGE) }},
		{"away and back", func() error {
			if err := os.Rename(from, t.root+"-aside"); err != nil {
				return err
			}
			return os.Rename(t.root+"-aside", to)
		}},
		{"remove", func() error { return os.Remove(from) }},
		{"remove all", func() error { return os.RemoveAll(from) }},
		{"chmod", func() error { return os.Chmod(from, 0o700|fs.FileMode(rnd.Intn(0o100))) }},
		{"symlink", func() error { return os.Symlink(q, from) }},
		{"write outside", func() error { return os.WriteFile(t.root+"-outside", make([]byte, rnd.Intn(9)), 0o644) }},
		{"touch", func() error { return os.Chtimes(from, time.Now(), time.Unix(int64(rnd.Intn(1e9)), 0)) }},
		{"truncate", func() error { return os.Truncate(from, int64(rnd.Intn(9))) }},
		{"map", func() error { return writeMapped(from) }},
	}
	e := edits[rnd.Intn(len(edits))]
	return fmt.Sprintf("%s %s %s: %v", e.name, p, q, e.do())
}

// writeMapped changes a file through a mapping that is made before its handle is
// closed and closed afterwards.
func writeMapped(name string) error {
	f, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := f.Truncate(8); err != nil {
		return err
	}
	b, err := unix.Mmap(int(f.Fd()), 0, 8, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return err
	}
	b[0]++
	return unix.Munmap(b)
}
