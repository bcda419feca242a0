//go:build linux

package agent

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/rollsh/rollsh/stdlib/sync/wire"
	"golang.org/x/sys/unix"
)

// marker reads what rolls left; an absent marker is an empty one.
func (t *tree) marker() (*wire.Record, error) {
	f, size, err := t.openMarker()
	if f == nil || err != nil {
		return wire.NoRecord(), err
	}
	t.open = append(t.open, f) // its entries are read from there
	l, err := wire.OpenRecord(f, size)
	if err != nil {
		return nil, t.damaged(err)
	}
	l.Ours, _ = t.owners.resolved(l.Ours) // who is no longer known differs from everybody
	return l, nil
}

// markerAlone reads what the last roll left, without the entries.
func (t *tree) markerAlone() (*wire.Marker, error) {
	f, size, err := t.openMarker()
	if f == nil || err != nil {
		return &wire.Marker{}, err
	}
	defer f.Close()
	m, err := wire.ReadMarker(f, size)
	if err != nil {
		return nil, t.damaged(err)
	}
	return m, nil
}

// openMarker gives nil where there is none.
func (t *tree) openMarker() (f *os.File, size int64, err error) {
	if t.state < 0 {
		return nil, 0, nil
	}
	f, size, err = openFile(t.state, "marker")
	if errors.Is(err, unix.ENOENT) {
		return nil, 0, nil
	}
	return f, size, cannot("read", t.place+"/marker", err)
}

// openFile opens a file of the state, and says how long it is.
func openFile(dir int, name string) (*os.File, int64, error) {
	fd, err := unix.Openat(dir, name, unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NOFOLLOW, 0)
	if err != nil {
		return nil, 0, err
	}
	f := os.NewFile(uintptr(fd), name)
	st, err := f.Stat()
	if err != nil {
		_ = f.Close()
		return nil, 0, err
	}
	return f, st.Size(), nil
}

func (t *tree) damaged(err error) error {
	return hinted("failed", t.place+"/marker is damaged: "+err.Error(),
		"move it away; the next push then takes the tree as one that no roll made")
}

// readAt reads a small file of the state.
func readAt(dir int, name string) ([]byte, error) {
	fd, err := unix.Openat(dir, name, unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NOFOLLOW, 0)
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), name)
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, wire.MaxFrame))
	if err == nil && len(b) == wire.MaxFrame {
		err = fmt.Errorf("%s is too large", name)
	}
	return b, err
}

// writeAt makes a file of the state appear whole and on the disk.
func writeAt(dir int, name string, b []byte) error {
	return writeBy(dir, name, holding(b))
}

// holding fills a file with b.
func holding(b []byte) func(*os.File) error {
	return func(f *os.File) error {
		_, err := f.Write(b)
		return err
	}
}

// writeBy is writeAt for what fill writes.
func writeBy(dir int, name string, fill func(*os.File) error) error {
	if err := write(dir, name, fill, (*os.File).Sync); err != nil {
		return err
	}
	return unix.Fsync(dir)
}

// writeLazily makes a file of the state appear whole; when it gets to the disk
// is left to the system.
func writeLazily(dir int, name string, b []byte) error {
	return write(dir, name, holding(b), func(*os.File) error { return nil })
}

func write(dir int, name string, fill, flush func(*os.File) error) error {
	tmp := name + ".new"
	fd, err := unix.Openat(dir, tmp, unix.O_WRONLY|unix.O_CREAT|unix.O_TRUNC|unix.O_CLOEXEC|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return err
	}
	f := os.NewFile(uintptr(fd), name)
	if err = fill(f); err == nil {
		err = flush(f)
	}
	if e := f.Close(); err == nil {
		err = e
	}
	if err == nil {
		err = unix.Renameat(dir, tmp, dir, name)
	}
	if err != nil {
		_ = unix.Unlinkat(dir, tmp, 0)
	}
	return err
}
