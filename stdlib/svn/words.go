package svn

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// what says in plain words what is in conflict.
func (k *Conflict) what() string {
	switch {
	case k.Kind == propertyConflict:
		return k.whatProperties()
	case k.Symlink:
		return "the symlink " + k.Path + " was changed on both sides"
	case k.Binary:
		return "the binary file " + k.Path + " was changed on both sides"
	case k.Kind == textConflict:
		return "the same lines of " + k.Path + " were changed on both sides"
	}
	return k.whatTree()
}

func (k *Conflict) whatProperties() string {
	names := k.tried()
	switch len(names) {
	case 0:
		return "properties of " + k.Path + " were changed on both sides"
	case 1:
		return "the property " + oneLine(names[0]) + " of " + k.Path + " was changed on both sides"
	}
	return "the properties " + oneLine(strings.Join(names, ", ")) + " of " + k.Path + " were changed on both sides"
}

func (k *Conflict) whatTree() string {
	t := k.tree
	incoming := map[string]string{"edit": "changes", "add": "adds", "delete": "deletes", "replace": "replaces"}[t.Action]
	mine := map[string]string{
		"edit": "was changed here", "delete": "was deleted here", "deleted": "was deleted here", "missing": "is not here",
		"add": "was added here too", "added": "was added here too", "obstruction": "is already here", "obstructed": "is already here",
		"replace": "was replaced here", "replaced": "was replaced here", "unversioned": "is here, but not under version control",
		"moved-away": "was moved or renamed here", "moved-here": "was moved to this place here",
	}[t.Reason]
	kind := t.Kind
	for _, v := range []conflictVersion{k.right, k.left} {
		if kind == "" || kind == "none" { // as the checkout has it: nothing
			kind = v.Kind
		}
	}
	kind = strings.Replace(strings.Replace(firstNonEmpty(kind, "path"), "none", "path", 1), "dir", "folder", 1)
	theirs, ours := firstNonEmpty(incoming, t.Action), firstNonEmpty(mine, t.Reason)
	name := k.Path
	if to := k.why.movedTheirs; to != "" && t.Action == "delete" {
		theirs, name = "moves", name+" to "+to
	}
	if to := k.why.movedMine; to != "" && ours == "is not here" {
		ours = "was moved to " + to + " here"
		if k.movedAlike() {
			ours = "was moved there here too"
		}
	}
	return fmt.Sprintf("what is merged %s the %s %s, which %s", theirs, kind, name, ours)
}

// facts tell what is not text: where the sides of a symlink point, and how large
// those of a binary file are.
func (k *Conflict) facts() []string {
	var out []string
	if k.Kind != textConflict || !k.Binary && !k.Symlink {
		return nil
	}
	for i, side := range []string{"base", "mine", "theirs"} {
		if fact := k.fact(i); fact != "" {
			out = append(out, fmt.Sprintf("%-7s %s", side, fact))
		}
	}
	return out
}

// fact is what facts tell of one side; empty where there is nothing to tell.
func (k *Conflict) fact(i int) string {
	switch {
	case k.sorts != nil && i == 0:
		return ""
	case k.sorts != nil:
		return k.sortOf(i)
	case k.sides != nil && k.sides[i] == nil:
		return ""
	case k.sides != nil && k.Symlink && *k.sides[i] != "":
		return "points to " + oneLine(strings.TrimPrefix(*k.sides[i], "link "))
	case k.sides != nil && !k.Symlink && (i > 0 || *k.sides[i] != ""):
		return sizeOf(*k.sides[i])
	case k.sides != nil:
		return ""
	}
	name := k.files[i]
	if target, err := linkTarget(name); k.Symlink && err == nil {
		return "points to " + oneLine(target)
	} else if fi, err := os.Stat(name); k.Binary && !k.Symlink && name != "" && err == nil {
		text, _ := readSome(name)
		return fmt.Sprintf("%d bytes%s", fi.Size(), digest(text))
	}
	return ""
}

// sizeOf tells a text from others by its size and digest.
func sizeOf(text string) string { return fmt.Sprintf("%d bytes%s", len(text), digest([]byte(text))) }

// digest is the beginning of the sha256 of what was read of a file, to tell files of
// one size apart; empty where nothing was.
func digest(text []byte) string {
	if len(text) == 0 {
		return ""
	}
	sum := sha256.Sum256(text)
	return ", sha256 " + hex.EncodeToString(sum[:6])
}

// meaning says in plain words what a choice does to this conflict.
func (k *Conflict) meaning(choice string) string {
	switch {
	case choice == "recommended":
		if to := firstNonEmpty(k.why.movedMine, k.why.movedTheirs); to != "" {
			return "follow the move to " + to
		}
		return "follow the move " + k.why.Moved
	case k.bothMoved() != "":
		return k.named(choice)
	case choice == "merge" && k.alike():
		return "make one folder of the two, with the changes of both"
	case (choice == "merge" || choice == "mine") && k.movedAlike():
		return "leave it moved, as on both sides"
	case choice == "merge":
		return "merge the two " + k.jointKind() + "s into one"
	case choice == "union":
		return "keep the lines of both"
	case k.Kind == treeConflict && choice == "mine":
		if exists(filepath.Join(k.merge.Into.Path, k.Path)) {
			if to := k.why.movedTheirs; to != "" {
				return "keep it here, beside " + to
			}
			return "keep what is here"
		}
		if to := k.why.movedMine; to != "" {
			return "leave " + to + " as it is"
		}
		return "leave it away"
	case k.Kind == treeConflict && k.tree.Action == "delete":
		return "delete it here too"
	case k.Kind == treeConflict:
		return "take what is merged"
	case choice == "working":
		return "as it is in the checkout now"
	case choice == "mine":
		return "keep mine"
	}
	return "take " + choice
}
