//go:build linux

package agent

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/rollsh/rollsh/stdlib/sync/beneath"
	"github.com/rollsh/rollsh/stdlib/sync/manifest"
	"golang.org/x/sys/unix"
)

// mirror makes one tree hold what another holds, by hard links. Paths in
// except are left alone in both; paths in skip too, with all below them.
type mirror struct {
	from, to *tree
	except   pathSet
	skip     map[string]bool
	linked   int // names that were put in place or removed

	device uint64  // of from
	above  pathSet // folders above paths in except
	last   string  // the folder of the path that was left last
}

// leave leaves a path alone in both trees.
func (m *mirror) leave(p string) {
	m.except.add(p)
	d, _ := beneath.Split(p)
	if d == m.last {
		return
	}
	m.last = d
	for ; d != ""; d, _ = beneath.Split(d) {
		m.above.add(d)
	}
}

func (m *mirror) run() error {
	m.device = device(m.from.root)
	m.except.sort()
	m.above.sort()
	return m.folder("", m.from.root, m.to.root)
}

// folder brings the open folder dst in line with src; p is their path.
func (m *mirror) folder(p string, src, dst int) error {
	names, err := listDir(src)
	if err != nil {
		return cannot("read the folder", p, err)
	}
	there := make(map[string]bool, len(names))
	for _, name := range names {
		there[name] = true
		if err := m.name(manifest.Join(p, name), src, dst, name); err != nil {
			return err
		}
	}
	m.from.tick(len(names), 0)
	left, err := listDir(dst)
	if err != nil {
		return cannot("read the folder", p, err)
	}
	for _, name := range left {
		if there[name] {
			continue
		}
		if err := m.drop(manifest.Join(p, name), dst, name); err != nil {
			return err
		}
	}
	return nil
}

func (m *mirror) name(p string, src, dst int, name string) error {
	if m.skip[p] {
		return nil
	}
	e, err := manifest.Lstat(src, name)
	if errors.Is(err, unix.ENOENT) {
		return nil
	} else if err != nil {
		return cannot("look at", p, err)
	}
	if e.Kind == manifest.Dir {
		return m.sub(p, src, dst, name, &e)
	}
	if m.except.has(p) {
		return nil
	}
	return m.file(p, src, dst, name, &e)
}

// file puts a link to a file, or to whatever else is no folder, in place.
func (m *mirror) file(p string, src, dst int, name string, e *manifest.Entry) error {
	old, err := manifest.Lstat(dst, name)
	if err == nil && (old.Ino == e.Ino || old.SameStat(e)) {
		return nil
	} else if err == nil {
		if err := removeAll(dst, name); err != nil {
			return cannot("replace", p, err)
		}
	}
	m.linked++
	err = unix.Linkat(src, name, dst, name, 0)
	if errors.Is(err, unix.EPERM) || errors.Is(err, unix.EMLINK) || errors.Is(err, unix.EACCES) || errors.Is(err, unix.EXDEV) {
		switch e.Kind { // the system forbids links to files of other users
		case manifest.File:
			err = m.copy(p, dst, name, e)
		case manifest.Link:
			err = unix.Symlinkat(e.Link, dst, name)
		}
	}
	return cannot("link", p, err)
}

func (m *mirror) copy(p string, dst int, name string, e *manifest.Entry) error {
	from, err := beneath.File(m.from.root, p)
	if err != nil {
		return err
	}
	defer from.Close()
	var st unix.Stat_t
	if err := unix.Fstat(int(from.Fd()), &st); err != nil {
		return err
	}
	fd, err := unix.Openat(dst, name, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return err
	}
	to := os.NewFile(uintptr(fd), p)
	defer to.Close()
	size, err := io.Copy(to, from)
	if err == nil && size != e.Size {
		err = fmt.Errorf("it changed while it was read")
	}
	if err == nil {
		err = dress(to, e, ownership{int(st.Uid), int(st.Gid), aclOf(int(from.Fd()), accessACL)})
	}
	if err == nil {
		err = setTime(dst, name, e.Mtime)
	}
	return err
}

// sub goes into a folder. One that is to be left alone and is not there is
// made only when something in it is not to be left alone.
func (m *mirror) sub(p string, src, dst int, name string, e *manifest.Entry) error {
	in, err := openSub(src, name)
	if errors.Is(err, unix.ENOENT) {
		return nil
	} else if err != nil {
		return cannot("read the folder", p, err)
	}
	defer unix.Close(in)
	if device(in) != m.device {
		return hinted("refused", show(p)+" in the live release is a mount point", `name it in shared={...}, so that all releases lead to one place`)
	}
	out, made, err := m.open(p, in, dst, name)
	if err != nil || out < 0 {
		return err
	}
	defer unix.Close(out)
	var st unix.Stat_t
	if err := unix.Fstat(out, &st); err != nil {
		return cannot("look at", p, err)
	}
	if st.Mode&0o300 != 0o300 {
		if err := unix.Fchmod(out, st.Mode&0o7777|0o700); err != nil {
			return cannot("set the permissions of", p, err)
		}
	}
	if err := m.folder(p, in, out); err != nil {
		return err
	}
	if made {
		return m.dress(p, in, out, e)
	}
	if st.Mode&0o300 != 0o300 {
		return cannot("set the permissions of", p, unix.Fchmod(out, st.Mode&0o7777))
	}
	return nil
}

// open gives the folder on the other side; -1 when it is not needed.
func (m *mirror) open(p string, in, dst int, name string) (fd int, made bool, err error) {
	fd, err = openSub(dst, name)
	switch {
	case err == nil:
		return fd, false, nil
	case !vanished(err):
		return -1, false, cannot("open the folder", p, err)
	}
	if m.except.has(p) {
		holds, err := m.holds(p, in)
		if err != nil || !holds {
			return -1, false, err
		}
		if has(dst, name) {
			return -1, false, hinted("changed", show(p)+" changed on the node since it was looked at", "look again: plan, or push")
		}
	} else if err := removeAll(dst, name); err != nil {
		return -1, false, cannot("replace", p, err)
	}
	m.linked++
	if err := unix.Mkdirat(dst, name, 0o700); err != nil {
		return -1, false, cannot("make the folder", p, err)
	}
	fd, err = openSub(dst, name)
	return fd, true, cannot("open the folder", p, err)
}

// holds reports whether anything below the folder p is not to be left alone.
func (m *mirror) holds(p string, in int) (bool, error) {
	names, err := listDir(in)
	if err != nil {
		return false, cannot("read the folder", p, err)
	}
	for _, name := range names {
		q := manifest.Join(p, name)
		if m.skip[q] {
			continue
		}
		if !m.except.has(q) {
			return true, nil
		}
		fd, err := openSub(in, name)
		if err != nil {
			continue // not a folder
		}
		found, err := m.holds(q, fd)
		_ = unix.Close(fd)
		if found || err != nil {
			return found, err
		}
	}
	return false, nil
}

// dress gives a new folder the owner, as far as that is allowed, the access
// control lists and the permissions of the one that it stands for.
func (m *mirror) dress(p string, in, out int, e *manifest.Entry) error {
	var st unix.Stat_t
	if err := unix.Fstat(in, &st); err != nil {
		return cannot("look at", p, err)
	}
	if err := unix.Fchown(out, int(st.Uid), int(st.Gid)); err != nil {
		_ = unix.Fchown(out, -1, int(st.Gid))
	}
	if err := copyACLs(in, out); err != nil {
		return cannot("set the access control list of", p, err)
	}
	return cannot("set the permissions of", p, unix.Fchmod(out, e.Mode))
}

// drop removes what the other side has no more.
func (m *mirror) drop(p string, dst int, name string) error {
	if m.except.has(p) && !m.above.has(p) || m.skip[p] || m.shares(p) {
		return nil
	}
	if m.above.has(p) {
		fd, err := openSub(dst, name)
		if err != nil {
			return nil
		}
		defer unix.Close(fd)
		names, err := listDir(fd)
		if err != nil {
			return cannot("read the folder", p, err)
		}
		for _, n := range names {
			if err := m.drop(manifest.Join(p, n), fd, n); err != nil {
				return err
			}
		}
		return nil
	}
	m.linked++
	return cannot("remove", p, removeAll(dst, name))
}

// shares reports whether a path that is skipped lies below the folder p.
func (m *mirror) shares(p string) bool {
	for s := range m.skip {
		if strings.HasPrefix(s, p+"/") {
			return true
		}
	}
	return false
}
