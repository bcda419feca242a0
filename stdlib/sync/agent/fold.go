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
//
// Of a file, or a link, only the case of the name may change: wire.Journal.Folds
// says that this burst does so. It then takes the old name away before it puts the
// new one in place, which would go under the old name otherwise, and deletes only
// what stands under the very name that is meant.

// otherName reports whether e, which the scan did not list where to is wanted, has
// there another name, under which it goes. It is refused otherwise: it came since,
// or it stays.
func (st *stager) otherName(e, to *manifest.Entry) (bool, error) {
	if st.c.want == nil {
		return st.folds && !st.t.listed(e.Path), nil
	}
	if st.t.listed(e.Path) {
		if e.Kind == manifest.Dir {
			return false, nil
		}
		return false, hinted("changed", show(e.Path)+" appeared on the node since it was looked at", "look again: plan, or push")
	}
	if e.Kind != manifest.Dir && to != nil && to.Kind != manifest.Dir {
		if goes, err := st.goes(e.Path); err != nil || goes {
			st.folds = st.folds || goes
			return goes, err
		}
	}
	return false, hinted("refused", show(e.Path)+" has another name"+manifest.Folded, manifest.FoldedHint)
}

// goes reports whether a file is deleted whose path differs from p in case only.
func (st *stager) goes(p string) (bool, error) {
	if st.going == nil {
		st.going = map[string]bool{}
		err := st.c.changes(func(c *manifest.Change) error {
			if c.Goes && c.Live.Kind != manifest.Dir {
				st.going[strings.Clone(strings.ToLower(c.Path()))] = true
			}
			return nil
		})
		if err != nil {
			return false, err
		}
	}
	return st.going[strings.ToLower(p)], nil
}

// foldedNames are the names in the folder that a burst with wire.Journal.Folds
// works in.
type foldedNames struct {
	folds bool
	dir   string
	names []string // nil: not read
}

// stands reports whether something has this very name in the folder d, which is
// open as fd.
func (f *foldedNames) stands(d string, fd int, name string) (bool, error) {
	if f.names == nil || f.dir != d {
		names, err := listDir(fd)
		if err != nil {
			return false, err
		}
		slices.Sort(names)
		f.dir, f.names = d, names
	}
	_, found := slices.BinarySearch(f.names, name)
	return found, nil
}

// clear takes away what has, in another case, the name that a file gets from the
// folder source. Where that was moved before, nothing is in the way.
func (f *foldedNames) clear(d string, fd int, name string, source int, from string) error {
	if !f.folds || !has(source, from) || !has(fd, name) {
		return nil
	}
	if stands, err := f.stands(d, fd, name); err != nil || stands {
		return err
	}
	f.names = nil // one goes
	err := unix.Unlinkat(fd, name, 0)
	crash("recase")
	return err
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
