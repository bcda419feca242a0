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
	if t.state < 0 {
		return &wire.Record{}, nil
	}
	b, err := readAt(t.state, "marker")
	if errors.Is(err, unix.ENOENT) {
		return &wire.Record{}, nil
	}
	if err != nil {
		return nil, cannot("read", t.place+"/marker", err)
	}
	t.server.careful(len(b))
	l, err := wire.DecodeRecord(b)
	if err != nil {
		return nil, t.damaged(err)
	}
	t.owners.resolve(l.Ours) // who is no longer known differs from everybody
	return l, nil
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
	if err := write(dir, name, b, (*os.File).Sync); err != nil {
		return err
	}
	return unix.Fsync(dir)
}

// writeLazily makes a file of the state appear whole; when it gets to the disk
// is left to the system.
func writeLazily(dir int, name string, b []byte) error {
	return write(dir, name, b, func(*os.File) error { return nil })
}

func write(dir int, name string, b []byte, flush func(*os.File) error) error {
	tmp := name + ".new"
	fd, err := unix.Openat(dir, tmp, unix.O_WRONLY|unix.O_CREAT|unix.O_TRUNC|unix.O_CLOEXEC|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return err
	}
	f := os.NewFile(uintptr(fd), name)
	_, err = f.Write(b)
	if err == nil {
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
