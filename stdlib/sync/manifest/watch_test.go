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
	return newWatchedTreeIn(t, t.TempDir())
}

func newWatchedTreeIn(t *testing.T, dir string) *watchedTree {
	t.Helper()
	tree := &watchedTree{T: t, root: filepath.Join(dir, "tree")}
	tree.must(os.Mkdir(tree.root, 0o755))
	tree.w = manifest.NewWatch()
	t.Cleanup(tree.w.Close)
	var err error
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

// plenty is room for all that these tests make.
var plenty = manifest.Room{Folders: 1 << 20, Entries: 1 << 20}

// scan scans with the watch, which watches and remembers no more than most.
func (t *watchedTree) scan(most manifest.Room) []manifest.Entry {
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
	got, want := t.scan(plenty), t.read(manifest.Scan(t.fd, t.rules(), 1, nil))
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Fatalf("after %s:\ngot  %v\nwant %v", after, got, want)
	}
}

// Whatever is done to a tree, and to files that have other names outside of it, a
// scan with a watch finds what one without finds.
func TestWatchMissesNothing(t *testing.T) {
	for seed := range int64(12) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			tree := newWatchedTree(t)
			for i, p := range []string{"a/b", "a/a/c", "c"} {
				tree.write(p, "")
				tree.must(os.Link(tree.at(p), fmt.Sprint(tree.root, "-outside", i)))
			}
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
	undisturbed := tree.mounts()
	tree.same("nothing")
	tree.needWatches()
	tree.must(os.Link(tree.at("a/b/c"), tree.root+"-outside"))
	many := func(entries int) bool {
		for _, e := range tree.scan(manifest.Room{Folders: plenty.Folders, Entries: entries}) {
			if e.Path == "a/b/c" {
				return e.Many
			}
		}
		t.Fatal("a/b/c was not found")
		return false
	}
	if many(plenty.Entries) && undisturbed() {
		t.Error("a folder was looked at in which nothing changed")
	}
	tree.must(os.Rename(tree.at("a"), tree.at("g")))
	tree.must(os.Rename(tree.at("g"), tree.at("a")))
	if !many(3) {
		t.Error("a folder that was renamed was taken as known")
	}
	if n := tree.w.Held().Entries; n > 3 {
		t.Errorf("%d entries are remembered, of at most 3", n)
	}
}

// A folder is another one where one that holds it was replaced, also where those
// that hold it are not remembered: for files of several names, or for want of room.
func TestWatchAndFoldersAbove(t *testing.T) {
	tree := newWatchedTree(t)
	for i, p := range []string{"h", "a/h", "a/b/h"} {
		tree.write(p, "")
		tree.must(os.Link(tree.at(p), fmt.Sprint(tree.root, "-outside", i)))
	}
	tree.write("a/b/c/d", "old")
	tree.write("e/b/c/d", "replaced")
	tree.same("nothing")
	tree.must(unix.Renameat2(-1, tree.at("a"), -1, tree.at("e"), unix.RENAME_EXCHANGE))
	tree.same("an exchange")
	for i := range 50 {
		tree.write(fmt.Sprint("a/", i), "")
	}
	tree.w.Close() // and what it holds is forgotten
	few := manifest.Room{Folders: 5, Entries: 5}
	for range 2 {
		tree.scan(few)
	}
	if held := tree.w.Held(); held.Folders > few.Folders || held.Entries > few.Entries {
		t.Errorf("more is watched or remembered than may be: %+v", held)
	}
	tree.must(unix.Renameat2(-1, tree.at("a"), -1, tree.at("e"), unix.RENAME_EXCHANGE))
	tree.same("an exchange, with little room")
}

// needWatches skips the test where nothing on this filesystem is watched.
func (t *watchedTree) needWatches() {
	t.Helper()
	if t.w.Held().Folders == 0 {
		t.Skip("trees on this filesystem are looked at each time")
	}
}

// mounts begins to look whether anything is mounted on this machine, after which all is
// looked at again. What it gives is false when that was seen, once it was asked.
func (t *watchedTree) mounts() (same func() bool) {
	t.Helper()
	read := func() string {
		b, err := os.ReadFile("/proc/self/mountinfo")
		t.must(err)
		return string(b)
	}
	first, ever := read(), true
	return func() bool { ever = ever && read() == first; return ever }
}

// queue is how many reports the kernel keeps.
func (t *watchedTree) queue() int {
	t.Helper()
	b, err := os.ReadFile("/proc/sys/fs/inotify/max_queued_events")
	t.must(err)
	most, err := strconv.Atoi(strings.TrimSpace(string(b)))
	t.must(err)
	return most
}

// When more happened than the kernel keeps reports of, all is looked at again.
func TestWatchOverflows(t *testing.T) {
	tree := newWatchedTree(t)
	for _, p := range []string{"a/1", "b/1", "c/1"} {
		tree.write(p, "")
	}
	tree.same("nothing")
	tree.overflow()
	tree.write("c/1", "unheard of")
	tree.same("an overflow")
}

// overflow changes the files a/1 and b/1 more often than the kernel reports.
func (t *watchedTree) overflow() {
	t.Helper()
	for i := range t.queue()/2 + 1 { // of the same event twice in a row there is one report
		t.must(os.Truncate(t.at("a/1"), int64(i)))
		t.must(os.Truncate(t.at("b/1"), int64(i)))
	}
}

// A tree of more folders than the kernel keeps reports of is remembered again after
// all of it was forgotten once.
func TestWatchManyFolders(t *testing.T) {
	dir, err := os.MkdirTemp("/dev/shm", "rollsh-") //nolint:usetesting // t.TempDir is on a disk, which is slow
	if err != nil {
		dir = t.TempDir()
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	tree := newWatchedTreeIn(t, dir)
	folders := tree.queue() + 1000
	if folders > 1<<16 {
		t.Skip("the kernel keeps reports of more than can be made here")
	}
	for i := range folders {
		tree.must(os.Mkdir(tree.at(fmt.Sprint(i)), 0o755))
	}
	tree.write("a/1", "")
	tree.write("b/1", "")
	tree.scan(plenty)
	tree.needWatches()
	if tree.w.Held().Folders < folders {
		t.Skip("this user may not watch so many folders")
	}
	tree.overflow()
	undisturbed := tree.mounts()
	tree.scan(plenty)
	undisturbed()
	tree.must(os.Link(tree.at("a/1"), tree.root+"-outside"))
	for _, e := range tree.scan(plenty) {
		if e.Path == "a/1" && e.Many && undisturbed() {
			t.Error("a folder was looked at in which nothing changed")
		}
	}
}

// What is mounted over a folder is found, and what is in it when it is gone again.
func TestWatchAndMounts(t *testing.T) {
	tree := newWatchedTree(t)
	tree.write("a/b", "below")
	tree.same("nothing")
	tree.mount("tmpfs", "a", "tmpfs", 0)
	tree.write("a/c", "above")
	tree.same("a mount")
	tree.write("a/d", "above")
	tree.same("a change in it")
	tree.must(os.Chmod(tree.at("a"), 0o700))
	tree.same("a change of the folder that it shows")
	tree.must(unix.Unmount(tree.at("a"), 0))
	tree.same("the end of it")
}

// A change of what a bind mount shows in the tree is made under another name, and
// what it shows can be another folder from one time to the next.
func TestWatchAndBinds(t *testing.T) {
	tree := newWatchedTree(t)
	tree.write("in a/file", "below")
	tree.write("dir/in", "below")
	tree.write("../out/one/file", "1")
	tree.mount("../out/one/file", "in a/file", "", unix.MS_BIND)
	tree.mount("../out/one", "dir", "", unix.MS_BIND)
	tree.same("two mounts")
	tree.write("../out/one/file", "changed")
	tree.same("a change by the other name")
	tree.must(unix.Unmount(tree.at("dir"), 0))
	tree.must(os.Rename(tree.at("../out"), tree.at("../aside")))
	tree.write("../out/one/file", "another")
	tree.mount("../out/one", "dir", "", unix.MS_BIND)
	tree.same("another folder was mounted")
}

// mount mounts what until the test ends; that is a path from the root of the tree if
// it is one.
func (t *watchedTree) mount(what, at, kind string, flags uintptr) {
	t.Helper()
	if flags&unix.MS_BIND != 0 {
		what = t.at(what)
	}
	if err := unix.Mount(what, t.at(at), kind, flags, ""); err != nil {
		t.Skip("cannot mount: ", err)
	}
	t.Cleanup(func() { _ = unix.Unmount(t.at(at), unix.MNT_DETACH) })
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
		{"link beside", func() error { return os.Link(from, filepath.Join(filepath.Dir(from), filepath.Base(to))) }},
		{"symlink", func() error { return os.Symlink(q, from) }},
		{"write outside", func() error {
			return os.WriteFile(fmt.Sprint(t.root, "-outside", rnd.Intn(3)), make([]byte, rnd.Intn(9)), 0o644)
		}},
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
