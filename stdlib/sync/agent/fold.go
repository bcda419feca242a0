//go:build linux

package agent

import (
	"path/filepath"
	"slices"
	"strings"
	"unicode"

	"github.com/rollsh/rollsh/stdlib/sync/beneath"
	"github.com/rollsh/rollsh/stdlib/sync/manifest"
	"golang.org/x/sys/unix"
)

// On a filesystem, or in a folder, that does not tell upper from lower case, a
// new name may be that of a file which is there, or two new names may be one.
// A burst that did not know would delete what it has just put in place.

// appeared refuses a wanted path at which something is that the scan did not
// list: it came since, or has there another name.
func (st *stager) appeared(p string, e *manifest.Entry) error {
	if st.c.want == nil {
		return nil
	}
	if st.t.listed(p) {
		if e.Kind == manifest.Dir {
			return nil
		}
		return hinted("changed", show(p)+" appeared on the node since it was looked at", "look again: plan, or push")
	}
	return hinted("refused", show(p)+" has another name"+manifest.Folded,
		"rename it there by hand, or roll without it first")
}

// listed reports whether a path stands in its folders under this very name.
func (t *tree) listed(p string) bool {
	for p != "" {
		d, name := beneath.Split(p)
		fd, err := t.dir(d)
		if err != nil {
			return false
		}
		names, err := listDir(fd)
		if err != nil || !slices.Contains(names, name) {
			return false
		}
		p = d
	}
	return true
}

// blockTwins finds new names that differ in case only and would be one on the
// node.
func (c *comparison) blockTwins() error {
	pairs, err := c.dec.Twins()
	if err != nil {
		return c.unreadable(err)
	}
	for _, pair := range pairs {
		if d, _ := beneath.Split(pair[1]); c.t.folds(d) {
			c.dec.Blocked = append(c.dec.Blocked, show(pair[0])+" and "+show(pair[1])+" would be one name"+manifest.Folded)
		}
	}
	return nil
}

// folds reports whether the folder p, or the one in which it will be made, does
// not tell upper from lower case.
func (t *tree) folds(p string) bool {
	for {
		if fd, err := t.dir(p); err == nil {
			if folds, sure := foldsIn(fd); sure {
				return folds
			}
		}
		if p == "" {
			break
		}
		p, _ = beneath.Split(p)
	}
	var a, b unix.Stat_t
	d, name := filepath.Split(t.path)
	return unix.Lstat(d+name, &a) == nil && unix.Lstat(d+otherCase(name), &b) == nil && a.Ino == b.Ino && otherCase(name) != name
}

// caseFolds is FS_CASEFOLD_FL. Source: linux/fs.h.
const caseFolds = 0x40000000

// foldsIn looks at an open folder; sure is false for one that holds no name to
// try it with.
func foldsIn(fd int) (folds, sure bool) {
	if flags, err := unix.IoctlGetUint32(fd, unix.FS_IOC_GETFLAGS); err == nil && flags&caseFolds != 0 {
		return true, true
	}
	names, _ := listDir(fd)
	for _, name := range names {
		other := otherCase(name)
		if other == name || slices.Contains(names, other) {
			continue
		}
		return has(fd, other), true
	}
	return false, false
}

func otherCase(name string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsUpper(r) {
			return unicode.ToLower(r)
		}
		return unicode.ToUpper(r)
	}, name)
}
