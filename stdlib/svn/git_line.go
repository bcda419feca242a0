package svn

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/rollsh/rollsh/nodes"
)

// gitLine is a branch along first parents, the oldest commit first: the commit at
// index n is revision n+1.
type gitLine struct {
	hashes []string
	times  []time.Time
	number map[string]int // by hash
}

// ref names the tip of the branch: origin's, or the branch itself.
func (g *GitCheckout) ref() string {
	if g.URL == "" {
		return "refs/heads/" + g.Branch
	}
	return "refs/remotes/origin/" + g.Branch
}

// fetch reads what is new. A rewritten history is refused by git itself.
func (g *GitCheckout) fetch(ctx context.Context) error {
	if g.URL == "" {
		return nil
	}
	_, err := g.git(ctx, call{args: []string{
		"fetch", "--no-tags", "--no-recurse-submodules", "origin",
		"refs/heads/" + g.Branch + ":" + g.ref(),
	}})
	return err
}

// line reads the branch as it is known here.
func (g *GitCheckout) line(ctx context.Context) (*gitLine, error) {
	l := &gitLine{number: map[string]int{}}
	k := call{args: []string{"rev-list", "--first-parent", "--reverse", "--timestamp", g.ref()}}
	k.read = func(r io.Reader) error {
		for in := bufio.NewScanner(r); ; {
			if !in.Scan() {
				return in.Err()
			}
			stamp, hash, _ := strings.Cut(in.Text(), " ")
			n, _ := strconv.ParseInt(stamp, 10, 64)
			l.hashes, l.times = append(l.hashes, hash), append(l.times, time.Unix(n, 0).UTC())
			l.number[hash] = len(l.hashes)
		}
	}
	_, err := g.git(ctx, k)
	return l, err
}

// find gives the number of a revision; empty gives otherwise. What is not known
// here yet is fetched.
func (g *GitCheckout) find(ctx context.Context, rev nodes.Revision, otherwise int) (int, *gitLine, error) {
	l, err := g.line(ctx)
	if err != nil {
		return 0, nil, err
	}
	n, err := revision(rev, otherwise, len(l.hashes))
	if nodes.KindOf(err) != nodes.NotFound && !strings.EqualFold(strings.TrimSpace(string(rev)), "HEAD") {
		return n, l, err
	}
	if err := g.fetch(ctx); err != nil {
		return 0, nil, err
	}
	if l, err = g.line(ctx); err != nil {
		return 0, nil, err
	}
	n, err = revision(rev, otherwise, len(l.hashes))
	return n, l, err
}

// number is the revision that is checked out.
func (g *GitCheckout) number(ctx context.Context) (int, error) {
	l, err := g.line(ctx)
	if err != nil {
		return 0, err
	}
	a, err := g.git(ctx, call{args: []string{"rev-parse", "--verify", "HEAD^{commit}"}})
	if err != nil {
		return 0, err
	}
	n := l.number[strings.TrimSpace(a.stdout)]
	if n == 0 {
		return 0, &nodes.Error{
			Kind: nodes.Refused, Message: "what is checked out in " + g.Path + " is no revision of " + oneLine(g.Branch) + " as the repository has it",
			Hint: "push its own commits first, or run `git checkout` in it",
		}
	}
	return n, nil
}

// Changes lists the commits between two revisions, from exclusive, to inclusive;
// see Checkout.Changes. Those that a merge brought come before it, with its
// number.
func (g *GitCheckout) Changes(ctx context.Context, from, to nodes.Revision) (nodes.Changesets, error) {
	lo, hi, l, err := g.between(ctx, from, to)
	if err != nil {
		return nil, err
	}
	back := lo > hi
	if back {
		lo, hi = hi, lo
	}
	if lo == hi {
		return nodes.Changesets{}, nil
	}
	list, err := g.commits(ctx, l, lo, hi)
	if err != nil {
		return nil, err
	}
	out, err := g.describe(ctx, list)
	if back {
		for i, j := 0, len(out)-1; i < j; i, j = i+1, j-1 {
			out[i], out[j] = out[j], out[i]
		}
	}
	return out, err
}

func (g *GitCheckout) between(ctx context.Context, from, to nodes.Revision) (lo, hi int, l *gitLine, err error) {
	base := 0
	if to == "" {
		if base, err = g.number(ctx); err != nil {
			return 0, 0, nil, err
		}
	}
	if hi, _, err = g.find(ctx, to, base); err != nil {
		return 0, 0, nil, err
	}
	if lo, l, err = g.find(ctx, from, 0); err != nil {
		return 0, 0, nil, err
	}
	return lo, hi, l, nil
}

// gitCommit is a commit with the revision that brought it.
type gitCommit struct {
	hash, parent string // parent is empty for the first
	rev          int
}

// commits lists what the revisions after lo to hi brought, oldest first.
func (g *GitCheckout) commits(ctx context.Context, l *gitLine, lo, hi int) ([]gitCommit, error) {
	args := []string{"rev-list", "--parents", "--topo-order", "--reverse", l.hashes[hi-1]}
	if lo > 0 {
		args = append(args, "^"+l.hashes[lo-1])
	}
	parents := map[string][]string{}
	var order []string
	k := call{args: args, read: func(r io.Reader) error {
		in := bufio.NewScanner(r)
		in.Buffer(nil, maxAnswer) // an octopus has many parents
		for in.Scan() {
			if f := strings.Fields(in.Text()); len(f) > 0 {
				order = append(order, f[0])
				parents[f[0]] = f[1:]
			}
		}
		return in.Err()
	}}
	if _, err := g.git(ctx, k); err != nil {
		return nil, err
	}
	brought := map[string]int{}
	for rev := lo + 1; rev <= hi; rev++ {
		brought[l.hashes[rev-1]] = rev
	}
	for rev := lo + 1; rev <= hi; rev++ {
		bring(brought, parents, l.hashes[rev-1], rev)
	}
	byRev := make([][]gitCommit, hi-lo)
	for _, hash := range order {
		c := gitCommit{hash: hash, rev: brought[hash]}
		if p := parents[hash]; len(p) > 0 {
			c.parent = p[0]
		}
		if i := c.rev - lo - 1; i >= 0 && i < len(byRev) {
			byRev[i] = append(byRev[i], c)
		}
	}
	var out []gitCommit
	for _, list := range byRev {
		out = append(out, list...)
	}
	return out, nil
}

// bring gives the number of a merge to what it brought.
func bring(brought map[string]int, parents map[string][]string, hash string, rev int) {
	todo := parents[hash]
	for len(todo) > 0 {
		h := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if _, listed := parents[h]; !listed || brought[h] != 0 {
			continue
		}
		brought[h] = rev
		todo = append(todo[:len(todo):len(todo)], parents[h]...)
	}
}

// describe reads messages and paths. Messages are read by their length, and
// paths between NULs: what is in them is never taken for git's.
func (g *GitCheckout) describe(ctx context.Context, list []gitCommit) (nodes.Changesets, error) {
	out := make(nodes.Changesets, len(list))
	var hashes strings.Builder
	for _, c := range list {
		hashes.WriteString(c.hash + "\n")
	}
	k := call{dir: g.Path, args: []string{"cat-file", "--batch"}, read: func(r io.Reader) error {
		in := bufio.NewReader(r)
		for i, c := range list {
			text, err := readObject(in)
			if err != nil {
				return err
			}
			out[i] = parseCommit(text)
			out[i].Rev = c.rev
		}
		return nil
	}}
	if _, err := g.svn.git(ctx, hashes.String(), k); err != nil {
		return nil, err
	}
	i := -1
	err := g.paths(ctx, list, func(at int, p nodes.Change) bool {
		i = at
		out[i].Paths = append(out[i].Paths, nodes.ChangedPath{Path: "/" + p.Path, Action: p.Action})
		return true
	})
	return out, err
}

var errGitAnswer = &nodes.Error{Kind: nodes.Protocol, Message: "git's answer cannot be read"}

// readObject reads one answer of git cat-file --batch.
func readObject(in *bufio.Reader) ([]byte, error) {
	head, err := in.ReadString('\n')
	if err != nil {
		return nil, errGitAnswer
	}
	f := strings.Fields(head)
	if len(f) != 3 || f[1] != "commit" {
		return nil, errGitAnswer
	}
	n, err := strconv.Atoi(f[2])
	if err != nil || n < 0 || n > maxPatch {
		return nil, errGitAnswer
	}
	text := make([]byte, n+1)
	if _, err := io.ReadFull(in, text); err != nil {
		return nil, errGitAnswer
	}
	return text[:n], nil
}

// parseCommit reads a commit as git keeps it.
func parseCommit(text []byte) nodes.Changeset {
	head, message, _ := bytes.Cut(text, []byte("\n\n"))
	c := nodes.Changeset{Message: strings.TrimRight(strings.ToValidUTF8(string(message), "\uFFFD"), "\n")}
	for line := range strings.Lines(string(head)) {
		line = strings.TrimRight(line, "\n")
		switch key, value, _ := strings.Cut(line, " "); key {
		case "author":
			name, _, _ := strings.Cut(value, " <")
			c.Author = strings.ToValidUTF8(name, "\uFFFD")
		case "committer":
			f := strings.Fields(value)
			if len(f) >= 2 {
				n, _ := strconv.ParseInt(f[len(f)-2], 10, 64)
				c.Date = time.Unix(n, 0).UTC()
			}
		}
	}
	return c
}

// paths tells what each commit changed against its first parent, in order, until
// fn says that it is enough.
func (g *GitCheckout) paths(ctx context.Context, list []gitCommit, fn func(i int, p nodes.Change) bool) error {
	var pairs strings.Builder
	for _, c := range list {
		pairs.WriteString(strings.TrimSpace(c.hash+" "+c.parent) + "\n")
	}
	at := -1
	read := func(r io.Reader) error {
		return eachRaw(r, func(commit string, p nodes.Change) error {
			for commit != "" && at+1 < len(list) {
				if at++; list[at].hash == commit {
					return nil
				}
			}
			if commit != "" || at < 0 {
				return errGitAnswer
			}
			if !fn(at, p) {
				return errEnough
			}
			return nil
		})
	}
	_, err := g.svn.git(ctx, pairs.String(), call{dir: g.Path, args: []string{"diff-tree", "--stdin", "--root", "-r", "-z", "--raw", "--no-renames"}, read: read})
	if errors.Is(err, errEnough) {
		err = nil
	}
	return err
}

// submodule is git's mode of one; what is in it is not git's to tell.
const submodule = "160000"

// eachRaw reads git's raw diffs between NULs: names of commits, or changes of
// files.
func eachRaw(r io.Reader, fn func(commit string, p nodes.Change) error) error {
	in := bufio.NewReaderSize(r, 64<<10)
	next := func() (string, error) {
		text, err := in.ReadString(0)
		if errors.Is(err, io.EOF) && text != "" {
			err = errGitAnswer
		}
		return strings.TrimSuffix(text, "\x00"), err
	}
	for {
		head, err := next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if !strings.HasPrefix(head, ":") {
			if err := fn(strings.TrimSpace(head), nodes.Change{}); err != nil {
				return err
			}
			continue
		}
		name, err := next()
		f := strings.Fields(head)
		if err != nil || len(f) != 5 {
			return errGitAnswer
		}
		if action := rawAction(f[0][1:], f[1], f[4]); action != "" {
			if err := fn("", nodes.Change{Path: strings.ToValidUTF8(name, "\uFFFD"), Action: action}); err != nil {
				return err
			}
		}
	}
}

// rawAction is svn's letter for a change; empty for submodules.
func rawAction(before, after, letter string) string {
	was, is := before != "000000" && before != submodule, after != "000000" && after != submodule
	switch {
	case is && letter == "T":
		return "R"
	case is && !was:
		return "A"
	case was && !is:
		return "D"
	case is:
		return "M"
	}
	return ""
}
