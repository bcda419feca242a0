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

// History lists rolls, newest first: of all names for an empty name, all of
// them for limit 0.
func (j *Journal) History(ctx context.Context, name string, limit int) (out []Entry, err error) {
	err = j.read(ctx, func(tx *sql.Tx) error {
		out, err = j.entries(ctx, tx, name, limit)
		return err
	})
	return out, err
}

// Find gives one roll, or fails with NotFound.
func (j *Journal) Find(ctx context.Context, id string) (e Entry, err error) {
	found := false
	err = j.read(ctx, func(tx *sql.Tx) error {
		found = true
		e, err = j.entry(ctx, tx, id)
		return err
	})
	if err == nil && !found {
		err = noSuchRoll(id)
	}
	return e, err
}

// Steps lists what was meant and done in a roll, in order.
func (j *Journal) Steps(ctx context.Context, id string) (out []Step, err error) {
	err = j.read(ctx, func(tx *sql.Tx) error {
		rows, err := tx.QueryContext(ctx, `SELECT node, what, state, intent, ended, outcome, why FROM steps WHERE roll = $1 ORDER BY seq`, id)
		if err != nil {
			return err
		}
		defer func() { _ = rows.Close() }() // rows.Err tells
		for rows.Next() {
			var s Step
			var intent, ended string
			if err := rows.Scan(&s.Node, &s.What, &s.State, &intent, &ended, &s.Outcome, &s.Why); err != nil {
				return err
			}
			s.Intent, s.Ended = unstamp(intent), unstamp(ended)
			out = append(out, s)
		}
		return rows.Err()
	})
	return out, err
}

// CloseRoll leaves an unfinished roll as it is, for good, and says why. Nodes
// that it left out of service stay out. It fails with Locked while the roll
// runs.
func (j *Journal) CloseRoll(ctx context.Context, id, reason string) error {
	if reason == "" {
		return &nodes.Error{Kind: nodes.Usage, Message: "closing a roll needs a reason", Hint: "it stands in the history"}
	}
	return j.write(ctx, func(tx *sql.Tx) error {
		e, err := j.entry(ctx, tx, id)
		if err != nil {
			return err
		}
		if err := j.takeBack(ctx, tx, e); err != nil {
			return err
		}
		if !e.Unfinished() && e.State != Interrupted {
			return &nodes.Error{Kind: nodes.Refused, Message: fmt.Sprintf("the roll %s is not unfinished: it is %s", id, e.State)}
		}
		_, err = tx.ExecContext(ctx, `UPDATE rolls SET state = $1, ended = $2, why = $3 WHERE id = $4`,
			string(Closed), stamp(time.Now()), fmt.Sprintf("closed by %s: %s", j.session.User, reason), id)
		return err
	})
}

// CutShort says which rolls ended because their process died, and what they left:
// a text each, none where there are none. What it finds out is also told by
// whatever needs the journal, so a journal that cannot be read gives none.
func (j *Journal) CutShort(ctx context.Context) []string {
	var out []string
	_ = j.read(ctx, func(tx *sql.Tx) error {
		held, err := j.locksOf(ctx, tx, "")
		if err != nil {
			return err
		}
		for _, l := range held {
			if l.Person || !l.Stale {
				continue
			}
			e, err := j.entry(ctx, tx, l.Roll)
			if err != nil {
				return err
			}
			out = append(out, e.cutShort())
		}
		return nil
	})
	return out
}

func (e Entry) cutShort() string {
	text := fmt.Sprintf("the roll %s of %s on %s was cut short: %s", e.ID, e.Who, e.Host, e.summary())
	if out := e.out(); len(out) > 0 {
		text += "; drained: " + nodes.FoldNames(out)
	}
	return text + "\n`rollsh status` shows it, `rollsh resume` goes on, `rollsh back` undoes it"
}

// takeBack frees what a dead process left locked for a roll that is dealt with
// now; it fails with Locked while the roll runs, or a person keeps others out.
func (j *Journal) takeBack(ctx context.Context, tx *sql.Tx, e Entry) error {
	held, err := j.locksOf(ctx, tx, e.Name)
	if err != nil {
		return err
	}
	for _, l := range held {
		switch {
		case l.Person && l.Who == j.session.User:
		case !l.Person && l.Stale && l.Roll == e.ID:
			if err := j.release(ctx, tx, l); err != nil {
				return err
			}
		default:
			return l.locked(time.Now())
		}
	}
	return nil
}

// Reopen takes a roll up again under its old id, as resume and back do; which
// one is in the recipe of the request. It needs no takeover: naming the roll is
// the decision. Resume goes on with every node that is not done, and with those
// that failed only if the recipe says so; back with those that were touched. It
// fails with Changed when a file of the recipe is not as it was.
func (j *Journal) Reopen(ctx context.Context, q Request) (*Roll, error) {
	r := &Roll{
		journal: j, mode: q.Recipe.Mode, open: true, begun: map[nodes.Name]bool{}, answers: map[nodes.Name]answer{}, cut: map[nodes.Name]bool{}, past: map[nodes.Name]bool{}, unsure: map[nodes.Name]bool{},
		interrupt: j.session.Interrupt, budget: budget{q.MaxFailed, q.MaxUnreachable},
	}
	err := j.write(ctx, func(tx *sql.Tx) error {
		e, err := j.entry(ctx, tx, q.Recipe.RollID)
		if err != nil {
			return err
		}
		if err := mayReopen(e, q); err != nil {
			return err
		}
		if err := j.takeBack(ctx, tx, e); err != nil {
			return err
		}
		r.lock = j.newLock(e.Name, "roll, taken up again", e.ID)
		if err := j.take(ctx, tx, r.lock, q.Recipe.Takeover); err != nil {
			return err
		}
		if err := tx.QueryRowContext(ctx, `SELECT COALESCE(max(seq), 0) FROM steps WHERE roll = $1`, e.ID).Scan(&r.seq); err != nil {
			return err
		}
		r.was, r.begins = &e, r.seq
		r.takeUp(e, q)
		if len(r.set.Nodes) == 0 {
			return nothingLeft(e, q.Recipe)
		}
		return reopen(ctx, tx, r.entry)
	})
	if err != nil {
		return nil, err
	}
	r.keepAlive()
	return r, nil
}

// Pick finds the roll that resume or back means: by its id, else the only
// unfinished one to resume (or, where none is, the only one whose last roll
// left failed nodes), or the last one of any name that changed anything, to undo
// it. Where several can be resumed, the error lists them.
func (j *Journal) Pick(ctx context.Context, id string, mode nodes.Mode) (Entry, error) {
	if id != "" {
		e, err := j.Find(ctx, id)
		if err == nil {
			err = again(e)
		}
		return e, err
	}
	fit, err := j.meant(ctx, mode)
	if err != nil {
		return Entry{}, err
	}
	switch len(fit) {
	case 0:
		return Entry{}, &nodes.Error{Kind: nodes.NotFound, Message: "there is no roll to " + map[nodes.Mode]string{nodes.ModeResume: "resume", nodes.ModeBack: "undo"}[mode]}
	case 1:
		return fit[0], again(fit[0])
	}
	var list []string
	for _, e := range fit {
		list = append(list, fmt.Sprintf("%s (%s: %s)", e.ID, e.State, e.summary()))
	}
	return Entry{}, &nodes.Error{Kind: nodes.Usage, Message: "which one? " + strings.Join(list, "; "), Hint: fmt.Sprintf("rollsh %s %s", mode, fit[0].ID)}
}

// meant lists the rolls that resume can mean, of each name at most one, or the
// one that back means.
func (j *Journal) meant(ctx context.Context, mode nodes.Mode) ([]Entry, error) {
	var fit, failed []Entry
	err := j.read(ctx, func(tx *sql.Tx) error {
		left, err := rolledTo(ctx, tx, "")
		if err != nil {
			return err
		}
		return j.walk(ctx, tx, "", func(e Entry) bool {
			if left[e.Name] == nil || !e.reached() || mode == nodes.ModeBack && !e.undoable() {
				return true
			}
			delete(left, e.Name)
			if mode == nodes.ModeBack && e.State != Closed || e.Unfinished() {
				fit = append(fit, e)
			} else if e.State == RollFailed {
				failed = append(failed, e)
			}
			return len(left) > 0
		})
	})
	switch {
	case mode == nodes.ModeBack && len(fit) > 1:
		fit = fit[:1] // the last one
	case mode == nodes.ModeResume && len(fit) == 0:
		fit = failed
	}
	return fit, err
}

// passOver gives the roll of another name than the one that is meant, in the
// same recipe: it has ended, and stands as its last one does.
func (j *Journal) passOver(ctx context.Context, q Request, meant Entry) (*Roll, error) {
	r := &Roll{journal: j, mode: q.Recipe.Mode, set: q.To, plan: true, entry: j.newEntry(q)}
	r.entry.ID, r.entry.State = "", Stopped
	last, err := j.History(ctx, q.Name, 1)
	if len(last) > 0 {
		r.entry = last[0]
	}
	r.warn(fmt.Sprintf("%s is passed over: only the roll %s of %s is meant", q.Name, meant.ID, meant.Name))
	return r, err
}

// again fails when there is no recipe to be run again.
func again(e Entry) error {
	if e.Recipe != "" {
		return nil
	}
	return &nodes.Error{
		Kind: nodes.Refused, Message: "the roll " + e.ID + " was typed at the shell, so there is no recipe to run again",
		Hint: fmt.Sprintf("mend the nodes by hand, then `rollsh close %s REASON`", e.ID),
	}
}

func mayReopen(e Entry, q Request) error {
	switch {
	case e.Name != q.Name:
		return &nodes.Error{Kind: nodes.Usage, Message: fmt.Sprintf("the roll %s is of '%s', this recipe rolls '%s'", e.ID, e.Name, q.Name)}
	case e.State == Closed, e.State == RollUndone, e.State == RollDone && q.Recipe.Mode == nodes.ModeResume:
		return &nodes.Error{Kind: nodes.Refused, Message: fmt.Sprintf("the roll %s is %s", e.ID, e.State), Hint: "`rollsh history` lists the others; give the id of one"}
	case q.Recipe.RecipeChanged:
		return nil
	}
	var changed []string
	for file, hash := range e.Files {
		if q.Recipe.Files[file] != hash {
			changed = append(changed, file)
		}
	}
	if len(changed) == 0 {
		return nil
	}
	slices.Sort(changed)
	return &nodes.Error{
		Kind: nodes.Changed, Message: "not the recipe that began the roll: " + strings.Join(changed, ", ") + " changed since",
		Hint: "--recipe-changed goes on with it as it is now",
	}
}

func nothingLeft(e Entry, q nodes.Recipe) error {
	out := &nodes.Error{Kind: nodes.Refused, Message: fmt.Sprintf("nothing of the roll %s is left to %s: %s", e.ID, q.Mode, e.summary())}
	over := !slices.ContainsFunc(e.Nodes, func(n NodeEntry) bool { return n.State != Done && n.State != Undone })
	switch {
	case q.Mode != nodes.ModeResume:
	case over && (e.Unfinished() || e.State == Interrupted):
		out.Hint = "`rollsh close " + e.ID + " REASON` ends it"
	case !over && !q.Failed:
		out.Hint = "--failed takes the nodes that failed"
	}
	return out
}

// takeUp makes the roll that goes on with an entry.
func (r *Roll) takeUp(e Entry, q Request) {
	e.State, e.Digest, e.Again = Running, "", time.Now() // what is left is another plan, to be confirmed anew
	r.entry = e
	r.entry.Takes = append(slices.Clip(e.Takes), Take{At: e.Again, Who: r.journal.session.User, Host: r.journal.session.Host, Mode: r.mode})
	r.entry.Nodes = e.aside(r.mode)
	r.set.Name = q.To.Name
	for _, n := range q.To.Nodes {
		i := slices.IndexFunc(e.Nodes, func(x NodeEntry) bool { return x.Node == n.Name })
		if i < 0 {
			continue
		}
		if !e.Nodes[i].goesOn(q.Recipe) {
			r.passBy(n, e.Nodes[i])
			continue
		}
		r.set.Nodes = append(r.set.Nodes, n)
		// Where it is not known, its tree counts as switched: only its check can
		// then put it back into service.
		r.unsure[n.Name] = e.Nodes[i].State == Unknown
		r.past[n.Name] = e.Nodes[i].Touched && e.Nodes[i].State != Drained || e.Nodes[i].Out && !e.Nodes[i].Touched
	}
}

// passBy notes a node that resume leaves as it is, though it is not done.
func (r *Roll) passBy(n *nodes.Node, e NodeEntry) {
	if r.mode != nodes.ModeResume || e.State == Done || e.State == Undone {
		return
	}
	r.passed = append(r.passed, nodes.Outcome{Node: n, State: nodes.FailedState, Err: &nodes.Error{
		Kind: nodes.Failed, Message: "still " + string(e.State) + ": " + e.Why, Hint: "`rollsh resume --failed` takes it too",
	}})
}

// aside gives the nodes as resume or back finds them: to back, what only lies
// beside a tree is nothing.
func (e Entry) aside(mode nodes.Mode) []NodeEntry {
	list := slices.Clone(e.Nodes)
	for i, n := range list {
		if mode == nodes.ModeBack && n.State == Staged && !n.Touched {
			list[i].State, list[i].Why = Untouched, ""
		}
	}
	return list
}

// goesOn reports whether resume or back takes the node.
func (n NodeEntry) goesOn(q nodes.Recipe) bool {
	if q.Mode == nodes.ModeBack {
		return n.Touched
	}
	switch n.State {
	case Done, Undone:
		return false
	case Failed, LeftDrained, Unreachable:
		return q.Failed
	}
	return true
}

// reopen writes that a roll runs again, and by whom. Nodes that are unknown stay
// so, until they were asked.
func reopen(ctx context.Context, tx *sql.Tx, e Entry) error {
	if err := insertTake(ctx, tx, e.ID, e.Takes[len(e.Takes)-1]); err != nil {
		return err
	}
	for _, n := range e.Nodes {
		if err := updateNode(ctx, tx, e.ID, n); err != nil {
			return err
		}
	}
	_, err := tx.ExecContext(ctx, `UPDATE steps SET outcome = 'unknown', ended = $1 WHERE roll = $2 AND outcome = ''`, stamp(time.Now()), e.ID)
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, `UPDATE rolls SET state = $1, ended = '' WHERE id = $2`, string(Running), e.ID)
	return err
}
