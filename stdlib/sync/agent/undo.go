//go:build linux

package agent

import (
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
			t.discard(wire.StageName(req.Roll))
		}
		return rep, err
	}
	if !req.Force {
		if err := t.stands(done); err != nil {
			return nil, err
		}
	}
	rep, err := t.undoStage(req, name, from, done, now)
	if err != nil {
		t.discard(wire.StageName(req.Roll))
		return nil, err
	}
	return rep, nil
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
func (t *tree) stands(j *wire.Journal) error {
	for i := range j.To {
		if e := &j.To[i]; !t.same(e) {
			return changedSince(e.Path)
		}
	}
	for _, p := range j.Gone() {
		if _, err := t.lstat(p); err == nil {
			return changedSince(p)
		}
	}
	return nil
}

func (t *tree) same(e *manifest.Entry) bool {
	l, err := t.lstat(e.Path)
	return err == nil && l.SameStat(e)
}

func changedSince(p string) error {
	return hinted("changed", show(p)+" was changed on the node after that roll", "force=true puts the old one back all the same")
}

// undoStage builds the reverse of a journal as a stage and switches it.
func (t *tree) undoStage(req *wire.Request, name string, from int, done *wire.Journal, now *wire.Record) (*wire.Report, error) {
	st := &stager{t: t, dir: -1, files: -1, old: -1, arrived: map[string]int{}}
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
	j := &wire.Journal{Roll: req.Roll, Seq: now.Seq, Base: now.Digest, Undoes: name, Was: now.Marker, MakeRoot: t.base < 0, Keep: done.Keep}
	if err := st.takeOld(j, done, u); err != nil {
		return nil, err
	}
	st.deletions(done)
	if err := st.keepOld(j); err != nil {
		return nil, err
	}
	next, err := done.Before(now)
	if err != nil {
		return nil, err
	}
	next.Undo = req.Roll
	if err := st.seal(j, next); err != nil {
		return nil, err
	}
	rep, err := t.commit(st.dir, j)
	if err != nil {
		return nil, err
	}
	rep.Roll = done.Roll
	done.Undone(j.To, rep)
	return rep, nil
}

// takeOld puts the old entries into the journal, their files linked from the
// undo folder.
func (st *stager) takeOld(j *wire.Journal, done *wire.Journal, u int) error {
	touched := done.Touches()
	for i := range done.From {
		e := done.From[i]
		source, keep := -1, false
		switch {
		case e.Kind == manifest.Dir:
		case touched(e.Path):
			keep = true
		default:
			source = st.count
			st.count++
			if err := unix.Linkat(u, oldName(i), st.files, strconv.Itoa(source), 0); err != nil {
				return cannot("put back", e.Path, err)
			}
		}
		j.Add(e, source, keep)
	}
	return nil
}

// deletions lists what the roll added and what now has to go.
func (st *stager) deletions(done *wire.Journal) {
	for i := range done.To {
		e := &done.To[i]
		if manifest.Find(done.From, e.Path) != nil {
			continue
		}
		if l, err := st.t.lstat(e.Path); err == nil {
			st.c.dec.Deletes = append(st.c.dec.Deletes, l)
		}
	}
}
