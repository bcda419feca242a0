package svn

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/rollsh/rollsh/nodes"
)

// Merge is merging from one line of development into a checkout of another. What
// is merged is told by svn:mergeinfo alone. One that is under way is found again
// by every Merge that is opened for that checkout.
type Merge struct {
	From string // URL of the source
	Into *Checkout

	path string // of the source in the repository
	lint []Linter
}

// Linter checks what a merge changed before it is committed; it fails with kind
// Lint.
type Linter func(ctx context.Context, what nodes.Touched) error

// Merge opens merging from a URL or "^/path" into a checkout, which must be a
// whole working copy. Where a merge is under way there, an empty from means its
// source, and another source is refused.
func (s *Svn) Merge(ctx context.Context, from string, into *Checkout) (*Merge, error) {
	if into.Path != into.wcRoot {
		return nil, &nodes.Error{Kind: nodes.Usage, Message: into.Path + " is a part of the checkout " + into.wcRoot, Hint: "merge into the whole checkout"}
	}
	j, err := into.readJournal()
	if err != nil {
		return nil, err
	}
	switch {
	case from == "" && j == nil:
		return nil, &nodes.Error{Kind: nodes.Usage, Message: "no merge is under way in " + into.Path + ", so a source is needed", Hint: `from = "^/trunk"`}
	case from == "":
		from = j.Source
	}
	if err := checkURL(from); err != nil {
		return nil, err
	}
	info, err := into.client.infoURL(ctx, into.resolve(from), -1)
	if err != nil {
		return nil, err
	}
	m := &Merge{From: info.URL, Into: into, path: pathInRepository(info.Repo.Root, info.URL), lint: s.lint}
	switch {
	case info.Repo.UUID != into.UUID:
		return nil, &nodes.Error{Kind: nodes.Refused, Message: fmt.Sprintf("%s and %s are of different repositories", info.URL, into.URL)}
	case m.path == into.inRepo:
		return nil, &nodes.Error{Kind: nodes.Refused, Message: "cannot merge " + m.path + " into itself"}
	case j != nil && j.Source != m.From:
		return nil, &nodes.Error{Kind: nodes.Refused, Message: "a merge from " + j.Source + " is under way in " + into.Path + ": " + j.String(), Hint: "commit or abandon it first"}
	}
	return m, nil
}

// Root is the folder of the checkout.
func (m *Merge) Root() string { return m.Into.Path }

// Touched lists the files that the checkout differs in from its base.
func (m *Merge) Touched(ctx context.Context) ([]string, error) { return m.Into.Touched(ctx) }

// picture is what there is to know about a source and a target in the
// repository at one moment.
type picture struct {
	head       int
	source     history
	target     history
	sourceSegs []segment
	targetSegs []segment
	natural    mergeinfo            // what the target has without merging
	root       mergeinfo            // of the target's folder
	subtrees   map[string]mergeinfo // of what is below it, by relative path
	blocks     []block
}

// look reads the picture; what does not change is read from the cache.
func (m *Merge) look(ctx context.Context) (*picture, error) {
	c := m.Into
	head, err := c.head(ctx)
	if err != nil {
		return nil, err
	}
	p := &picture{head: head}
	var wg sync.WaitGroup
	errs := make([]error, 3)
	wg.Go(func() { p.source, errs[0] = c.history(ctx, m.From, head) })
	wg.Go(func() { p.target, errs[1] = c.history(ctx, c.URL, head) })
	wg.Go(func() { errs[2] = c.rootProperties(ctx, p) })
	wg.Wait()
	if err := firstError(errs...); err != nil {
		return nil, err
	}
	if err := c.subtreeInfo(ctx, p); err != nil {
		return nil, err
	}
	p.sourceSegs = segments(m.path, p.source.Commits, head)
	p.targetSegs = segments(c.inRepo, p.target.Commits, head)
	p.natural = natural(p.targetSegs)
	if !related(p.sourceSegs, p.targetSegs) {
		return nil, &nodes.Error{Kind: nodes.Refused, Message: m.path + " and " + c.inRepo + " have no common history: neither was copied from the other's line",
			Hint: "is the source right?"}
	}
	return p, nil
}

// related reports whether two histories share a path and a revision.
func related(a, b []segment) bool {
	for _, s := range a {
		for _, t := range b {
			if s.Path == t.Path && s.Lo <= t.Hi && t.Lo <= s.Hi {
				return true
			}
		}
	}
	return false
}

// rootProperties reads what the target's folder says of merges.
func (c *Checkout) rootProperties(ctx context.Context, p *picture) error {
	var list []struct {
		Props []struct {
			Name  string `xml:"name,attr"`
			Value string `xml:",chardata"`
		} `xml:"property"`
	}
	args := []string{"proplist", "-v", "--xml", "-r", fmt.Sprint(p.head), at(c.URL, p.head)}
	if _, err := c.client.must(ctx, call{args: args, read: collect("target", &list)}); err != nil {
		return err
	}
	for _, target := range list {
		for _, prop := range target.Props {
			switch prop.Name {
			case mergeProperty:
				p.root = parseMergeinfo(prop.Value)
			case blockProperty:
				p.blocks = parseBlocks(prop.Value)
			}
		}
	}
	return nil
}

// subtreeInfo reads the merge properties below the target's folder. Reading them
// is slow, so it is done once for each revision of the target.
func (c *Checkout) subtreeInfo(ctx context.Context, p *picture) error {
	last := 0
	if n := len(p.target.Commits); n > 0 {
		last = p.target.Commits[n-1].Rev
	}
	raw := p.target.Subtrees
	if raw == nil || p.target.SubtreesAt != last {
		var list []propXML
		args := []string{"propget", "-R", "--xml", mergeProperty, "-r", fmt.Sprint(p.head), at(c.URL, p.head)}
		if _, err := c.client.must(ctx, call{args: args, read: collect("target", &list)}); err != nil {
			return err
		}
		raw = map[string]string{}
		for _, t := range list {
			if rel, ok := below(c.inRepo, pathInRepository(c.Repo, t.Path)); ok && rel != "" {
				raw[rel] = t.Value
			}
		}
	}
	p.target.Subtrees, p.target.SubtreesAt = raw, last
	p.subtrees = map[string]mergeinfo{}
	for rel, value := range raw {
		p.subtrees[rel] = parseMergeinfo(value)
	}
	return nil
}

// standing says why a revision of the source is or is not to be merged.
type standing string

const (
	available   standing = "available"
	integrated  standing = "already merged"
	blocked     standing = "blocked"
	reflected   standing = "itself a merge from the target"
	bookkeeping standing = "only bookkeeping of merges"
	shared      standing = "the making of the branch or older: both sides have it"
	phantom     standing = "no change of the source"
	unknown     standing = "not a revision yet"
)

// stand judges one revision by the picture alone.
func (p *picture) stand(rev int) standing {
	if rev > p.head || rev < 1 {
		return unknown
	}
	i, found := slices.BinarySearchFunc(p.source.Commits, rev, func(c commit, rev int) int { return c.Rev - rev })
	if !found {
		return phantom
	}
	return p.standOf(p.source.Commits[i])
}

func (p *picture) standOf(c commit) standing {
	path, ok := segmentAt(p.sourceSegs, c.Rev)
	if !ok {
		return phantom
	}
	switch {
	case p.natural.has(path, c.Rev):
		return shared
	case p.blockedSet(path).has(c.Rev):
		return blocked
	case p.mergedWhole(c, path):
		return integrated
	case isBirth(c, path):
		return shared
	}
	if d, ok := p.source.Deltas[c.Rev]; ok && suspicious(c, path) {
		switch {
		case d.OnRoot && gainsFrom(d, p.targetSegs, p.sourceSegs):
			return reflected
		case onlyProperties(c) && onlyMergeProperties(d):
			return bookkeeping
		}
	}
	return available
}

// isBirth reports whether a commit did nothing but make the branch by a copy.
func isBirth(c commit, path string) bool {
	return len(c.Paths) == 1 && c.Paths[0].From != "" && strings.HasPrefix(path+"/", c.Paths[0].Path+"/")
}

// mergedWhole reports whether every path that a commit touched has it.
func (p *picture) mergedWhole(c commit, path string) bool {
	if len(p.subtrees) == 0 {
		return p.root.has(path, c.Rev)
	}
	return !slices.ContainsFunc(c.Paths, func(t touch) bool {
		rel, ok := below(path, t.Path)
		return ok && !p.mergedInto(path, rel, c.Rev)
	})
}

// mergedInto reports whether one path of the target has a revision: the nearest
// merge property at or above it decides.
func (p *picture) mergedInto(path, rel string, rev int) bool {
	for at := rel; at != "" && at != "."; at = parent(at) {
		if info, ok := p.subtrees[at]; ok {
			m := info[path+"/"+at]
			return m.all.has(rev) || at == rel && m.here.has(rev)
		}
	}
	m := p.root[path]
	return m.all.has(rev) || rel == "" && m.here.has(rev)
}

func parent(rel string) string {
	i := strings.LastIndexByte(rel, '/')
	if i < 0 {
		return ""
	}
	return rel[:i]
}

// suspicious reports whether a commit may be a merge or only bookkeeping, so that
// its properties have to be looked at.
func suspicious(c commit, path string) bool {
	return onlyProperties(c) || slices.ContainsFunc(c.Paths, func(t touch) bool { return t.Path == path && t.Props && t.Action == "M" })
}

func onlyProperties(c commit) bool {
	return len(c.Paths) > 0 && !slices.ContainsFunc(c.Paths, func(t touch) bool { return t.Action != "M" || t.Text || !t.Props })
}

func onlyMergeProperties(d propDelta) bool {
	return !slices.ContainsFunc(d.Names, func(n string) bool { return n != mergeProperty && n != blockProperty })
}

// gainsFrom reports whether merge information was gained from the target's own
// line, apart from what is the source's line too.
func gainsFrom(d propDelta, target, source []segment) bool {
	own := natural(source)
	for _, s := range target {
		r, err := ParseRevisions(d.Merged[s.Path])
		if d.Merged[s.Path] == "" || err != nil {
			continue
		}
		if len(r.set.intersect(revset{{s.Lo, s.Hi}}).minus(own.from(s.Path))) > 0 {
			return true
		}
	}
	return false
}

// examine asks for the properties of the suspicious commits that could be
// offered, once for each.
func (m *Merge) examine(ctx context.Context, p *picture) error {
	var revs []commit
	for _, c := range p.source.Commits {
		path, _ := segmentAt(p.sourceSegs, c.Rev)
		if _, known := p.source.Deltas[c.Rev]; !known && suspicious(c, path) && p.standOf(c) == available {
			revs = append(revs, c)
		}
	}
	deltas := make([]propDelta, len(revs))
	err := parallel(ctx, len(revs), func(ctx context.Context, i int) (err error) {
		path, _ := segmentAt(p.sourceSegs, revs[i].Rev)
		deltas[i], err = m.Into.delta(ctx, path, revs[i].Rev)
		return err
	})
	if err != nil {
		return err
	}
	p.source.Deltas = maps.Clone(p.source.Deltas)
	for i, c := range revs {
		p.source.Deltas[c.Rev] = deltas[i]
	}
	return nil
}

// atOnce is how many svn processes ask the repository side by side.
const atOnce = 4

// parallel calls fn for 0 to n-1, a few at once; the first failure ends it.
func parallel(ctx context.Context, n int, fn func(ctx context.Context, i int) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var wg sync.WaitGroup
	var once sync.Once
	var first error
	turns := make(chan struct{}, atOnce)
	for i := range n {
		turns <- struct{}{}
		wg.Go(func() {
			defer func() { <-turns }()
			if err := fn(ctx, i); err != nil {
				once.Do(func() { first = err; cancel() })
			}
		})
	}
	wg.Wait()
	return first
}

// List is what one of the lists holds, and what it does not show.
type List struct {
	Changesets  nodes.Changesets
	Partly      []int // merged into some of the paths only
	Reflected   int   // hidden: merges from the target itself
	Bookkeeping int   // hidden: only merge properties
}

// Filter chooses from a list; empty fields choose all.
type Filter struct {
	Author string
	Ticket string
	Path   string // a part of a path that it touched
	Grep   string // regular expression for the message
	Since  string // dates such as 2026-11-01
	Before string
	All    bool // reflected and bookkeeping revisions too
}

// Available lists the changesets of the source that the target lacks, oldest
// first: not merged, not blocked, no merges from the target itself and no mere
// bookkeeping.
func (m *Merge) Available(ctx context.Context, f Filter) (List, error) {
	p, err := m.study(ctx)
	if err != nil {
		return List{}, err
	}
	out, commits := m.sort(p, f)
	if len(commits) > 0 {
		p.source.Shown = commits[0].Rev
	}
	m.Into.svn.metadata.save(p.source)
	m.Into.svn.metadata.save(p.target)
	keep, err := f.keep()
	if err != nil {
		return List{}, err
	}
	out.Changesets = filter(changesets(commits), keep)
	return out, nil
}

// study looks and examines.
func (m *Merge) study(ctx context.Context) (*picture, error) {
	p, err := m.look(ctx)
	if err != nil {
		return nil, err
	}
	return p, m.examine(ctx, p)
}

func (m *Merge) sort(p *picture, f Filter) (List, []commit) {
	var out List
	var commits []commit
	for _, c := range p.source.Commits {
		s := p.standOf(c)
		path, _ := segmentAt(p.sourceSegs, c.Rev)
		switch s {
		case reflected:
			out.Reflected++
		case bookkeeping:
			out.Bookkeeping++
		}
		if s == available || f.All && (s == reflected || s == bookkeeping) {
			commits = append(commits, c)
			if p.mergedPart(c, path) {
				out.Partly = append(out.Partly, c.Rev)
			}
		}
	}
	return out, commits
}

// mergedPart reports whether some path has the commit already.
func (p *picture) mergedPart(c commit, path string) bool {
	return len(p.subtrees) > 0 && slices.ContainsFunc(c.Paths, func(t touch) bool {
		rel, ok := below(path, t.Path)
		return ok && p.mergedInto(path, rel, c.Rev)
	})
}

func (f Filter) keep() (func(nodes.Changeset) bool, error) {
	grep, err := chosen(f.Author, f.Grep)
	if err != nil {
		return nil, err
	}
	since, before, err := f.dates()
	if err != nil {
		return nil, err
	}
	return func(c nodes.Changeset) bool {
		return (grep == nil || grep(commit{Author: c.Author, Message: c.Message})) &&
			(f.Ticket == "" || slices.Contains(c.Tickets(), strings.TrimPrefix(f.Ticket, "#"))) &&
			(f.Path == "" || slices.ContainsFunc(c.Paths, func(p nodes.ChangedPath) bool { return strings.Contains(p.Path, f.Path) })) &&
			(since.IsZero() || !c.Date.Before(since)) && (before.IsZero() || c.Date.Before(before))
	}, nil
}

// Integrated lists the changesets of the source that are merged, without those
// that are only recorded as blocked.
func (m *Merge) Integrated(ctx context.Context) (nodes.Changesets, error) {
	return m.listOf(ctx, integrated)
}

// Blocked lists the changesets that are not to be merged.
func (m *Merge) Blocked(ctx context.Context) (nodes.Changesets, error) { return m.listOf(ctx, blocked) }

func (m *Merge) listOf(ctx context.Context, want standing) (nodes.Changesets, error) {
	p, err := m.look(ctx)
	if err != nil {
		return nil, err
	}
	m.Into.svn.metadata.save(p.source)
	m.Into.svn.metadata.save(p.target)
	out := nodes.Changesets{}
	for _, c := range p.source.Commits {
		if p.standOf(c) == want {
			out = append(out, c.changeset())
		}
	}
	return out, nil
}

// dates reads Since and Before.
func (f Filter) dates() (since, before time.Time, err error) {
	for _, d := range []struct {
		text string
		to   *time.Time
	}{{f.Since, &since}, {f.Before, &before}} {
		if d.text == "" {
			continue
		}
		t, parseErr := time.Parse(time.RFC3339, d.text)
		if parseErr != nil {
			t, parseErr = time.ParseInLocation(time.DateOnly, d.text, time.Local)
		}
		if parseErr != nil {
			return since, before, &nodes.Error{Kind: nodes.Usage, Message: "'" + oneLine(d.text) + "' is not a date", Hint: "such as 2026-11-22 or 2026-11-22T21:04:05Z"}
		}
		*d.to = t
	}
	return since, before, nil
}
