//go:build linux

package agent

import (
	"errors"
	"path"

	"golang.org/x/sys/unix"

	"github.com/rollsh/rollsh/stdlib/sync/beneath"
	"github.com/rollsh/rollsh/stdlib/sync/manifest"
	"github.com/rollsh/rollsh/stdlib/sync/wire"
)

// undoRelease leads current back to the release before a roll. What is not
// ours in the live tree goes along, so that files which a program wrote there
// are not lost from sight.
func (t *tree) undoRelease(req *wire.Request, name string, done *wire.Journal, now *wire.Record) (*wire.Report, error) {
	if t.current != done.Release.After {
		return nil, hinted("changed", "current leads to "+show(t.current)+" and not to "+show(done.Release.After), "undo the later rolls first, the newest first")
	}
	next, err := done.Before(now)
	if err != nil {
		return nil, err
	}
	st := &stager{t: t, dir: -1, files: -1, old: -1}
	defer st.close()
	st.c = &comparison{s: t.server, t: t, req: req, now: now}
	if err := t.leadBack(req, done, now, next); err != nil {
		return nil, err
	}
	t.discard(wire.StageName(req.Roll))
	if err := st.open(); err != nil {
		return nil, err
	}
	j := &wire.Journal{
		Roll: req.Roll, Seq: now.Seq, Base: now.Digest, Undoes: name, Was: now.Marker, Keep: done.Keep,
		Release: &wire.Release{Before: t.current, After: done.Release.Before},
	}
	next.Undo = req.Roll
	if err := wire.NewDraft(nil).Fill(j); err != nil {
		return nil, cannot("write", t.place, err)
	}
	return st.undone(j, done, next)
}

// leadBack makes the release before a roll ready to be live again, and refuses
// where a change that was made by hand since would go with the switch.
func (t *tree) leadBack(req *wire.Request, done *wire.Journal, now, next *wire.Record) error {
	if done.Release.Before == "" {
		return t.unchanged(req, now, nil)
	}
	name, err := t.releaseOf(done.Release.Before)
	if err != nil {
		return err
	}
	fd, err := beneath.Dir(t.base, releasesDir+"/"+name)
	if errors.Is(err, unix.ENOENT) {
		return hinted("notfound", "the release "+show(name)+" is no longer in "+show(t.path), "push the older revision")
	} else if err != nil {
		return cannot("open", path.Join(releasesDir, name), err)
	}
	old := t.below(fd)
	defer old.close()
	if err := t.unchanged(req, now, old); err != nil {
		return err
	}
	m := &mirror{from: t, to: old, skip: shared(now.Shared, next.Shared)}
	for _, list := range []manifest.List{now.Ours, next.Ours} {
		s := list.Read()
		for e := s.Next(); e != nil; e = s.Next() {
			m.leave(e.Path)
		}
		if s.Err() != nil {
			return t.damaged(s.Err())
		}
	}
	if err := m.run(); err != nil {
		return err
	}
	return cannot("write to", path.Join(releasesDir, name), unix.Syncfs(fd))
}

// unchanged fails with changed when a file of ours differs from what the roll
// left and is not the same file in the tree old; nil stands for none.
func (t *tree) unchanged(req *wire.Request, now *wire.Record, old *tree) error {
	if req.Force {
		return nil
	}
	s := now.Ours.Read()
	for o := s.Next(); o != nil; o = s.Next() {
		l, err := t.lstat(o.Path)
		if err == nil && l.SameStat(o) {
			continue
		}
		if old != nil {
			was, errWas := old.lstat(o.Path)
			if errWas != nil && err != nil || errWas == nil && err == nil && (was.Ino == l.Ino || l.Kind == manifest.Dir && was.Kind == manifest.Dir) {
				continue
			}
		}
		return changedSince(o.Path, now.Roll, &now.Marker)
	}
	if s.Err() != nil {
		return t.damaged(s.Err())
	}
	return nil
}
