package svn

import (
	"slices"
	"strings"
)

// standing says why a revision of the source is or is not to be merged.
type standing string

const (
	available   standing = "available"
	integrated  standing = "already merged"
	blocked     standing = "blocked"
	reflected   standing = "itself a merge from the target"
	bookkeeping standing = "only bookkeeping of merges"
	shared      standing = "the making of the branch or older: both sides have it"
	phantom     standing = "no change of the source"
	unknown     standing = "not a revision yet"
	underWay    standing = "under way here already, and not committed yet"
	recorded    standing = "recorded as merged here, without its changes, and not committed yet"
	rolledBack  standing = "rolled back here, and not committed yet"
)

// stand judges one revision by the picture alone; only this tells what is not
// committed yet.
func (p *picture) stand(rev int) standing {
	if rev > p.head || rev < 1 {
		return unknown
	}
	for s, revs := range p.here {
		if revs.has(rev) {
			return s
		}
	}
	i, found := slices.BinarySearchFunc(p.source.Commits, rev, func(c commit, rev int) int { return c.Rev - rev })
	if !found {
		return phantom
	}
	return p.standOf(p.source.Commits[i])
}

func (p *picture) standOf(c commit) standing {
	path, ok := segmentAt(p.sourceSegs, c.Rev)
	if !ok {
		return phantom
	}
	switch {
	case p.natural.has(path, c.Rev):
		return shared
	case p.blockedSet(path).has(c.Rev):
		return blocked
	case p.mergedWhole(c, path):
		return integrated
	case isBirth(c, path):
		return shared
	}
	if d, ok := p.source.Deltas[c.Rev]; ok && suspicious(c, path) {
		switch {
		case d.OnRoot && gainsFrom(d, p.targetSegs, p.sourceSegs):
			return reflected
		case onlyProperties(c) && onlyMergeProperties(d):
			return bookkeeping
		}
	}
	return available
}

// isBirth reports whether a commit did nothing but make the branch by a copy.
func isBirth(c commit, path string) bool {
	return len(c.Paths) == 1 && c.Paths[0].From != "" && strings.HasPrefix(path+"/", c.Paths[0].Path+"/")
}

// mergedWhole reports whether every path that a commit touched has it.
func (p *picture) mergedWhole(c commit, path string) bool {
	if len(p.subtrees) == 0 {
		return p.root.has(path, c.Rev)
	}
	return !slices.ContainsFunc(c.Paths, func(t touch) bool {
		rel, ok := below(path, t.Path)
		return ok && !p.mergedInto(path, rel, c.Rev)
	})
}

// mergedInto reports whether one path of the target has a revision: the nearest
// merge property at or above it decides.
func (p *picture) mergedInto(path, rel string, rev int) bool {
	for at := rel; at != "" && at != "."; at = parent(at) {
		if info, ok := p.subtrees[at]; ok {
			m := info[path+"/"+at]
			return m.all.has(rev) || at == rel && m.here.has(rev)
		}
	}
	m := p.root[path]
	return m.all.has(rev) || rel == "" && m.here.has(rev)
}

func parent(rel string) string {
	i := strings.LastIndexByte(rel, '/')
	if i < 0 {
		return ""
	}
	return rel[:i]
}

// suspicious reports whether a commit may be a merge or only bookkeeping, so that
// its properties have to be looked at.
func suspicious(c commit, path string) bool {
	return onlyProperties(c) || slices.ContainsFunc(c.Paths, func(t touch) bool { return t.Path == path && t.Props && t.Action == "M" })
}

func onlyProperties(c commit) bool {
	return len(c.Paths) > 0 && !slices.ContainsFunc(c.Paths, func(t touch) bool { return t.Action != "M" || t.Text || !t.Props })
}

func onlyMergeProperties(d propDelta) bool {
	return !slices.ContainsFunc(d.Names, func(n string) bool { return n != mergeProperty && n != blockProperty })
}

// gainsFrom reports whether merge information was gained from the target's own
// line, apart from what is the source's line too.
func gainsFrom(d propDelta, target, source []segment) bool {
	own := natural(source)
	for _, s := range target {
		r, err := ParseRevisions(d.Merged[s.Path])
		if d.Merged[s.Path] == "" || err != nil {
			continue
		}
		if len(r.set.intersect(revset{{s.Lo, s.Hi}}).minus(own.from(s.Path))) > 0 {
			return true
		}
	}
	return false
}

// mergedPart reports whether some path has the commit already.
func (p *picture) mergedPart(c commit, path string) bool {
	return len(p.subtrees) > 0 && slices.ContainsFunc(c.Paths, func(t touch) bool {
		rel, ok := below(path, t.Path)
		return ok && p.mergedInto(path, rel, c.Rev)
	})
}
