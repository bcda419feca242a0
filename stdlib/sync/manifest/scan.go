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

// Listing is a scanned tree.
type Listing struct {
	Entries []Entry // sorted by path; files are not hashed
	// Held are the folders that hold something which the rules look past; they
	// cannot be removed.
	Held map[string]bool
}

// scanner lists folders with a few workers.
type scanner struct {
	root  int
	rules *Rules
	tick  func(files int)

	mu    sync.Mutex
	cond  *sync.Cond
	queue []folder
	busy  int
	err   error
	out   Listing
}

type folder struct {
	path   string
	inside bool
}

// Scan lists the tree below the folder root, which never follows a symlink,
// with n workers; about expected entries will be found, if that is known. tick,
// if not nil, is told how many entries were seen since it was told last; it may
// be called from several goroutines.
func Scan(root int, rules *Rules, n, expected int, tick func(entries int)) (Listing, error) {
	s := &scanner{root: root, rules: rules, tick: tick, queue: []folder{{"", !rules.Partial()}}}
	s.cond = sync.NewCond(&s.mu)
	s.out.Held = map[string]bool{}
	s.out.Entries = make([]Entry, 0, expected+expected/64)
	var wg sync.WaitGroup
	for range n {
		wg.Go(s.work)
	}
	wg.Wait()
	slices.SortFunc(s.out.Entries, byPath)
	return s.out, s.err
}

func byPath(a, b Entry) int { return strings.Compare(a.Path, b.Path) }

func (s *scanner) work() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		for len(s.queue) == 0 && s.busy > 0 && s.err == nil {
			s.cond.Wait()
		}
		if len(s.queue) == 0 || s.err != nil {
			return
		}
		d := s.queue[len(s.queue)-1]
		s.queue = s.queue[:len(s.queue)-1]
		s.busy++
		s.mu.Unlock()
		found, subs, held, err := s.list(d)
		s.mu.Lock()
		s.busy--
		s.queue = append(s.queue, subs...)
		s.out.Entries = append(s.out.Entries, found...)
		if held {
			s.out.Held[d.path] = true
		}
		if err != nil && s.err == nil {
			s.err = err
		}
		s.cond.Broadcast()
	}
}

func (s *scanner) list(d folder) (found []Entry, subs []folder, held bool, err error) {
	fd, err := beneath.Dir(s.root, d.path)
	if err != nil {
		if d.path != "" && gone(err) {
			return nil, nil, false, nil // it went, or became something else, while we looked
		}
		return nil, nil, false, fmt.Errorf("cannot read folder %s: %w", Quote(d.path), err)
	}
	f := os.NewFile(uintptr(fd), d.path)
	defer f.Close()
	names, err := f.Readdirnames(-1)
	if err != nil {
		return nil, nil, false, fmt.Errorf("cannot read folder %s: %w", Quote(d.path), err)
	}
	for _, name := range names {
		e, err := Lstat(fd, name)
		if errors.Is(err, unix.ENOENT) {
			continue
		} else if err != nil {
			return nil, nil, false, err
		}
		e.Path = Join(d.path, name)
		v := s.rules.Judge(e.Path, e.Kind == Dir, d.inside)
		if e.Kind == Dir && v != Skipped {
			subs = append(subs, folder{e.Path, v == In})
		}
		if v == In {
			found = append(found, e)
		} else {
			held = true
		}
	}
	if s.tick != nil {
		s.tick(len(names))
	}
	return found, subs, held, nil
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
