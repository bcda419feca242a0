//go:build linux

package manifest

import (
	"bytes"
	"encoding/binary"
	"errors"
	"slices"

	"golang.org/x/sys/unix"
)

// lister reads folders, one after the other, with the same memory.
type lister struct {
	buf   []byte
	paths []string
	texts texts
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
