package sync

import (
	"path"
	"slices"
	"sort"
	"strings"

	"github.com/rollsh/rollsh/nodes"
	"github.com/rollsh/rollsh/stdlib/sync/wire"
)

// finish writes the marker and turns the stage into the undo.
func (t *thin) finish(dir string, j *wire.Journal) error {
	err := t.f.Rename(nodes.RemotePath(path.Join(dir, "marker")), nodes.RemotePath(path.Join(t.state, "marker")))
	if nodes.KindOf(err) == nodes.NotFound {
		err = t.finished(j)
	}
	if err != nil {
		return err
	}
	_ = t.all(3, func(i int) error {
		switch {
		case i == 0:
			t.sweep(j.Seq+1, path.Base(dir))
		case i == 1:
			t.forgetUndos(j)
		case j.Undoes != "" || j.Keep <= 0:
			_ = t.discard(dir)
		default:
			t.keep(dir, j)
		}
		return nil
	})
	return nil
}

// keep turns the stage into the undo. What only the switch needed goes from it.
func (t *thin) keep(dir string, j *wire.Journal) {
	undo := path.Join(t.state, wire.UndoName(j.Seq+1, j.Roll))
	if t.f.Rename(nodes.RemotePath(dir), nodes.RemotePath(undo)) != nil {
		return
	}
	_ = t.all(2, func(i int) error {
		if i == 0 {
			return t.f.Remove(nodes.RemotePath(path.Join(undo, "COMMIT")))
		}
		if s := path.Join(undo, "s"); t.f.Remove(nodes.RemotePath(s)) != nil { // mostly it is empty
			return t.clear(s)
		}
		return nil
	})
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
// never be put in place, but not the one that is spared. What fails here is swept
// the next time.
func (t *thin) sweep(seq int, spared string) {
	list, _ := t.list()
	_ = t.all(len(list), func(i int) error {
		name, dir := list[i], path.Join(t.state, list[i])
		switch {
		case name == spared:
		case t.ownAside(name):
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

// list gives the names in the state. Under the lock they are read once: what we do
// there ourselves is known.
func (t *thin) list() ([]string, error) {
	t.listing.Lock()
	defer t.listing.Unlock()
	if t.names != nil {
		return t.names, nil
	}
	list, err := t.f.ReadDir(nodes.RemotePath(t.state))
	names := make([]string, len(list))
	for i := range list {
		names[i] = list[i].Name
	}
	if t.lock.file != nil && err == nil {
		t.names = names
	}
	return names, err
}

// undos lists the undo folders, oldest first.
func (t *thin) undos() ([]string, error) {
	list, err := t.list()
	var out []string
	for _, name := range list {
		if strings.HasPrefix(name, "undo-") {
			out = append(out, name)
		}
	}
	sort.Strings(out)
	return out, err
}

// forgetUndos removes the undos that are too many with that of j, and the one that
// j undid.
func (t *thin) forgetUndos(j *wire.Journal) {
	old, _ := t.undos()
	if own := wire.UndoName(j.Seq+1, j.Roll); j.Undoes == "" && !slices.Contains(old, own) {
		old = append(old, own)
	}
	if j.Undoes != "" {
		old = slices.DeleteFunc(old, func(name string) bool { return name == j.Undoes })
		t.noteIdle(wire.RollOf(j.Undoes))
		_ = t.discard(path.Join(t.state, j.Undoes))
	}
	for _, name := range old[:max(0, len(old)-max(j.Keep, 0))] {
		_ = t.discard(path.Join(t.state, name))
	}
}

func (t *thin) journal(dir string) (*wire.Journal, error) {
	b, err := t.fetch(path.Join(dir, "plan"))
	if err != nil {
		return nil, err
	}
	j, err := wire.OpenJournal(b, b.Size())
	if err != nil {
		return nil, &nodes.Error{Kind: nodes.Failed, Message: "the journal in " + dir + " is damaged: " + err.Error()}
	}
	return j, nil
}
