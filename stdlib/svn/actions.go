package svn

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"

	"github.com/rollsh/rollsh/nodes"
)

// action is one step of resolving a conflict; svn commands are shown before.
type action struct {
	args  []string // of svn
	try   bool     // the rest is only for when this leaves the conflict
	write []byte   // or: write this to path
	link  string   // or: make path a symlink to this
	path  string
}

// removeAction removes a path. What svn does not know in a folder goes with it, which
// is looked for before.
func removeAction(rel string) action {
	return action{args: []string{"rm", "--force", local(rel)}, path: rel}
}

// sparing refuses actions that would remove files that svn does not know.
func (w *work) sparing(ctx context.Context, plan []action) error {
	c := w.m.Into
	var folders, bad []string
	for _, a := range plan {
		if len(a.args) == 0 || a.args[0] != "rm" {
			continue
		}
		if fi, err := os.Lstat(filepath.Join(c.Path, a.path)); err == nil && fi.IsDir() {
			folders = append(folders, a.path)
		}
	}
	if len(folders) == 0 {
		return nil
	}
	entries, err := c.entries(ctx, "--no-ignore")
	if err != nil {
		return err
	}
	for _, e := range entries {
		loose := e.WC.Item == "unversioned" || e.WC.Item == "ignored"
		if loose && slices.ContainsFunc(folders, func(folder string) bool { _, in := below(folder, e.Path); return in }) {
			bad = append(bad, e.Path)
		}
	}
	if len(bad) == 0 {
		return nil
	}
	return &nodes.Error{
		Kind: nodes.Conflict, Message: "files that svn does not know would be removed: " + shorten(bad),
		Hint: "move them away, then choose again",
	}
}

// String writes the command as a person would type it.
func (a action) String() string {
	switch {
	case len(a.args) > 0:
		return "svn " + nodes.Quote(a.args...)
	case a.link != "":
		return "ln -sf " + nodes.Quote(a.link, a.path)
	}
	return "edit " + nodes.Quote(a.path)
}

// whole runs what changes several paths for one conflict. While it runs, and when it
// fails, the record says that svn is at work: cut short, the merge begins anew.
func (w *work) whole(fn func() error) error {
	if w.j == nil || w.j.last() == nil || w.j.last().Step != conflicted {
		return fn()
	}
	o := w.j.last()
	o.Step = running
	if err := w.m.Into.writeJournal(w.j); err != nil {
		return err
	}
	if err := fn(); err != nil {
		return err
	}
	o.Step = conflicted
	return w.m.Into.writeJournal(w.j)
}

// attempt runs one action. gone is true when it was one that may end the
// conflict by itself, and did.
func (w *work) attempt(ctx context.Context, k *Conflict, a action) (gone bool, err error) {
	err = w.act(ctx, a)
	if !a.try {
		return false, err
	}
	if kind := nodes.KindOf(err); err != nil && kind != nodes.Conflict && kind != nodes.Protocol {
		return false, err
	}
	still, err := k.still(ctx)
	return !still, err
}

// still reports whether the path is in conflict.
func (k *Conflict) still(ctx context.Context) (bool, error) {
	var infos []infoXML
	c := k.merge.Into
	q := c.here("info", "--xml", local(k.Path))
	q.locals, q.read = true, collect("entry", &infos)
	a, err := c.client.run(ctx, q)
	if err != nil || notSet(a) { // what was deleted is in conflict no more
		return false, err
	}
	return slices.ContainsFunc(infos, func(i infoXML) bool { return len(i.Conflicts)+len(i.Trees) > 0 }), a.err()
}

func (w *work) act(ctx context.Context, a action) error {
	c := w.m.Into
	name := filepath.Join(c.Path, a.path)
	switch {
	case len(a.args) > 0:
		return w.svn(ctx, a)
	case a.link != "":
		if err := os.Remove(name); err != nil && !errors.Is(err, os.ErrNotExist) {
			return diskError(err)
		}
		return diskError(os.Symlink(a.link, name))
	}
	return overwrite(name, a.write)
}

// svn runs the svn command of an action. What svn leaves out of a merge is a failure,
// whatever its exit code.
func (w *work) svn(ctx context.Context, a action) error {
	c := w.m.Into
	k := c.here(a.args...)
	k.locals = !a.try && !slices.Contains(a.args, "recommended") && a.args[0] != "copy" && a.args[0] != "merge"
	var left []string
	k.lines = func(line string) {
		if m := inTheWay().FindStringSubmatch(line); m != nil {
			left = append(left, oneLine(m[1]))
		}
	}
	answer, err := c.mutate(ctx, w.lock, k)
	if err := firstError(err, answer.err()); err != nil || len(left) == 0 {
		return err
	}
	return &nodes.Error{
		Kind: nodes.Refused, Message: "files that svn does not know were in the way: " + shorten(left),
		Hint: "move them away; the same take begins anew",
	}
}

// overwrite puts a text into a file of the checkout, which keeps its mode.
func overwrite(name string, text []byte) error {
	mode := os.FileMode(0o644)
	if fi, err := os.Lstat(name); err == nil {
		if !fi.Mode().IsRegular() {
			return &nodes.Error{Kind: nodes.Refused, Message: name + " is not a file"}
		}
		mode = fi.Mode().Perm()
	}
	if err := replaceFile(name, text); err != nil {
		return err
	}
	return diskError(os.Chmod(name, mode))
}
