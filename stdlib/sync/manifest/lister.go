//go:build linux

package manifest

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/rollsh/rollsh/stdlib/sync/beneath"
	"golang.org/x/sys/unix"
)

// Scan lists the tree below the folder root, which never follows a symlink,
// with n workers. tick, if not nil, is told how many entries were seen since it
// was told last; it may be called from several goroutines. The scanner must be
// closed.
func Scan(root int, rules *Rules, n int, tick func(entries int)) *Scanner {
	return scan(func() look { return (&lister{root: root}).look }, rules, n, tick)
}

// lister reads folders below root, one after the other, with the same memory.
type lister struct {
	root  int
	buf   []byte
	paths []string
	texts texts
}

// look lists a folder with all that lstat tells.
func (l *lister) look(dir string, room func(n int) []Entry) ([]Entry, error) {
	return l.lookBy(dir, room, func(int) func([]Entry) { return func([]Entry) {} })
}

// lookBy is look, and has open told of the folder's handle before its names are
// read. What that gives is told what the folder holds.
func (l *lister) lookBy(dir string, room func(n int) []Entry, open func(fd int) func([]Entry)) ([]Entry, error) {
	fd, err := beneath.Dir(l.root, dir)
	if err != nil {
		if dir != "" && gone(err) {
			return nil, nil // it went, or became something else, while we looked
		}
		return nil, fmt.Errorf("cannot read folder %s: %w", Quote(dir), err)
	}
	defer unix.Close(fd)
	listed := open(fd)
	paths, err := l.list(fd, dir)
	if dir != "" && errors.Is(err, unix.ENOENT) {
		return nil, nil // it went after it was opened
	} else if err != nil {
		return nil, fmt.Errorf("cannot read folder %s: %w", Quote(dir), err)
	}
	cut := len(dir)
	if cut > 0 {
		cut++
	}
	out := room(len(paths))
	for _, p := range paths {
		n := len(out)
		out = append(out, Entry{Path: p})
		if err := out[n].lstat(fd, p[cut:]); errors.Is(err, unix.ENOENT) {
			out = out[:n]
		} else if err != nil {
			return nil, fmt.Errorf("cannot look at %s: %w", Quote(p), err)
		}
	}
	listed(out)
	return out, nil
}

// list gives the paths of what is in the open folder fd, sorted; dir is that of
// the folder, empty for the root. They are valid, as a list, until the next call.
func (l *lister) list(fd int, dir string) ([]string, error) {
	if l.buf == nil {
		l.buf = make([]byte, 32<<10)
	}
	if dir != "" {
		dir += "/"
	}
	l.paths = l.paths[:0]
	for {
		n, err := unix.Getdents(fd, l.buf)
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return nil, err
		case n <= 0:
			slices.Sort(l.paths)
			return l.paths, nil
		default:
			l.add(dir, l.buf[:n])
		}
	}
}

// add takes the names out of what getdents64(2) gave: records of an inode
// number and an offset of eight bytes each, the length of the record in two, the
// type in one, and the name, which a NUL ends.
func (l *lister) add(dir string, b []byte) {
	const lengthAt, nameAt = 16, 19
	for len(b) > nameAt {
		n := int(binary.NativeEndian.Uint16(b[lengthAt:]))
		if n <= nameAt || n > len(b) {
			return // the kernel gives no such thing
		}
		name := b[nameAt:n]
		if end := bytes.IndexByte(name, 0); end >= 0 {
			name = name[:end]
		}
		if string(name) != "." && string(name) != ".." {
			l.paths = append(l.paths, l.texts.join(dir, name))
		}
		b = b[n:]
	}
}

func gone(err error) bool {
	return errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR) || errors.Is(err, unix.ELOOP)
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
	e.Kind, e.Mode, e.UID, e.GID, e.Ino = Other, st.Mode&0o7777, st.Uid, st.Gid, st.Ino
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFREG:
		e.Kind, e.Size, e.Mtime, e.Ctime, e.Many = File, st.Size, st.Mtim.Nano(), st.Ctim.Nano(), st.Nlink > 1
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
