package svn

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
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

// Update brings the checkout to a revision of its branch (empty: HEAD) and gives
// its number. Local changes stay; where the revision changes the same file, it
// fails with Conflict and changes nothing. Missing files come back.
func (g *GitCheckout) Update(ctx context.Context, rev nodes.Revision) (int, error) {
	lock, release, err := g.change(ctx, "update")
	if err != nil {
		return 0, err
	}
	defer release()
	if rev == "" {
		rev = "HEAD"
	}
	want, l, err := g.find(ctx, rev, 0)
	if err != nil {
		return 0, err
	}
	if _, err := g.number(ctx); err != nil {
		return 0, err
	}
	if want == 0 {
		return 0, badRevision(string(rev))
	}
	hash := l.hashes[want-1]
	for _, args := range g.steps(ctx, hash, want == len(l.hashes)) {
		if _, err := g.git(ctx, call{args: args, inherit: lock}); err != nil {
			return 0, err
		}
	}
	if err := g.bringBack(ctx, lock); err != nil {
		return 0, err
	}
	if n, err := g.number(ctx); err != nil || n != want {
		return 0, firstError(err, &nodes.Error{Kind: nodes.Protocol, Message: fmt.Sprintf("%s: git ended well, but the checkout is at r%d, not r%d", g.Path, n, want)})
	}
	return want, nil
}

// steps are the commands that check a commit out. At the tip of the branch the
// checkout is on it, as people expect to find it.
func (g *GitCheckout) steps(ctx context.Context, hash string, tip bool) [][]string {
	if !tip {
		return [][]string{{"config", branchKey, g.Branch}, {"checkout", "-q", "--detach", hash, "--"}}
	}
	var out [][]string
	if g.ask(ctx, "symbolic-ref", "-q", "--short", "HEAD") != g.Branch {
		out = append(out, []string{"checkout", "-q", g.Branch, "--"})
	}
	return append(out, []string{"merge", "-q", "--ff-only", "--no-stat", hash})
}

// bringBack writes the files that are missing.
func (g *GitCheckout) bringBack(ctx context.Context, lock *os.File) error {
	var missing []byte
	k := call{args: []string{"ls-files", "-z", "--deleted"}, read: func(r io.Reader) (err error) {
		missing, err = io.ReadAll(r)
		return err
	}}
	if _, err := g.git(ctx, k); err != nil || len(missing) == 0 {
		return err
	}
	_, err := g.svn.git(ctx, string(missing), call{dir: g.Path, inherit: lock, args: []string{"checkout-index", "-q", "-z", "--stdin"}})
	return err
}

// Revert takes back all local changes of versioned files; others stay.
func (g *GitCheckout) Revert(ctx context.Context) error {
	lock, release, err := g.change(ctx, "revert")
	if err != nil {
		return err
	}
	defer release()
	_, err = g.git(ctx, call{args: []string{"reset", "-q", "--hard"}, inherit: lock})
	return err
}

// Cleanup removes the lock that a killed git left. It refuses with Locked while
// some process has it open.
func (g *GitCheckout) Cleanup(ctx context.Context) error {
	_, release, err := g.change(ctx, "cleanup")
	if err != nil {
		return err
	}
	defer release()
	name := filepath.Join(g.admin, "index.lock")
	if isOpen(name) {
		return &nodes.Error{Kind: nodes.Locked, Message: "a git is at work in " + g.Path, Hint: "wait until it is done"}
	}
	if err := os.Remove(name); err != nil && !errors.Is(err, os.ErrNotExist) {
		return diskError(err)
	}
	return nil
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

// Times gives for each file when the branch last changed it.
func (g *GitCheckout) Times(ctx context.Context) (map[string]time.Time, error) {
	n, err := g.number(ctx)
	if err != nil {
		return nil, err
	}
	list, err := g.Status(ctx)
	if err != nil {
		return nil, err
	}
	out, err := g.timesAt(ctx, n)
	for _, s := range list {
		delete(out, s.Path)
	}
	return out, err
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

// gitShadow is what a checkout would be at another revision; see shadow.
type gitShadow struct {
	*GitCheckout
	dir   string
	rev   int
	local map[string]bool
}

// At gives the checkout as an update to rev would leave it; see Checkout.At.
// What the repository has that is not here yet is fetched into .git.
func (g *GitCheckout) At(ctx context.Context, rev nodes.Revision) (nodes.Tree, func(), error) {
	now, err := g.number(ctx)
	if err != nil {
		return nil, nil, err
	}
	want, l, err := g.find(ctx, rev, now)
	if err != nil {
		return nil, nil, err
	}
	changes, err := g.differ(ctx, l.hash(now), l.hash(want))
	if err != nil {
		return nil, nil, err
	}
	list, err := g.Status(ctx)
	if err != nil {
		return nil, nil, err
	}
	missing := slices.ContainsFunc(list, func(s Status) bool { return s.Item == "missing" })
	if want == now && !missing {
		return g, func() {}, nil
	}
	p, err := g.incoming(changes, list)
	if err != nil {
		return nil, nil, err
	}
	return g.cast(ctx, p, want, l.hash(want))
}

// incoming is what an update would do; what is changed on both sides is a
// Conflict.
func (g *GitCheckout) incoming(changes []nodes.Change, list []Status) (incoming, error) {
	p := incoming{gone: map[string]bool{}, local: map[string]bool{}}
	for _, s := range list {
		if s.Item == "missing" {
			p.fetch = append(p.fetch, s.Path)
		} else {
			p.local[s.Path] = true
		}
	}
	var both []Status
	for _, c := range changes {
		if p.local[c.Path] {
			both = append(both, Status{Path: c.Path, Item: "modified"})
		}
		p.gone[c.Path] = true
		if c.Action != "D" {
			p.fetch = append(p.fetch, c.Path)
		} else {
			p.fetch = slices.DeleteFunc(p.fetch, func(f string) bool { return f == c.Path })
		}
	}
	if len(both) > 0 {
		return p, &nodes.Error{
			Kind: nodes.Conflict, Message: "changed in the checkout " + g.Path + " and in the repository: " + some(both),
			Hint: "commit or revert the local changes, or update the checkout first",
		}
	}
	slices.Sort(p.fetch)
	p.fetch = slices.Compact(p.fetch)
	return p, nil
}

// cast builds the shadow: an index of its own, out of which git writes what
// changes.
func (g *GitCheckout) cast(ctx context.Context, p incoming, rev int, hash string) (nodes.Tree, func(), error) {
	dir, remove, err := g.svn.scratch("shadow")
	if err != nil {
		return nil, nil, err
	}
	index, err := tempFile("rollsh-index-*", "")
	if err == nil {
		defer os.Remove(index)
		_ = os.Remove(index) // git wants none, or one of its own
		err = mirror(ctx, g.Path, dir, p.gone)
	}
	env := []string{"GIT_INDEX_FILE=" + index}
	if err == nil {
		_, err = g.git(ctx, call{args: []string{"read-tree", hash}, env: env})
	}
	if err == nil && len(p.fetch) > 0 {
		k := call{dir: g.Path, env: env, args: []string{"checkout-index", "-q", "-f", "-z", "--stdin", "--prefix=" + dir + "/"}}
		_, err = g.svn.git(ctx, strings.Join(p.fetch, "\x00")+"\x00", k)
	}
	if err == nil {
		err = pruneEmpty(dir, p.gone)
	}
	if err != nil {
		remove()
		return nil, nil, err
	}
	return &gitShadow{GitCheckout: g, dir: dir, rev: rev, local: p.local}, remove, nil
}

// pruneEmpty removes the folders that lost their last file, as git does.
func pruneEmpty(dir string, gone map[string]bool) error {
	for rel := range gone {
		for d := filepath.Dir(rel); d != "."; d = filepath.Dir(d) {
			if err := removeOurs(filepath.Join(dir, d)); err != nil {
				return err
			}
			if exists(filepath.Join(dir, d)) {
				break
			}
		}
	}
	return nil
}

// Root is the shadow's folder.
func (s *gitShadow) Root() string { return s.dir }

// Revision is the revision that the shadow shows.
func (s *gitShadow) Revision(context.Context) (nodes.Revision, error) {
	return nodes.Revision(strconv.Itoa(s.rev)), nil
}

// Files lists as the checkout does; an empty to is the shadow's revision.
func (s *gitShadow) Files(ctx context.Context, from, to nodes.Revision) ([]nodes.Change, error) {
	if to == "" {
		to = nodes.Revision(strconv.Itoa(s.rev))
	}
	return s.GitCheckout.Files(ctx, from, to)
}

// Times gives the times of the shadow's revision.
func (s *gitShadow) Times(ctx context.Context) (map[string]time.Time, error) {
	out, err := s.timesAt(ctx, s.rev)
	for rel := range s.local {
		delete(out, rel)
	}
	return out, err
}

// String names the shadow for messages.
func (s *gitShadow) String() string { return fmt.Sprintf("%s at r%d", s.Path, s.rev) }
