//go:build linux

package agent

import (
	"errors"
	"strconv"

	"github.com/rollsh/rollsh/stdlib/sync/beneath"
	"github.com/rollsh/rollsh/stdlib/sync/manifest"
	"github.com/rollsh/rollsh/stdlib/sync/wire"
	"golang.org/x/sys/unix"
)

// runner carries out steps. Every step may have been done before by a run that
// was cut short; then it does nothing.
type runner struct {
	t      *tree
	source int                             // folder with the prepared files
	name   func(*manifest.Step) string     // the prepared file of an manifest.OpPut; empty for none
	mine   func(*manifest.Step, int) error // nil when the thing that manifest.OpUnlink takes is what the plan means
	point  string                          // crash point
	spool  func() *manifest.Spool
	// lenient puts back owners as far as that is allowed: a login that is not root
	// may have removed what it cannot give back.
	lenient bool
	folded  foldedNames
}

func (r *runner) run(read func() manifest.Pairs) error {
	return manifest.Burst(read, r.spool, func(s *manifest.Step) error {
		if err := r.step(s); err != nil {
			return err
		}
		crash(r.point)
		return nil
	})
}

func (r *runner) step(s *manifest.Step) error {
	d, name := beneath.Split(s.Path)
	fd, err := r.t.dir(d)
	if vanished(err) && (s.Op == manifest.OpUnlink || s.Op == manifest.OpRmdir || s.Op == manifest.OpOpen) {
		return nil // went with its folder
	} else if err != nil {
		return cannot("open the folder", d, err)
	}
	switch s.Op {
	case manifest.OpMkdir:
		err = r.mkdir(fd, name, s.Entry)
	case manifest.OpPut:
		err = r.put(fd, name, s)
	case manifest.OpUnlink:
		err = r.unlink(fd, name, s)
	case manifest.OpRmdir:
		err = r.rmdir(fd, name, s)
	case manifest.OpOpen:
		err = r.open(s)
	case manifest.OpMode:
		err = r.mode(s)
	case manifest.OpTouch:
		err = r.touch(fd, name, s.Entry)
	}
	return cannot(verbs[s.Op], s.Path, err)
}

var verbs = map[manifest.Op]string{
	manifest.OpMkdir: "make the folder", manifest.OpPut: "write", manifest.OpUnlink: "delete",
	manifest.OpRmdir: "remove the folder", manifest.OpOpen: "set the permissions of",
	manifest.OpMode: "set the permissions of", manifest.OpTouch: "set the permissions of",
}

func vanished(err error) bool {
	return errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR) || errors.Is(err, unix.ELOOP)
}

func (r *runner) mkdir(fd int, name string, e *manifest.Entry) error {
	err := unix.Mkdirat(fd, name, e.Mode&0o777|0o700)
	if err == nil {
		_, err = r.give(fd, name, e)
	}
	if !errors.Is(err, unix.EEXIST) {
		return err
	}
	if l, err2 := manifest.Lstat(fd, name); err2 == nil && l.Kind == manifest.Dir {
		return nil
	}
	return err
}

func (r *runner) put(fd int, name string, s *manifest.Step) error {
	from := r.name(s)
	if from == "" {
		return nil
	}
	d, _ := beneath.Split(s.Path)
	if err := r.folded.clear(d, fd, name, r.source, from); err != nil {
		return err
	}
	err := unix.Renameat(r.source, from, fd, name)
	if errors.Is(err, unix.ENOENT) {
		return nil // done by a run before
	}
	return err
}

func (r *runner) unlink(fd int, name string, s *manifest.Step) error {
	if err := r.mine(s, fd); err != nil {
		return nil // gone, or somebody else's by now
	}
	if r.folded.folds {
		d, _ := beneath.Split(s.Path)
		if stands, err := r.folded.stands(d, fd, name); err != nil || !stands {
			return err // it has another name now
		}
	}
	err := unix.Unlinkat(fd, name, 0)
	if errors.Is(err, unix.ENOENT) {
		return nil
	}
	return err
}

func (r *runner) rmdir(fd int, name string, s *manifest.Step) error {
	r.t.dropDir(s.Path)
	err := unix.Unlinkat(fd, name, unix.AT_REMOVEDIR)
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTEMPTY) || errors.Is(err, unix.EEXIST) || errors.Is(err, unix.ENOTDIR) {
		return nil // gone, or it holds what came since
	}
	return err
}

// give sets the owner of a name where the entry says one.
func (r *runner) give(fd int, name string, e *manifest.Entry) (changed bool, err error) {
	changed, err = giveName(fd, name, e)
	if r.lenient && errors.Is(err, unix.EPERM) {
		return false, nil
	}
	return changed, err
}

// open lets the owner of a folder write to it.
func (r *runner) open(s *manifest.Step) error {
	fd, err := r.t.dir(s.Path)
	if vanished(err) {
		return nil // gone, or not made yet
	} else if err != nil {
		return err
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil || st.Mode&0o700 == 0o700 {
		return err
	}
	return unix.Fchmod(fd, st.Mode&0o7777|0o700)
}

// mode sets a folder's permissions and owner; a setgid bit that is there stays.
func (r *runner) mode(s *manifest.Step) error {
	fd, err := r.t.dir(s.Path)
	if err == nil && s.Entry.Owner.Given() {
		_, err = r.give(fd, ".", s.Entry)
	}
	if err != nil {
		return err
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return err
	}
	want := s.Entry.Mode | st.Mode&unix.S_ISGID
	if st.Mode&0o7777 == want {
		return nil
	}
	return unix.Fchmod(fd, want)
}

// touch sets a file's owner, permissions and time. A change of owner may clear
// permissions, so these come after it.
func (r *runner) touch(fd int, name string, e *manifest.Entry) error {
	l, err := manifest.Lstat(fd, name)
	if err != nil || l.Kind != manifest.File {
		return err
	}
	given, err := r.give(fd, name, e)
	if err != nil {
		return err
	}
	if l.Mode != e.Mode || given {
		if err := unix.Fchmodat(fd, name, e.Mode, unix.AT_SYMLINK_NOFOLLOW); err != nil {
			return err
		}
	}
	return setTime(fd, name, e.Mtime)
}

func setTime(fd int, name string, mtime int64) error {
	ts := unix.NsecToTimespec(mtime)
	return unix.UtimesNanoAt(fd, name, []unix.Timespec{ts, ts}, unix.AT_SYMLINK_NOFOLLOW)
}

// oldName is where the link to the old file of index i lies.
func oldName(i int) string { return strconv.Itoa(i) }

// sourceName is where the file lies that was prepared for a put.
func sourceName(s *manifest.Step) string {
	if s.Source < 0 {
		return ""
	}
	return strconv.Itoa(s.Source)
}

// forward runs the journal's burst; the files are in stage/s.
func (t *tree) forward(stage int, j *wire.Journal) error {
	if j.Release != nil {
		return t.forwardRelease(stage, j)
	}
	s, err := openSub(stage, "s")
	if err != nil {
		return cannot("open", t.place+"/s", err)
	}
	defer unix.Close(s)
	u, err := openSub(stage, "u")
	if err != nil {
		return cannot("open", t.place+"/u", err)
	}
	defer unix.Close(u)
	r := &runner{
		t: t, source: s, point: "burst", spool: t.spool, name: sourceName, lenient: j.Undoes != "",
		folded: foldedNames{folds: j.Folds},
		mine:   func(st *manifest.Step, fd int) error { return sameFile(fd, st.Path, u, oldName(st.At)) },
	}
	return r.run(j.Read)
}

// backward undoes as much of the burst as was done; the old files are in
// stage/u.
func (t *tree) backward(stage int, j *wire.Journal) error {
	if j.Release != nil {
		return t.backwardRelease(j)
	}
	u, err := openSub(stage, "u")
	if err != nil {
		return cannot("open", t.place+"/u", err)
	}
	defer unix.Close(u)
	r := &runner{
		t: t, source: u, point: "back", spool: t.spool, lenient: true, folded: foldedNames{folds: j.Folds},
		name: func(st *manifest.Step) string { return oldName(st.At) },
		mine: func(st *manifest.Step, fd int) error {
			_, name := beneath.Split(st.Path)
			l, err := manifest.Lstat(fd, name)
			if err == nil && !st.Entry.Stands(&l) {
				return unix.EEXIST
			}
			return err
		},
	}
	return r.run(j.ReadBack)
}

// sameFile fails unless the path's file in the folder fd is the one that was
// linked, or copied, to name in the folder u.
func sameFile(fd int, path string, u int, name string) error {
	_, last := beneath.Split(path)
	var a, b unix.Stat_t
	if err := unix.Fstatat(fd, last, &a, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return err
	}
	if err := unix.Fstatat(u, name, &b, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return err
	}
	if a.Ino == b.Ino && a.Dev == b.Dev || a.Size == b.Size && a.Mtim == b.Mtim && a.Mode == b.Mode {
		return nil
	}
	return unix.EEXIST
}
