package sync

import (
	"errors"
	"path"
	"strings"
	"time"

	"github.com/rollsh/rollsh/nodes"
	"github.com/rollsh/rollsh/stdlib/sync/wire"
)

// unseat takes a lock away if it is the one that was looked at. Somebody else may
// have done so meanwhile: theirs is put back.
func (t *thin) unseat(is func(h wire.Holder, renewed time.Time) bool) error {
	aside := nodes.RemotePath(path.Join(t.state, asideName+t.j.roll))
	if err := t.raw.Rename(t.lockName(), aside); nodes.KindOf(err) == nodes.NotFound {
		return nil
	} else if err != nil {
		return err
	}
	st, err := t.raw.Stat(aside)
	h, readErr := t.holder(aside)
	if err == nil && readErr == nil && is(h, st.ModTime) {
		return t.drop(aside)
	}
	if err := t.raw.Link(aside, t.lockName()); err == nil || !t.absentAt(t.lockName()) {
		return t.drop(aside) // who came in between has it; who had it sees that before its burst
	}
	if err := t.raw.Rename(aside, t.lockName()); nodes.KindOf(err) != nodes.NotFound {
		return err
	}
	return nil // it was given back there
}

// drop removes what somebody else may sweep, or give back, too.
func (t *thin) drop(name nodes.RemotePath) error {
	if err := t.raw.Remove(name); nodes.KindOf(err) != nodes.NotFound {
		return err
	}
	return nil
}

// asideName begins the names of locks that are moved aside.
const asideName = clockName + "lock-"

// ownAside reports whether a name in the state is that of our own lock, which
// somebody looks at and will put back.
func (t *thin) ownAside(name string) bool {
	if !strings.HasPrefix(name, asideName) {
		return false
	}
	h, err := t.holder(nodes.RemotePath(path.Join(t.state, name)))
	return err == nil && h.Roll == t.lock.by.Roll
}

// ownAsides lists our own lock where somebody has it who looks at it.
func (t *thin) ownAsides() (names []nodes.RemotePath) {
	list, _ := t.raw.ReadDir(nodes.RemotePath(t.state))
	for i := range list {
		if name := list[i].Name; t.ownAside(name) {
			names = append(names, nodes.RemotePath(path.Join(t.state, name)))
		}
	}
	return names
}

// giveBackAside removes our own lock where somebody has it who looks at it.
func (t *thin) giveBackAside() (err error) {
	for _, name := range t.ownAsides() {
		err = errors.Join(err, t.drop(name))
	}
	return err
}

func (t *thin) absentAt(name nodes.RemotePath) bool {
	_, err := t.raw.Lstat(name)
	return nodes.KindOf(err) == nodes.NotFound
}
