//go:build linux

package agent

import (
	"errors"
	"io"
	"os"
	"strconv"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/rollsh/rollsh/stdlib/sync/beneath"
	"github.com/rollsh/rollsh/stdlib/sync/manifest"
)

// ownership is who a new file shall belong to, -1 where that is as it comes,
// and its access control list, nil for none.
type ownership struct {
	uid, gid int
	acl      []byte
}

// group keeps owner, group and access control list of a file that is replaced,
// and gives a new one what the folder has for new files.
func (st *stager) group(p string) ownership {
	d, name := beneath.Split(p)
	own := ownership{-1, -1, st.inherited(d)}
	fd, err := st.t.dir(d)
	if err != nil {
		return own
	}
	var s unix.Stat_t
	if unix.Fstatat(fd, name, &s, unix.AT_SYMLINK_NOFOLLOW) == nil {
		if s.Mode&unix.S_IFMT == unix.S_IFREG {
			own.acl = st.listOf(p)
		}
		own.uid, own.gid = int(s.Uid), int(s.Gid)
		return own
	}
	if unix.Fstat(fd, &s) == nil && s.Mode&unix.S_ISGID != 0 {
		own.gid = int(s.Gid)
	}
	return own
}

type job struct {
	e   *manifest.Entry
	n   int
	own ownership
	b   []byte
}

// writerPool writes small files; the first error stays.
type writerPool struct {
	jobs chan job
	wg   sync.WaitGroup
	sync bool
	mu   sync.Mutex
	err  error
}

func (st *stager) newWriters(each bool) *writerPool {
	w := &writerPool{jobs: make(chan job), sync: each}
	for range writers {
		w.wg.Go(func() {
			for j := range w.jobs {
				if err := st.write(j.e, j.n, j.own, each, 0, &bytesReader{j.b}); err != nil {
					w.fail(err)
				}
			}
		})
	}
	return w
}

func (w *writerPool) fail(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err == nil {
		w.err = err
	}
}

func (w *writerPool) failed() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.err
}

func (w *writerPool) give(j job) error {
	if err := w.failed(); err != nil {
		return err
	}
	w.jobs <- j
	return nil
}

func (w *writerPool) wait() error {
	close(w.jobs)
	w.wg.Wait()
	return w.failed()
}

type bytesReader struct{ b []byte }

// Read implements io.Reader.
func (r *bytesReader) Read(p []byte) (int, error) {
	if len(r.b) == 0 {
		return 0, io.EOF
	}
	n := copy(p, r.b)
	r.b = r.b[n:]
	return n, nil
}

// write makes s/N from r, after offset bytes that are there already, and checks
// that it is what was announced.
func (st *stager) write(e *manifest.Entry, n int, own ownership, flush bool, offset int64, r io.Reader) error {
	f, name, h, err := st.begun(e, n, offset)
	if err != nil {
		return err
	}
	defer f.Close()
	size, err := st.copy(f, e, offset, io.MultiWriter(h, counter{st.t}), r)
	if err != nil {
		return cannotWrite(e.Path, err)
	}
	var sum manifest.Sum
	copy(sum[:], h.Sum(nil))
	if size+offset != e.Size || sum != e.Sum {
		_ = unix.Unlinkat(st.files, name, 0)
		return failure("protocol", show(e.Path)+" did not arrive whole")
	}
	if err := dress(f, e, own); err != nil {
		return cannot("set the permissions of", e.Path, err)
	}
	if err := setTime(st.files, name, e.Mtime); err != nil {
		return cannot("set the time of", e.Path, err)
	}
	if flush {
		if err := f.Sync(); err != nil {
			return cannot("write", e.Path, err)
		}
	}
	if name != strconv.Itoa(n) {
		if err := unix.Renameat(st.files, name, st.files, strconv.Itoa(n)); err != nil {
			return cannot("write", e.Path, err)
		}
	}
	st.t.tick(1, 0)
	return cannot("write", e.Path, f.Close())
}

// copy writes what r gives to f and to also; large files get holes where they
// hold nothing but zeros.
func (st *stager) copy(f *os.File, e *manifest.Entry, offset int64, also io.Writer, r io.Reader) (int64, error) {
	if b, ok := r.(*bytesReader); ok {
		n, err := f.Write(b.b)
		if err == nil {
			_, err = also.Write(b.b)
		}
		return int64(n), err
	}
	if e.Size <= smallFile {
		return io.Copy(io.MultiWriter(f, also), r)
	}
	to := &sparse{f: f, at: offset}
	n, err := io.Copy(io.MultiWriter(to, also), r)
	if err == nil {
		err = to.finish()
	}
	return n, err
}

// cannotWrite tells a failing disk from a failing stream.
func cannotWrite(p string, err error) error {
	var b *brokenStream
	if errors.As(err, &b) {
		return err
	}
	return cannot("write", p, err)
}

type counter struct{ t *tree }

// Write counts.
func (c counter) Write(b []byte) (int, error) {
	c.t.tick(0, int64(len(b)))
	return len(b), nil
}

// dress gives a new file the owner that is kept for it, as far as that is
// allowed, or the one that is asked for, and its permissions: its access
// control list before them, for they limit it.
func dress(f *os.File, e *manifest.Entry, own ownership) error {
	fd := int(f.Fd())
	if own.gid >= 0 || own.uid >= 0 {
		if err := unix.Fchown(fd, own.uid, own.gid); err != nil {
			_ = unix.Fchown(fd, -1, own.gid)
		}
	}
	if uid, gid := e.IDs(); uid >= 0 || gid >= 0 {
		if err := unix.Fchown(fd, uid, gid); err != nil {
			return err
		}
	}
	if own.acl != nil {
		if err := unix.Fsetxattr(fd, accessACL, own.acl, 0); err != nil {
			return err
		}
	}
	return unix.Fchmod(fd, e.Mode)
}
