//go:build linux

package manifest

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"

	"github.com/rollsh/rollsh/stdlib/sync/beneath"
	"golang.org/x/sys/unix"
)

// Scanner lists a tree in the order of the paths. Some workers list folders
// ahead of the one that is read, so that the disk is kept busy; what they have
// listed and nobody read yet is little. It is a Seq.
type Scanner struct {
	root  int
	rules *Rules
	tick  func(entries int)

	mu    sync.Mutex
	more  *sync.Cond // work came, or there is room again
	queue []*folder  // not begun, the next one last
	ready int        // entries that were listed and not yet read
	spare [][]Entry  // that were read, for the next folders
	quit  bool
	wg    sync.WaitGroup

	own  lister
	at   []*folder // that are being read, the innermost last
	held map[string]bool
	err  error
}

// listedAhead is how many entries may wait to be read.
const listedAhead = 8 << 10

// folder is one folder of the tree.
type folder struct {
	path   string
	key    string // where its contents are in the order: its path and a slash
	inside bool

	begun   bool
	done    chan struct{} // closed when it is listed
	listed  []Entry       // those that count
	entries []Entry       // of them, those that are left
	subs    []*folder     // that are left
	held    bool
	err     error
}

// Scan lists the tree below the folder root, which never follows a symlink,
// with n workers. tick, if not nil, is told how many entries were seen since it
// was told last; it may be called from several goroutines. The scanner must be
// closed.
func Scan(root int, rules *Rules, n int, tick func(entries int)) *Scanner {
	s := &Scanner{root: root, rules: rules, tick: tick, held: map[string]bool{}}
	s.more = sync.NewCond(&s.mu)
	s.enter(&folder{inside: !rules.Partial(), done: make(chan struct{})})
	for range n {
		s.wg.Go(s.work)
	}
	return s
}

// Close ends the workers and waits for them.
func (s *Scanner) Close() {
	s.mu.Lock()
	s.quit = true
	s.more.Broadcast()
	s.mu.Unlock()
	s.wg.Wait()
}

// Held are the folders that hold something which the rules look past; they
// cannot be removed. It is complete for a folder when Next has given what comes
// after all that is in it.
func (s *Scanner) Held() map[string]bool { return s.held }

// Err implements Seq.
func (s *Scanner) Err() error { return s.err }

// Next implements Seq.
func (s *Scanner) Next() *Entry {
	for len(s.at) > 0 && s.err == nil {
		f := s.at[len(s.at)-1]
		switch {
		case len(f.entries) > 0 && (len(f.subs) == 0 || f.entries[0].Path < f.subs[0].key):
			e := &f.entries[0]
			f.entries = f.entries[1:]
			return e
		case len(f.subs) > 0:
			sub := f.subs[0]
			f.subs = f.subs[1:]
			s.enter(sub)
		default:
			s.leave(f)
		}
	}
	return nil
}

// enter goes on with a folder: it waits until it is listed, or lists it itself
// where no worker has begun to.
func (s *Scanner) enter(f *folder) {
	s.mu.Lock()
	mine := !f.begun
	f.begun = true
	s.mu.Unlock()
	if mine {
		s.list(f, &s.own)
	} else {
		<-f.done
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	before := s.ready
	if s.ready -= len(f.listed); before >= listedAhead && s.ready < listedAhead {
		s.more.Broadcast()
	}
	if s.err = f.err; f.held {
		s.held[f.path] = true
	}
	s.at = append(s.at, f)
}

// leave is done with a folder. What it held is room for others.
func (s *Scanner) leave(f *folder) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if cap(f.listed) > 0 && len(s.spare) < mostSpare {
		s.spare = append(s.spare, f.listed[:0])
	}
	f.listed, f.entries, f.subs = nil, nil, nil // others may refer to the folder yet
	s.at = s.at[:len(s.at)-1]
}

func (s *Scanner) work() {
	var l lister
	s.mu.Lock()
	defer s.mu.Unlock()
	for !s.quit {
		if len(s.queue) == 0 || s.ready >= listedAhead {
			s.more.Wait()
			continue
		}
		f := s.queue[len(s.queue)-1]
		s.queue = s.queue[:len(s.queue)-1]
		if f.begun {
			continue
		}
		f.begun = true
		s.mu.Unlock()
		s.list(f, &l)
		s.mu.Lock()
	}
}

// list reads a folder and has the workers go on with those in it.
func (s *Scanner) list(f *folder, l *lister) {
	defer close(f.done)
	f.err = s.read(f, l)
	f.entries = f.listed
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ready += len(f.listed)
	for i := len(f.subs) - 1; i >= 0; i-- {
		s.queue = append(s.queue, f.subs[i])
	}
	switch {
	case s.ready >= listedAhead || len(f.subs) == 0:
	case len(f.subs) == 1:
		s.more.Signal()
	default:
		s.more.Broadcast()
	}
}

func (s *Scanner) read(d *folder, l *lister) error {
	fd, err := beneath.Dir(s.root, d.path)
	if err != nil {
		if d.path != "" && gone(err) {
			return nil // it went, or became something else, while we looked
		}
		return fmt.Errorf("cannot read folder %s: %w", Quote(d.path), err)
	}
	defer unix.Close(fd)
	paths, err := l.list(fd, d.path)
	if d.path != "" && errors.Is(err, unix.ENOENT) {
		return nil // it went after it was opened
	} else if err != nil {
		return fmt.Errorf("cannot read folder %s: %w", Quote(d.path), err)
	}
	d.listed = s.room(len(paths))
	cut := len(d.path)
	if cut > 0 {
		cut++
	}
	for _, p := range paths {
		n := len(d.listed)
		d.listed = append(d.listed, Entry{Path: p})
		e := &d.listed[n]
		if err := e.lstat(fd, p[cut:]); err != nil {
			d.listed = d.listed[:n]
			if errors.Is(err, unix.ENOENT) {
				continue
			}
			return err
		}
		if !d.take(e, s.rules.Judge(p, e.Kind == Dir, d.inside)) {
			d.listed = d.listed[:n]
		}
	}
	slices.SortFunc(d.subs, func(a, b *folder) int { return strings.Compare(a.key, b.key) })
	if s.tick != nil {
		s.tick(len(paths))
	}
	return nil
}

// mostSpare is how many slices are kept for the next folders.
const mostSpare = 64

// room gives an empty slice for n entries.
func (s *Scanner) room(n int) []Entry {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := len(s.spare) - 1; i >= 0; i-- {
		if r := s.spare[i]; cap(r) >= n {
			s.spare = slices.Delete(s.spare, i, i+1)
			return r
		}
	}
	return make([]Entry, 0, n)
}

// take notes a name of the folder, and reports whether it counts.
func (f *folder) take(e *Entry, v Verdict) bool {
	if e.Kind == Dir && v != Skipped {
		f.subs = append(f.subs, &folder{path: e.Path, key: e.Path + "/", inside: v == In, done: make(chan struct{})})
	}
	if v != In {
		f.held = true
	}
	return v == In
}

func gone(err error) bool {
	return errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR) || errors.Is(err, unix.ELOOP)
}

// Join puts a name under a folder of the tree; the root is empty.
func Join(dir, name string) string {
	if dir == "" {
		return name
	}
	return dir + "/" + name
}

// Quote writes a path for a message: as it is when it can be printed, else
// with escapes.
func Quote(p string) string {
	if p == "" {
		return "the tree's root"
	}
	if q := fmt.Sprintf("%q", p); q != `"`+p+`"` {
		return q
	}
	return p
}

// Lstat describes one name in the open folder fd. Path is left empty.
func Lstat(fd int, name string) (e Entry, err error) {
	if err = e.lstat(fd, name); err != nil {
		return Entry{}, err
	}
	return e, nil
}

// lstat fills in all of an entry but its path.
func (e *Entry) lstat(fd int, name string) error {
	var st unix.Stat_t
	if err := unix.Fstatat(fd, name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return err
	}
	e.fromStat(&st)
	if e.Kind != Link {
		return nil
	}
	buf := make([]byte, 4097)
	n, err := unix.Readlinkat(fd, name, buf)
	e.Link = string(buf[:max(n, 0)])
	return err
}

func (e *Entry) fromStat(st *unix.Stat_t) {
	e.Kind, e.Mode, e.UID, e.GID, e.Ino, e.Ctime = Other, st.Mode&0o7777, st.Uid, st.Gid, st.Ino, st.Ctim.Nano()
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFREG:
		e.Kind, e.Size, e.Mtime, e.Many = File, st.Size, st.Mtim.Nano(), st.Nlink > 1
	case unix.S_IFDIR:
		e.Kind = Dir
	case unix.S_IFLNK:
		e.Kind, e.Mode = Link, 0
	}
}

// HashFile hashes the regular file p below root with the buffer given. The
// size is how much was read.
func HashFile(root int, p string, buf []byte) (Sum, int64, error) {
	f, err := beneath.File(root, p)
	if err != nil {
		return Sum{}, 0, err
	}
	defer f.Close()
	h := sha256.New()
	n, err := io.CopyBuffer(h, struct{ io.Reader }{f}, buf)
	var sum Sum
	copy(sum[:], h.Sum(nil))
	return sum, n, err
}
