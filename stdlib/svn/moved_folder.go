package svn

import (
	"context"
	"slices"
	"strings"

	"github.com/rollsh/rollsh/nodes"
)

// planMovedFolder lists what leads to one folder, under mine's name with merge, else
// under theirs': svn merges what theirs did to the folder into mine, and what is in
// conflict then is listed like any other.
func (k *Conflict) planMovedFolder(choice string) []action {
	mine, theirs := k.why.movedMine, k.why.movedTheirs
	away := removeAction(theirs)
	bring := func(into string) action {
		return bringAction(at(join("^", k.left.Path), k.left.Revision), at(join("^", k.theirsNow()), k.right.Revision), into)
	}
	done := resolveAction("working", k.Path)
	if choice == "merge" {
		return []action{bring(mine), away, done}
	}
	return []action{
		away,
		{args: []string{"copy", local(mine), local(theirs)}},
		removeAction(mine),
		bring(theirs), done,
	}
}

// bringAction merges what differs between two folders of the repository into a path of
// the checkout.
func bringAction(from, to, into string) action {
	return action{args: []string{
		"merge", "--ignore-ancestry", "--accept", "postpone", from, to,
		strings.TrimSuffix(local(into), "@"), // where to is read as it is
	}}
}

// theirsNow is the path in the repository to which theirs moved what is in conflict.
func (k *Conflict) theirsNow() string {
	return strings.TrimSuffix("/"+k.right.Path, "/"+k.Path) + "/" + k.why.movedTheirs
}

// moveFolder makes one folder of what both sides moved.
func (w *work) moveFolder(ctx context.Context, k *Conflict, plan []action) error {
	if err := k.movable(ctx); err != nil {
		return err
	}
	return w.whole(func() error {
		for _, a := range plan {
			if err := w.act(ctx, a); err != nil {
				return err
			}
		}
		if k.alike() { // ended first: what is in conflict there now is another one
			return nil
		}
		still, err := k.still(ctx)
		if err == nil && still {
			err = &nodes.Error{Kind: nodes.Conflict, Message: "the conflict of " + k.Path + " is still there"}
		}
		return err
	})
}

// movable refuses where theirs, which is removed, was changed, or where what svn does
// not know would be in the way.
func (k *Conflict) movable(ctx context.Context) error {
	c := k.merge.Into
	entries, err := c.entries(ctx, "--no-ignore")
	if err != nil {
		return err
	}
	mine, theirs, now := k.why.movedMine, k.why.movedTheirs, k.theirsNow()
	if k.alike() {
		mine, theirs, now = k.Path, k.Path, "/"+k.right.Path
	}
	list, err := c.listAt(ctx, now, k.right.Revision)
	if err != nil {
		return err
	}
	var bad []string
	for _, e := range entries {
		s := e.status()
		loose := s.Item == "unversioned" || s.Item == "ignored"
		rel, in := below(mine, s.Path)
		_, new := below(theirs, s.Path)
		switch {
		case new && s.Path != theirs && mine != theirs && s.own():
		case in && s.Conflicted() && s.Path != k.Path:
		case in && loose && slices.ContainsFunc(list, func(l listXML) bool { return meets(rel, l.Name) }):
		default:
			continue
		}
		bad = append(bad, s.String())
	}
	if len(bad) == 0 {
		return nil
	}
	e := &nodes.Error{
		Kind: nodes.Conflict, Message: "the folders " + mine + " and " + theirs + " cannot be made one while the checkout has " + shorten(bad),
		Hint: "move it away or revert it, then choose again; or keep both folders",
	}
	if mine == theirs {
		e.Message = "the two folders " + mine + " cannot be made one while the checkout has " + shorten(bad)
		e.Hint = "move it away or revert it, then choose again; or choose mine or theirs"
	}
	return e
}

// meets reports whether one of two paths is the other or a folder above it.
func meets(a, b string) bool {
	_, in := below(a, b)
	_, over := below(b, a)
	return in || over
}
