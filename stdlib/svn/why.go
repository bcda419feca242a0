package svn

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/rollsh/rollsh/nodes"
)

// Why tells who changed what on both sides of a conflict.
type Why struct {
	Mine   []nodes.Changeset // the latest of the target that touched the path
	Theirs []nodes.Changeset // of the source, in what is merged
	Needs  nodes.Changesets  // the fewest earlier ones of the source, neither merged nor picked, without which it conflicts
	Moved  string            // where one side moved the path, such as "to lib/new.php (mine, r8)"; empty where none did
	known  bool              // the histories were read

	movedMine, movedTheirs string // the new names, relative to the checkout
	origin                 string // of a folder that both sides made of one: its path in the repository before what is merged
}

// explain finds who changed the paths in conflict on both sides, from the
// histories.
func (m *Merge) explain(ctx context.Context, list []*Conflict) error {
	p, err := m.look(ctx, true)
	if err != nil {
		return err
	}
	j, err := m.Into.readJournal()
	if err != nil {
		return err
	}
	picked := j.taken()
	n := &needs{m: m, p: p, library: newLibrary(m.Into), trails: newTrails(p, m.Into.inRepo)}
	for _, k := range list {
		k.why = p.why(m.Into.inRepo, k, picked)
		if len(picked) == 0 {
			continue
		}
		needed, err := n.ofConflict(ctx, picked, k)
		switch {
		case ctx.Err() != nil:
			return nodes.Stopped(ctx)
		case err != nil: // the conflict can be resolved without knowing
			m.Into.svn.warn(ctx, fmt.Sprintf("%s: what it needs cannot be told: %v", oneLine(k.Path), err))
			continue
		}
		k.why.Needs = Only(changesets(p.source.Commits), Revisions{set: needed})
	}
	return nil
}

// taken are the revisions that a merge under way takes one by one; none where it
// takes all, or takes something back.
func (j *journal) taken() revset {
	var out revset
	if j == nil {
		return nil
	}
	for _, o := range j.Operations {
		r, err := ParseRevisions(o.Revs)
		if o.Kind == "sync" || o.Kind == "rollback" || err != nil {
			return nil
		}
		out = out.union(r.set)
	}
	return out
}

func (p *picture) why(target string, k *Conflict, picked revset) Why {
	out := Why{known: true}
	p.moved(target, k, &out)
	out.origin = p.origin(target, k)
	if k.left.Path == "" && k.right.Path == "" {
		out.Theirs = p.followed(target, k, picked)
	}
	const most = 3
	for _, c := range slices.Backward(p.target.Commits) {
		changed := func(rel string) bool {
			return k.changedBy(c, target+"/"+rel, p.targetSegs) && !copied(c, target+"/"+rel)
		}
		if len(out.Mine) < most && (changed(k.Path) || out.movedMine != "" && changed(out.movedMine)) {
			out.Mine = append(out.Mine, c.changeset())
		}
	}
	path := strings.TrimSuffix(k.right.Path, "/")
	var merged nodes.Changesets // before, and svn goes over them
	for _, c := range p.source.Commits {
		at, _ := segmentAt(p.sourceSegs, c.Rev)
		changed := func(path string) bool { return k.changedBy(c, path, nil) }
		if !changed(at+"/"+k.Path) && !changed("/"+strings.Trim(path, "/")) && (out.movedTheirs == "" || !changed(at+"/"+out.movedTheirs)) {
			continue
		}
		lo, hi := min(k.left.Revision, k.right.Revision), max(k.left.Revision, k.right.Revision) // the left is later in what takes something back
		if c.Rev <= lo || c.Rev > hi {
			continue
		}
		if p.standOf(c) == integrated {
			merged = append(merged, c.changeset())
		} else {
			out.Theirs = append(out.Theirs, c.changeset())
		}
	}
	if len(out.Theirs) == 0 {
		out.Theirs = merged
	}
	return out
}

// followed are the changesets of the source that are merged under a name that the
// target gave a file: svn tells no sides of a conflict in which it followed a move.
func (p *picture) followed(target string, k *Conflict, picked revset) []nodes.Changeset {
	names := []string{k.Path}
	for _, c := range slices.Backward(p.target.Commits) {
		name := target + "/" + names[len(names)-1]
		i := slices.IndexFunc(c.Paths, func(t touch) bool { return t.Path == name && t.From != "" })
		if i < 0 {
			continue
		}
		if rel, ok := below(target, c.Paths[i].From); ok {
			names = append(names, rel)
		}
	}
	var out []nodes.Changeset
	for _, c := range p.source.Commits {
		at, _ := segmentAt(p.sourceSegs, c.Rev)
		changed := func(name string) bool { return k.changedBy(c, at+"/"+name, nil) }
		if slices.ContainsFunc(names, changed) && p.standOf(c) == available && (len(picked) == 0 || picked.has(c.Rev)) {
			out = append(out, c.changeset())
		}
	}
	return out
}

// changedBy reports whether a commit may be behind one side of the conflict: of
// properties only what changed those of this very path, else what touched the path
// and did more than keep books of merges.
func (k *Conflict) changedBy(c commit, path string, segs []segment) bool {
	if k.Kind != propertyConflict {
		return touches(c, path, segs) && (len(segs) == 0 || !onlyProperties(c))
	}
	path = strings.TrimSuffix(then(path, segs, c.Rev), "/.")
	return slices.ContainsFunc(c.Paths, func(t touch) bool { return t.Path == path && t.Props })
}

// moved finds where the path of a tree conflict was moved to, by the target and by
// what is merged.
func (p *picture) moved(target string, k *Conflict, out *Why) {
	if k.Kind != treeConflict {
		return
	}
	mine := func(c commit) string { return then(target+"/"+k.Path, p.targetSegs, c.Rev) }
	if to, rev := lastMove(p.target.Commits, mine); rev > 0 {
		out.Moved = fmt.Sprintf("to %s (mine, r%d)", seenFrom(target, to), rev)
		out.movedMine, _ = below(target, to)
	}
	theirs := func(c commit) string {
		at, _ := segmentAt(p.sourceSegs, c.Rev)
		if c.Rev <= k.left.Revision || c.Rev > k.right.Revision {
			return ""
		}
		return at + "/" + k.Path
	}
	if to, rev := lastMove(p.source.Commits, theirs); rev > 0 {
		at, _ := segmentAt(p.sourceSegs, rev)
		out.Moved = strings.TrimPrefix(fmt.Sprintf("%s and to %s (theirs, r%d)", out.Moved, seenFrom(at, to), rev), " and ")
		out.movedTheirs, _ = below(at, to)
	}
}

// lastMove finds the last commit that moved a path away, and follows it over further
// moves; path gives what it was called at a commit, empty where that does not count.
// rev is 0 where it was not moved.
func lastMove(commits []commit, path func(commit) string) (to string, rev int) {
	first := len(commits) - 1
	for ; first >= 0 && rev == 0; first-- {
		if at := path(commits[first]); at != "" {
			if next, ok := movedTo(commits[first], at); ok {
				to, rev = next, commits[first].Rev
			}
		}
	}
	for _, c := range commits[first+1:] {
		if next, ok := movedTo(c, to); ok && c.Rev > rev && path(c) != "" {
			to, rev = next, c.Rev
		}
	}
	return to, rev
}

// seenFrom is a path as seen from a folder, for a person to read.
func seenFrom(folder, path string) string {
	if rel, ok := below(folder, path); ok {
		path = rel
	}
	return oneLine(path)
}

// movedTo gives the new path of what a commit moved away, alone or with a folder
// above it.
func movedTo(c commit, path string) (to string, ok bool) {
	gone := func(p string) bool {
		return slices.ContainsFunc(c.Paths, func(t touch) bool { return t.Path == p && (t.Action == "D" || t.Action == "R") })
	}
	for _, t := range c.Paths {
		if rel, in := below(t.From, path); t.From != "" && in && gone(t.From) {
			return strings.TrimRight(t.Path+"/"+rel, "/"), true
		}
	}
	return "", false
}

// copied reports whether a commit only made or copied a folder above a path.
func copied(c commit, path string) bool {
	return !slices.ContainsFunc(c.Paths, func(t touch) bool { _, in := below(path, t.Path); return in })
}

// touches reports whether a commit changed a path or something below it; segs
// translate the path into what it was called at the time.
func touches(c commit, path string, segs []segment) bool {
	path = then(path, segs, c.Rev)
	return slices.ContainsFunc(c.Paths, func(t touch) bool {
		_, in := below(path, t.Path)
		_, over := below(t.Path, path)
		return in || over && t.Action != "M"
	})
}

// then is what a path of a line was called at a revision.
func then(path string, segs []segment, rev int) string {
	if len(segs) > 0 {
		if rel, ok := below(segs[0].Path, path); ok {
			if at, ok := segmentAt(segs, rev); ok {
				return at + "/" + rel
			}
		}
	}
	return path
}

// Authors names who is behind each side.
func (k *Conflict) Authors() map[string][]string {
	return map[string][]string{"mine": nodes.Changesets(k.why.Mine).Authors(), "theirs": nodes.Changesets(k.why.Theirs).Authors()}
}

// Sentence says what is in conflict, who changed it on both sides, and what is
// missing.
func (k *Conflict) Sentence() string {
	var parts []string
	parts = append(parts, k.what())
	for _, c := range k.why.Theirs {
		parts = append(parts, "theirs: "+credit(c))
	}
	if len(k.why.Mine) > 0 {
		parts = append(parts, "mine: "+credit(k.why.Mine[0]))
	}
	if k.why.Moved != "" {
		parts = append(parts, "moved "+k.why.Moved)
	}
	if len(k.why.Needs) > 0 {
		parts = append(parts, "it needs "+k.why.Needs.Revs()+", not merged yet")
	}
	return strings.Join(parts, "; ")
}

func credit(c nodes.Changeset) string {
	return fmt.Sprintf("r%d by %s: %s", c.Rev, oneLine(c.Author), oneLine(c.Subject()))
}
