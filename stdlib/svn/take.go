package svn

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/rollsh/rollsh/nodes"
)

// Taken is how a merge into the checkout stands.
type Taken struct {
	Files     []string
	Conflicts []*Conflict
	Picks     nodes.Changesets
}

// work is a change of a merge while the checkout's lock is held.
type work struct {
	m    *Merge
	lock *os.File
	j    *journal    // nil: no merge is under way
	seen []statusXML // the status of the checkout after svn's last change; nil: not known
}

// change runs fn under the checkout's lock with the merge under way.
func (m *Merge) change(ctx context.Context, what string, fn func(*work) error) error {
	lock, release, err := m.Into.change(ctx, "merge "+what)
	if err != nil {
		return err
	}
	defer release()
	j, err := m.Into.readJournal()
	if err != nil {
		return err
	}
	if j != nil && j.Source != m.From {
		return &nodes.Error{Kind: nodes.Refused, Message: "a merge from " + j.Source + " is under way in " + m.Into.Path + ": " + j.String(), Hint: "commit or abandon it first"}
	}
	return fn(&work{m: m, lock: lock, j: j})
}

// State is the merge under way; nil when there is none.
func (m *Merge) State(context.Context) (*State, error) {
	j, err := m.Into.readJournal()
	if err != nil || j == nil {
		return nil, err
	}
	return j.state(), nil
}

// Take merges revisions into the checkout and commits nothing. Conflicts are in
// the result, not an error. The same call goes on where the last one stopped,
// whoever made it, after its conflicts are resolved or it was killed. "all" is
// svn's sync merge. recordOnly notes the revisions as merged and changes no file.
func (m *Merge) Take(ctx context.Context, revs Revisions, recordOnly bool) (Taken, error) {
	return m.take(ctx, revs, recordOnly, false)
}

// TakeAlone is Take, and refuses where anything else is under way in the checkout,
// which a commit would bring along.
func (m *Merge) TakeAlone(ctx context.Context, revs Revisions, recordOnly bool) (Taken, error) {
	return m.take(ctx, revs, recordOnly, true)
}

func (m *Merge) take(ctx context.Context, revs Revisions, recordOnly, alone bool) (Taken, error) {
	kind := "merge"
	switch {
	case recordOnly:
		kind = "record"
	case revs.all:
		kind = "sync"
	}
	var seen []statusXML
	err := m.change(ctx, "take", func(w *work) error {
		if again, err := w.same(kind, revs, alone); err != nil || again {
			return firstError(err, w.goOnOrStay(ctx))
		}
		set, head, err := w.chosen(ctx, revs, recordOnly)
		if err != nil {
			return err
		}
		if len(set) == 0 {
			return w.goOnOrStay(ctx)
		}
		err = w.begin(ctx, operation{Kind: kind, Revs: set.String(), Head: head})
		seen = w.seen
		return err
	})
	if err != nil {
		return Taken{}, err
	}
	return m.taken(ctx, seen)
}

// taken reads how the checkout stands; entries are its status, or nil to be read.
func (m *Merge) taken(ctx context.Context, entries []statusXML) (Taken, error) {
	var err error
	if entries == nil {
		if entries, err = m.Into.entries(ctx); err != nil {
			return Taken{}, err
		}
	}
	files, err := m.Into.touched(ctx, entries)
	if err != nil {
		return Taken{}, err
	}
	for _, e := range entries {
		if e.WC.Item == "deleted" {
			files = append(files, e.Path)
		}
	}
	slices.Sort(files)
	conflicts, err := m.conflictsAmong(ctx, entries)
	return Taken{Files: files, Conflicts: conflicts}, err
}

// same reports whether a call asks for what is under way. While that is not
// complete, or the call is to be alone, anything else is refused.
func (w *work) same(kind string, revs Revisions, alone bool) (bool, error) {
	if w.j == nil {
		return false, nil
	}
	under := slices.Concat(w.j.Operations, w.j.Queue)
	if slices.ContainsFunc(under, func(o operation) bool { return o.asked(kind, revs) }) && (!alone || len(under) == 1) {
		return true, nil
	}
	if alone || w.j.step() != complete {
		return false, &nodes.Error{
			Kind: nodes.Refused, Message: "a merge is under way in " + w.m.Into.Path + ": " + w.j.String(),
			Hint: "the same take again goes on with it; m:abandon() drops it",
		}
	}
	return false, nil
}

// asked reports whether the operation is what a call asks for: its revisions are
// those of the call that could be taken.
func (o operation) asked(kind string, revs Revisions) bool {
	had, err := ParseRevisions(o.Revs)
	if err != nil || o.Kind != kind {
		return false
	}
	if also, err := ParseRevisions(o.Also); err == nil {
		had.set = had.set.minus(also.set.minus(revs.set))
	}
	return revs.all || len(revs.set) > 0 && len(had.set.minus(revs.set)) == 0 && len(revs.one.minus(had.set)) == 0
}

// begin starts an operation; the first one of a merge prepares the checkout.
func (w *work) begin(ctx context.Context, o operation) error {
	if w.j != nil && w.j.step() != complete {
		return &nodes.Error{Kind: nodes.Refused, Message: "a merge is under way in " + w.m.Into.Path + ": " + w.j.String(), Hint: "finish or abandon it first"}
	}
	if w.j == nil {
		if err := w.prepare(ctx, o.Head); err != nil {
			return err
		}
	}
	o.Step = running
	w.j.Operations = append(w.j.Operations, o)
	if err := w.m.Into.writeJournal(w.j); err != nil {
		return err
	}
	return w.perform(ctx)
}

// arguments of svn merge for an operation.
func (w *work) arguments(o operation) ([]string, error) {
	r, err := ParseRevisions(o.Revs)
	if err != nil && o.Kind != "sync" {
		return nil, err
	}
	args := []string{"merge", "--accept", "postpone"}
	switch o.Kind {
	case "record", "block":
		args = append(args, "--record-only", "-c", oneByOne(r.set, false))
	case "unblock":
		args = append(args, "--record-only", "-c", oneByOne(r.set, true))
	case "rollback":
		args = append(args, "-c", oneByOne(r.set, true))
	case "merge":
		args = append(args, "-c", oneByOne(r.set, false))
	}
	return append(args, at(w.m.From, o.Head), "."), nil
}

// longestList is how long one argument of a program may be, with room to spare.
const longestList = 100 << 10

// oneByOne writes revisions for -c in the order in which svn is to take them:
// ascending, or, to undo them, descending with a minus.
func oneByOne(s revset, undo bool) string {
	list := s.list()
	sign := ""
	if undo {
		sign = "-"
		slices.Reverse(list)
	}
	parts := make([]string, len(list))
	for i, n := range list {
		parts[i] = sign + strconv.Itoa(n)
	}
	text := strings.Join(parts, ",")
	if len(text) <= longestList || undo {
		return text
	}
	return s.String()
}

// perform runs the last operation until it is complete or conflicts wait.
func (w *work) perform(ctx context.Context) error {
	c, o := w.m.Into, w.j.last()
	args, err := w.arguments(*o)
	if err != nil {
		return err
	}
	for {
		k := c.here(args...)
		watch, left := c.svn.watch(ctx, o.Kind+" "+rsText(o.Revs)+" in "+c.Path), []string(nil)
		k.lines = func(line string) {
			watch.line(line)
			if m := inTheWay().FindStringSubmatch(line); m != nil {
				left = append(left, oneLine(m[1]))
			}
		}
		a, err := c.mutate(ctx, w.lock, k)
		if err != nil {
			return err
		}
		o.More = a.failed && a.stopped()
		if a.failed && !o.More {
			return a.err()
		}
		if len(left) > 0 {
			return w.giveUp(ctx, left)
		}
		open, err := w.meet(ctx)
		switch {
		case err != nil:
			return err
		case open > 0:
			o.Step = conflicted
			return c.writeJournal(w.j)
		case !o.More:
			return w.finish(ctx)
		}
	}
}

// inTheWay finds the paths that svn left out of a merge, with exit code 0, as files
// that it does not know were there.
var inTheWay = nodes.Pattern(`^Skipped (?:missing target: )?'(.*)'(?: -- .*)?$`)

// giveUp takes the last operation back, which svn recorded though it left paths out.
func (w *work) giveUp(ctx context.Context, names []string) error {
	e := &nodes.Error{
		Kind: nodes.Refused, Message: "files that svn does not know are in the way of the merge in " + w.m.Into.Path + ": " + shorten(names) + "; nothing of it is merged",
		Hint: "move them away, then take again",
	}
	w.j.Operations = w.j.Operations[:len(w.j.Operations)-1]
	if len(w.j.Operations) > 0 {
		return firstError(w.restart(ctx, "what was taken before is merged again"), e)
	}
	return firstError(w.takeBack(ctx), w.m.Into.dropJournal(), e)
}

func rsText(revs string) string {
	r, err := ParseRevisions(revs)
	if err != nil {
		return "all"
	}
	return rs(r.set)
}

// stopped reports whether svn merge ended at a conflict before the last of its
// revisions.
func (a answer) stopped() bool {
	return slices.ContainsFunc(complaints(a.stderr), func(c complaint) bool { return c.code == "E155015" })
}

// finish completes an operation: svn must have recorded what it was asked.
func (w *work) finish(ctx context.Context) error {
	o := w.j.last()
	if o.Kind == "block" || o.Kind == "unblock" {
		if err := w.markBlocks(ctx, *o); err != nil {
			return err
		}
	}
	if err := w.recorded(ctx, *o); err != nil {
		return err
	}
	o.Step, o.More, w.j.Open = complete, false, nil
	return w.m.Into.writeJournal(w.j)
}

// recorded compares the merge information of the working copy with what was to
// be merged: svn's exit code 0 is no proof.
func (w *work) recorded(ctx context.Context, o operation) error {
	if o.Kind == "sync" {
		return nil
	}
	r, err := ParseRevisions(o.Revs)
	if err != nil {
		return err
	}
	there, gone := r.set, revset(nil)
	if o.Kind == "rollback" || o.Kind == "unblock" {
		there, gone = nil, r.set
	}
	wrong, err := w.unrecorded(ctx, there, gone)
	if err != nil {
		return err
	}
	if len(wrong) == 0 {
		return nil
	}
	return &nodes.Error{
		Kind: nodes.Protocol, Message: fmt.Sprintf("svn merge ended well, but %s is not recorded in %s", rs(wrong), w.m.Into.Path),
		Hint: "look with svn propget svn:mergeinfo; m:abandon() takes it all back",
	}
}

// noteAdded keeps the names of what the merge brought, so that taking it back
// removes these and nothing else.
func (w *work) noteAdded(ctx context.Context, entries []statusXML) error {
	added := func(e statusXML) bool { return e.WC.Item == "added" || e.WC.Copied }
	if !slices.ContainsFunc(entries, added) {
		return nil
	}
	if slices.ContainsFunc(entries, func(e statusXML) bool { return e.WC.Copied }) { // what is in copied folders too
		var err error
		if entries, err = w.m.Into.entries(ctx, "-v"); err != nil {
			return err
		}
	}
	for _, e := range entries {
		if added(e) {
			w.j.Added = append(w.j.Added, e.Path)
		}
	}
	slices.Sort(w.j.Added)
	w.j.Added = slices.Compact(w.j.Added)
	return nil
}
