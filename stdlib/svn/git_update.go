package svn

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/rollsh/rollsh/nodes"
)

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
