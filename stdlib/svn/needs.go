package svn

import (
	"context"
	"slices"
)

// needs looks for the changesets without which picks conflict: earlier ones of the
// source, neither merged nor picked. It tries them out in memory.
type needs struct {
	m       *Merge
	p       *picture
	library *library
	trails  *trails
}

// manyNeeds is up to how many the whole is tried without each of them again.
const manyNeeds = 24

// find gives the fewest changesets with which the picks of a rehearsal meet less
// than without; none where nothing of that kind helps. What is found may be in
// conflict itself, for which others are looked for in turn.
func (n *needs) find(ctx context.Context, first *rehearsal) (revset, error) {
	var found revset
	tried := map[string]bool{}
	for s := first; ; {
		grown := false
		for _, f := range s.out {
			key := f.Kind + "\x00" + f.Path
			_, asked := first.met[key]
			if tried[key] || first.only != "" && !asked && !found.has(f.Rev) {
				continue
			}
			tried[key] = true
			more, err := n.onPath(ctx, s, f)
			if err != nil {
				return nil, err
			}
			if len(more.minus(found)) > 0 {
				found, grown = found.union(more), true
			}
		}
		if !grown {
			break
		}
		s = n.m.rehearse(n.p, first.picked.union(found), n.library, n.trails)
		if err := s.run(ctx); err != nil {
			return nil, err
		}
	}
	return n.spare(ctx, first, found)
}

// ofConflict gives what one conflict of a merge under way needs.
func (n *needs) ofConflict(ctx context.Context, picked revset, k *Conflict) (revset, error) {
	rel := relOf(k.Path)
	f := Foreseen{Path: k.Path, Kind: k.Kind}
	first := n.m.rehearse(n.p, picked.intersect(revsetOf(n.trails.earlier(rel, n.p.head+1))), n.library, n.trails)
	if len(n.candidates(first, f)) == 0 {
		return nil, nil
	}
	first.only = rel
	if err := first.run(ctx); err != nil {
		return nil, err
	}
	first.out = slices.DeleteFunc(first.out, func(o Foreseen) bool { return o.Kind != f.Kind || o.Path != f.Path })
	return n.find(ctx, first)
}

// onPath looks for what a conflict of one path needs.
func (n *needs) onPath(ctx context.Context, s *rehearsal, f Foreseen) (revset, error) {
	rel := relOf(f.Path)
	all := n.candidates(s, f)
	if len(all) == 0 {
		return nil, nil
	}
	try := func(with []int) (int, map[int]int, error) {
		t := n.m.rehearse(n.p, s.picked.union(revsetOf(with)), n.library, n.trails)
		t.only = rel
		err := t.run(ctx)
		return sum(t.clashes), t.clashes, err
	}
	alone, _, err := try(nil)
	if err != nil {
		return nil, err
	}
	with, best := all, 0
	for { // without the first of those that conflict themselves, one after the other
		var clashes map[int]int
		if best, clashes, err = try(with); err != nil {
			return nil, err
		}
		i := slices.IndexFunc(with, func(rev int) bool { return clashes[rev] > 0 })
		if i < 0 || best == 0 {
			break
		}
		with = slices.Delete(slices.Clone(with), i, i+1)
	}
	if best >= alone {
		return nil, nil
	}
	least, err := smallest(with, func(with []int) (bool, error) {
		now, _, err := try(with)
		return now <= best, err
	})
	return revsetOf(least), err
}

// candidates are the revisions that could be taken, are not picked, and come
// before the last pick on the path of a conflict.
func (n *needs) candidates(s *rehearsal, f Foreseen) []int {
	rel := relOf(f.Path)
	if f.Kind == propertyConflict {
		rel = propertiesOf(rel)
	}
	last := 0
	revs := n.trails.earlier(rel, n.p.head+1)
	for _, rev := range revs {
		if s.picked.has(rev) {
			last = rev
		}
	}
	return slices.DeleteFunc(slices.Clone(revs), func(rev int) bool {
		return rev >= last || s.picked.has(rev) || n.p.stand(rev) != available
	})
}

// smallest drops from a list what is not needed for it to be good, in large parts
// first: with none of those left can any be done without.
func smallest(list []int, good func([]int) (bool, error)) ([]int, error) {
	for size := (len(list) + 1) / 2; size > 0 && len(list) > 0; {
		dropped := false
		for at := 0; at < len(list); {
			without := slices.Concat(list[:at], list[min(at+size, len(list)):])
			ok, err := good(without)
			if err != nil {
				return nil, err
			}
			if ok {
				list, dropped = without, true
			} else {
				at += size
			}
		}
		switch {
		case size > 1:
			size = (size + 1) / 2
		case !dropped:
			size = 0
		}
	}
	return list, nil
}

// spare drops what one path needed and another one's needs bring anyway.
func (n *needs) spare(ctx context.Context, first *rehearsal, found revset) (revset, error) {
	list := found.list()
	if len(list) < 2 || len(list) > manyNeeds {
		return found, nil
	}
	try := func(with []int) (asked, all int, err error) {
		s := n.m.rehearse(n.p, first.picked.union(revsetOf(with)), n.library, n.trails)
		err = s.run(ctx)
		for key := range first.met {
			asked += s.weight[key]
		}
		return asked, sum(s.clashes), err
	}
	asked, all, err := try(list)
	if err != nil {
		return nil, err
	}
	left, err := smallest(list, func(with []int) (bool, error) {
		a, b, err := try(with)
		return a <= asked && b <= all, err
	})
	return revsetOf(left), err
}

func revsetOf(list []int) revset {
	var out revset
	for _, rev := range list {
		out = append(out, revrange{rev, rev})
	}
	return out.normal()
}

func sum(counts map[int]int) int {
	n := 0
	for _, c := range counts {
		n += c
	}
	return n
}
