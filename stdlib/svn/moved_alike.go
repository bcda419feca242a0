package svn

import (
	"os"
	"path/filepath"
	"slices"
)

// origin gives what a folder that theirs adds, and that is here already, was on their
// side before what is merged, where both were made of one folder, such as by moving it
// to the same name; empty where that is not so.
func (p *picture) origin(target string, k *Conflict) string {
	if !k.bothAdded() || k.right.Kind != "dir" {
		return ""
	}
	mine := segments(join0(target, k.Path), p.target.Commits, p.head)
	theirs := segments("/"+k.right.Path, p.source.Commits, k.right.Revision)
	before, ok := segmentAt(theirs, k.left.Revision)
	if !ok || !slices.ContainsFunc(mine, func(m segment) bool { return slices.ContainsFunc(theirs, m.meets) }) {
		return ""
	}
	return before
}

// meets reports whether two segments are one node for some revisions.
func (s segment) meets(o segment) bool { return s.Path == o.Path && s.Lo <= o.Hi && o.Lo <= s.Hi }

// bothAdded reports whether theirs adds what is here already, under version control.
func (k *Conflict) bothAdded() bool {
	t := k.tree
	return k.Kind == treeConflict && t.Action == "add" && slices.Contains([]string{"add", "added", "obstruction", "obstructed"}, t.Reason)
}

// alike reports whether both sides made a folder of one, under the same name.
func (k *Conflict) alike() bool {
	if k.why.origin == "" {
		return false
	}
	fi, err := os.Lstat(filepath.Join(k.merge.Into.Path, k.Path))
	return err == nil && fi.IsDir()
}

// movedAlike reports whether both sides gave a path the same new name, where the
// conflict is that of the name.
func (k *Conflict) movedAlike() bool {
	return k.Kind == treeConflict && k.tree.Action == "delete" && k.why.movedMine != "" && k.why.movedMine == k.why.movedTheirs
}

// planAlike lists what leads to one folder: svn merges what theirs did to it into mine.
// It passes over what is in conflict, which is ended first for that.
func (k *Conflict) planAlike() []action {
	return []action{
		resolveAction("working", k.Path),
		bringAction(at(join("^", k.why.origin), k.left.Revision), at(join("^", k.right.Path), k.right.Revision), k.Path),
	}
}
