package svn

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rollsh/rollsh/nodes"
)

// Status is a path of a checkout that is not as the repository has it. The
// words are those of `svn status --xml`.
type Status struct {
	Path         string `lua:"path"`
	Item         string `lua:"item"`  // modified added deleted replaced missing conflicted obstructed unversioned ...
	Props        string `lua:"props"` // none normal modified conflicted
	TreeConflict bool   `lua:"tree_conflicted"`
	Locked       bool   `lua:"locked"` // by an svn that is at work or was killed
	Switched     bool   `lua:"switched"`
	Copied       bool   `lua:"copied"`
	MovedFrom    string `lua:"moved_from,omitempty"`
	MovedTo      string `lua:"moved_to,omitempty"`
}

// Conflicted reports whether a conflict is left at the path.
func (s Status) Conflicted() bool {
	return s.Item == "conflicted" || s.Props == "conflicted" || s.TreeConflict
}

// own reports whether the path is one of svn's, and differs.
func (s Status) own() bool {
	if s.Conflicted() || s.Locked || s.Switched || s.Props == "modified" {
		return true
	}
	return !slices.Contains([]string{"normal", "unversioned", "ignored", "external", "none", ""}, s.Item)
}

// String writes the path with what is the matter.
func (s Status) String() string {
	word := s.Item
	switch {
	case s.TreeConflict:
		word = "tree conflict"
	case s.Props == "conflicted":
		word = "property conflict"
	case s.Locked:
		word = "locked"
	case s.Switched && s.Item == "normal":
		word = "switched"
	case s.Item == "normal" && s.Props == "modified":
		word = "properties modified"
	}
	return s.Path + " (" + word + ")"
}

// Status lists what differs from the repository's state, unversioned files too,
// externals not.
func (c *Checkout) Status(ctx context.Context) ([]Status, error) {
	entries, err := c.entries(ctx)
	if err != nil {
		return nil, err
	}
	out := []Status{}
	for _, e := range entries {
		if s := e.status(); s.own() || s.Item == "unversioned" {
			out = append(out, s)
		}
	}
	return out, nil
}

func (e statusXML) status() Status {
	return Status{
		Path: e.Path, Item: e.WC.Item, Props: e.WC.Props, TreeConflict: e.WC.Tree, Locked: e.WC.Locked,
		Switched: e.WC.Switched && !e.WC.FileExtern, Copied: e.WC.Copied, MovedFrom: e.WC.MovedFrom, MovedTo: e.WC.MovedTo,
	}
}

// entries runs `svn status` on the checkout.
func (c *Checkout) entries(ctx context.Context, options ...string) ([]statusXML, error) {
	var list []statusXML
	k := c.status(options...)
	k.read = collect("entry", &list)
	_, err := c.client.must(ctx, k)
	return list, err
}

func (c *Checkout) status(options ...string) call {
	k := c.here(append(append([]string{"status", "--xml", "--ignore-externals"}, options...), ".")...)
	k.locals = !slices.Contains(options, "-u")
	return k
}

// Clean reports whether the checkout is exactly a revision of the repository:
// nothing modified, conflicted, missing, obstructed, switched or locked, and no
// mixture of revisions whose contents differ. Unversioned files do not count.
func (c *Checkout) Clean(ctx context.Context) (bool, error) {
	why, err := c.Unclean(ctx)
	return err == nil && why == "", err
}

// Unclean tells why the checkout is not exactly a revision; empty when it is.
// See Clean.
func (c *Checkout) Unclean(ctx context.Context) (string, error) {
	w, err := c.survey(ctx)
	if err != nil {
		return "", err
	}
	if own := w.own(); len(own) > 0 {
		j, err := c.readJournal()
		if err != nil || j == nil {
			return some(own), err
		}
		return "a merge is under way, " + j.String() + ", that nobody committed or abandoned yet: " + some(own), nil
	}
	_, uniform, err := c.settle(ctx, w)
	if err != nil || uniform {
		return "", err
	}
	return fmt.Sprintf("parts of it are at r%d, others at up to r%d", w.lo, w.hi), nil
}

// Revision is what the checkout is at, such as "123". Local changes do not show
// in it; see Clean.
func (c *Checkout) Revision(ctx context.Context) (nodes.Revision, error) {
	n, err := c.number(ctx)
	if err != nil {
		return "", err
	}
	return nodes.Revision(strconv.Itoa(n)), nil
}

func (c *Checkout) number(ctx context.Context) (int, error) {
	w, err := c.survey(ctx)
	if err != nil {
		return 0, err
	}
	n, _, err := c.settle(ctx, w)
	return n, err
}

// Touched lists the files in which the checkout differs from its base, without
// those that are deleted or only have other properties.
func (c *Checkout) Touched(ctx context.Context) ([]string, error) {
	entries, err := c.entries(ctx)
	if err != nil {
		return nil, err
	}
	return c.touched(ctx, entries)
}

// touched are the files among a status that differ in contents.
func (c *Checkout) touched(ctx context.Context, entries []statusXML) ([]string, error) {
	var out []string
	for _, e := range entries {
		if slices.Contains([]string{"modified", "added", "replaced", "conflicted"}, e.WC.Item) && e.Path != "." {
			out = append(out, e.Path)
		}
	}
	out, err := c.expand(ctx, out, entries)
	return slices.DeleteFunc(out, func(rel string) bool {
		fi, err := os.Lstat(filepath.Join(c.Path, rel))
		return err == nil && fi.IsDir()
	}), err
}

// expand adds what copied folders hold: svn lists only the folder.
func (c *Checkout) expand(ctx context.Context, paths []string, entries []statusXML) ([]string, error) {
	copied := slices.ContainsFunc(entries, func(e statusXML) bool { return e.WC.Copied || e.WC.Item == "replaced" })
	if !copied {
		return paths, nil
	}
	all, err := c.entries(ctx, "-v")
	if err != nil {
		return nil, err
	}
	for _, e := range all {
		if e.WC.Copied && e.WC.Item == "normal" {
			paths = append(paths, e.Path)
		}
	}
	slices.Sort(paths)
	return slices.Compact(paths), nil
}

// Dated gives the revision, and svn's last-changed dates by relative path. Files
// that are changed here are absent.
func (c *Checkout) Dated(ctx context.Context) (nodes.Revision, map[string]time.Time, error) {
	w, err := c.survey(ctx)
	if err != nil {
		return "", nil, err
	}
	n, _, err := c.settle(ctx, w)
	if err != nil {
		return "", nil, err
	}
	out := maps.Clone(w.dates)
	for _, e := range w.entries {
		if e.WC.Item != "normal" {
			delete(out, e.Path)
		}
	}
	return nodes.Revision(strconv.Itoa(n)), out, nil
}

// some writes the first few of a list, and how many more there are.
func some[T fmt.Stringer](list []T) string {
	const shown = 5
	parts := make([]string, 0, shown+1)
	for _, s := range list[:min(len(list), shown)] {
		parts = append(parts, oneLine(s.String()))
	}
	if n := len(list) - shown; n > 0 {
		parts = append(parts, fmt.Sprintf("and %d more", n))
	}
	return strings.Join(parts, ", ")
}
