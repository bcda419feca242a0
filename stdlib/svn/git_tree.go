package svn

import (
	"bytes"
	"context"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rollsh/rollsh/nodes"
)

// Root is the absolute path of the checkout.
func (g *GitCheckout) Root() string { return g.Path }

// Revision is what the checkout is at, such as "123".
func (g *GitCheckout) Revision(ctx context.Context) (nodes.Revision, error) {
	n, err := g.number(ctx)
	if err != nil {
		return "", err
	}
	return nodes.Revision(strconv.Itoa(n)), nil
}

// Clean reports whether the checkout is exactly a revision: on its branch's
// line, nothing modified, conflicted or missing. Unversioned files do not count.
func (g *GitCheckout) Clean(ctx context.Context) (bool, error) {
	why, err := g.Unclean(ctx)
	return err == nil && why == "", err
}

// Unclean tells why the checkout is not exactly a revision; empty when it is.
// See Clean.
func (g *GitCheckout) Unclean(ctx context.Context) (string, error) {
	list, err := g.Status(ctx)
	if err != nil {
		return "", err
	}
	if own := slices.DeleteFunc(list, func(s Status) bool { return !s.own() }); len(own) > 0 {
		return some(own), nil
	}
	_, err = g.number(ctx)
	if nodes.KindOf(err) == nodes.Refused {
		return nodes.AsError(err, nodes.Refused).Message, nil
	}
	return "", err
}

// Status lists what differs from the revision that is checked out, in svn's
// words, unversioned files too.
func (g *GitCheckout) Status(ctx context.Context) ([]Status, error) {
	var text []byte
	k := call{args: []string{"status", "--porcelain=v1", "-z", "--ignore-submodules=all"}, read: func(r io.Reader) (err error) {
		text, err = io.ReadAll(r)
		return err
	}}
	if _, err := g.git(ctx, k); err != nil {
		return nil, err
	}
	out := []Status{}
	for entry := range bytes.SplitSeq(bytes.TrimSuffix(text, []byte{0}), []byte{0}) {
		if len(entry) < 4 {
			continue
		}
		name := strings.TrimSuffix(strings.ToValidUTF8(string(entry[3:]), "\uFFFD"), "/")
		out = append(out, Status{Path: name, Item: gitItem(string(entry[:2])), Props: "none"})
	}
	return out, nil
}

// gitItem is svn's word for git's two letters: of the index, and of the file.
func gitItem(xy string) string {
	switch {
	case xy == "??":
		return "unversioned"
	case strings.Contains(xy, "U"), xy == "AA", xy == "DD":
		return "conflicted"
	case xy[1] == 'D':
		return "missing"
	case xy[0] == 'D':
		return "deleted"
	case xy[0] == 'A':
		return "added"
	}
	return "modified"
}

// Touched lists the files in which the checkout differs from its revision,
// without those that are gone.
func (g *GitCheckout) Touched(ctx context.Context) ([]string, error) {
	list, err := g.Status(ctx)
	var out []string
	for _, s := range list {
		if slices.Contains([]string{"modified", "added", "conflicted"}, s.Item) {
			out = append(out, s.Path)
		}
	}
	return out, err
}

// Files lists the files that differ between two revisions; see Checkout.Files.
// An empty from means every file.
func (g *GitCheckout) Files(ctx context.Context, from, to nodes.Revision) ([]nodes.Change, error) {
	lo, hi, l, err := g.between(ctx, from, to)
	if err != nil || hi == lo {
		return nil, err
	}
	return g.differ(ctx, l.hash(lo), l.hash(hi))
}

// Git's empty trees, which it knows in every repository.
const (
	emptyTree    = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
	emptyTree256 = "6ef19b41225c5369f1c104d45d8d85efa9b057b53b14b4b9b939dd74decc5321"
)

// hash is the commit of a revision; 0 is an empty tree.
func (l *gitLine) hash(n int) string {
	switch {
	case n > 0:
		return l.hashes[n-1]
	case len(l.hashes) > 0 && len(l.hashes[0]) == len(emptyTree256):
		return emptyTree256
	}
	return emptyTree
}

func (g *GitCheckout) differ(ctx context.Context, a, b string) ([]nodes.Change, error) {
	var out []nodes.Change
	read := func(r io.Reader) error {
		return eachRaw(r, func(_ string, p nodes.Change) error { out = append(out, p); return nil })
	}
	_, err := g.git(ctx, call{args: []string{"diff-tree", "-r", "-z", "--raw", "--no-renames", a, b}, read: read})
	return out, err
}

// Dated gives the revision, and for each file when the branch last changed it.
func (g *GitCheckout) Dated(ctx context.Context) (nodes.Revision, map[string]time.Time, error) {
	n, err := g.number(ctx)
	if err != nil {
		return "", nil, err
	}
	list, err := g.Status(ctx)
	if err != nil {
		return "", nil, err
	}
	out, err := g.timesAt(ctx, n)
	for _, s := range list {
		delete(out, s.Path)
	}
	return nodes.Revision(strconv.Itoa(n)), out, err
}

// timesAt walks back from a revision until the last change of every file of it
// is found.
func (g *GitCheckout) timesAt(ctx context.Context, rev int) (map[string]time.Time, error) {
	l, err := g.line(ctx)
	if err != nil {
		return nil, err
	}
	files, err := g.differ(ctx, l.hash(0), l.hash(rev))
	if err != nil {
		return nil, err
	}
	wanted := make(map[string]bool, len(files))
	for _, f := range files {
		wanted[f.Path] = true
	}
	var list []gitCommit
	for n := rev; n > 0; n-- {
		c := gitCommit{hash: l.hashes[n-1], rev: n}
		if n > 1 {
			c.parent = l.hashes[n-2]
		}
		list = append(list, c)
	}
	out := make(map[string]time.Time, len(files))
	err = g.paths(ctx, list, func(i int, p nodes.Change) bool {
		if wanted[p.Path] {
			delete(wanted, p.Path)
			out[p.Path] = l.times[list[i].rev-1]
		}
		return len(wanted) > 0
	})
	return out, err
}
