package sync

import (
	"context"
	"errors"
	"path"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/rollsh/rollsh/nodes"
	"github.com/rollsh/rollsh/stdlib/sync/manifest"
	"github.com/rollsh/rollsh/stdlib/sync/wire"
	"golang.org/x/sys/unix"
)

// drop throws the stage away.
func (s *thinStage) drop(ctx context.Context) error {
	if s == nil {
		return nil
	}
	t, err := s.e.openThin(ctx, s.j)
	if err != nil {
		return err
	}
	defer t.close(false)
	_ = t.lock() // somebody else's does not matter: the stage is ours
	return t.discard(s.dir)
}

// change is the switch.
func (s *thinStage) change(ctx context.Context) (*wire.Report, error) {
	t, err := s.e.openThin(ctx, s.j)
	if err != nil {
		return nil, err
	}
	defer t.close(false)
	if err := t.lock(); err != nil {
		return nil, err
	}
	if err := t.moved(s.dir, s.plan); err != nil {
		return nil, err
	}
	return t.commit(s.dir, s.plan, s.next)
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
	return nodes.KindOf(err) == nodes.NotFound || errors.Is(err, unix.ENOTDIR)
}

func lookAgain(what string) error {
	return &nodes.Error{Kind: nodes.Changed, Message: what, Hint: "look again: plan, or push"}
}

// moved refuses a tree that moved on since it was staged.
func (t *thin) moved(dir string, j *wire.Journal) error {
	if t.now.Seq != j.Seq || t.now.Digest != j.Base || t.exists == j.MakeRoot {
		return lookAgain("somebody rolled to this tree since it was looked at")
	}
	if _, err := t.f.Lstat(nodes.RemotePath(dir)); err != nil {
		return &nodes.Error{Kind: nodes.Changed, Message: "the stage is no longer on the node", Hint: "stage again"}
	}
	for i := range j.From {
		o := &j.From[i]
		if l, err := t.lstat(o.Path); err != nil || !l.SameStat(o) {
			return lookAgain(manifest.Quote(o.Path) + " changed on the node since it was looked at")
		}
	}
	for _, p := range j.Fresh() {
		if !t.absent(p) {
			return lookAgain(manifest.Quote(p) + " appeared on the node since it was looked at")
		}
	}
	return nil
}

// commit is the point of no return and what comes after it.
func (t *thin) commit(dir string, j *wire.Journal, next *wire.Record) (*wire.Report, error) {
	if err := t.makeRoot(j); err != nil {
		return nil, err
	}
	if err := t.put(path.Join(dir, "COMMIT"), nil); err != nil {
		return nil, err
	}
	began := time.Now()
	if err := t.forward(dir, j); err != nil {
		return nil, t.rollBack(dir, j, err)
	}
	took := time.Since(began)
	if err := t.finish(dir, j); err != nil {
		return nil, err
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

// rollBack undoes a burst that could not be finished, and says so.
func (t *thin) rollBack(dir string, j *wire.Journal, cause error) error {
	e := *nodes.AsError(cause, nodes.Failed)
	if t.keeps(dir, j) && t.put(path.Join(dir, "ROLLBACK"), nil) == nil && t.backward(dir, j) == nil {
		_ = t.discard(dir)
		e.Message += "; the tree was put back as it was"
		return &e
	}
	e.Message += "; some files are switched and some are not"
	e.Hint = "mend the cause and push again: the switch is then finished or undone first"
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
	if err != nil && nodes.KindOf(err) != nodes.NotFound {
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

// sweep removes what is on its way out, stages that were cut off while they were
// made, and those that were made before the marker with the number seq, which can
// never be put in place. What fails here is swept the next time.
func (t *thin) sweep(seq int) {
	list, _ := t.f.ReadDir(nodes.RemotePath(t.state))
	for i := range list {
		dir := path.Join(t.state, list[i].Name)
		if strings.HasPrefix(list[i].Name, trashName) || strings.HasPrefix(list[i].Name, clockName) {
			_ = t.clear(dir)
		}
		if !strings.HasPrefix(list[i].Name, "stage-") {
			continue
		}
		j, err := t.journal(dir)
		if nodes.KindOf(err) == nodes.NotFound || err == nil && j.Seq < seq {
			_ = t.discard(dir)
		}
	}
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
