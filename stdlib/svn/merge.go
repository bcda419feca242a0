package svn

import (
	"context"
	"fmt"
	"maps"
	"strings"
	"sync"

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
		e := *nodes.AsError(err, nodes.Usage)
		if !strings.Contains(from, ":") {
			e.Hint = `a path of the same repository begins with ^/: "^/` + strings.Trim(oneLine(from), "/") + `"`
		}
		return nil, &e
	}
	m := &Merge{From: into.resolve(from), Into: into, lint: s.lint}
	if err := m.locate(ctx); err != nil {
		return nil, err
	}
	switch {
	case m.path == into.inRepo:
		return nil, &nodes.Error{Kind: nodes.Refused, Message: "cannot merge " + m.path + " into itself"}
	case j != nil && j.Source != m.From:
		return nil, &nodes.Error{Kind: nodes.Refused, Message: "a merge from " + j.Source + " is under way in " + into.Path + ": " + j.String(), Hint: "commit or abandon it first"}
	}
	return m, nil
}

// locate finds the source in the repository. One that was looked at before is
// asked for again when it is used.
func (m *Merge) locate(ctx context.Context) error {
	c := m.Into
	if strings.HasPrefix(m.From, c.Repo+"/") {
		m.path = pathInRepository(c.Repo, m.From)
		if canonical := join(c.Repo, m.path); canonical == m.From {
			if _, known := c.svn.metadata.noted(c.UUID, m.path); known {
				return nil
			}
		}
	}
	info, err := c.client.infoURL(ctx, m.From, -1)
	if err != nil {
		return err
	}
	if info.Repo.UUID != c.UUID {
		return &nodes.Error{Kind: nodes.Refused, Message: fmt.Sprintf("%s and %s are of different repositories", info.URL, c.URL)}
	}
	m.From, m.path = info.URL, pathInRepository(info.Repo.Root, info.URL)
	return nil
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
	here       map[standing]revset // what was done in the checkout, and is not committed yet
}

// look reads the picture; what does not change is read from the cache. shown says
// that messages will be shown, so that all of them have to be as they are now.
func (m *Merge) look(ctx context.Context, shown bool) (*picture, error) {
	c := m.Into
	p := &picture{}
	read := c.logAhead(ctx, m.path, shown)
	defer read.stop()
	var known history
	_ = together([]func() error{ // both are large
		func() error { known = c.svn.metadata.load(c.UUID, c.inRepo); return nil },
		func() error { c.svn.metadata.load(c.UUID, m.path); return nil },
	})
	first := []func() error{func() (err error) { p.source, p.head, err = c.history(ctx, m.From, shown, read); return err }}
	var props map[string]string
	target := []func() error{
		func() (err error) { p.target, _, err = c.history(ctx, c.URL, false, nil); return err },
		func() (err error) { props, err = c.rootProperties(ctx); return err },
	}
	if known.PropsAt == 0 {
		first, target = append(first, target...), nil
	}
	if err := together(first); err != nil {
		return nil, err
	}
	if target != nil && p.head == known.PropsAt && !p.source.rebuilt {
		p.target, props = known, known.Props // nothing was committed since
	} else if err := together(target); err != nil {
		return nil, err
	}
	if p.target.PropsAt != p.head {
		p.target.Props, p.target.PropsAt, p.target.changed = props, p.head, true
	}
	p.root, p.blocks = parseMergeinfo(props[mergeProperty]), parseBlocks(props[blockProperty])
	p.source.cut(p.head)
	p.target.cut(p.head)
	p.sourceSegs = segments(m.path, p.source.Commits, p.head)
	p.targetSegs = segments(c.inRepo, p.target.Commits, p.head)
	p.natural = natural(p.targetSegs)
	if !related(p.sourceSegs, p.targetSegs) {
		return nil, &nodes.Error{
			Kind: nodes.Refused, Message: m.path + " and " + c.inRepo + " have no common history: neither was copied from the other's line",
			Hint: "is the source right?",
		}
	}
	return p, c.subtreeInfo(ctx, p)
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

// together calls functions side by side and gives the first failure of the list.
func together(list []func() error) error {
	errs := make([]error, len(list))
	var wg sync.WaitGroup
	for i, f := range list {
		wg.Go(func() { errs[i] = f() })
	}
	wg.Wait()
	return firstError(errs...)
}

// rootProperties reads what the target's folder says of merges.
func (c *Checkout) rootProperties(ctx context.Context) (map[string]string, error) {
	all, err := c.properties(ctx, c.inRepo, -1)
	maps.DeleteFunc(all, func(name, _ string) bool { return name != mergeProperty && name != blockProperty })
	return all, err
}

// last is the newest revision.
func (h *history) last() int {
	if n := len(h.Commits); n > 0 {
		return h.Commits[n-1].Rev
	}
	return 0
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
		p.source.Deltas[c.Rev], p.source.changed = deltas[i], true
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
