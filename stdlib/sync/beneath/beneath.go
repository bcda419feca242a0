//go:build linux

// Package beneath opens files under a directory handle so that no symlink,
// planted before or during the work, can lead out of that directory.
//
// It uses openat2(2) with RESOLVE_BENEATH and RESOLVE_NO_SYMLINKS (Linux 5.6
// and later); on older kernels, and where a filter forbids that call, it opens
// one component after the other with O_NOFOLLOW, which is as safe and slower.
package beneath

import (
	"errors"
	"os"
	"strings"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// old is set once openat2 turned out not to be there.
var old atomic.Bool

// Dir opens the folder p below the folder root; p is relative, slash-separated
// and clean, empty means root itself. A component that is a symlink gives
// ELOOP or ENOTDIR.
func Dir(root int, p string) (int, error) {
	return open(root, p, unix.O_RDONLY|unix.O_DIRECTORY)
}

// File opens the file p below root for reading, without following a symlink
// and without waiting on a fifo.
func File(root int, p string) (*os.File, error) {
	fd, err := open(root, p, unix.O_RDONLY|unix.O_NONBLOCK)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), p), nil
}

func open(root int, p string, flags int) (int, error) {
	if !old.Load() {
		fd, err := openat2(root, p, flags)
		if !errors.Is(err, unix.ENOSYS) && !errors.Is(err, unix.EPERM) && !errors.Is(err, unix.ENAMETOOLONG) {
			return fd, err
		}
		if errors.Is(err, unix.ENOSYS) {
			old.Store(true)
		}
	}
	return walk(root, p, flags)
}

func openat2(root int, p string, flags int) (int, error) {
	if p == "" {
		p = "."
	}
	how := unix.OpenHow{
		Flags:   uint64(flags | unix.O_CLOEXEC | unix.O_NOFOLLOW),
		Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_MAGICLINKS,
	}
	for {
		fd, err := unix.Openat2(root, p, &how)
		if err == nil || !errors.Is(err, unix.EAGAIN) && !errors.Is(err, unix.EINTR) {
			return fd, err
		}
	}
}

// walk is Dir and File for kernels without openat2.
func walk(root int, p string, flags int) (int, error) {
	fd, err := unix.Openat(root, ".", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil || p == "" {
		return fd, err
	}
	parts := strings.Split(p, "/")
	for i, name := range parts {
		f := unix.O_RDONLY | unix.O_DIRECTORY
		if i == len(parts)-1 {
			f = flags
		}
		next, err := unix.Openat(fd, name, f|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
		_ = unix.Close(fd)
		if err != nil {
			return -1, err
		}
		fd = next
	}
	return fd, nil
}

// Split cuts a relative path into its folder and its last element.
func Split(p string) (dir, name string) {
	i := strings.LastIndexByte(p, '/')
	if i < 0 {
		return "", p
	}
	return p[:i], p[i+1:]
}
