package sync

import (
	"context"
	"path"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/rollsh/rollsh/nodes"
	"github.com/rollsh/rollsh/stdlib/sync/manifest"
	"github.com/rollsh/rollsh/stdlib/sync/wire"
)

// resume gives the session that made the stage, to work for ctx and live so much
// longer; nil where there is none, or it was cut.
func (s *thinStage) resume(ctx context.Context, moment time.Duration) *thin {
	t := s.t
	if s.t = nil; t == nil {
		return nil
	}
	t.bind(ctx, moment)
	if !t.alive() {
		t.shut()
		return nil
	}
	return t
}

// drop throws the stage away. The lock that somebody else may have does not
// matter: the stage is ours.
func (s *thinStage) drop(ctx context.Context) error {
	if s == nil {
		return nil
	}
	t := s.resume(ctx, 0)
	if t == nil {
		var err error
		if t, err = s.e.openThin(ctx, s.j); err != nil {
			return err
		}
		if s.j.hold {
			_ = t.takeLock() // to give it back: it was left behind
		}
	}
	t.abandon(s.dir)
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
	if t := s.resume(ctx, 0); t != nil {
		t.close()
	}
}

// change is the switch. What a push staged and could not switch goes: nobody would
// switch it later.
func (s *thinStage) change(ctx context.Context) (*wire.Report, error) {
	t := s.resume(ctx, lastMoment)
	if t == nil {
		var err error
		if t, err = s.e.openThin(ctx, s.j); err != nil {
			return nil, err
		}
	}
	defer t.close()
	if err := t.ready(s.dir, s.plan); err != nil {
		err = t.why(err)
		if s.j.hold {
			t.abandon(s.dir)
		}
		return nil, err
	}
	return t.commit(s.dir, s.plan, s.next)
}

// ready makes sure, as late as that can be, that a stage may be switched.
func (t *thin) ready(dir string, j *wire.Journal) error {
	if t.lock.file == nil {
		if err := t.takeLock(); err != nil {
			return err
		}
	}
	if err := t.moved(dir, j); err != nil {
		return err
	}
	if err := t.makeRoot(j); err != nil {
		return err
	}
	if err := t.lock.check(t); err != nil {
		return err
	}
	if t.ctx.Err() != nil {
		return nodes.Stopped(t.ctx)
	}
	return nil
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

// absent reports whether nothing is at a path of the tree.
func (t *thin) absent(p string) bool {
	_, err := t.f.Lstat(t.at(p))
	return gone(err)
}

func lookAgain(what string) error {
	return &nodes.Error{Kind: nodes.Changed, Message: what, Hint: "look again: plan, or push"}
}

// moved refuses a tree that moved on since it was staged.
func (t *thin) moved(dir string, j *wire.Journal) error {
	if t.now.Seq != j.Seq || t.now.Digest != j.Base || t.exists == j.MakeRoot {
		return lookAgain("somebody rolled to this tree since it was looked at")
	}
	if _, err := t.f.Lstat(nodes.RemotePath(path.Join(dir, "plan"))); gone(err) {
		return &nodes.Error{Kind: nodes.Changed, Message: "the stage is no longer on the node", Hint: "stage again"}
	} else if err != nil {
		return err
	}
	fresh := j.Fresh()
	now, err := t.lookAt(append(pathsOf(j.From), fresh...))
	if err != nil {
		return err
	}
	for i := range j.From {
		if o := &j.From[i]; now[i].Kind == 0 || !now[i].SameStat(o) {
			return lookAgain(manifest.Quote(o.Path) + " changed on the node since it was looked at")
		}
	}
	for i, p := range fresh {
		if now[len(j.From)+i].Kind != 0 {
			return lookAgain(manifest.Quote(p) + " appeared on the node since it was looked at")
		}
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
	if err := t.put(path.Join(dir, "COMMIT"), nil); err != nil {
		if t.ctx.Err() != nil || nodes.KindOf(err) == nodes.Lost {
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
	r := thinRunner{t: t, from: path.Join(dir, "s"), name: func(i int) int { return j.Source[i] }, lenient: j.Undoes != ""}
	return r.run(j.Steps())
}

func (t *thin) backward(dir string, j *wire.Journal) error {
	r := thinRunner{t: t, from: path.Join(dir, "u"), name: func(i int) int { return i }, lenient: true}
	return r.run(j.Back())
}

// rollBack undoes a burst that could not be finished, and says so. One that was
// stopped is left as it is: whoever comes next finishes it.
func (t *thin) rollBack(dir string, j *wire.Journal, cause error) error {
	if t.ctx.Err() != nil || t.life.Err() != nil || nodes.KindOf(cause) == nodes.Lost {
		return t.halfDone(cause)
	}
	e := *nodes.AsError(cause, nodes.Failed)
	if t.keeps(dir, j) && t.put(path.Join(dir, "ROLLBACK"), nil) == nil && t.backward(dir, j) == nil {
		_ = t.discard(dir)
		e.Message += "; the tree was put back as it was"
		return &e
	}
	return t.halfDone(&e)
}

// halfDone says that a switch was begun and not ended.
func (t *thin) halfDone(cause error) error {
	e := *nodes.AsError(t.why(cause), nodes.Failed)
	e.Message += "; some files may be switched and some not"
	if e.Hint == "" || e.Kind != nodes.Locked {
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
	touch := j.Touches()
	for i := range j.From {
		if o := &j.From[i]; o.Kind != manifest.Dir && !touch(o.Path) && !there[strconv.Itoa(i)] {
			return false
		}
	}
	return err == nil
}

// finish writes the marker and turns the stage into the undo.
func (t *thin) finish(dir string, j *wire.Journal) error {
	err := t.f.Rename(nodes.RemotePath(path.Join(dir, "marker")), nodes.RemotePath(path.Join(t.state, "marker")))
	if nodes.KindOf(err) == nodes.NotFound {
		err = t.finished(j)
	}
	if err != nil {
		return err
	}
	if j.Undoes != "" || j.Keep <= 0 {
		_ = t.discard(dir)
		if j.Undoes != "" {
			_ = t.discard(path.Join(t.state, j.Undoes))
		}
	} else {
		_ = t.clear(path.Join(dir, "s"))
		kept := path.Join(t.state, wire.UndoName(j.Seq+1, j.Roll))
		if t.f.Rename(nodes.RemotePath(dir), nodes.RemotePath(kept)) == nil {
			_ = t.f.Remove(nodes.RemotePath(path.Join(kept, "COMMIT")))
		}
	}
	t.forgetUndos(j.Keep)
	t.sweep(j.Seq + 1)
	return nil
}

// finished fails unless the switch of j was done before: whoever took over the
// lock of a host that slept may have undone it.
func (t *thin) finished(j *wire.Journal) error {
	if err := t.remember(); err != nil {
		return err
	}
	if t.now.Seq != j.Seq+1 {
		return lookAgain("somebody rolled to this tree while it was switched")
	}
	return nil
}

// sweep removes what is on its way out, stages that were cut off while they were
// made, and those that were made before the marker with the number seq, which can
// never be put in place. What fails here is swept the next time.
func (t *thin) sweep(seq int) {
	list, _ := t.f.ReadDir(nodes.RemotePath(t.state))
	_ = t.all(len(list), func(i int) error {
		name, dir := list[i].Name, path.Join(t.state, list[i].Name)
		switch {
		case strings.HasPrefix(name, trashName), strings.HasPrefix(name, clockName):
			_ = t.clear(dir)
		case name == wire.StageName(t.j.roll): // of a try before this one
			_ = t.discard(dir)
		case strings.HasPrefix(name, "stage-"):
			if j, err := t.journal(dir); nodes.KindOf(err) == nodes.NotFound || err == nil && j.Seq < seq {
				_ = t.discard(dir)
			}
		}
		return nil
	})
}

// undos lists the undo folders, oldest first.
func (t *thin) undos() ([]string, error) {
	list, err := t.f.ReadDir(nodes.RemotePath(t.state))
	var out []string
	for i := range list {
		if strings.HasPrefix(list[i].Name, "undo-") {
			out = append(out, list[i].Name)
		}
	}
	sort.Strings(out)
	return out, err
}

func (t *thin) forgetUndos(keep int) {
	old, _ := t.undos()
	for _, name := range old[:max(0, len(old)-max(keep, 0))] {
		_ = t.discard(path.Join(t.state, name))
	}
}

func (t *thin) journal(dir string) (*wire.Journal, error) {
	b, err := t.slurp(path.Join(dir, "plan"))
	if err != nil {
		return nil, err
	}
	j, err := wire.DecodeJournal(b)
	if err != nil {
		return nil, &nodes.Error{Kind: nodes.Failed, Message: "the journal in " + dir + " is damaged: " + err.Error()}
	}
	return j, nil
}

// cutShort lists the stages whose switch was begun.
func (t *thin) cutShort() (finish, undo []string) {
	list, err := t.f.ReadDir(nodes.RemotePath(t.state))
	if err != nil {
		return nil, nil
	}
	for i := range list {
		if dir := path.Join(t.state, list[i].Name); !strings.HasPrefix(list[i].Name, "stage-") {
			continue
		} else if _, err := t.f.Lstat(nodes.RemotePath(path.Join(dir, "ROLLBACK"))); err == nil {
			undo = append(undo, dir)
		} else if _, err := t.f.Lstat(nodes.RemotePath(path.Join(dir, "COMMIT"))); err == nil {
			finish = append(finish, dir)
		}
	}
	return finish, undo
}

// settle finishes or undoes a switch that was cut short.
func (t *thin) settle() error {
	t.careful()
	defer t.prompt()
	finish, undo := t.cutShort()
	for _, dir := range append(finish, undo...) {
		j, err := t.journal(dir)
		if err != nil {
			return err
		}
		if j.Release != nil {
			return &nodes.Error{Kind: nodes.Refused, Message: "a switch of a release was cut short there, which SFTP alone cannot finish"}
		}
		t.settled, t.undone = "finished", wire.RollOf(j.Undoes)
		if strings.Contains("\n"+strings.Join(undo, "\n")+"\n", "\n"+dir+"\n") {
			t.settled, t.undone = "undone", ""
			if err = t.backward(dir, j); err == nil {
				err = t.discard(dir)
			}
		} else {
			err = t.settleForward(dir, j)
		}
		if err != nil {
			return err
		}
	}
	if t.settled == "" {
		return nil
	}
	return t.find()
}

func (t *thin) settleForward(dir string, j *wire.Journal) error {
	if t.now.Seq == j.Seq { // else only the last part was left
		if err := t.makeRoot(j); err != nil {
			return err
		}
		if err := t.forward(dir, j); err != nil {
			return t.rollBack(dir, j, err)
		}
	}
	return t.finish(dir, j)
}

// unsettled says what settle would do.
func (t *thin) unsettled() string {
	finish, undo := t.cutShort()
	roll := func(dir string) string { return strings.TrimPrefix(path.Base(dir), "stage-") }
	switch {
	case len(undo) > 0:
		return "the switch of " + roll(undo[0]) + " failed and will be undone"
	case len(finish) > 0:
		return "the switch of " + roll(finish[0]) + " was cut short and will be finished"
	}
	return ""
}
