//go:build linux

package agent

import (
	"errors"

	"github.com/rollsh/rollsh/stdlib/sync/beneath"
	"golang.org/x/sys/unix"
)

// Where Linux keeps access control lists. Source: acl(5), xattr(7).
const (
	accessACL  = "system.posix_acl_access"
	defaultACL = "system.posix_acl_default"
)

// aclOf reads a list of an open file; nil where there is none, or where the
// filesystem knows none.
func aclOf(fd int, name string) []byte {
	buf := make([]byte, 256)
	n, err := unix.Fgetxattr(fd, name, buf)
	if errors.Is(err, unix.ERANGE) {
		if n, err = unix.Fgetxattr(fd, name, nil); err == nil {
			buf = make([]byte, n)
			n, err = unix.Fgetxattr(fd, name, buf)
		}
	}
	if err != nil || n <= 0 {
		return nil
	}
	return buf[:n]
}

// copyACLs gives one open folder the lists of another, before its permissions.
func copyACLs(from, to int) error {
	for _, name := range []string{accessACL, defaultACL} {
		if acl := aclOf(from, name); acl != nil {
			if err := unix.Fsetxattr(to, name, acl, 0); err != nil {
				return err
			}
		}
	}
	return nil
}

// inherited is the list that a file made in the folder p would get: staged
// files are made elsewhere. A folder that is not there yet has its parent's.
func (st *stager) inherited(p string) []byte {
	if acl, known := st.lists[p]; known {
		return acl
	}
	var acl []byte
	if fd, err := st.t.dir(p); err == nil {
		acl = aclOf(fd, defaultACL)
	} else if p != "" {
		d, _ := beneath.Split(p)
		acl = st.inherited(d)
	}
	if st.lists == nil || len(st.lists) > 256 { // folders come one after the other
		st.lists = map[string][]byte{}
	}
	st.lists[p] = acl
	return acl
}

// listOf is the list of the file at p, which is about to be replaced.
func (st *stager) listOf(p string) []byte {
	f, err := beneath.File(st.t.root, p)
	if err != nil {
		return nil
	}
	defer f.Close()
	return aclOf(int(f.Fd()), accessACL)
}
