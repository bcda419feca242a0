//go:build linux

package agent

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/rollsh/rollsh/stdlib/sync/beneath"
	"github.com/rollsh/rollsh/stdlib/sync/manifest"
	"github.com/rollsh/rollsh/stdlib/sync/wire"
	"golang.org/x/sys/unix"
)

// What arrived of a stage that is cut off is kept in the folder arrived, named
// by its sum and size, for the next push to the tree. A large file that is
// still arriving has a name that says what it will be, so that it goes on from
// where it ended.
const (
	arrivedDir = "arrived"
	partPrefix = "part-"
	partSize   = 8 << 20 // files from this size on are gone on with
	arrivedFor = 7 * 24 * time.Hour
)

func contentName(sum manifest.Sum, size int64) string {
	return fmt.Sprintf("%s-%d", hex.EncodeToString(sum[:]), size)
}

// salvage moves the contents in a stage of which nothing is known to arrived. What
// fails here only costs that it is sent again.
func (t *tree) salvage(stage string) {
	from, to, err := t.openArrived(stage)
	if err != nil {
		return
	}
	defer t.closeArrived(from, to)
	_ = eachName(from, func(name string) error {
		as := name
		if !strings.HasPrefix(name, partPrefix) {
			as = t.nameOf(from, name)
		}
		if as == "" {
			return nil
		}
		return unix.Renameat(from, name, to, as)
	})
}

// openArrived opens the folder of the contents of a stage, and arrived.
func (t *tree) openArrived(stage string) (from, to int, err error) {
	if from, err = beneath.Dir(t.state, stage+"/s"); err != nil {
		return -1, -1, err
	}
	if err = unix.Mkdirat(t.state, arrivedDir, 0o700); err == nil || has(t.state, arrivedDir) {
		to, err = openSub(t.state, arrivedDir)
	}
	if err != nil {
		_ = unix.Close(from)
	}
	return from, to, err
}

// closeArrived closes what openArrived opened, and removes arrived where it is empty.
func (t *tree) closeArrived(from, to int) {
	_ = unix.Close(from)
	_ = unix.Close(to)
	_ = unix.Unlinkat(t.state, arrivedDir, unix.AT_REMOVEDIR)
}

// salvage moves what arrived whole, and parts of large files, to arrived, when the
// stage is cut off. What fails here only costs that it is sent again.
func (st *stager) salvage() {
	from, to, err := st.t.openArrived(wire.StageName(st.c.req.Roll))
	if err != nil {
		return
	}
	defer st.t.closeArrived(from, to)
	n := 0
	if st.coming != nil {
		s := st.coming.Read()
		for e := s.Next(); e != nil; e = s.Next() {
			keepWhole(from, to, n, e)
			n++
		}
	}
	if st.sources != nil {
		s, numbers := st.c.dec.Read(), st.sources.read()
		for c := s.Next(); c != nil; c = s.Next() {
			if c.Sent() {
				keepWhole(from, to, numbers.next(), c.Want)
			}
		}
	}
	_ = eachName(from, func(name string) error {
		if !strings.HasPrefix(name, partPrefix) {
			return nil
		}
		return unix.Renameat(from, name, to, name)
	})
}

// keepWhole moves s/N to arrived if it is whole: its time is set when all was
// checked.
func keepWhole(from, to, n int, e *manifest.Entry) {
	name := strconv.Itoa(n)
	l, err := manifest.Lstat(from, name)
	if err == nil && l.Kind == manifest.File && l.Size == e.Size && manifest.SameTime(l.Mtime, e.Mtime) {
		_ = unix.Renameat(from, name, to, contentName(e.Sum, e.Size))
	}
}

// nameOf gives the name of a file's content; empty when it cannot be read, or
// is a link to a file of an undo, which must stay as it is.
func (t *tree) nameOf(dir int, name string) string {
	var st unix.Stat_t
	if unix.Fstatat(dir, name, &st, unix.AT_SYMLINK_NOFOLLOW) != nil || st.Nlink != 1 {
		return ""
	}
	sum, size, err := manifest.HashFile(dir, name, make([]byte, 128<<10))
	t.tick(1, size)
	if err != nil || size == 0 {
		return ""
	}
	return contentName(sum, size)
}

// resume takes what arrived before for one file. It gives the index of the
// whole file, or how much of it is there; -1 and 0 when nothing is.
func (st *stager) resume(e *manifest.Entry) (n int, offset int64, err error) {
	arrived, err := openSub(st.t.state, arrivedDir)
	if err != nil {
		return -1, 0, nil
	}
	defer unix.Close(arrived)
	name := contentName(e.Sum, e.Size)
	if has(arrived, name) {
		if n, err = st.adoptArrived(arrived, name, e); err != nil || n >= 0 {
			return n, 0, err
		}
	}
	part := partPrefix + name
	var stat unix.Stat_t
	if unix.Fstatat(arrived, part, &stat, unix.AT_SYMLINK_NOFOLLOW) != nil || stat.Size == 0 || stat.Size >= e.Size {
		return -1, 0, nil
	}
	if err := st.open(); err != nil {
		return -1, 0, err
	}
	if unix.Renameat(arrived, part, st.files, part) != nil {
		return -1, 0, nil
	}
	return -1, stat.Size, nil
}

// adoptArrived makes s/N of a whole file, after a look at its bytes: they may
// not have been on the disk when the power went.
func (st *stager) adoptArrived(arrived int, name string, e *manifest.Entry) (int, error) {
	sum, size, err := manifest.HashFile(arrived, name, make([]byte, 128<<10))
	st.t.tick(1, size)
	if err != nil || size != e.Size || sum != e.Sum {
		return -1, nil
	}
	if err := st.open(); err != nil {
		return -1, err
	}
	n := st.count
	if unix.Renameat(arrived, name, st.files, strconv.Itoa(n)) != nil {
		return -1, nil
	}
	st.count++
	fd, err := unix.Openat(st.files, strconv.Itoa(n), unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return n, cannot("read", e.Path, err)
	}
	f := os.NewFile(uintptr(fd), e.Path)
	defer f.Close()
	if err := dress(f, e, st.group(e.Path)); err != nil {
		return n, cannot("set the permissions of", e.Path, err)
	}
	if err := setTime(st.files, strconv.Itoa(n), e.Mtime); err != nil {
		return n, cannot("set the time of", e.Path, err)
	}
	return n, cannot("write", e.Path, f.Sync())
}

// begun opens the file that the content of e goes into, with the sum of the
// offset bytes that are there.
func (st *stager) begun(e *manifest.Entry, n int, offset int64) (f *os.File, name string, sum hash.Hash, err error) {
	name = strconv.Itoa(n)
	flags := unix.O_RDWR | unix.O_CREAT | unix.O_NOFOLLOW | unix.O_CLOEXEC | unix.O_EXCL
	if e.Size >= partSize {
		name = partPrefix + contentName(e.Sum, e.Size)
	}
	if offset > 0 {
		flags &^= unix.O_EXCL | unix.O_CREAT
	}
	fd, err := unix.Openat(st.files, name, flags, 0o600)
	if err != nil && e.Size >= partSize && has(st.files, name) { // the same content twice
		name = strconv.Itoa(n)
		fd, err = unix.Openat(st.files, name, flags, 0o600)
	}
	if err != nil {
		return nil, "", nil, cannot("write", e.Path, err)
	}
	f = os.NewFile(uintptr(fd), e.Path)
	sum = sha256.New()
	if offset > 0 {
		if _, err := io.Copy(sum, io.NewSectionReader(f, 0, offset)); err != nil {
			_ = f.Close()
			return nil, "", nil, cannot("read", e.Path, err)
		}
	}
	return f, name, sum, nil
}
