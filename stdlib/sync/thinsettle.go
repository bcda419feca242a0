package sync

import (
	"path"
	"strings"

	"github.com/rollsh/rollsh/nodes"
	"github.com/rollsh/rollsh/stdlib/sync/wire"
)

// cutShort lists the stages whose switch was begun.
func (t *thin) cutShort() (finish, undo []string) {
	list, err := t.list()
	if err != nil {
		return nil, nil
	}
	for _, name := range list {
		if dir := path.Join(t.state, name); !strings.HasPrefix(name, "stage-") {
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
			return &nodes.Error{
				Kind: nodes.Refused, Message: "a switch of a release was cut short there, which SFTP alone cannot finish",
				Hint: "have the agent run there again: docs/sync.md says where it can",
			}
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
	t.names = nil
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
