//go:build linux

package agent

import (
	"errors"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

func listDir(at int) ([]string, error) {
	var names []string
	err := eachName(at, func(name string) error {
		names = append(names, name)
		return nil
	})
	return names, err
}

// eachName gives f the names in an open folder, of which few are held at a time.
// f may take the name away.
func eachName(at int, f func(name string) error) error {
	fd, err := openSub(at, ".")
	if err != nil {
		return err
	}
	dir := os.NewFile(uintptr(fd), "state")
	defer dir.Close()
	for {
		names, err := dir.Readdirnames(1 << 10)
		for _, name := range names {
			if err := f(name); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
	}
}

// removeAll removes name and all in it, never following a symlink.
func removeAll(at int, name string) error {
	err := unix.Unlinkat(at, name, 0)
	if err == nil || errors.Is(err, unix.ENOENT) {
		return nil
	}
	fd, err := openSub(at, name)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	for {
		removed := 0
		err := eachName(fd, func(n string) error {
			if removed++; removed == 1 {
				_ = unix.Fchmod(fd, 0o700) // a closed folder of a release
			}
			return removeAll(fd, n)
		})
		if err != nil {
			return err
		}
		err = unix.Unlinkat(at, name, unix.AT_REMOVEDIR)
		if removed == 0 || !errors.Is(err, unix.ENOTEMPTY) { // else a name was passed over as others went
			return err
		}
	}
}
