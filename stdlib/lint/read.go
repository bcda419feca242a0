package lint

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"os"
	"strconv"
	"syscall"
	"time"

	"github.com/rollsh/rollsh/nodes"
)

// pieceSize is how much of a file is read, and shown to Rule.trivial, at a time.
const pieceSize = 64 << 10

// stamp tells whether a file was changed between two looks.
type stamp struct {
	size    int64
	mtime   time.Time
	changed syscall.Timespec
	inode   uint64
}

// String is the stamp in a form that can be kept.
func (s stamp) String() string {
	b := make([]byte, 0, 64)
	for _, n := range []int64{s.size, s.mtime.UnixNano(), s.changed.Nano(), int64(s.inode)} {
		b = strconv.AppendInt(b, n, 36)
		b = append(b, ' ')
	}
	return string(b)
}

// age is how long ago the file was changed.
func (s stamp) age() time.Duration {
	last := time.Unix(0, s.changed.Nano())
	if s.mtime.After(last) {
		last = s.mtime
	}
	return time.Since(last)
}

func stampOf(info fs.FileInfo) stamp {
	s := stamp{size: info.Size(), mtime: info.ModTime()}
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		s.inode, s.changed = st.Ino, ctime(st)
	}
	return s
}

// read hashes the file, unless it is as it was when it was read before, and asks the
// rules whether it is good at first sight. A file that is gone, or is no regular
// file, is left without a sum.
func (f *file) read(buf []byte) error {
	if f.seen.knows(f.name) {
		if info, err := os.Lstat(f.path); err == nil && info.Mode().IsRegular() && f.seen.recall(f, stampOf(info)) {
			return nil
		}
	}
	in, err := os.OpenFile(f.path, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ELOOP) {
		return nil
	}
	if err != nil {
		return &nodes.Error{Kind: nodes.Permission, Message: "cannot read " + f.name + ": " + reason(err), Cause: err}
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return nil
	}
	f.stamp = stampOf(info)
	if f.sum, err = f.hash(in, buf); err != nil {
		return &nodes.Error{Kind: nodes.Permission, Message: "cannot read " + f.name + ": " + reason(err), Cause: err}
	}
	return nil
}

// hash reads the file to its end. A file is trivial for a rule when each piece
// of it is; pieces overlap by a byte, so that no two bytes are seen apart.
func (f *file) hash(in io.Reader, buf []byte) (string, error) {
	h := sha256.New()
	for _, j := range f.rules {
		j.trivial = j.rule.trivial != nil
	}
	keep := 0
	for {
		n, err := in.Read(buf[keep:])
		h.Write(buf[keep : keep+n])
		piece := buf[:keep+n]
		for _, j := range f.rules {
			j.trivial = j.trivial && j.rule.trivial(piece)
		}
		if errors.Is(err, io.EOF) {
			return hex.EncodeToString(h.Sum(nil)), nil
		}
		if err != nil {
			return "", err
		}
		if n > 0 {
			buf[0] = piece[len(piece)-1]
			keep = 1
		}
	}
}

// reason is err without the operation and path that Go puts before it.
func reason(err error) string {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err.Error()
	}
	return err.Error()
}

// hasOpenTag is the trivial test of php: without <? there is no code.
func hasOpenTag(text []byte) bool { return bytes.Contains(text, []byte("<?")) }
