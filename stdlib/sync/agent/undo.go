//go:build linux

package agent

import (
	"errors"
	"strconv"

	"github.com/rollsh/rollsh/stdlib/sync/manifest"
	"github.com/rollsh/rollsh/stdlib/sync/wire"
	"golang.org/x/sys/unix"
)

// undo puts back what a roll replaced: a switch of its own whose files are the
// old ones, taken by links, so nothing is sent. req.Path names the roll to be
// undone; empty means the last.
func (t *tree) undo(req *wire.Request) (*wire.Report, error) {
	if err := checkRoll(req.Roll); err != nil {
		return nil, err
	}
	now, err := t.marker()
	if err != nil {
		return nil, err
	}
	asked := string(req.Path)
	if now.Undo == req.Roll || t.undone != "" && (asked == "" || asked == t.undone) {
		return &wire.Report{Roll: t.undone, Marker: &now.Marker}, nil // done before, or just now: not once more
	}
	name, err := t.findUndo(asked)
	if err != nil && t.idle(asked) {
		return &wire.Report{Roll: asked, Marker: &now.Marker, Nothing: true}, nil
	} else if err != nil {
		return nil, err
	}
	from, err := openSub(t.state, name)
	if err != nil {
		return nil, cannot("open", t.place+"/"+name, err)
	}
	defer unix.Close(from)
	done, err := t.readJournal(from)
	if err != nil {
		return nil, cannot("read", t.place+"/"+name, err)
	}
	if done.Release != nil {
		rep, err := t.undoRelease(req, name, done, now)
		if err != nil {
			t.abandon(req.Roll)
		}
		return rep, err
	}
	if !req.Force {
		if err := t.stands(done, &now.Marker); err != nil {
			return nil, err
		}
	}
	rep, err := t.undoStage(req, name, from, done, now)
	if err != nil {
		t.abandon(req.Roll)
		return nil, err
	}
	return rep, nil
}

// abandon removes the stage of a roll unless its switch was begun: that is finished
// or undone by whoever comes next.
func (t *tree) abandon(roll string) {
	if name := wire.StageName(roll); !has(t.state, name+"/COMMIT") {
		t.discard(name)
	}
}

// findUndo gives the folder of the undo of a roll.
func (t *tree) findUndo(roll string) (string, error) {
	all := t.undos()
	for i := len(all) - 1; i >= 0; i-- {
		if roll == "" || wire.RollOf(all[i]) == roll {
			return all[i], nil
		}
	}
	if roll == "" {
		return "", failure("notfound", "there is nothing to undo in "+show(t.path))
	}
	return "", hinted("notfound", "the undo of "+show(roll)+" is not kept for "+show(t.path), "undo= says how many are kept")
}

// stands fails with changed when a path of the roll is no longer as the roll
// left it.
func (t *tree) stands(j *wire.Journal, now *wire.Marker) error {
	return t.unreadable(j.Each(func(p *manifest.Pair) error {
		l, err := t.lstat(p.Path)
		if err != nil && !errors.Is(err, unix.ENOENT) {
			return cannot("look at", p.Path, err)
		}
		if p.To != nil && (err != nil || !l.SameStat(p.To)) || p.To == nil && err == nil && (!j.Folds || t.listed(p.Path)) {
			return changedSince(p.Path, j.Roll, now)
		}
		return nil
	}))
}

func changedSince(p, roll string, now *wire.Marker) error {
	message, hint := now.ChangedSince(show(p), roll)
	return hinted("changed", message, hint)
}

// undoStage builds the reverse of a journal as a stage and switches it.
func (t *tree) undoStage(req *wire.Request, name string, from int, done *wire.Journal, now *wire.Record) (*wire.Report, error) {
	st := &stager{t: t, dir: -1, files: -1, old: -1, folds: done.Folds}
	defer st.close()
	st.c = &comparison{s: t.server, t: t, req: req, now: now}
	u, err := openSub(from, "u")
	if err != nil {
		return nil, cannot("open", t.place+"/"+name, err)
	}
	defer unix.Close(u)
	t.discard(wire.StageName(req.Roll))
	if err := st.open(); err != nil {
		return nil, err
	}
	j := &wire.Journal{Roll: req.Roll, Seq: now.Seq, Base: now.Digest, Undoes: name, Was: now.Marker, MakeRoot: t.base < 0, Keep: done.Keep, Folds: done.Folds}
	if err := st.takeOld(j, done, u); err != nil {
		return nil, err
	}
	next, err := done.Before(now)
	if err != nil {
		return nil, err
	}
	next.Undo = req.Roll
	return st.undone(j, done, next)
}

// undone switches to the stage that j is the journal of, which undoes done.
func (st *stager) undone(j, done *wire.Journal, next *wire.Record) (*wire.Report, error) {
	if err := st.seal(j, next); err != nil {
		return nil, err
	}
	rep, err := st.t.commit(st.dir, j)
	if err != nil {
		return nil, err
	}
	rep.Roll = done.Roll
	return rep, st.t.unreadable(done.Undone(rep))
}

// takeOld puts the old entries into the journal, their files linked from the
// undo folder, and takes away what the roll added.
func (st *stager) takeOld(j *wire.Journal, done *wire.Journal, u int) error {
	st.draft = wire.NewDraft(st.t.spool)
	err := done.Each(func(p *manifest.Pair) error {
		stays := p.Touch && p.From != nil && p.From.Kind != manifest.Dir
		if p.From != nil {
			source := -1
			if p.From.Kind != manifest.Dir && !stays {
				source = st.count
				st.count++
				if err := unix.Linkat(u, oldName(p.FromAt), st.files, strconv.Itoa(source), 0); err != nil {
					return cannot("put back", p.Path, err)
				}
			}
			st.draft.Put(p.From, source, stays)
		}
		return st.keep(p.Path, nil, p.From, stays)
	})
	if err != nil {
		return st.t.unreadable(err)
	}
	return cannot("write", st.t.place, st.draft.Fill(j))
}
