package roll

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/rollsh/rollsh/nodes"
)

// Conclude writes how the roll ended, as Finish(err) does, and that people are
// being told of it; it gives the roll as it stands. No step can follow. The lock
// is kept until Finish, which changes nothing of the end then. Should the process
// die in between, the roll is over, and all that is not known is who was told.
func (r *Roll) Conclude(ctx context.Context, err error) (Entry, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordGrace)
	defer cancel()
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.open || r.concluded || r.unmoved(err) {
		return r.ending(err), nil
	}
	e := r.ending(err)
	failed := r.write(ctx, func(tx *sql.Tx) error {
		if err := writeEnd(ctx, tx, e); err != nil {
			return err
		}
		return startTelling(ctx, tx, e)
	})
	if failed == nil {
		r.entry, r.concluded = e, true
	}
	return e, failed
}

// Finish writes how the roll ended, frees the lock and gives the roll as it
// stands. err is what ended it early; nil when it went through. A second call
// changes nothing.
func (r *Roll) Finish(ctx context.Context, err error) (Entry, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordGrace)
	defer cancel()
	r.mu.Lock()
	if !r.open {
		defer r.mu.Unlock()
		return r.entry, nil
	}
	r.open = false
	e := r.ending(err)
	if r.release != nil {
		r.release()
	}
	r.mu.Unlock()
	r.stop()
	r.beats.Wait()
	for _, end := range slices.Backward(r.closers) {
		end()
	}
	failed := r.write(ctx, func(tx *sql.Tx) error {
		if err := r.writeFinish(ctx, tx, e, r.unmoved(err)); err != nil {
			return err
		}
		return r.journal.release(ctx, tx, r.lock)
	})
	r.sayWhatIsLeft(e)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.entry = e
	return e, failed
}

// writeFinish writes what is not written yet of the end of a roll.
func (r *Roll) writeFinish(ctx context.Context, tx *sql.Tx, e Entry, unmoved bool) error {
	switch {
	case r.concluded:
		return endTelling(ctx, tx, e)
	case unmoved:
		if err := r.restore(ctx, tx); err != nil {
			return err
		}
		return writeEnd(ctx, tx, e)
	}
	if err := endTelling(ctx, tx, e); err != nil { // of an earlier try
		return err
	}
	return writeEnd(ctx, tx, e)
}

// restore writes that nodes are again as they were before this process took the
// roll up, which it is as if it had not.
func (r *Roll) restore(ctx context.Context, tx *sql.Tx) error {
	for _, n := range r.was.Nodes {
		if err := updateNode(ctx, tx, r.was.ID, n); err != nil {
			return err
		}
	}
	return dropTake(ctx, tx, r.was.ID, r.entry.Takes[len(r.was.Takes)])
}

// writeEnd writes how a roll ended.
func writeEnd(ctx context.Context, tx *sql.Tx, e Entry) error {
	_, err := tx.ExecContext(ctx, `UPDATE rolls SET ended = $1, state = $2, complete = $3, why = $4 WHERE id = $5`,
		stamp(e.Ended), string(e.State), flag(e.Complete), e.Why, e.ID)
	return err
}

// sayWhatIsLeft warns of what somebody has to see to.
func (r *Roll) sayWhatIsLeft(e Entry) {
	if r.plan {
		return
	}
	if out := e.out(); len(out) > 0 {
		r.warn("left drained: " + nodes.FoldNames(out))
	}
	if e.Unfinished() {
		r.warn(fmt.Sprintf("unfinished: %s: %s\n`rollsh resume` goes on, `rollsh back` undoes it, `rollsh close` leaves it so", e.ID, e.summary()))
	}
}

// Ending gives the roll as Finish(err) would write it, for the announcement.
func (r *Roll) Ending(err error) Entry {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.ending(err)
}

func (r *Roll) ending(err error) Entry {
	switch {
	case r.concluded:
		return r.entry
	case r.unmoved(err):
		return *r.was
	}
	e := r.entry
	e.Nodes = slices.Clone(e.Nodes)
	e.Ended, e.State, e.Complete = time.Now(), e.verdict(), err == nil && e.tried() && len(r.passed) == 0
	e.Why, e.Untold = "", false // what was of an earlier try of this roll is over
	if err != nil {
		e.Why = inALine(err)
		if nodes.KindOf(err) == nodes.Cancelled || e.State == RollDone {
			e.State = Stopped
		}
	}
	return e
}

// mostReasons is how many failures, equal ones folded, a roll's reason names.
const mostReasons = 3

// inALine writes what ended a roll for lists and notices: of nodes that failed, how
// many and what each of them said, as far as there is room; else its first line.
func inALine(err error) string {
	lines := strings.Split(strings.TrimSpace(err.Error()), "\n  ")
	if nodes.KindOf(err) != nodes.Tasks || len(lines) == 1 {
		return firstLine(err.Error())
	}
	failures := lines[1:]
	for i := range failures {
		failures[i] = strings.TrimPrefix(firstLine(failures[i]), "roll: ")
	}
	if more := len(failures) - mostReasons; more > 0 {
		failures = append(slices.Clip(failures[:mostReasons]), fmt.Sprintf("and %d more", more))
	}
	return firstLine(lines[0]) + ": " + strings.Join(failures, "; ")
}

// unmoved reports whether the roll stays what it was before it was taken up
// again: it ended early, before its first step, and nothing was found out about
// nodes of which it was not known what they have.
func (r *Roll) unmoved(err error) bool {
	return err != nil && r.was != nil && r.seq == r.begins && r.was.State != Interrupted &&
		!slices.ContainsFunc(r.was.Nodes, func(n NodeEntry) bool { return n.State == Unknown })
}

// verdict judges a roll by its nodes.
func (e Entry) verdict() Phase {
	count := map[State]int{}
	touched := 0
	for _, n := range e.Nodes {
		count[n.State]++
		touched += flag(n.Touched)
	}
	switch {
	case count[Failed]+count[LeftDrained]+count[Unreachable]+count[Unknown] > 0:
		return RollFailed
	case count[Done] == len(e.Nodes):
		return RollDone
	case count[Undone] > 0 && touched == 0:
		return RollUndone
	}
	return Stopped
}

// tried reports whether no node was left out or left half-way.
func (e Entry) tried() bool {
	for _, n := range e.Nodes {
		switch n.State {
		case Untouched, Staged, Drained, Switched, Checked:
			return false
		}
	}
	return true
}
