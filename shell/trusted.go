package shell

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/rollsh/rollsh/nodes"
)

// mostLinks is how many symlinks may be followed on one path, as many as Linux does.
const mostLinks = 40

// othersWrite are the permissions by which others than the owner write. An ACL that
// lets somebody write shows in the group's.
const othersWrite = 0o022

// onTheWay has judge look at each folder on the way to a path and at what the path is,
// as the kernel walks it: through symlinks, with the folders that these lie in and the
// ones on the way to what they lead to. It ends at the first that is found wrong.
func onTheWay(path string, judge func(path string, info fs.FileInfo) error) error {
	path, err := filepath.Abs(path)
	if err != nil {
		return err
	}
	at, left, links := "", strings.Split(path, "/"), 0
	for len(left) > 0 {
		part := left[0]
		left = left[1:]
		switch part {
		case "", ".":
			if at != "" {
				continue
			}
		case "..":
			at = filepath.Dir(at)
			continue
		}
		next := filepath.Join("/", at, part)
		info, err := os.Lstat(next)
		if err != nil {
			return err
		}
		if info.Mode()&fs.ModeSymlink == 0 {
			if err := judge(next, info); err != nil {
				return err
			}
			at = next
			continue
		}
		target, err := os.Readlink(next)
		if links++; err != nil || links > mostLinks {
			return errors.Join(err, fmt.Errorf("%s: too many symlinks", path))
		}
		if filepath.IsAbs(target) {
			at = ""
		}
		left = append(strings.Split(target, "/"), left...)
	}
	return nil
}

// rootsOnly refuses what anybody but root can change, as sshd's StrictModes does.
func rootsOnly(path string, info fs.FileInfo) error {
	owner := info.Sys().(*syscall.Stat_t).Uid
	switch {
	case owner != 0:
		return &nodes.Error{Kind: nodes.Policy, Message: fmt.Sprintf("%s belongs to uid %d, not to root", nodes.Clean(path), owner), Hint: "chown root " + nodes.Quote(path)}
	case info.Mode().Perm()&othersWrite != 0:
		e := &nodes.Error{Kind: nodes.Policy, Message: nodes.Clean(path) + " can be written by others than root", Hint: "chmod go-w " + nodes.Quote(path)}
		if info.Mode()&fs.ModeSticky != 0 { // /tmp is as it is to be
			e.Hint = "keep it where root alone writes, such as in /etc"
		}
		return e
	}
	return nil
}

// notMine refuses what the user who runs rollsh can change, or could after a chmod.
func notMine(path string, info fs.FileInfo) error {
	me := os.Geteuid()
	if me == 0 { // who can write all
		return rootsOnly(path, info)
	}
	hint := "chown root " + nodes.Quote(path) + ", and let this user not write it"
	if int(info.Sys().(*syscall.Stat_t).Uid) == me {
		return &nodes.Error{Kind: nodes.Policy, Message: nodes.Clean(path) + " belongs to the user who runs rollsh", Hint: hint}
	}
	if unix.Faccessat(unix.AT_FDCWD, path, unix.W_OK, unix.AT_EACCESS) == nil {
		return &nodes.Error{Kind: nodes.Policy, Message: nodes.Clean(path) + " can be written by the user who runs rollsh", Hint: hint}
	}
	return nil
}
