package svn

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/rollsh/rollsh/nodes"
)

// side is what one side has at a path: a file with its text, a symlink with what svn
// keeps of it, a folder.
type side struct{ name, text string }

// unlike takes a path that is a folder on one side only.
func (j *joint) unlike(ctx context.Context, rel string, mine fs.FileInfo, theirKind string) error {
	c := j.k.merge.Into
	sides := [2]side{{name: "folder"}, {name: "folder"}}
	switch {
	case theirKind != "dir":
		text, err := c.textAt(ctx, j.theirs(rel), j.k.right.Revision)
		if err != nil {
			return err
		}
		sides[1] = side{"file", string(text)}
		if isLink(splitLines(string(text))) {
			sides[1].name = "symlink"
		}
	case mine.Mode()&fs.ModeSymlink != 0:
		target, err := os.Readlink(filepath.Join(c.Path, rel))
		if err != nil {
			return diskError(err)
		}
		sides[0] = side{"symlink", "link " + target}
	default:
		text, err := readWhole(filepath.Join(c.Path, rel))
		if err != nil {
			return err
		}
		sides[0] = side{"file", string(text)}
	}
	return j.addUnlike(rel, sides[0], sides[1])
}

// addUnlike takes a path where the sides are of different sorts: one of them stays,
// as a whole and with its properties. Their texts begin with the sort, so that they
// differ where a file holds what svn keeps of a symlink.
func (j *joint) addUnlike(rel string, mine, theirs side) error {
	if rel == j.k.Path {
		return &nodes.Error{Kind: nodes.Conflict, Message: rel + " is a " + mine.name + " on one side and a " + theirs.name + " on the other", Hint: "choose mine or theirs"}
	}
	child := j.addChild(rel, nil, []byte(mine.name+" "+mine.text), []byte(theirs.name+" "+theirs.text))
	child.Binary, child.sorts = true, &[2]string{mine.name, theirs.name}
	delete(j.props, rel)
	return nil
}

// within reports whether a path is below one that is a folder on one side only.
func (j *joint) within(rel string) bool {
	return slices.ContainsFunc(j.pairs, func(k *Conflict) bool {
		under, in := below(k.Path, rel)
		return in && under != "" && k.sorts != nil
	})
}

// putUnlike puts theirs in the place of mine where that was chosen.
func (w *work) putUnlike(ctx context.Context, j *joint, k *Conflict, chosen []byte) error {
	if string(chosen) != *k.sides[2] {
		return nil
	}
	away := removeAction(k.Path)
	if err := w.sparing(ctx, []action{away}); err != nil {
		return err
	}
	from := at(join("^", j.theirs(k.Path)), j.k.right.Revision)
	for _, a := range []action{away, {args: []string{"copy", from, local(k.Path)}}} {
		if err := w.act(ctx, a); err != nil {
			return err
		}
	}
	return nil
}

// sortOf says what a side is, for a person to read: i is 1 for mine, 2 for theirs.
func (k *Conflict) sortOf(i int) string {
	name := k.sorts[i-1]
	switch text := strings.TrimPrefix(*k.sides[i], name+" "); name {
	case "symlink":
		return "a symlink to " + oneLine(strings.TrimPrefix(text, "link "))
	case "file":
		return "a file, " + sizeOf(text)
	}
	return "a " + name
}
