//go:build linux

package agent

import (
	"errors"
	"strings"

	"github.com/rollsh/rollsh/stdlib/sync/wire"
	"golang.org/x/sys/unix"
)

// settle finishes, undoes or sweeps what was cut short, before a request that
// writes. The stage of the roll that asks is left alone.
func (t *tree) settle(roll string) error {
	names, err := listDir(t.state)
	if err != nil {
		return cannot("read", t.place, err)
	}
	for _, n := range names {
		switch {
		case strings.HasPrefix(n, "trash-"):
			_ = removeAll(t.state, n)
		case n == arrivedDir && t.age(n) > arrivedFor, strings.HasPrefix(n, "undo-") && !has(t.state, n+"/plan"):
			t.discard(n)
		case strings.HasPrefix(n, "stage-"):
			if err := t.settleStage(n, n == wire.StageName(roll)); err != nil {
				return err
			}
		}
	}
	return nil
}

func (t *tree) settleStage(name string, asked bool) error {
	stage, err := openSub(t.state, name)
	if errors.Is(err, unix.ENOENT) {
		return nil // swept when another was finished
	} else if err != nil {
		return cannot("open", t.place+"/"+name, err)
	}
	defer unix.Close(stage)
	j, err := t.readJournal(stage)
	if errors.Is(err, unix.ENOENT) {
		t.salvage(name) // cut off while it was being staged
		t.discard(name)
		return nil
	} else if err != nil {
		return err
	}
	switch {
	case has(stage, "ROLLBACK"):
		return t.settleBack(stage, j)
	case has(stage, "COMMIT"):
		return t.settleForward(stage, j)
	case asked:
		return nil
	}
	if now, err := t.markerAlone(); err == nil && now.Seq != j.Seq {
		t.discard(name) // the tree moved on: it can never be switched
	}
	return nil
}

func has(dir int, name string) bool {
	var st unix.Stat_t
	return unix.Fstatat(dir, name, &st, unix.AT_SYMLINK_NOFOLLOW) == nil
}

func (t *tree) settleForward(stage int, j *wire.Journal) error {
	now, err := t.markerAlone()
	if err != nil {
		return err
	}
	if now.Seq == j.Seq { // else only the last part was left
		if t.base < 0 {
			if err := t.makeRoot(j.Around); err != nil {
				return err
			}
		}
		if err := t.forward(stage, j); err != nil {
			t.settled = "undone"
			back := t.rollBack(stage, j, err)
			if has(t.state, wire.StageName(j.Roll)) {
				return back
			}
			return nil
		}
	}
	t.settled = "finished"
	if j.Undoes != "" {
		t.undone = wire.RollOf(j.Undoes)
	}
	return t.finish(stage, j)
}

// sweepStale discards stages that were made before the last switch: they can
// never be put in place.
func (t *tree) sweepStale(seq int) {
	names, _ := listDir(t.state)
	for _, n := range names {
		if !strings.HasPrefix(n, "stage-") {
			continue
		}
		stage, err := openSub(t.state, n)
		if err != nil {
			continue
		}
		j, err := t.journalHead(stage)
		_ = unix.Close(stage)
		if err == nil && j.Seq < seq {
			t.discard(n)
		}
	}
}

func (t *tree) settleBack(stage int, j *wire.Journal) error {
	if err := t.backward(stage, j); err != nil {
		return err
	}
	t.settled = "undone"
	if err := t.syncTouched(j); err != nil {
		return err
	}
	t.discard(wire.StageName(j.Roll))
	return nil
}

// unsettled says what settle would do, for requests that write nothing.
func (t *tree) unsettled() string {
	if t.state < 0 {
		return ""
	}
	names, _ := listDir(t.state)
	for _, n := range names {
		if !strings.HasPrefix(n, "stage-") {
			continue
		}
		stage, err := openSub(t.state, n)
		if err != nil {
			continue
		}
		back, commit := has(stage, "ROLLBACK"), has(stage, "COMMIT")
		_ = unix.Close(stage)
		roll := strings.TrimPrefix(n, "stage-")
		switch {
		case back:
			return "the switch of " + roll + " failed and will be undone"
		case commit:
			return "the switch of " + roll + " was cut short and will be finished"
		}
	}
	return ""
}
