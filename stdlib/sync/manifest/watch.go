//go:build linux

package manifest

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Watch remembers what the folders of one tree hold for as long as the kernel
// reports no change in them, so that a later scan need not look at them again.
//
// The kernel reports a change of a file in the folder by whose name it was made. So
// it does not report here what is written through another name of the file, through
// a handle that was opened by another name, by none (NFS) or by the kernel itself (a
// loop device), nor what is written through a mapping before that is closed, nor what
// others do to a network filesystem (inotify(7)). So files of several names, what
// mounts put into the tree, and filesystems that are not known to be this machine's
// alone are looked at each time; and all is looked at again after WatchFor.
//
// That a folder was renamed is reported of it and of the one that holds it, not of
// what is in it. So a folder is watched only in one that is.
type Watch struct {
	fd     int // -1 while nothing is watched
	root   place
	mounts []byte          // what is mounted
	over   map[string]bool // the folders and files of the tree on which something is (true), and what holds these (false)
	since  time.Time
	gone   map[string]bool // folders that came, went or were renamed since the last scan

	mu      sync.Mutex // of what follows, which the workers of a scan share
	folders map[string]*watched
	byID    map[int32]*watched
	left    Room
}

// WatchFor is how long a folder is remembered at most.
const WatchFor = 10 * time.Minute

// Room is how many folders are watched, or may be, and how many entries remembered.
type Room struct{ Folders, Entries int }

// place tells one folder of the machine from another.
type place struct{ dev, ino uint64 }

// watched is a folder that the kernel watches.
type watched struct {
	path    string
	id      int32
	entries []Entry // what it holds
	known   bool    // that is remembered, and nothing in it changed since
}

// watchedEvents are all that change what lstat tells of what is in a folder.
const watchedEvents = unix.IN_MODIFY | unix.IN_ATTRIB | unix.IN_CLOSE_WRITE | unix.IN_CREATE | unix.IN_DELETE |
	unix.IN_MOVED_FROM | unix.IN_MOVED_TO | unix.IN_DELETE_SELF | unix.IN_MOVE_SELF | unix.IN_ONLYDIR

// NewWatch remembers nothing yet. It must be closed.
func NewWatch() *Watch {
	return &Watch{fd: -1, folders: map[string]*watched{}, byID: map[int32]*watched{}}
}

// Close ends the watching, and forgets all.
func (w *Watch) Close() {
	if w.fd >= 0 {
		_ = unix.Close(w.fd)
	}
	w.fd = -1
	clear(w.folders)
	clear(w.byID)
}

// Held is how much is watched and remembered.
func (w *Watch) Held() Room {
	r := Room{Folders: len(w.folders)}
	for _, f := range w.folders {
		r.Entries += len(f.entries)
	}
	return r
}

// Scan is as the function of that name, but folders in which nothing changed are not
// looked at again. No more than most are watched and remembered. The scanner before
// must have been closed.
func (w *Watch) Scan(root int, rules *Rules, n int, tick func(entries int), most Room) *Scanner {
	if !w.refresh(root) {
		return Scan(root, rules, n, tick)
	}
	held := w.Held()
	w.left = Room{most.Folders - held.Folders, most.Entries - held.Entries}
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
		w.Close()
		return false
	}
	at := place{st.Dev, st.Ino}
	if w.readEvents() && at == w.root && bytes.Equal(mounts, w.mounts) && time.Since(w.since) <= WatchFor {
		w.sweep()
		return true
	}
	w.Close() // and with it what is reported of what is forgotten
	w.root, w.mounts, w.since = at, mounts, time.Now()
	if w.over, err = mountedIn(root, mounts); err == nil {
		w.fd, err = unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	}
	return err == nil // else the user has as many as may be
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

// mountedIn tells, of what is mounted, where that is in the tree with the open root.
// Source: proc_pid_mountinfo(5).
func mountedIn(root int, mounts []byte) (map[string]bool, error) {
	at, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", root))
	over := map[string]bool{}
	for line := range strings.Lines(string(mounts)) {
		const pointAt = 4
		fields := strings.Split(line, " ")
		if len(fields) <= pointAt {
			continue
		}
		point := strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`).Replace(fields[pointAt])
		if p, in := strings.CutPrefix(point, at+"/"); in {
			over[p] = true
			over[holder(p)] = over[holder(p)]
		}
	}
	return over, err
}

// holder is the path of the folder that holds p.
func holder(p string) string { return p[:max(strings.LastIndexByte(p, '/'), 0)] }

// readEvents takes note of what the kernel reports. It is false where reports were
// lost, or what is watched is not the tree any more.
func (w *Watch) readEvents() bool {
	w.gone = map[string]bool{}
	buf := make([]byte, 64<<10)
	for {
		n, err := unix.Read(w.fd, buf)
		switch {
		case errors.Is(err, unix.EINTR):
		case errors.Is(err, unix.EAGAIN):
			return !w.gone[""]
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
		if mask&unix.IN_Q_OVERFLOW != 0 || end > len(b) {
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
// went or was renamed, that too.
func (w *Watch) changed(f *watched, mask uint32, name string) {
	f.known, f.entries = false, nil
	const itself = unix.IN_IGNORED | unix.IN_UNMOUNT | unix.IN_DELETE_SELF | unix.IN_MOVE_SELF
	switch {
	case mask&itself != 0:
		w.gone[f.path] = true
	case mask&unix.IN_ISDIR != 0 && mask&unix.IN_ATTRIB == 0:
		w.gone[Join(f.path, name)] = true
	}
}

// sweep no longer watches the folders that are gone, nor what was in them.
func (w *Watch) sweep() {
	if len(w.gone) == 0 {
		return
	}
	for p, f := range w.folders {
		if w.went(p) {
			w.drop(f)
		}
	}
	clear(w.gone)
}

// went reports whether a folder is gone, or one that holds it.
func (w *Watch) went(p string) bool {
	for ; p != ""; p = holder(p) {
		if w.gone[p] {
			return true
		}
	}
	return w.gone[""]
}

// drop no longer watches a folder. What is in it must go too.
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
	w.mu.Lock()
	may := w.may(dir)
	w.mu.Unlock()
	if !may || unix.Fstat(fd, &st) != nil || st.Dev != w.root.dev {
		return func([]Entry) {}
	}
	id, err := unix.InotifyAddWatch(w.fd, fmt.Sprintf("/proc/self/fd/%d", fd), watchedEvents)
	if err != nil {
		return func([]Entry) {} // the user has as many as may be
	}
	return func(entries []Entry) { w.remember(&watched{path: dir, id: int32(id)}, entries) }
}

// may reports whether a folder may be watched: nothing is mounted there, the one that
// holds it is watched, and there is room.
func (w *Watch) may(dir string) bool {
	return !w.over[dir] && (dir == "" || w.folders[holder(dir)] != nil) && (w.folders[dir] != nil || w.left.Folders > 0)
}

// remember takes a folder as watched, and what it holds as known from now on.
func (w *Watch) remember(f *watched, entries []Entry) {
	w.mu.Lock()
	defer w.mu.Unlock()
	old, same := w.folders[f.path], w.byID[f.id]
	if !w.may(f.path) || old != same { // another folder is there than was, or it was renamed just now
		w.gone[f.path] = true
		if same != nil {
			w.gone[same.path] = true
		}
		w.drop(f)
		w.sweep()
		return
	}
	if old == nil {
		w.left.Folders--
	}
	_, holds := w.over[f.path]
	several := slices.ContainsFunc(entries, func(e Entry) bool { return e.Many })
	if f.known = !holds && !several && len(entries) <= w.left.Entries; f.known {
		w.left.Entries -= len(entries)
		f.entries = slices.Clone(entries)
	}
	w.folders[f.path], w.byID[f.id] = f, f
}
