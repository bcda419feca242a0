package ssh

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/rollsh/rollsh/nodes"
)

// resumable are files in whose middle one can go on.
type resumable interface {
	nodes.Files
	// openAt opens a file for reading from an offset.
	openAt(name nodes.RemotePath, offset int64) (io.ReadCloser, error)
	// goOn opens a file that is there for writing from an offset.
	goOn(name nodes.RemotePath, offset int64) (nodes.FileWriter, error)
}

const (
	// resumeSize is from where on a copy that was cut off leaves its part.
	resumeSize = 8 << 20
	// inFlight is how much of the end of a part on a node is not trusted: with
	// 64 requests of 128 KiB under way there may be holes.
	inFlight = 16 << 20
	// sampleSize is how much is compared at each of the places where a part is
	// checked against its source.
	sampleSize = 64 << 10
	// staleParts are removed when the file is next written.
	staleParts = 24 * time.Hour
)

// partName is the name of the part of a big file: by the file that it will be,
// and by the size and time of its source, so that a changed one begins anew.
func partName(name string, size int64, mtime time.Time) string {
	return partPrefix(name) + fmt.Sprintf("%x", sha256.Sum256(fmt.Append(nil, size, mtime.UnixNano())))[:12]
}

func partPrefix(name string) string {
	return ".rollsh-part-" + fmt.Sprintf("%x", sha256.Sum256([]byte(name)))[:12] + "-"
}

// cutOff reports whether the copy can go on another time.
func cutOff(err error) bool {
	switch nodes.KindOf(err) {
	case nodes.Lost, nodes.Cancelled, nodes.Timeout:
		return true
	}
	return false
}

// putBig is WriteFile for a big file: what is on the node of an earlier try is
// not sent again.
func (c *Copier) putBig(f resumable, local *os.File, info fs.FileInfo, name nodes.RemotePath) (err error) {
	if name, err = target(f, name); err != nil {
		return err
	}
	mode := info.Mode().Perm()
	a := Attributes{Perm: &mode, ModTime: info.ModTime()}
	perm, err := a.complete(f, name)
	if err != nil {
		return err
	}
	dir := path.Dir(string(name))
	part := nodes.RemotePath(path.Join(dir, partName(path.Base(string(name)), info.Size(), info.ModTime())))
	w, err := c.openPart(f, local, info, part)
	if err != nil {
		return named(err, part, name)
	}
	defer func() {
		if err != nil && !cutOff(err) {
			_ = f.Remove(part)
		}
		err = named(err, part, name)
	}()
	_, err = io.Copy(w, io.TeeReader(local, c))
	if err == nil {
		err = w.Sync()
	}
	if closed := w.Close(); err == nil {
		err = closed
	}
	if err == nil {
		err = whole(f, part, info.Size())
	}
	if err == nil {
		err = a.apply(f, part, perm)
	}
	if err != nil {
		return err
	}
	if err := f.Rename(part, name); err != nil {
		return err
	}
	sweepParts(f, dir, partPrefix(path.Base(string(name))))
	return nil
}

// openPart opens the part where it can go on, and puts the source there.
func (c *Copier) openPart(f resumable, local *os.File, info fs.FileInfo, part nodes.RemotePath) (nodes.FileWriter, error) {
	offset := int64(0)
	old, err := f.Lstat(part)
	if err == nil && old.Mode.IsRegular() {
		offset = min(old.Size, info.Size()) - inFlight
	}
	if offset > 0 {
		remote := func(at int64) (io.ReadCloser, error) { return f.openAt(part, at) }
		here := func(at int64) (io.ReadCloser, error) {
			return io.NopCloser(io.NewSectionReader(local, at, info.Size()-at)), nil
		}
		if sameSamples(remote, here, offset) {
			if _, err := local.Seek(offset, io.SeekStart); err != nil {
				return nil, localError("read", local.Name(), err)
			}
			c.skip(offset)
			return f.goOn(part, offset)
		}
	}
	if err == nil {
		if err := f.Remove(part); err != nil {
			return nil, err
		}
	}
	return f.Create(part, 0o600)
}

// skip counts what need not be sent again.
func (c *Copier) skip(n int64) {
	c.done += n
	c.Resumed += n
}

// whole makes sure that the part has the size of its source.
func whole(f nodes.Files, part nodes.RemotePath, size int64) error {
	st, err := f.Lstat(part)
	if err == nil && st.Size != size {
		err = &nodes.Error{Kind: nodes.Changed, Message: fmt.Sprintf("%s has %d bytes, the source had %d: it changed while it was copied", part, st.Size, size)}
	}
	return err
}

// sweepParts removes parts of the same file that nobody went on with.
func sweepParts(f nodes.Files, dir, prefix string) {
	entries, err := f.ReadDir(nodes.RemotePath(dir))
	if err != nil {
		return
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name, prefix) && time.Since(e.ModTime) > staleParts {
			_ = f.Remove(nodes.RemotePath(path.Join(dir, e.Name)))
		}
	}
}

// sameSamples compares two files at the beginning, in the middle and at the end
// of their first size bytes.
func sameSamples(a, b func(at int64) (io.ReadCloser, error), size int64) bool {
	for _, at := range []int64{0, size / 2, max(0, size-sampleSize)} {
		n := min(sampleSize, size-at)
		x, err1 := sample(a, at, n)
		y, err2 := sample(b, at, n)
		if err1 != nil || err2 != nil || !bytes.Equal(x, y) {
			return false
		}
	}
	return true
}

func sample(open func(at int64) (io.ReadCloser, error), at, n int64) ([]byte, error) {
	r, err := open(at)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	out := make([]byte, n)
	_, err = io.ReadFull(r, out)
	return out, err
}

// getBig is getFile for a big file: what is here of an earlier try is not
// fetched again.
func (c *Copier) getBig(f resumable, remote nodes.RemotePath, info nodes.FileInfo, local string) (err error) {
	w, err := os.OpenFile(filepath.Join(filepath.Dir(local), partName(string(remote)+"\x00"+local, info.Size, info.ModTime)), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return localError("write", local, err)
	}
	defer w.Close()
	if unix.Flock(int(w.Fd()), unix.LOCK_EX|unix.LOCK_NB) != nil {
		return &nodes.Error{Kind: nodes.Locked, Message: "another rollsh fetches " + local + " right now"}
	}
	defer func() {
		if err != nil && !cutOff(err) {
			os.Remove(w.Name())
		}
	}()
	offset, err := c.partHere(f, w, remote, info.Size)
	if err != nil {
		return err
	}
	r, err := f.openAt(remote, offset)
	if err != nil {
		return err
	}
	defer r.Close()
	n, err := io.Copy(io.MultiWriter(w, c), r)
	if err != nil {
		if nodes.KindOf(err) == nodes.Internal {
			err = localError("write", local, err)
		}
		return err
	}
	if offset+n != info.Size {
		return &nodes.Error{Kind: nodes.Changed, Message: fmt.Sprintf("%s had %d bytes and now has %d: it changed while it was copied", remote, info.Size, offset+n)}
	}
	if err := errors.Join(w.Chmod(info.Mode.Perm()), w.Sync(), os.Chtimes(w.Name(), info.ModTime, info.ModTime)); err != nil {
		return localError("write", local, err)
	}
	return localError("write", local, os.Rename(w.Name(), local))
}

// partHere gives where fetching can go on; a part that is not the file's
// beginning is emptied.
func (c *Copier) partHere(f resumable, w *os.File, remote nodes.RemotePath, size int64) (int64, error) {
	st, err := w.Stat()
	if err != nil {
		return 0, localError("write", w.Name(), err)
	}
	offset := min(st.Size(), size)
	theirs := func(at int64) (io.ReadCloser, error) { return f.openAt(remote, at) }
	mine := func(at int64) (io.ReadCloser, error) {
		return io.NopCloser(io.NewSectionReader(w, at, st.Size()-at)), nil
	}
	if offset > 0 && !sameSamples(theirs, mine, offset) {
		offset = 0
	}
	if err := w.Truncate(offset); err != nil {
		return 0, localError("write", w.Name(), err)
	}
	_, err = w.Seek(offset, io.SeekStart)
	c.skip(offset)
	return offset, localError("write", w.Name(), err)
}

// openAt opens a file for reading from an offset.
func (f *files) openAt(name nodes.RemotePath, offset int64) (io.ReadCloser, error) {
	r, err := f.client.Open(string(name))
	if err != nil {
		return nil, f.done("read", name, err)
	}
	if _, err := r.Seek(offset, io.SeekStart); err != nil {
		r.Close()
		return nil, f.done("read", name, err)
	}
	return &fileReader{r, f, name}, nil
}

// goOn opens a file that is there for writing from an offset.
func (f *files) goOn(name nodes.RemotePath, offset int64) (nodes.FileWriter, error) {
	w, err := f.client.OpenFile(string(name), os.O_WRONLY)
	if err != nil {
		return nil, f.done("write", name, err)
	}
	if _, err := w.Seek(offset, io.SeekStart); err != nil {
		w.Close()
		return nil, f.done("write", name, err)
	}
	return &fileWriter{w, f, name}, nil
}
