//go:build linux

package manifest

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Watch remembers what the folders of one tree hold for as long as the kernel
// reports no change in them, so that a later scan need not look at them again.
//
// The kernel does not report what is written through a mapping before that is
// closed, what is written through another name of the file, and what others do to a
// network filesystem (inotify(7)). So files of several names, and filesystems that
// are not known to be this machine's alone, are looked at each time; and all is
// looked at again after WatchFor.
type Watch struct {
	fd     int
	root   place
	mounts []byte // what is mounted
	since  time.Time
	turned int // folders that came, went or were renamed since the last scan
	most   int // folders that may be watched

	mu      sync.Mutex // of what follows, which the workers of a scan share
	folders map[string]*watched
	byID    map[int32]*watched
	left    int // entries that may yet be remembered
}

// WatchFor is how long a folder is remembered at most.
const WatchFor = 10 * time.Minute

// place tells one folder of the machine from another.
type place struct{ dev, ino uint64 }

// watched is a folder that the kernel watches.
type watched struct {
	path    string
	id      int32
	entries []Entry // what it holds
	known   bool    // nothing in it changed since
}

// watchedEvents are all that change what lstat tells of what is in a folder.
const watchedEvents = unix.IN_MODIFY | unix.IN_ATTRIB | unix.IN_CLOSE_WRITE | unix.IN_CREATE | unix.IN_DELETE |
	unix.IN_MOVED_FROM | unix.IN_MOVED_TO | unix.IN_DELETE_SELF | unix.IN_MOVE_SELF | unix.IN_ONLYDIR

// mostTurned is how many folders may come and go before all is looked at again.
const mostTurned = 256

// NewWatch remembers nothing yet. It must be closed. An error means that the kernel
// watches no more for this user.
func NewWatch() (*Watch, error) {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return nil, fmt.Errorf("cannot watch folders: %w", err)
	}
	return &Watch{fd: fd, most: fairShare(), folders: map[string]*watched{}, byID: map[int32]*watched{}}, nil
}

// fairShare is how many folders to watch at most: a quarter of what the user may, for
// there are others who want to. Source: inotify(7).
func fairShare() int {
	b, _ := os.ReadFile("/proc/sys/fs/inotify/max_user_watches")
	n, _ := strconv.Atoi(string(bytes.TrimSpace(b)))
	return n / 4
}

// Close ends the watching.
func (w *Watch) Close() { _ = unix.Close(w.fd) }

// Entries is how many entries are remembered.
func (w *Watch) Entries() (n int) {
	for _, f := range w.folders {
		n += len(f.entries)
	}
	return n
}

// Scan is as the function of that name, but folders in which nothing changed are not
// looked at again. No more than most entries are remembered. The scanner before must
// have been closed.
func (w *Watch) Scan(root int, rules *Rules, n int, tick func(entries int), most int) *Scanner {
	if !w.refresh(root) {
		return Scan(root, rules, n, tick)
	}
	w.left = most - w.Entries()
	return scan(func() look {
		l := &lister{root: root}
		return func(dir string, room func(int) []Entry) ([]Entry, error) { return w.look(l, dir, room) }
	}, rules, n, tick)
}

// refresh forgets what may have changed. It is false where nothing can be watched.
func (w *Watch) refresh(root int) bool {
	var st unix.Stat_t
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil || unix.Fstat(root, &st) != nil || !ownFilesystem(root) {
		w.forget("")
		return false
	}
	at := place{st.Dev, st.Ino}
	if !w.readEvents() || at != w.root || !bytes.Equal(mounts, w.mounts) || time.Since(w.since) > WatchFor {
		w.forget("")
		w.root, w.mounts, w.since = at, mounts, time.Now()
	}
	return true
}

// ownFilesystem reports whether nobody but this kernel changes the filesystem of an
// open folder. Source: statfs(2), linux/magic.h.
func ownFilesystem(fd int) bool {
	var st unix.Statfs_t
	if unix.Fstatfs(fd, &st) != nil {
		return false
	}
	switch uint32(st.Type) {
	case unix.EXT4_SUPER_MAGIC, unix.XFS_SUPER_MAGIC, unix.BTRFS_SUPER_MAGIC, unix.F2FS_SUPER_MAGIC, unix.TMPFS_MAGIC:
		return true
	}
	return false
}

// readEvents forgets the folders of which the kernel reports something. It is false
// where reports were lost, or are too many.
func (w *Watch) readEvents() bool {
	w.turned = 0
	buf := make([]byte, 64<<10)
	for {
		n, err := unix.Read(w.fd, buf)
		switch {
		case errors.Is(err, unix.EINTR):
		case errors.Is(err, unix.EAGAIN):
			return true
		case err != nil || !w.take(buf[:n]):
			return false
		}
	}
}

// take goes through events: four numbers of four bytes each, which are the watch, what
// happened, a cookie and the length of the name, and the name, which NULs fill up.
func (w *Watch) take(b []byte) bool {
	for len(b) >= unix.SizeofInotifyEvent {
		id := int32(binary.NativeEndian.Uint32(b))
		mask := binary.NativeEndian.Uint32(b[4:])
		end := unix.SizeofInotifyEvent + int(binary.NativeEndian.Uint32(b[12:]))
		if mask&unix.IN_Q_OVERFLOW != 0 || end > len(b) || w.turned > mostTurned {
			return false
		}
		name, _, _ := bytes.Cut(b[unix.SizeofInotifyEvent:end], []byte{0})
		if f := w.byID[id]; f != nil {
			w.changed(f, mask, string(name))
		}
		b = b[end:]
	}
	return true
}

// changed forgets what an event concerns: what the folder holds and, when one came,
// went or was renamed, all below that.
func (w *Watch) changed(f *watched, mask uint32, name string) {
	f.known, f.entries = false, nil
	const itself = unix.IN_IGNORED | unix.IN_UNMOUNT | unix.IN_DELETE_SELF | unix.IN_MOVE_SELF
	switch {
	case mask&itself != 0:
		w.forget(f.path)
	case mask&unix.IN_ISDIR != 0 && mask&unix.IN_ATTRIB == 0:
		w.forget(Join(f.path, name))
	}
}

// forget drops a folder and all below it; the empty path is the root's.
func (w *Watch) forget(dir string) {
	w.turned++
	for p, f := range w.folders {
		if dir == "" || p == dir || strings.HasPrefix(p, dir+"/") {
			w.drop(f)
		}
	}
}

// drop no longer watches a folder.
func (w *Watch) drop(f *watched) {
	_, _ = unix.InotifyRmWatch(w.fd, uint32(f.id)) // it may have gone with its folder
	delete(w.byID, f.id)
	delete(w.folders, f.path)
}

// look gives what is remembered of a folder, or looks at it.
func (w *Watch) look(l *lister, dir string, room func(n int) []Entry) ([]Entry, error) {
	w.mu.Lock()
	f := w.folders[dir]
	w.mu.Unlock()
	if f != nil && f.known {
		return append(room(len(f.entries)), f.entries...), nil
	}
	return l.lookBy(dir, room, func(fd int) func([]Entry) { return w.begin(dir, fd) })
}

// begin has the kernel watch the folder dir, which is open as fd. What it gives
// remembers what the folder holds, which must be looked at after begin.
func (w *Watch) begin(dir string, fd int) func([]Entry) {
	var st unix.Stat_t
	if unix.Fstat(fd, &st) != nil || st.Dev != w.root.dev {
		return func([]Entry) {}
	}
	id, err := unix.InotifyAddWatch(w.fd, fmt.Sprintf("/proc/self/fd/%d", fd), watchedEvents)
	if err != nil {
		return func([]Entry) {} // the user has as many as may be
	}
	return func(entries []Entry) { w.remember(&watched{path: dir, id: int32(id), known: true}, entries) }
}

// remember takes what a folder holds as known from now on.
func (w *Watch) remember(f *watched, entries []Entry) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, old := range []*watched{w.folders[f.path], w.byID[f.id]} {
		switch {
		case old == nil:
		case old.path != f.path: // the same folder is mounted twice, or was renamed just now
			w.drop(old)
			return
		case old.id != f.id: // another folder was there
			w.drop(old)
		}
	}
	several := slices.ContainsFunc(entries, func(e Entry) bool { return e.Many })
	if several || len(entries) > w.left || w.folders[f.path] == nil && len(w.folders) >= w.most {
		w.drop(f)
		return
	}
	w.left -= len(entries)
	f.entries = slices.Clone(entries)
	w.folders[f.path], w.byID[f.id] = f, f
}
