package sync

import (
	"path"
	"strconv"
	"time"

	"github.com/rollsh/rollsh/nodes"
	"github.com/rollsh/rollsh/stdlib/sync/manifest"
)

// thinRunner carries out the steps of a burst over SFTP, many at the same time.
// Every step may have been done before by a run that was cut short; then it does
// nothing.
type thinRunner struct {
	t       *thin
	from    string                   // folder with the prepared files
	name    func(*manifest.Step) int // which of them a put takes; below 0 for none
	lenient bool                     // owners are put back as far as that is allowed
	folds   bool                     // as wire.Journal.Folds

	other  map[string]bool // paths that are put where something stands that has another name
	folded *foldedNames    // before the wave under way
}

// run does the steps wave by wave: where it is cut short, some of one wave are
// done, all of those before it, and none of those after it.
func (r *thinRunner) run(read func() manifest.Pairs) error {
	var err error
	if r.other, err = r.t.namedOtherwise(r.folds, read()); err != nil {
		return err
	}
	return manifest.Waves(read, several, func(wave []manifest.Step) error {
		if err := r.t.hold(); err != nil {
			return err
		}
		r.folded = &foldedNames{t: r.t}
		return r.t.all(len(wave), func(i int) error { return r.step(&wave[i]) })
	})
}

func (r *thinRunner) step(s *manifest.Step) error {
	f, name := r.t.f, r.t.at(s.Path)
	switch s.Op {
	case manifest.OpMkdir:
		return r.mkdir(name, s.Entry)
	case manifest.OpPut:
		return r.put(name, s)
	case manifest.OpUnlink:
		return r.unlink(name, s)
	case manifest.OpRmdir:
		if st, err := f.Lstat(name); err == nil && st.Mode.IsDir() {
			_ = f.Remove(name) // it may hold what came since
		}
		return nil
	case manifest.OpOpen:
		return r.open(name, s.Entry)
	case manifest.OpMode:
		r.give(name, s.Entry)
		return f.Chmod(name, goMode(s.Entry.Mode))
	case manifest.OpTouch:
		r.give(name, s.Entry)
		if err := f.Chmod(name, goMode(s.Entry.Mode)); err != nil {
			return err
		}
		return f.Chtimes(name, time.Unix(0, s.Entry.Mtime))
	}
	return nil
}

func (r *thinRunner) mkdir(name nodes.RemotePath, e *manifest.Entry) error {
	err := r.t.f.Mkdir(name, goMode(e.Mode|0o700))
	if err == nil {
		return nil
	}
	if st, there := r.t.f.Lstat(name); there == nil && st.Mode.IsDir() {
		return nil
	}
	return err
}

// open lets the owner of a folder write to it, if it is there.
func (r *thinRunner) open(name nodes.RemotePath, e *manifest.Entry) error {
	st, err := r.t.f.Lstat(name)
	if gone(err) || err == nil && !st.Mode.IsDir() {
		return nil // gone, or not made yet
	} else if err != nil {
		return err
	}
	return r.t.f.Chmod(name, goMode(e.Mode|0o700))
}

func (r *thinRunner) put(name nodes.RemotePath, s *manifest.Step) error {
	n := r.name(s)
	if n < 0 {
		return nil
	}
	from := nodes.RemotePath(path.Join(r.from, strconv.Itoa(n)))
	if r.other[s.Path] {
		if _, err := r.t.f.Lstat(from); nodes.KindOf(err) == nodes.NotFound {
			return nil // done by a run before
		} else if err != nil {
			return err
		}
		if err := r.t.f.Remove(name); err != nil && nodes.KindOf(err) != nodes.NotFound {
			return err
		}
	}
	err := r.t.f.Rename(from, name)
	if nodes.KindOf(err) != nodes.NotFound {
		return err
	}
	if _, left := r.t.f.Lstat(from); nodes.KindOf(left) == nodes.NotFound {
		return nil // done by a run before
	}
	return err
}

// unlink leaves alone what is not the thing that the plan means.
func (r *thinRunner) unlink(name nodes.RemotePath, s *manifest.Step) error {
	l, err := r.t.lstat(s.Path)
	if gone(err) {
		return nil
	} else if err != nil {
		return err
	}
	if !s.Entry.Stands(&l) {
		return nil
	}
	if r.folds {
		if stands, err := r.folded.stands(s.Path); err != nil || !stands {
			return err // it has another name now
		}
	}
	if err := r.t.f.Remove(name); nodes.KindOf(err) != nodes.NotFound {
		return err
	}
	return nil
}

// give gives a folder or file that an undo puts back to whom it belonged, as
// far as that is allowed.
func (r *thinRunner) give(name nodes.RemotePath, e *manifest.Entry) {
	if uid, gid := e.IDs(); r.lenient && (uid >= 0 || gid >= 0) {
		_ = r.t.f.Chown(name, uid, gid)
	}
}
