package svn

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"

	"github.com/rollsh/rollsh/nodes"
	"golang.org/x/sys/unix"
)

// barrier is a file or folder of this machine that this user may not write to.
type barrier struct {
	path     string
	uid, gid int
	mode     fs.FileMode
}

// barrierAt finds what keeps this user from writing to path, or from making it: path
// itself, else the folder that it is in, else the folder above that keeps it hidden.
// It finds none where path may be written to, and where its folder is not there
// either: then it is a path of another machine.
func barrierAt(path string) (b barrier, found bool) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) || err == nil && !info.IsDir() && unix.Access(path, unix.W_OK) == nil {
		path = filepath.Dir(path)
		info, err = os.Stat(path)
	}
	for errors.Is(err, fs.ErrPermission) && path != filepath.Dir(path) {
		path = filepath.Dir(path)
		info, err = os.Stat(path)
	}
	if err != nil || unix.Access(path, unix.W_OK) == nil {
		return barrier{}, false
	}
	sys, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return barrier{}, false
	}
	return barrier{path: path, uid: int(sys.Uid), gid: int(sys.Gid), mode: info.Mode()}, true
}

// says tells whose it is.
func (b barrier) says() string {
	return fmt.Sprintf("%s belongs to %s (group %s, mode %04o)", printable(b.path), nameOfUser(b.uid), nameOfGroup(b.gid), b.mode.Perm())
}

// mend tells what to do so that this user may write there. top is the checkout that
// it is in; empty where it is in none.
func (b barrier) mend(top string) string {
	owner, place := nameOfUser(b.uid), nodes.Quote(printable(firstNonEmpty(top, b.path)))
	groups, _ := os.Getgroups()
	switch {
	case b.uid == os.Geteuid():
		return "chmod -R u+rwX " + place
	case top == "":
		return "ask " + owner + ", or choose another place"
	case b.gid == os.Getegid() || slices.Contains(groups, b.gid):
		return fmt.Sprintf("ask %s to share it (chmod -R g+rwX %s; umask 002 for all), or take a checkout of your own", owner, place)
	}
	return fmt.Sprintf("ask %s to share it with a group of yours (chgrp -R GROUP %s; chmod -R g+rwX %s; umask 002 for all), or take a checkout of your own", owner, place, place)
}

// writable fails with Permission where this user may not change the checkout: it says
// whose it is, who this is, and what to do.
func (c *lockable) writable() error {
	places := []string{c.path, c.admin}
	for _, name := range []string{"wc.db", "tmp", "pristine", "objects", "refs"} { // svn's, and git's
		places = append(places, filepath.Join(c.admin, name))
	}
	for _, place := range places {
		if b, found := barrierAt(place); found {
			return &nodes.Error{
				Kind:    nodes.Permission,
				Message: fmt.Sprintf("%s may not change the checkout %s: %s", nameOfUser(os.Geteuid()), c.path, b.says()),
				Hint:    b.mend(checkoutOf(c.path)),
			}
		}
	}
	return nil
}

// whose is a hint for a path of this machine that could not be written: whose it is, who
// this is, and what to do. Empty where that does not explain it.
func whose(path string) string {
	b, found := barrierAt(path)
	if !found {
		return ""
	}
	return fmt.Sprintf("%s, and this is %s: %s", b.says(), nameOfUser(os.Geteuid()), b.mend(checkoutOf(b.path)))
}

// checkoutOf is the top folder of the checkout that a path is in; empty for none.
func checkoutOf(path string) string {
	admins := []string{".svn", ".git"}
	for ; path != filepath.Dir(path); path = filepath.Dir(path) {
		for _, admin := range admins {
			_, err := os.Lstat(filepath.Join(path, admin))
			if !slices.Contains(admins, filepath.Base(path)) && (err == nil || errors.Is(err, fs.ErrPermission)) {
				return path
			}
		}
	}
	return ""
}

// nameOfUser is the login name of a user, else the number.
func nameOfUser(uid int) string {
	number := strconv.Itoa(uid)
	if u, err := user.LookupId(number); err == nil {
		return u.Username
	}
	return "user " + number
}

// nameOfGroup is the name of a group, else the number.
func nameOfGroup(gid int) string {
	number := strconv.Itoa(gid)
	if g, err := user.LookupGroupId(number); err == nil {
		return g.Name
	}
	return number
}
