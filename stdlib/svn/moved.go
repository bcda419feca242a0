package svn

import (
	"context"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
)

// bothMoved tells whether it is a file or a folder that each side gave a name of its
// own; empty where that is not so, or not both names are in the checkout now.
func (k *Conflict) bothMoved() string {
	mine, theirs := k.why.movedMine, k.why.movedTheirs
	if k.Kind != treeConflict || k.tree.Action != "delete" || mine == "" || theirs == "" || mine == theirs {
		return ""
	}
	switch a, b := k.mode(mine), k.mode(theirs); {
	case k.left.Kind == "file" && a.IsRegular() && b.IsRegular():
		return "file"
	case k.left.Kind == "dir" && a.IsDir() && b.IsDir():
		return "folder"
	}
	return ""
}

// mode is what a path of the checkout is; irregular where there is nothing.
func (k *Conflict) mode(rel string) fs.FileMode {
	fi, err := os.Lstat(filepath.Join(k.merge.Into.Path, rel))
	if err != nil {
		return fs.ModeIrregular
	}
	return fi.Mode()
}

// planMoved lists what leads to one file or folder, under mine's name with merge,
// else under theirs'. What is written into a file is made when it is done.
func (k *Conflict) planMoved(choice string) []action {
	if k.bothMoved() == "folder" {
		return k.planMovedFolder(choice)
	}
	mine, theirs := k.why.movedMine, k.why.movedTheirs
	away := removeAction(theirs)
	if choice == "merge" {
		return []action{away, {path: mine}, resolveAction("working", k.Path)}
	}
	// not svn move, which reads the new name in another way than the old one
	move := []action{{args: []string{"copy", local(mine), local(theirs)}}, removeAction(mine)}
	return slices.Concat([]action{away}, move, []action{{path: theirs}, resolveAction("working", k.Path)})
}

// jointMoved reads what both sides made of the file that they moved.
func (k *Conflict) jointMoved(ctx context.Context, choice string) (*joint, error) {
	c := k.merge.Into
	mine, theirs := k.why.movedMine, k.why.movedTheirs
	j := &joint{k: k, texts: map[string][]byte{}, props: map[string]map[string]string{}}
	for _, a := range k.planMoved(choice) {
		if len(a.args) > 0 && a.args[0] != "resolve" {
			j.moves = append(j.moves, a)
		}
	}
	name := mine
	if choice == "theirs" {
		name = theirs
	}
	base, err := c.textAt(ctx, "/"+k.left.Path, k.left.Revision)
	if err != nil {
		return nil, err
	}
	ours, err := readWhole(filepath.Join(c.Path, mine))
	if err != nil {
		return nil, err
	}
	other, err := readWhole(filepath.Join(c.Path, theirs))
	if err != nil {
		return nil, err
	}
	if err := j.add(ctx, name, mine, base, ours, other); err != nil {
		return nil, err
	}
	return j, j.movedProperties(ctx, name)
}

// movedProperties finds what theirs changed in the properties of the file.
func (j *joint) movedProperties(ctx context.Context, name string) error {
	c, k := j.k.merge.Into, j.k
	left, err := c.properties(ctx, "/"+k.left.Path, k.left.Revision)
	if err != nil {
		return err
	}
	right, err := c.localProperties(ctx, k.why.movedTheirs)
	if err != nil {
		return err
	}
	mine, err := c.localProperties(ctx, k.why.movedMine)
	if err != nil {
		return err
	}
	j.props[name] = map[string]string{}
	names := maps.Clone(left)
	maps.Copy(names, right)
	for n := range names {
		l, hadL := left[n]
		r, hasR := right[n]
		v, here := mine[n]
		switch {
		case n == mergeProperty || hadL == hasR && l == r || here == hasR && v == r:
		case here == hadL && v == l:
			j.props[name][n] = r // empty: theirs removed it
		default:
			j.kept = append(j.kept, fmt.Sprintf("%s keeps its own %s", name, oneLine(n)))
		}
	}
	return nil
}

// setProperties sets what the joint found, and tells what stays.
func (w *work) setProperties(ctx context.Context, j *joint) error {
	for _, rel := range slices.Sorted(maps.Keys(j.props)) {
		for _, name := range slices.Sorted(maps.Keys(j.props[rel])) {
			if err := w.m.Into.setProperty(ctx, w.lock, name, j.props[rel][name], rel); err != nil {
				return err
			}
		}
	}
	for _, text := range j.kept {
		w.m.Into.svn.warn(ctx, text)
	}
	return nil
}

// named says which name a choice keeps of what both sides moved.
func (k *Conflict) named(choice string) string {
	switch choice {
	case "merge":
		return "keep the new name " + k.why.movedMine + ", with the changes of both"
	case "theirs":
		return "take the new name " + k.why.movedTheirs + ", with the changes of both"
	}
	return "keep both " + k.bothMoved() + "s, " + k.why.movedMine + " and " + k.why.movedTheirs
}
