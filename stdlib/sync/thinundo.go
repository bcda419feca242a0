package sync

import (
	"context"
	"path"
	"strconv"

	"github.com/rollsh/rollsh/nodes"
	"github.com/rollsh/rollsh/stdlib/sync/manifest"
	"github.com/rollsh/rollsh/stdlib/sync/wire"
)

// thinUndo puts back what a roll replaced, as the agent does it, over SFTP: a
// switch of its own whose files are links to the old ones.
func (e *Engine) thinUndo(ctx context.Context, j *job, roll string, force bool, why string) (*wire.Report, error) {
	e.sayThin(j.events, j.node, why)
	t, err := e.openThin(ctx, j)
	if err != nil {
		return nil, err
	}
	defer t.close()
	if t.now.First() && !t.begun() {
		return nil, t.nothing()
	}
	if err := t.prepare(); err != nil {
		return nil, t.why(err)
	}
	rep, err := t.undo(roll, force)
	if rep != nil {
		rep.Settled = t.settled
	}
	return rep, t.why(err)
}

func (t *thin) nothing() error {
	return &nodes.Error{Kind: nodes.NotFound, Message: "there is nothing to undo in " + t.root}
}

// begun reports whether a first switch was cut short.
func (t *thin) begun() bool {
	finish, undo := t.cutShort()
	return len(finish)+len(undo) > 0
}

func (t *thin) undo(roll string, force bool) (*wire.Report, error) {
	if t.undone != "" && (roll == "" || roll == t.undone) {
		return &wire.Report{Roll: t.undone, Marker: &t.now.Marker}, nil // just now: not once more
	}
	name, err := t.findUndo(roll)
	if err != nil && t.idle(roll) {
		return &wire.Report{Roll: roll, Marker: &t.now.Marker, Nothing: true}, nil
	} else if err != nil {
		return nil, err
	}
	done, err := t.journal(path.Join(t.state, name))
	if err != nil {
		return nil, err
	}
	if !force {
		if err := t.stands(done); err != nil {
			return nil, err
		}
	}
	next, err := done.Before(t.now)
	if err != nil {
		return nil, &nodes.Error{Kind: nodes.Failed, Message: err.Error()}
	}
	next.Undo = t.j.roll
	dir := path.Join(t.state, wire.StageName(t.j.roll))
	j, err := t.reverse(dir, name, done, next)
	if err == nil {
		err = t.ready(dir, j)
	}
	if err != nil {
		err = t.why(err)
		_ = t.abandon(dir)
		return nil, err
	}
	rep, err := t.commit(dir, j, next)
	if err != nil {
		return nil, err
	}
	rep.Roll = done.Roll
	return rep, done.Undone(rep)
}

// noteIdle writes down that nothing of a roll is here: it had nothing to do, or was
// undone.
func (t *thin) noteIdle(roll string) {
	name := path.Join(t.state, wire.IdleFile)
	old, _ := t.slurp(name)
	_ = t.put(name, []byte(wire.AddIdle(string(old), roll)))
}

// idle reports whether nothing of a roll is here.
func (t *thin) idle(roll string) bool {
	b, err := t.slurp(path.Join(t.state, wire.IdleFile))
	return err == nil && wire.HasIdle(string(b), roll)
}

func (t *thin) findUndo(roll string) (string, error) {
	all, err := t.undos()
	if err != nil {
		return "", err
	}
	for i := len(all) - 1; i >= 0; i-- {
		if roll == "" || wire.RollOf(all[i]) == roll {
			return all[i], nil
		}
	}
	if roll == "" {
		return "", t.nothing()
	}
	return "", &nodes.Error{Kind: nodes.NotFound, Message: "the undo of " + roll + " is not kept for " + t.root, Hint: "undo= says how many are kept"}
}

// stands fails with changed when a path of the roll is no longer as the roll
// left it.
func (t *thin) stands(j *wire.Journal) error {
	look := t.looker(j.Folds)
	return t.each(j, func(p *manifest.Pair) error {
		now, other, err := look.at(p.Path)
		if err != nil {
			return err
		}
		if p.To != nil && (now.Kind == 0 || !now.SameStat(p.To)) || p.To == nil && now.Kind != 0 && !other {
			message, hint := t.now.ChangedSince(manifest.Quote(p.Path), j.Roll)
			return &nodes.Error{Kind: nodes.Changed, Message: message, Hint: hint}
		}
		return nil
	})
}

// reverse builds the reverse of a journal as a stage.
func (t *thin) reverse(dir, name string, done *wire.Journal, next *wire.Record) (*wire.Journal, error) {
	if err := t.makeDirs(dir); err != nil {
		return nil, err
	}
	j := &wire.Journal{Roll: t.j.roll, Seq: t.now.Seq, Base: t.now.Digest, Undoes: name, Was: t.now.Marker, MakeRoot: !t.exists, Keep: done.Keep, Folds: done.Folds}
	err := t.all(2, func(i int) error {
		if i == 0 {
			return t.turn(j, done)
		}
		return t.linkBack(path.Join(t.state, name, "u"), path.Join(dir, "s"), done)
	})
	if err == nil {
		err = t.all(2, func(i int) error {
			if i == 0 {
				return t.aside(dir, j)
			}
			return t.putMarker(dir, next)
		})
	}
	if err == nil {
		err = t.seal(dir, j)
	}
	return j, err
}

// linkBack makes the prepared files of an undo: links to those of the old that it
// puts in place.
func (t *thin) linkBack(from, to string, done *wire.Journal) error {
	return t.each(done, func(p *manifest.Pair) error {
		if !p.Replaces() {
			return nil
		}
		n := strconv.Itoa(p.FromAt)
		return t.f.Link(nodes.RemotePath(path.Join(from, n)), nodes.RemotePath(path.Join(to, n)))
	})
}

// turn puts into the journal of an undo what stood at the paths of the roll, and
// what is there now.
func (t *thin) turn(j, done *wire.Journal) error {
	draft, look := wire.NewDraft(t.spool), t.looker(done.Folds)
	err := done.Parts(several, func(part []manifest.Pair) error {
		now := make([]manifest.Entry, len(part))
		err := t.all(len(part), func(i int) error {
			e, other, err := look.at(part[i].Path)
			if !other {
				now[i] = e
			}
			return err
		})
		for i := range part {
			draftBack(draft, &part[i], &now[i])
		}
		return err
	})
	if err != nil {
		return err
	}
	return draft.Fill(j)
}

// draftBack notes what stood at a path, and what is there now.
func draftBack(draft *wire.Draft, p *manifest.Pair, now *manifest.Entry) {
	if p.From != nil {
		source := -1
		if p.Replaces() {
			source = p.FromAt
		}
		draft.Put(p.From, source, p.Touch && p.From.Kind != manifest.Dir)
	}
	if now.Kind != 0 {
		draft.Stood(now)
	}
}
