//go:build linux

package manifest

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
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
	quit  bool
	wg    sync.WaitGroup

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
	entries []Entry       // that are left, of those that count
	subs    []*folder     // that are left
	count   int
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
// cannot be removed. It is complete when Next has given nil.
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
			f.entries, f.subs = nil, nil // others may refer to the folder yet
			s.at = s.at[:len(s.at)-1]
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
		s.list(f)
	} else {
		<-f.done
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ready -= f.count; s.ready < listedAhead {
		s.more.Broadcast()
	}
	if s.err = f.err; f.held {
		s.held[f.path] = true
	}
	s.at = append(s.at, f)
}

func (s *Scanner) work() {
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
		s.list(f)
		s.mu.Lock()
	}
}

// list reads a folder and has the workers go on with those in it.
func (s *Scanner) list(f *folder) {
	defer close(f.done)
	f.err = s.read(f)
	f.count = len(f.entries)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ready += f.count
	for i := len(f.subs) - 1; i >= 0; i-- {
		s.queue = append(s.queue, f.subs[i])
	}
	s.more.Broadcast()
}

func (s *Scanner) read(d *folder) error {
	fd, err := beneath.Dir(s.root, d.path)
	if err != nil {
		if d.path != "" && gone(err) {
			return nil // it went, or became something else, while we looked
		}
		return fmt.Errorf("cannot read folder %s: %w", Quote(d.path), err)
	}
	f := os.NewFile(uintptr(fd), d.path)
	defer f.Close()
	names, err := f.Readdirnames(-1)
	if err != nil {
		return fmt.Errorf("cannot read folder %s: %w", Quote(d.path), err)
	}
	slices.Sort(names)
	d.entries = make([]Entry, 0, len(names))
	for _, name := range names {
		e, err := Lstat(fd, name)
		if errors.Is(err, unix.ENOENT) {
			continue
		} else if err != nil {
			return err
		}
		e.Path = Join(d.path, name)
		d.take(e, s.rules.Judge(e.Path, e.Kind == Dir, d.inside))
	}
	slices.SortFunc(d.subs, func(a, b *folder) int { return strings.Compare(a.key, b.key) })
	if s.tick != nil {
		s.tick(len(names))
	}
	return nil
}

// take puts a name of the folder where the rules want it.
func (f *folder) take(e Entry, v Verdict) {
	if e.Kind == Dir && v != Skipped {
		f.subs = append(f.subs, &folder{path: e.Path, key: e.Path + "/", inside: v == In, done: make(chan struct{})})
	}
	if v == In {
		f.entries = append(f.entries, e)
	} else {
		f.held = true
	}
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
func Lstat(fd int, name string) (Entry, error) {
	var st unix.Stat_t
	if err := unix.Fstatat(fd, name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return Entry{}, err
	}
	e := fromStat(&st)
	if e.Kind != Link {
		return e, nil
	}
	buf := make([]byte, 4097)
	n, err := unix.Readlinkat(fd, name, buf)
	if err != nil {
		return Entry{}, err
	}
	e.Link = string(buf[:n])
	return e, nil
}

func fromStat(st *unix.Stat_t) Entry {
	e := Entry{Kind: Other, Mode: st.Mode & 0o7777, UID: st.Uid, GID: st.Gid, Ino: st.Ino, Ctime: st.Ctim.Nano()}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFREG:
		e.Kind, e.Size, e.Mtime, e.Many = File, st.Size, st.Mtim.Nano(), st.Nlink > 1
	case unix.S_IFDIR:
		e.Kind = Dir
	case unix.S_IFLNK:
		e.Kind, e.Mode = Link, 0
	}
	return e
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
