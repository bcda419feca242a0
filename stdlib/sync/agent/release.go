//go:build linux

package agent

import (
	"errors"
	"path"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/rollsh/rollsh/stdlib/sync/beneath"
	"github.com/rollsh/rollsh/stdlib/sync/manifest"
	"github.com/rollsh/rollsh/stdlib/sync/wire"
)

// With wire.LayoutRelease the root of a tree holds
//
//	releases/ROLL  whole trees; what a roll left alone is hard links to the one before
//	current        a link to one of them: the live tree
//	shared/        what all releases share, by links in them
//
// A switch renames the new release from its stage and then the link, so a
// reader that opens a path anew sees one revision or the other.
const (
	releasesDir = "releases"
	currentLink = "current"
	sharedDir   = "shared"
)

// enterFor opens the live tree that a request means: what was rolled there
// says the layout, and a first roll may choose.
func (t *tree) enterFor(req *wire.Request) error {
	if req.Op == wire.OpDrop {
		return nil
	}
	m, err := t.markerAlone()
	if err != nil {
		return err
	}
	if req.Op != wire.OpStage && req.Op != wire.OpLook {
		return t.enter(m.Layout)
	}
	if m.Roll != "" && m.Layout != req.Layout {
		return hinted("refused", show(t.path)+" was rolled with layout=\""+layoutName(m.Layout)+"\" before", "keep to it, or roll to another path")
	}
	return t.enter(req.Layout)
}

func layoutName(l wire.Layout) string {
	if l == wire.LayoutTree {
		return "tree"
	}
	return string(l)
}

// enter opens the live tree; root stays -1 where there is none yet.
func (t *tree) enter(layout wire.Layout) error {
	if layout == wire.LayoutTree || t.releases {
		return nil
	}
	t.forget()
	t.releases, t.root = true, -1
	if t.base < 0 {
		return nil
	}
	var err error
	if t.current, err = t.readCurrent(); err != nil || t.current == "" {
		return err
	}
	name, err := t.releaseOf(t.current)
	if err != nil {
		return err
	}
	t.root, err = beneath.Dir(t.base, releasesDir+"/"+name)
	if errors.Is(err, unix.ENOENT) {
		t.root = -1
		return nil
	}
	return cannot("open", path.Join(t.path, releasesDir, name), err)
}

// readCurrent gives the text of the link root/current, empty for none.
func (t *tree) readCurrent() (string, error) {
	buf := make([]byte, 4097)
	n, err := unix.Readlinkat(t.base, currentLink, buf)
	switch {
	case errors.Is(err, unix.ENOENT):
		return "", nil
	case errors.Is(err, unix.EINVAL):
		return "", hinted("refused", show(filepath.Join(t.path, currentLink))+" is not a symlink to a release", "move it away")
	case err != nil:
		return "", cannot("read", filepath.Join(t.path, currentLink), err)
	}
	return string(buf[:n]), nil
}

// releaseOf takes the release out of the text of the link. One that leads
// anywhere else is not followed: whoever may write to the root could have
// planted it.
func (t *tree) releaseOf(link string) (string, error) {
	rel := strings.TrimPrefix(filepath.Clean(link), t.path+"/")
	name, ok := strings.CutPrefix(rel, releasesDir+"/")
	if !ok || strings.Contains(name, "/") || !manifest.Clean(name) {
		return "", hinted("refused", show(filepath.Join(t.path, currentLink))+" leads to "+show(link)+", which is not in releases/", "move it away")
	}
	return name, nil
}

// point makes root/current lead to target, atomically; an empty target removes
// it.
func (t *tree) point(target string) error {
	const fresh = ".current.rollsh"
	if err := unix.Unlinkat(t.base, fresh, 0); err != nil && !errors.Is(err, unix.ENOENT) {
		return err
	}
	if target == "" {
		if err := unix.Unlinkat(t.base, currentLink, 0); err != nil && !errors.Is(err, unix.ENOENT) {
			return err
		}
		return nil
	}
	if err := unix.Symlinkat(target, t.base, fresh); err != nil {
		return err
	}
	return unix.Renameat(t.base, fresh, t.base, currentLink)
}

// forwardRelease is the burst of this layout: two renames.
func (t *tree) forwardRelease(stage int, j *wire.Journal) error {
	rel := j.Release
	now, err := t.readCurrent()
	if err != nil {
		return err
	}
	if now != rel.Before && now != rel.After {
		return failure("changed", show(filepath.Join(t.path, currentLink))+" leads to "+show(now)+" since")
	}
	if rel.Made != "" {
		dir, err := t.releasesFolder()
		if err != nil {
			return err
		}
		defer unix.Close(dir)
		err = unix.Renameat(stage, "r", dir, rel.Made)
		if err != nil && !(errors.Is(err, unix.ENOENT) && has(dir, rel.Made)) {
			return cannot("write", path.Join(releasesDir, rel.Made), err)
		}
		crash("burst")
		if err := unix.Fsync(dir); err != nil {
			return cannot("write to", releasesDir, err)
		}
	}
	err = t.point(rel.After)
	crash("burst")
	return cannot("switch", filepath.Join(t.path, currentLink), err)
}

// backwardRelease undoes as much of forwardRelease as was done.
func (t *tree) backwardRelease(j *wire.Journal) error {
	rel := j.Release
	now, err := t.readCurrent()
	if err == nil && now == rel.After && now != rel.Before {
		err = t.point(rel.Before)
	}
	if err != nil {
		return cannot("switch", filepath.Join(t.path, currentLink), err)
	}
	if rel.Made == "" {
		return nil
	}
	dir, err := t.releasesFolder()
	if err != nil {
		return err
	}
	defer unix.Close(dir)
	t.discardFrom(dir, rel.Made)
	return nil
}

// releasesFolder opens root/releases, which it makes where there is none.
func (t *tree) releasesFolder() (int, error) {
	if err := unix.Mkdirat(t.base, releasesDir, 0o755); err != nil && !errors.Is(err, unix.EEXIST) {
		return -1, cannot("make the folder", filepath.Join(t.path, releasesDir), err)
	}
	fd, err := beneath.Dir(t.base, releasesDir)
	return fd, cannot("open", filepath.Join(t.path, releasesDir), err)
}

// madeByRoll reports whether a name is that of a release that a roll made: the
// day, the time and eight hexadecimal digits. Others in releases/ are not ours to
// remove.
func madeByRoll(name string) bool {
	day, rest, _ := strings.Cut(name, "-")
	clock, id, _ := strings.Cut(rest, "-")
	const digits, hexadecimal = "0123456789", "0123456789abcdef"
	return consists(day, 8, digits) && consists(clock, 6, digits) && consists(id, 8, hexadecimal)
}

func consists(s string, n int, of string) bool { return len(s) == n && strings.Trim(s, of) == "" }

// sweepReleases removes the releases that no undo can lead to. Those that the
// links lead to stay: the live one, and after a switch the one before it too,
// which programs still read.
func (t *tree) sweepReleases(links ...string) {
	t.surplus(t.undos(), links, t.discardFrom)
}

// surplus tells of each release that neither an undo in the list nor one of the
// links leads to. dir is the open folder of the releases.
func (t *tree) surplus(undos, links []string, tell func(dir int, name string)) {
	stays := map[string]bool{}
	for _, l := range links {
		stays[path.Base(l)] = true
	}
	for _, name := range undos {
		dir, err := openSub(t.state, name)
		if err != nil {
			return
		}
		done, err := t.journalHead(dir)
		_ = unix.Close(dir)
		if err != nil {
			return
		}
		if done.Release != nil {
			stays[path.Base(done.Release.Before)] = true
		}
	}
	dir, err := beneath.Dir(t.base, releasesDir)
	if err != nil {
		return
	}
	defer unix.Close(dir)
	names, _ := listDir(dir)
	for _, name := range names {
		if madeByRoll(name) && !stays[name] {
			tell(dir, name)
		}
	}
}

// discardFrom removes a folder that lies in dir; it is out of the way at once.
func (t *tree) discardFrom(dir int, name string) {
	trash := "trash-" + name
	if unix.Renameat(dir, name, t.state, trash) == nil {
		_ = removeAll(t.state, trash)
	}
}

// syncRoot brings root, with current and releases in it, to the disk.
func (t *tree) syncRoot() error {
	if err := unix.Fsync(t.base); err != nil {
		return cannot("write to", t.path, err)
	}
	dir, err := t.releasesFolder()
	if err != nil {
		return err
	}
	defer unix.Close(dir)
	return cannot("write to", filepath.Join(t.path, releasesDir), unix.Fsync(dir))
}

// below is another tree of the same root, with the open folder fd as its live
// tree, which it closes.
func (t *tree) below(fd int) *tree {
	return &tree{path: t.path, base: -1, root: fd, state: -1, dirs: map[string]int{}, server: t.server}
}

// shared makes sets of shared paths into one.
func shared(lists ...[][]byte) map[string]bool {
	out := map[string]bool{}
	for _, list := range lists {
		for _, p := range list {
			out[strings.TrimSuffix(string(p), "/")] = true
		}
	}
	return out
}

// makeShared makes root/shared and, below it, a folder for an owner that is
// given in numbers.
func (t *tree) makeShared(p, owner string) error {
	at := sharedDir
	for part := range strings.SplitSeq(p, "/") {
		if err := t.mkdirBelow(at, ""); err != nil {
			return err
		}
		at += "/" + part
	}
	return t.mkdirBelow(at, owner)
}

func (t *tree) mkdirBelow(p, owner string) error {
	d, name := beneath.Split(p)
	fd, err := beneath.Dir(t.base, d)
	if err != nil {
		return cannot("open", filepath.Join(t.path, d), err)
	}
	defer unix.Close(fd)
	return cannot("make the folder", filepath.Join(t.path, p), makeFolder(fd, name, owner))
}
