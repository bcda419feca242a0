//go:build linux

package agent

import (
	"maps"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/rollsh/rollsh/stdlib/sync/beneath"
	"github.com/rollsh/rollsh/stdlib/sync/manifest"
	"github.com/rollsh/rollsh/stdlib/sync/wire"
	"golang.org/x/sys/unix"
)

// build makes the new release in the stage: links to all that is live, then
// the burst on these, then links to what is shared.
func (st *stager) build(j *wire.Journal) error {
	t := st.t
	if t.base < 0 {
		if err := t.makeRoot(""); err != nil { // who could write here could lead current anywhere
			return err
		}
	}
	j.Release = &wire.Release{Made: j.Roll, Before: t.current, After: releasesDir + "/" + j.Roll, Shared: st.c.req.Shared}
	if err := unix.Mkdirat(st.dir, "r", 0o755); err != nil {
		return cannot("make the folder", t.place+"/r", err)
	}
	fd, err := openSub(st.dir, "r")
	if err != nil {
		return cannot("open", t.place+"/r", err)
	}
	fresh := t.below(fd)
	defer fresh.close()
	t.server.step.Store("linking")
	if t.root >= 0 {
		m := &mirror{from: t, to: fresh, skip: shared(st.c.req.Shared, st.c.now.Shared)}
		if err := m.run(); err != nil {
			return err
		}
		var live unix.Stat_t
		if err := unix.Fstat(t.root, &live); err == nil {
			_ = unix.Fchown(fd, int(live.Uid), int(live.Gid))
			_ = copyACLs(t.root, fd)
			_ = unix.Fchmod(fd, live.Mode&0o7777)
		}
	}
	if err := giveFolder(fd, j.Around); err != nil {
		return cannot("set the owner of", t.place+"/r", err)
	}
	if err := st.apply(fresh, j); err != nil {
		return err
	}
	for _, p := range st.c.req.Shared {
		if err := fresh.share(t, strings.TrimSuffix(string(p), "/"), strings.HasSuffix(string(p), "/"), j.Around); err != nil {
			return err
		}
	}
	return cannot("write", t.place, unix.Syncfs(fd))
}

// apply runs the burst on the new release.
func (st *stager) apply(fresh *tree, j *wire.Journal) error {
	r := &runner{
		t: fresh, source: st.files, point: "build", folded: foldedNames{folds: j.Folds}, spool: st.t.spool, name: sourceName,
		mine: func(*manifest.Step, int) error { return nil },
	}
	return r.run(j.Read)
}

// share puts the link for a shared path in place. A folder is made in shared/
// where there is none.
func (t *tree) share(of *tree, p string, folder bool, owner string) error {
	if folder {
		if err := of.makeShared(p, owner); err != nil {
			return err
		}
	}
	d, name := beneath.Split(p)
	if err := t.folders(d, owner); err != nil {
		return err
	}
	fd, err := t.dir(d)
	if err != nil {
		return cannot("open the folder", d, err)
	}
	if err := removeAll(fd, name); err != nil {
		return cannot("replace", p, err)
	}
	up := strings.Repeat("../", strings.Count(p, "/")+2)
	return cannot("link", p, unix.Symlinkat(up+sharedDir+"/"+p, fd, name))
}

// folders makes the folder p and those above it, for an owner that is given in
// numbers.
func (t *tree) folders(p, owner string) error {
	if p == "" {
		return nil
	}
	d, name := beneath.Split(p)
	if err := t.folders(d, owner); err != nil {
		return err
	}
	fd, err := t.dir(d)
	if err != nil {
		return cannot("open the folder", d, err)
	}
	return cannot("make the folder", p, makeFolder(fd, name, owner))
}

// refresh brings a staged release in line with what happened in the live tree
// since, outside of what the roll changes.
func (t *tree) refresh(stage int, j *wire.Journal) error {
	if j.Release == nil || j.Release.Made == "" || t.root < 0 {
		return nil
	}
	fd, err := openSub(stage, "r")
	if err != nil {
		return cannot("open", t.place+"/r", err)
	}
	fresh := t.below(fd)
	defer fresh.close()
	m := &mirror{from: t, to: fresh, skip: shared(j.Was.Shared, j.Release.Shared)}
	if err := j.Each(func(p *manifest.Pair) error { m.leave(p.Path); return nil }); err != nil {
		return err
	}
	if err := m.run(); err != nil || m.linked == 0 {
		return err
	}
	return cannot("write", t.place, unix.Syncfs(fd))
}

// blockShared finds shared paths that cannot be linked to: a file that is not
// in shared/, or a folder whose contents still lie in the live tree.
func (c *comparison) blockShared() {
	for _, b := range c.req.Shared {
		p, folder := strings.CutSuffix(string(b), "/")
		if c.t.base >= 0 && c.t.sharedThere(p) {
			continue
		}
		where := filepath.Join(c.t.path, sharedDir, p)
		switch {
		case !folder:
			c.dec.Blocked = append(c.dec.Blocked, show(where)+" is not there: make it, or write '"+p+"/' for a folder that is made")
		case c.t.full(p):
			c.dec.Blocked = append(c.dec.Blocked, show(path.Join(currentLink, p))+" holds files: move it to "+show(where)+" first")
		}
	}
}

// sharedYet gives what an earlier roll made shared, what this one is asked says
// nothing of, and what is a link to shared/ yet: no roll takes uploads away
// because it was not told of them.
func (t *tree) sharedYet(asked, before [][]byte) (out [][]byte) {
	for _, b := range before {
		p := strings.TrimSuffix(string(b), "/")
		told := slices.ContainsFunc(asked, func(a []byte) bool {
			q := strings.TrimSuffix(string(a), "/")
			return p == q || within(p, q) || within(q, p)
		})
		if told || t.root < 0 {
			continue
		}
		if e, err := t.lstat(p); err == nil && e.Kind == manifest.Link {
			out = append(out, b)
		}
	}
	return out
}

func within(p, folder string) bool { return strings.HasPrefix(p, folder+"/") }

// blockUnshared finds what the source has in places that are shared since an
// earlier roll.
func (c *comparison) blockUnshared() error {
	if len(c.stays) == 0 {
		return nil
	}
	wanted := map[string]bool{}
	s := c.dec.Read()
	for ch := s.Next(); ch != nil; ch = s.Next() {
		for _, b := range c.stays {
			if p := strings.TrimSuffix(string(b), "/"); ch.Put && (ch.Path() == p || within(ch.Path(), p)) {
				wanted[string(b)] = true
			}
		}
	}
	for _, b := range slices.Sorted(maps.Keys(wanted)) {
		c.dec.Blocked = append(c.dec.Blocked, show(strings.TrimSuffix(b, "/"))+" is shared by all releases since an earlier roll, and the source has it too: name it in shared={\""+b+
			"\"}, or remove "+filepath.Join(c.t.path, currentLink, b)+" to have the source's")
	}
	return s.Err()
}

func (t *tree) sharedThere(p string) bool {
	d, name := beneath.Split(sharedDir + "/" + p)
	fd, err := beneath.Dir(t.base, d)
	if err != nil {
		return false
	}
	defer unix.Close(fd)
	return has(fd, name)
}

// full reports whether p is a folder of the live tree that holds something.
func (t *tree) full(p string) bool {
	fd, err := t.dir(p)
	if err != nil {
		return false
	}
	names, err := listDir(fd)
	return err == nil && len(names) > 0
}
