//go:build linux

package agent

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/rollsh/rollsh/stdlib/sync/beneath"
	"github.com/rollsh/rollsh/stdlib/sync/manifest"
	"github.com/rollsh/rollsh/stdlib/sync/wire"
	"golang.org/x/sys/unix"
)

// tree is one tree and the folder of state that belongs to it.
type tree struct {
	path     string // with symlinks in it resolved
	base     int    // the folder at path; -1 while it does not exist
	root     int    // the live tree: base, or a release in it; -1 while it does not exist
	state    int    // its state; -1 while it does not exist
	place    string // the path of the state
	inside   bool
	lock     *os.File
	beat     chan struct{} // closed to end the renewing of the lock
	renewing sync.WaitGroup
	by       wire.Holder
	server   *server // whose counters are kept going; nil for none

	owners   owners
	open     []*os.File     // that lists are read from
	dirs     map[string]int // open folders of the tree
	releases bool           // the layout is wire.LayoutRelease
	current  string         // then, the text of the link to the live release; empty: there is none

	settled string // what settle did
	undone  string // the roll whose undo settle finished
}

// openTree finds a tree and its state. With write, what is missing around the
// tree is made; without, nothing is changed.
func openTree(path string, write bool) (*tree, error) {
	if !filepath.IsAbs(path) || filepath.Clean(path) == "/" || strings.ContainsRune(path, 0) {
		return nil, failure("usage", "the path of a tree must be absolute and not /: "+show(path))
	}
	t := &tree{path: filepath.Clean(path), base: -1, root: -1, state: -1, dirs: map[string]int{}}
	if err := t.openRoot(write); err != nil {
		t.close()
		return nil, err
	}
	if err := t.openState(write); err != nil {
		t.close()
		return nil, err
	}
	return t, nil
}

func (t *tree) openRoot(write bool) error {
	real, err := filepath.EvalSymlinks(t.path)
	switch {
	case errors.Is(err, unix.ENOENT):
		return t.missingRoot(write)
	case errors.Is(err, unix.ENOTDIR):
		return t.notFolder(filepath.Dir(t.path))
	case err != nil:
		return cannot("open", t.path, err)
	}
	t.path = real
	t.base, err = unix.Open(real, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC|unix.O_NOFOLLOW, 0)
	t.root = t.base
	if errors.Is(err, unix.ENOTDIR) {
		return t.notFolder(real)
	}
	return cannot("open", t.path, err)
}

func (t *tree) notFolder(path string) error {
	return hinted("failed", show(path)+" is a file where a folder is needed", "move it away, or give another path")
}

// missingRoot prepares for a tree that the first switch will make.
func (t *tree) missingRoot(write bool) error {
	if st, err := os.Lstat(t.path); err == nil && st.Mode()&os.ModeSymlink != 0 {
		return hinted("failed", show(t.path)+" is a symlink that leads nowhere", "make the folder it leads to")
	}
	parent := filepath.Dir(t.path)
	if write {
		if err := os.MkdirAll(parent, 0o755); err != nil {
			if errors.Is(err, unix.ENOTDIR) {
				return t.notFolder(parent)
			}
			return cannot("make the folder", parent, err)
		}
	}
	if real, err := filepath.EvalSymlinks(parent); err == nil {
		t.path = filepath.Join(real, filepath.Base(t.path))
	}
	return nil
}

// openState finds the state beside the tree or inside it; with write it makes
// it where there is none.
func (t *tree) openState(write bool) error {
	beside := filepath.Join(filepath.Dir(t.path), ".rollsh-"+filepath.Base(t.path))
	within := filepath.Join(t.path, ".rollsh")
	for _, place := range []string{beside, within} {
		fd, err := unix.Open(place, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC|unix.O_NOFOLLOW, 0)
		if err == nil && (t.base < 0 || device(fd) == device(t.base)) {
			t.state, t.place, t.inside = fd, place, place == within
			return t.checkState()
		} else if err == nil {
			_ = unix.Close(fd)
		}
	}
	t.place = beside
	if !t.parentServes() {
		t.place, t.inside = within, true
	}
	if !write {
		return nil
	}
	if t.inside && t.base < 0 {
		return cannot("write to", filepath.Dir(t.path), unix.EACCES)
	}
	if err := os.Mkdir(t.place, 0o700); err != nil && !errors.Is(err, unix.EEXIST) {
		return cannot("make the folder", t.place, err)
	}
	fd, err := unix.Open(t.place, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC|unix.O_NOFOLLOW, 0)
	if err != nil {
		return cannot("open", t.place, err)
	}
	t.state = fd
	return t.checkState()
}

// checkState refuses a state folder that others could write to.
func (t *tree) checkState() error {
	var st unix.Stat_t
	if err := unix.Fstat(t.state, &st); err != nil {
		return cannot("read", t.place, err)
	}
	if int(st.Uid) != os.Geteuid() {
		return hinted("permission", t.place+" belongs to another user", "roll to a tree as one user, always the same")
	}
	if st.Mode&0o077 != 0 {
		return hinted("permission", t.place+" is open to other users", "chmod 700 it, after a look at what is in it")
	}
	return nil
}

// parentServes reports whether the state can lie beside the tree: the parent
// is writable and on the same filesystem.
func (t *tree) parentServes() bool {
	parent := filepath.Dir(t.path)
	if unix.Access(parent, unix.W_OK|unix.X_OK) != nil {
		return false
	}
	var a, b unix.Stat_t
	return t.base < 0 || unix.Stat(parent, &a) == nil && unix.Fstat(t.base, &b) == nil && a.Dev == b.Dev
}

func device(fd int) uint64 {
	var st unix.Stat_t
	if unix.Fstat(fd, &st) != nil {
		return 0
	}
	return st.Dev
}

func (t *tree) close() {
	t.forget()
	for _, f := range t.open {
		_ = f.Close()
	}
	t.open = nil
	t.unlock()
	if t.root == t.base {
		t.root = -1
	}
	for _, fd := range []*int{&t.base, &t.root, &t.state} {
		if *fd >= 0 {
			_ = unix.Close(*fd)
			*fd = -1
		}
	}
}

// dir opens a folder of the tree, never through a symlink. The handle belongs
// to the tree.
func (t *tree) dir(p string) (int, error) {
	if fd, ok := t.dirs[p]; ok {
		return fd, nil
	}
	if t.root < 0 {
		return -1, unix.ENOENT
	}
	if len(t.dirs) > 256 {
		t.forget()
	}
	fd, err := beneath.Dir(t.root, p)
	if err == nil {
		t.dirs[p] = fd
	}
	return fd, err
}

// forget closes the folders that dir opened.
func (t *tree) forget() {
	for _, fd := range t.dirs {
		_ = unix.Close(fd)
	}
	clear(t.dirs)
}

// dropDir closes the folder p and those in it, which are about to go.
func (t *tree) dropDir(p string) {
	for q, fd := range t.dirs {
		if q == p || strings.HasPrefix(q, p+"/") {
			_ = unix.Close(fd)
			delete(t.dirs, q)
		}
	}
}

// lstat describes a path of the tree. ENOENT is also given when a parent is
// missing or is not a folder.
func (t *tree) lstat(p string) (manifest.Entry, error) {
	d, name := beneath.Split(p)
	fd, err := t.dir(d)
	if err == nil {
		var e manifest.Entry
		if e, err = manifest.Lstat(fd, name); err == nil {
			e.Path = p
			return e, nil
		}
	}
	if errors.Is(err, unix.ENOTDIR) || errors.Is(err, unix.ELOOP) {
		err = unix.ENOENT
	}
	return manifest.Entry{}, err
}

// openSub opens a folder of the state.
func openSub(at int, name string) (int, error) {
	return unix.Openat(at, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC|unix.O_NOFOLLOW, 0)
}

// tick counts towards the beat.
func (t *tree) tick(files int, bytes int64) {
	if t.server != nil {
		t.server.files.Add(int64(files))
		t.server.bytes.Add(bytes)
	}
}

// spool gives a place for a list: in the state of a tree that is being worked
// on; a request that writes nothing takes the system's folder for such files.
func (t *tree) spool() *manifest.Spool {
	return manifest.NewSpool(func() (*os.File, error) {
		f, err := t.temp()
		if err == nil {
			t.open = append(t.open, f)
		}
		return f, err
	})
}

// temp makes a file without a name.
func (t *tree) temp() (*os.File, error) {
	if t.lock == nil {
		f, err := os.CreateTemp("", "rollsh-")
		if err == nil {
			_ = os.Remove(f.Name())
		}
		return f, err
	}
	const name = "trash-list" // swept, should the name outlive us
	_ = unix.Unlinkat(t.state, name, 0)
	fd, err := unix.Openat(t.state, name, unix.O_RDWR|unix.O_CREAT|unix.O_EXCL|unix.O_CLOEXEC|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, err
	}
	_ = unix.Unlinkat(t.state, name, 0)
	return os.NewFile(uintptr(fd), name), nil
}
