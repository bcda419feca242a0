package svn

import "slices"

// trails tell which commits of the source and of the target touched a path. They
// are followed for many paths in one pass over the histories, as a pass for each
// path takes longer than the merge.
type trails struct {
	p      *picture
	inRepo string           // the target's path in the repository
	source map[string][]int // by relative path: revisions, ascending
	target map[string][]int
}

func newTrails(p *picture, inRepo string) *trails {
	return &trails{p: p, inRepo: inRepo, source: map[string][]int{}, target: map[string][]int{}}
}

// follow looks for what touched these paths, unless that is known.
func (t *trails) follow(paths ...string) {
	wanted := map[string]bool{}
	for _, rel := range paths {
		if _, known := t.source[rel]; !known {
			wanted[rel] = true
			t.source[rel], t.target[rel] = nil, nil
		}
	}
	if len(wanted) == 0 {
		return
	}
	for _, c := range t.p.source.Commits {
		if at, ok := segmentAt(t.p.sourceSegs, c.Rev); ok {
			mark(t.source, wanted, c, at)
		}
	}
	for _, c := range t.p.target.Commits {
		if at, _ := segmentAt(t.p.targetSegs, c.Rev); at == t.inRepo && !isBirth(c, at) {
			mark(t.target, wanted, c, at)
		}
	}
}

// mark notes a commit at the wanted paths that it touched: at themselves, below
// them, or by making or removing a folder above them.
func mark(trail map[string][]int, wanted map[string]bool, c commit, at string) {
	note := func(rel string) {
		if !wanted[rel] {
			return
		}
		if revs := trail[rel]; len(revs) == 0 || revs[len(revs)-1] != c.Rev {
			trail[rel] = append(revs, c.Rev)
		}
	}
	for _, t := range c.Paths {
		rel, in := below(at, t.Path)
		if t.Action != "M" && t.Kind != "file" {
			_, over := below(t.Path, at)
			for p := range wanted {
				if _, under := below(rel, p); in && under || over {
					note(p)
				}
			}
		}
		if !in {
			continue
		}
		if t.Props {
			note(propertiesOf(rel))
		}
		for up := rel; ; up = parent(up) {
			note(up)
			if up == "" {
				break
			}
		}
	}
}

// propertiesOf is the trail of a path's own properties, not of what is below it.
func propertiesOf(rel string) string { return rel + "\x00properties" }

// earlier gives the source's revisions on a path that come before one, newest
// last.
func (t *trails) earlier(rel string, rev int) []int {
	t.follow(rel)
	revs := t.source[rel]
	i, _ := slices.BinarySearch(revs, rev)
	return revs[:i]
}
