package svn

import (
	"context"
	"fmt"
	"slices"

	"github.com/rollsh/rollsh/nodes"
)

// uncommitted brings into the picture what is noted in the checkout and not
// committed yet: blocks and their ends, so that whoever lists right after a block
// sees it, and which revisions are under way. What is merged counts when it is
// committed.
func (m *Merge) uncommitted(ctx context.Context, p *picture) error {
	j, err := m.Into.readJournal()
	if err != nil || j == nil {
		return err
	}
	var noted bool
	var lifted revset
	for _, o := range slices.Concat(j.Operations, j.Queue) {
		r, err := ParseRevisions(o.Revs)
		switch {
		case err != nil: // nothing is known of it yet
		case o.Kind == "block":
			noted = true
		case o.Kind == "unblock":
			noted, lifted = true, lifted.union(r.set)
		default:
			p.note(o.Kind, r.set)
		}
	}
	if !noted {
		return nil
	}
	blocks, err := m.Into.property(ctx, blockProperty)
	if err != nil {
		return err
	}
	p.blocks = parseBlocks(blocks)
	for path, info := range p.root {
		info.all = info.all.minus(lifted)
		p.root[path] = info
	}
	return nil
}

// note tells how revisions stand since an operation that is not committed yet.
func (p *picture) note(kind string, revs revset) {
	if p.here == nil {
		p.here = map[standing]revset{}
	}
	s := underWay
	switch kind {
	case "record":
		s = recorded
	case "rollback":
		s = rolledBack
	}
	p.here[s] = p.here[s].union(revs)
}

// chosen judges what is asked to be taken, but for what is under way already, or
// recorded where no more is asked for; none is left where all of it is.
func (w *work) chosen(ctx context.Context, revs Revisions, recordOnly bool) (set revset, head int, err error) {
	p, err := w.m.study(ctx, false)
	if err == nil {
		err = w.m.uncommitted(ctx, p)
	}
	if err != nil {
		return nil, 0, err
	}
	if revs.head {
		revs.add(p.latest(), p.latest())
		revs.head = false
	}
	done := p.here[underWay]
	if recordOnly {
		done = done.union(p.here[recorded])
	}
	asked := len(revs.set)
	revs.set, revs.one = revs.set.minus(done), revs.one.minus(done)
	if asked > 0 && len(revs.set) == 0 && !revs.all {
		return nil, p.head, nil
	}
	set, err = w.m.pick(p, revs, available, "take")
	for _, had := range p.here {
		set = set.minus(had)
	}
	return set, p.head, err
}

// still refuses a checkout that no longer has what was merged into it: somebody
// changed it by hand, with svn revert, say.
func (w *work) still(ctx context.Context) error {
	var there, gone revset
	for _, o := range w.j.Operations {
		r, err := ParseRevisions(o.Revs)
		switch {
		case err != nil || o.Kind == "sync":
		case o.Kind == "rollback" || o.Kind == "unblock":
			there, gone = there.minus(r.set), gone.union(r.set)
		default:
			there, gone = there.union(r.set), gone.minus(r.set)
		}
	}
	wrong, err := w.unrecorded(ctx, there, gone)
	if err != nil || len(wrong) == 0 {
		return err
	}
	return &nodes.Error{
		Kind: nodes.Changed, Message: fmt.Sprintf("%s is not in %s any more as it was merged: somebody changed that by hand, with svn revert, say", rs(wrong), w.m.Into.Path),
		Hint: "m:abandon() takes back what is left of the merge; then take again",
	}
}

// unrecorded gives what of the first set the merge information of the working copy
// lacks, and what of the second it has.
func (w *work) unrecorded(ctx context.Context, there, gone revset) (revset, error) {
	value, err := w.m.Into.property(ctx, mergeProperty)
	if err != nil {
		return nil, err
	}
	var has revset
	info := parseMergeinfo(value)
	for _, m := range info {
		has = has.union(m.all)
	}
	return there.minus(has).union(gone.intersect(info.from(w.m.path))), nil
}
