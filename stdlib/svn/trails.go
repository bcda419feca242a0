package svn

import "slices"

// trails tell which commits of the source and of the target touched a path. They
// are laid in one pass over each history, when the first one is asked for.
type trails struct {
	p              *picture
	inRepo         string // the target's path in the repository
	source, target *trail
}

func newTrails(p *picture, inRepo string) *trails { return &trails{p: p, inRepo: inRepo} }

// earlier gives the source's revisions on a path that come before one, newest
// last.
func (t *trails) earlier(rel string, rev int) []int {
	if t.source == nil {
		t.source = newTrail()
		for _, c := range t.p.source.Commits {
			if at, ok := segmentAt(t.p.sourceSegs, c.Rev); ok {
				t.source.mark(c, at)
			}
		}
	}
	revs := t.source.of(rel)
	i, _ := slices.BinarySearch(revs, rev)
	return revs[:i]
}

// own gives the target's revisions on a path since it was made, newest last.
func (t *trails) own(rel string) []int {
	if t.target == nil {
		t.target = newTrail()
		for _, c := range t.p.target.Commits {
			if at, _ := segmentAt(t.p.targetSegs, c.Rev); at == t.inRepo && !isBirth(c, at) {
				t.target.mark(c, at)
			}
		}
	}
	return t.target.of(rel)
}

// trail is what one line of development did, by relative path.
type trail struct {
	index   map[string]int  // by path where it is in revs
	revs    [][]int         // revisions that touched the very path, ascending
	above   map[string]bool // folders with touched paths below them
	folders []folderTouch
	known   map[string][]int
}

// folderTouch is a folder that was made, removed or replaced, with all below it.
type folderTouch struct {
	rev int
	rel string
	all bool // it is above the whole line
}

func newTrail() *trail {
	return &trail{index: map[string]int{}, above: map[string]bool{}, known: map[string][]int{}}
}

// mark notes a commit of the line that was at a path of the repository then.
func (t *trail) mark(c commit, at string) {
	for _, touched := range c.Paths {
		rel, in := below(at, touched.Path)
		if touched.Action != "M" && touched.Kind != "file" {
			if _, over := below(touched.Path, at); in || over {
				t.folders = append(t.folders, folderTouch{c.Rev, rel, over})
			}
		}
		if !in {
			continue
		}
		t.note(rel, c.Rev)
		if touched.Props {
			t.note(propertiesOf(rel), c.Rev)
		}
		for up := rel; up != "" && !t.above[parent(up)]; up = parent(up) {
			t.above[parent(up)] = true
		}
	}
}

func (t *trail) note(rel string, rev int) {
	i, ok := t.index[rel]
	if !ok {
		i = len(t.revs)
		t.index[rel] = i
		t.revs = append(t.revs, nil)
	}
	t.revs[i] = append(t.revs[i], rev)
}

// of gives the revisions that touched a path: itself, what is below it, or a folder
// above it that was made or removed.
func (t *trail) of(rel string) []int {
	if revs, ok := t.known[rel]; ok {
		return revs
	}
	var revs []int
	if i, ok := t.index[rel]; ok {
		revs = slices.Clone(t.revs[i])
	}
	if t.above[rel] {
		for path, i := range t.index {
			if under, in := below(rel, path); in && under != "" || rel == "" {
				revs = append(revs, t.revs[i]...)
			}
		}
	}
	for _, f := range t.folders {
		if _, under := below(f.rel, rel); under || f.all {
			revs = append(revs, f.rev)
		}
	}
	slices.Sort(revs)
	revs = slices.Compact(revs)
	t.known[rel] = revs
	return revs
}

// propertiesOf is the trail of a path's own properties, not of what is below it.
func propertiesOf(rel string) string { return rel + "\x00properties" }
