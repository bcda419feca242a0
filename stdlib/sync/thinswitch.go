package sync

import (
	"context"
	"path"
	"strconv"
	"time"

	"github.com/rollsh/rollsh/nodes"
	"github.com/rollsh/rollsh/stdlib/sync/manifest"
	"github.com/rollsh/rollsh/stdlib/sync/wire"
)

// resume gives the session that made the stage, to work for ctx and live so much
// longer, or nil.
func (s *thinStage) resume(ctx context.Context, moment time.Duration) *thin {
	t := s.t
	if s.t = nil; t != nil {
		t.bind(ctx, moment)
	}
	return t
}

// drop throws the stage away. The lock that somebody else may have does not
// matter: the stage is ours.
func (s *thinStage) drop(ctx context.Context) error {
	if s == nil {
		return nil
	}
	if t := s.resume(ctx, 0); t != nil {
		err := t.abandon(s.dir)
		t.shut()
		if nodes.KindOf(err) != nodes.Lost {
			return nil
		}
	}
	t, err := s.e.openThin(ctx, s.j)
	if err != nil {
		return err
	}
	if s.j.hold {
		_ = t.takeLock() // to give it back: it was left behind
	}
	_ = t.abandon(s.dir)
	t.shut()
	return nil
}

// leave ends the session. The stage stays.
func (s *thinStage) leave() {
	if s == nil || s.t == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), lastMoment)
	defer cancel()
	s.resume(ctx, 0).close()
}

// change is the switch. What a push staged and could not switch goes: nobody would
// switch it later.
func (s *thinStage) change(ctx context.Context) (*wire.Report, error) {
	t, err := s.ready(ctx)
	if t == nil {
		return nil, err
	}
	defer t.close()
	if err != nil {
		err = t.why(err)
		if s.j.hold {
			_ = t.abandon(s.dir)
		}
		return nil, err
	}
	return t.commit(s.dir, s.plan, s.next)
}

// ready makes sure that the stage may be switched, in the session that made it, or
// in a new one where that was cut.
func (s *thinStage) ready(ctx context.Context) (t *thin, err error) {
	if t = s.resume(ctx, lastMoment); t != nil {
		if err = t.ready(s.dir, s.plan); nodes.KindOf(err) != nodes.Lost {
			return t, err
		}
		t.shut()
	}
	if t, err = s.e.openThin(ctx, s.j); err != nil {
		return nil, err
	}
	return t, t.ready(s.dir, s.plan)
}

// ready makes sure, as late as that can be, that a stage may be switched.
func (t *thin) ready(dir string, j *wire.Journal) error {
	if t.lock.file == nil {
		if err := t.takeLock(); err != nil {
			return err
		}
	}
	err := t.all(2, func(i int) error {
		if i == 0 {
			return t.lock.check(t)
		}
		return t.moved(dir, j)
	})
	if err == nil {
		err = t.makeRoot(j)
	}
	return err
}

// lstat describes a path of the tree.
func (t *thin) lstat(p string) (manifest.Entry, error) {
	st, err := t.f.Lstat(t.at(p))
	if err != nil {
		return manifest.Entry{}, err
	}
	e := asEntry(&st)
	e.Path = p
	if e.Kind == manifest.Link {
		e.Link, err = t.f.ReadLink(t.at(p))
	}
	return e, err
}

func lookAgain(what string) error {
	return &nodes.Error{Kind: nodes.Changed, Message: what, Hint: "look again: plan, or push"}
}

// moved refuses a tree that moved on since it was staged.
func (t *thin) moved(dir string, j *wire.Journal) error {
	if t.now.Seq != j.Seq || t.now.Digest != j.Base || t.exists == j.MakeRoot {
		return lookAgain(t.now.MovedOn())
	}
	look := t.looker(j.Folds)
	return t.all(2, func(i int) error {
		if i == 0 {
			return t.each(j, func(p *manifest.Pair) error { return look.moved(p) })
		}
		_, err := t.f.Lstat(nodes.RemotePath(path.Join(dir, "plan")))
		if gone(err) {
			return &nodes.Error{Kind: nodes.Changed, Message: "the stage is no longer on the node", Hint: "stage again"}
		}
		return err
	})
}

// moved refuses what is no longer as it was when the switch was planned.
func (l *looker) moved(p *manifest.Pair) error {
	now, other, err := l.at(p.Path)
	switch {
	case err != nil:
		return err
	case p.From != nil && !p.From.Stands(&now):
		return lookAgain(manifest.Quote(p.Path) + " changed on the node since it was looked at")
	case p.From == nil && now.Kind != 0 && !other:
		return lookAgain(manifest.Quote(p.Path) + " appeared on the node since it was looked at")
	}
	return nil
}

// pathsOf lists the paths of entries.
func pathsOf(list []manifest.Entry) []string {
	out := make([]string, len(list))
	for i := range list {
		out[i] = list[i].Path
	}
	return out
}

// commit is the point of no return and what comes after it. A cancel ends it a
// moment later than other work: a burst takes milliseconds.
func (t *thin) commit(dir string, j *wire.Journal, next *wire.Record) (*wire.Report, error) {
	t.careful()
	if err := t.mark(dir, "COMMIT"); err != nil {
		if t.ctx.Err() != nil || nodes.KindOf(err) == nodes.Lost || t.unmark(dir, "COMMIT") != nil {
			return nil, t.halfDone(err)
		}
		return nil, t.why(err)
	}
	began := time.Now()
	if err := t.forward(dir, j); err != nil {
		return nil, t.rollBack(dir, j, err)
	}
	took := time.Since(began)
	if err := t.finish(dir, j); err != nil {
		return nil, t.halfDone(err)
	}
	return &wire.Report{Burst: took, Marker: &next.Marker}, nil
}

// mark makes an empty file in a stage: that it is there says all.
func (t *thin) mark(dir, name string) error {
	w, err := t.f.Create(nodes.RemotePath(path.Join(dir, name)), 0o600)
	if err != nil {
		return err
	}
	defer func() { go w.Close() }() // nobody waits for it
	if t.work.Err() != nil {
		return nodes.Stopped(t.work)
	}
	return w.Sync()
}

// unmark removes what mark may have made.
func (t *thin) unmark(dir, name string) error {
	err := t.f.Remove(nodes.RemotePath(path.Join(dir, name)))
	if nodes.KindOf(err) == nodes.NotFound {
		return nil
	}
	return err
}

func (t *thin) makeRoot(j *wire.Journal) error {
	if !j.MakeRoot || t.exists {
		return nil
	}
	err := t.f.Mkdir(nodes.RemotePath(t.root), 0o755)
	if st, there := t.f.Stat(nodes.RemotePath(t.root)); err != nil && there == nil && st.Mode.IsDir() {
		return nil
	}
	return err
}

func (t *thin) forward(dir string, j *wire.Journal) error {
	r := thinRunner{t: t, from: path.Join(dir, "s"), name: func(s *manifest.Step) int { return s.Source }, lenient: j.Undoes != "", folds: j.Folds}
	return r.run(j.Read)
}

func (t *thin) backward(dir string, j *wire.Journal) error {
	r := thinRunner{t: t, from: path.Join(dir, "u"), name: func(s *manifest.Step) int { return s.At }, lenient: true, folds: j.Folds}
	return r.run(j.ReadBack)
}

// rollBack undoes a burst that could not be finished, and says so. One that was
// stopped is left as it is: whoever comes next finishes it.
func (t *thin) rollBack(dir string, j *wire.Journal, cause error) error {
	if t.ctx.Err() != nil || t.life.Err() != nil || nodes.KindOf(cause) == nodes.Lost {
		return t.halfDone(cause)
	}
	e := *nodes.AsError(cause, nodes.Failed)
	if t.keeps(dir, j) && t.mark(dir, "ROLLBACK") == nil && t.backward(dir, j) == nil {
		_ = t.discard(dir)
		e.Message += "; the tree was put back as it was"
		return &e
	}
	return t.halfDone(&e)
}

// halfDone says that a switch was begun and not ended.
func (t *thin) halfDone(cause error) error {
	e := *nodes.AsError(t.why(cause), nodes.Failed)
	t.half = true
	e.Message += "; some files may be switched and some not"
	if e.Kind != nodes.Locked {
		e.Hint = "push again, when the cause is mended: the switch is then finished or undone first"
	}
	return &e
}

// keeps reports whether all that a burst replaces was linked aside.
func (t *thin) keeps(dir string, j *wire.Journal) bool {
	list, err := t.f.ReadDir(nodes.RemotePath(path.Join(dir, "u")))
	there := map[string]bool{}
	for i := range list {
		there[list[i].Name] = true
	}
	complete := true
	errJournal := j.Each(func(p *manifest.Pair) error {
		complete = complete && (!p.Replaces() || there[strconv.Itoa(p.FromAt)])
		return nil
	})
	return err == nil && errJournal == nil && complete
}
