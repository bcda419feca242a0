package svn

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rollsh/rollsh/nodes"
)

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

// Dated gives the shadow's revision and its times.
func (s *gitShadow) Dated(ctx context.Context) (nodes.Revision, map[string]time.Time, error) {
	out, err := s.timesAt(ctx, s.rev)
	for rel := range s.local {
		delete(out, rel)
	}
	rev, _ := s.Revision(ctx) // no question
	return rev, out, err
}

// String names the shadow for messages.
func (s *gitShadow) String() string { return fmt.Sprintf("%s at r%d", s.Path, s.rev) }
