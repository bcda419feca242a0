package svn

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/rollsh/rollsh/nodes"
)

// commitAttempts is how often a commit is tried when others commit meanwhile.
const commitAttempts = 3

// Commit commits the merge under way with a message (empty: the composed one)
// after its files passed the linter, and gives the revision. Where somebody
// committed meanwhile, the checkout is updated, its conflicts and files are
// checked again, what came in is shown, and the person is asked. It fails with
// Conflict while one is left; the message is kept for the next try.
func (m *Merge) Commit(ctx context.Context, message string, lint bool) (int, error) {
	rev := 0
	err := m.change(ctx, "commit", func(w *work) (err error) {
		if err := w.ready(ctx); err != nil {
			return err
		}
		if message == "" {
			message = w.j.Message
		}
		if message == "" {
			if message, err = m.Message(ctx); err != nil {
				return err
			}
		}
		rev, err = w.commit(ctx, message, lint)
		return err
	})
	return rev, err
}

// ready refuses a merge that is not complete.
func (w *work) ready(ctx context.Context) error {
	if w.j == nil {
		return w.m.nothingUnderWay()
	}
	left, err := w.m.Into.leftConflicts(ctx)
	if err != nil {
		return err
	}
	if len(left) > 0 {
		return w.m.Into.conflictError(left)
	}
	if w.j.step() == conflicted {
		if err := w.resume(ctx); err != nil {
			return err
		}
	}
	switch w.j.step() {
	case complete:
		return firstError(w.still(ctx), w.noMarkers(ctx))
	case conflicted:
		left, err := w.m.Into.leftConflicts(ctx)
		return firstError(err, w.m.Into.conflictError(left))
	}
	return &nodes.Error{Kind: nodes.Refused, Message: "the merge is not complete: " + w.j.String(), Hint: "the same take again goes on with it"}
}

// leftOver finds the markers of a conflict in their order, as svn or the assistant
// writes them.
var leftOver = nodes.Pattern(`(?ms)^<{7} (?:\.working|\.mine|mine)\r?$.*?^={7}\r?$.*?^>{7} (?:\.(?:merge-right\.)?r\d+|theirs)\r?$`)

// noMarkers refuses a merge in which a file that was in conflict holds markers that
// it did not hold before: svn itself lets it be resolved like that.
func (w *work) noMarkers(ctx context.Context) error {
	for _, s := range w.j.Resolutions {
		text, err := readSome(filepath.Join(w.m.Into.Path, s.Path))
		if s.Kind != textConflict || err != nil {
			continue
		}
		at := leftOver().FindIndex(text)
		if at == nil {
			continue
		}
		if before, err := w.m.Into.Earlier(ctx, s.Path, ""); err == nil && leftOver().Match(before) {
			continue
		}
		return &nodes.Error{
			Kind: nodes.Conflict, Message: fmt.Sprintf("%s still holds conflict markers, from line %d on", s.Path, 1+bytes.Count(text[:at[0]], []byte("\n"))),
			Hint: "edit the file, then commit again",
		}
	}
	return nil
}

func (w *work) commit(ctx context.Context, message string, lint bool) (int, error) {
	c := w.m.Into
	w.j.Message = message
	if err := c.writeJournal(w.j); err != nil {
		return 0, err
	}
	for try := 1; ; try++ {
		if lint {
			for _, check := range w.m.lint {
				if err := check(ctx, w.m); err != nil {
					return 0, err
				}
			}
		}
		rev, err := w.send(ctx, message)
		if err == nil {
			return rev, nil
		}
		if nodes.KindOf(err) != nodes.Changed || try == commitAttempts {
			return 0, w.keepMessage(err, message)
		}
		if err := w.catchUp(ctx); err != nil {
			return 0, w.keepMessage(err, message)
		}
	}
}

// send commits, and ends the merge when svn has told the revision.
func (w *work) send(ctx context.Context, message string) (int, error) {
	c := w.m.Into
	rev, err := c.send(ctx, w.lock, message, []string{"."})
	if nodes.KindOf(err) == nodes.Refused {
		rev, err = w.wasCommitted(ctx, message, err)
	}
	if err != nil {
		return 0, err
	}
	if err := c.dropJournal(); err != nil {
		c.svn.warn(ctx, fmt.Sprintf("r%d is committed, but the record of the merge is still there: %v", rev, err))
	}
	w.j = nil
	_ = os.Remove(c.messagePath())
	if _, err := c.update(ctx, w.lock, nodes.Revision(strconv.Itoa(rev))); err != nil {
		c.svn.warn(ctx, fmt.Sprintf("r%d is committed, but the checkout could not be brought to it: %v", rev, err))
	}
	return rev, nil
}

// wasCommitted finds the commit that was made by a rollsh that was killed right
// after it; without one the refusal stands.
func (w *work) wasCommitted(ctx context.Context, message string, refusal error) (int, error) {
	c := w.m.Into
	list, err := c.Status(ctx)
	if err != nil || slices.ContainsFunc(list, Status.own) {
		return 0, firstError(err, refusal)
	}
	head, err := c.head(ctx)
	if err != nil {
		return 0, err
	}
	keep := func(k commit) bool { return strings.TrimSpace(k.Message) == strings.TrimSpace(message) }
	found, err := c.client.log(ctx, logQuery{url: at(c.URL, head), lo: w.j.Base + 1, hi: head, limit: 1, keep: keep})
	if err != nil || len(found) == 0 {
		return 0, firstError(err, refusal)
	}
	c.svn.say(ctx, fmt.Sprintf("r%d has this commit already", found[0].Rev))
	return found[0].Rev, nil
}

// messagePath is where the message of a commit that failed is kept.
func (c *Checkout) messagePath() string { return filepath.Join(c.wcRoot, ".svn", "rollsh-message.txt") }

// keepMessage tells where the message is, so that it is never lost.
func (w *work) keepMessage(err error, message string) error {
	name := w.m.Into.messagePath()
	if writeErr := replaceFile(name, []byte(message)); writeErr != nil {
		return err
	}
	e := *nodes.AsError(err, nodes.Internal)
	e.Message += "; nothing is committed, the message is kept in " + name
	return &e
}

// catchUp takes in what others committed meanwhile, and asks.
func (w *work) catchUp(ctx context.Context) error {
	c := w.m.Into
	before, err := c.survey(ctx)
	if err != nil {
		return err
	}
	now, err := c.update(ctx, w.lock, "")
	if err != nil {
		return err
	}
	came, err := c.client.log(ctx, logQuery{url: at(c.URL, now), lo: before.lo + 1, hi: now, paths: true})
	if err != nil {
		return err
	}
	cs := changesets(came)
	c.svn.say(ctx, fmt.Sprintf("%s moved on to r%d meanwhile:\n%s", c.inRepo, now, strings.TrimRight(Table(cs, columnsOf(c.svn.session.Person), nil), "\n")))
	ok, err := c.svn.session.Person.Confirm(ctx, "The checkout holds both now, without conflicts. Commit?")
	if err != nil {
		e := *nodes.AsError(err, nodes.Refused)
		e.Message = fmt.Sprintf("%s moved on to r%d meanwhile (%s) and nobody can be asked", c.inRepo, now, cs.Revs())
		e.Hint = "test again, then m:commit()"
		return &e
	}
	if !ok {
		return &nodes.Error{Kind: nodes.Refused, Message: c.inRepo + " moved on meanwhile", Hint: "test again, then commit"}
	}
	return nil
}

// Abandon takes the whole merge back: the checkout is as it was before. Files
// that svn did not know before stay.
func (m *Merge) Abandon(ctx context.Context) error {
	return m.change(ctx, "abandon", func(w *work) error {
		if w.j == nil {
			return m.nothingUnderWay()
		}
		patch, err := w.savePatch(ctx)
		if err != nil {
			return err
		}
		if err := w.takeBack(ctx); err != nil {
			return err
		}
		if patch != "" {
			m.Into.svn.say(ctx, "the merge was taken back; what it was is in "+patch)
		}
		return m.Into.dropJournal()
	})
}

// Rollback undoes, in the checkout, source revisions that are merged, or all
// that a commit of the target merged; Commit commits it. Conflicts are in the
// result.
func (m *Merge) Rollback(ctx context.Context, revs Revisions) (Taken, error) {
	err := m.change(ctx, "rollback", func(w *work) error {
		p, err := m.study(ctx, false)
		if err == nil {
			err = m.uncommitted(ctx, p)
		}
		if err != nil {
			return err
		}
		revs, err := m.rolledBy(ctx, p, revs)
		if err != nil {
			return err
		}
		if w.j != nil {
			if o := w.j.last(); o != nil && o.Kind == "rollback" && o.Revs == revs.set.String() {
				return w.resume(ctx)
			}
		}
		set, err := m.pick(p, revs, integrated, "roll back")
		if err != nil {
			return err
		}
		return w.begin(ctx, operation{Kind: "rollback", Revs: set.String(), Head: p.head})
	})
	if err != nil {
		return Taken{}, err
	}
	return m.taken(ctx, nil)
}

// rolledBy replaces commits of the target by what they merged.
func (m *Merge) rolledBy(ctx context.Context, p *picture, r Revisions) (Revisions, error) {
	var out Revisions
	if r.head {
		return out, &nodes.Error{Kind: nodes.Usage, Message: "roll back names revisions, not HEAD"}
	}
	for _, rev := range r.set.list() {
		if p.stand(rev) != phantom || !p.isOfTarget(rev) {
			out.set = append(out.set, revrange{rev, rev})
			if r.one.has(rev) {
				out.one = append(out.one, revrange{rev, rev})
			}
			continue
		}
		d, err := m.Into.delta(ctx, m.Into.inRepo, rev)
		if err != nil {
			return out, err
		}
		merged, err := ParseRevisions(d.Merged[m.path])
		if err != nil {
			return out, &nodes.Error{Kind: nodes.Refused, Message: fmt.Sprintf("r%d merged nothing from %s", rev, m.path)}
		}
		out.set = append(out.set, merged.set.minus(p.blockedSet(m.path))...)
	}
	out.set, out.one = out.set.normal(), out.one.normal()
	if len(out.set) == 0 {
		return out, &nodes.Error{Kind: nodes.Refused, Message: "there is nothing to roll back"}
	}
	return out, nil
}

func (p *picture) isOfTarget(rev int) bool {
	for _, c := range p.target.Commits {
		if c.Rev == rev {
			return true
		}
	}
	return false
}
