package svn

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/rollsh/rollsh/nodes"
)

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
	p, err := m.study(ctx, true)
	if err != nil {
		return List{}, err
	}
	if err := m.uncommitted(ctx, p); err != nil {
		return List{}, err
	}
	out, commits := m.sort(p, f)
	if len(commits) > 0 && (p.source.Shown == 0 || commits[0].Rev != p.source.Shown) {
		p.source.Shown, p.source.changed = commits[0].Rev, true
	}
	m.Into.svn.metadata.save(p.source)
	m.Into.svn.metadata.save(p.target)
	keep, err := f.keep()
	if err != nil {
		return List{}, err
	}
	all := changesets(commits)
	for i := range all {
		if slices.Contains(out.Partly, all[i].Rev) {
			all[i].Note = "some of its paths have it already"
		}
	}
	out.Changesets = filter(all, keep)
	if hidden := out.hidden(m.Into.inRepo); hidden != "" && !f.All {
		m.Into.svn.say(ctx, "not shown: "+hidden)
	}
	return out, nil
}

// hidden tells what a list leaves out; empty for nothing. The merges are from target.
func (l List) hidden(target string) string {
	var parts []string
	if l.Reflected > 0 {
		parts = append(parts, count(l.Reflected, "merge")+" from "+target+" itself")
	}
	if l.Bookkeeping > 0 {
		parts = append(parts, fmt.Sprintf("%d of mere bookkeeping", l.Bookkeeping))
	}
	return strings.Join(parts, ", and ")
}

// study looks and examines.
func (m *Merge) study(ctx context.Context, shown bool) (*picture, error) {
	p, err := m.look(ctx, shown)
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
	p, err := m.look(ctx, true)
	if err != nil {
		return nil, err
	}
	if err := m.uncommitted(ctx, p); err != nil {
		return nil, err
	}
	m.Into.svn.metadata.save(p.source)
	m.Into.svn.metadata.save(p.target)
	out := nodes.Changesets{}
	for _, c := range p.source.Commits {
		if p.standOf(c) != want {
			continue
		}
		set := c.changeset()
		if want == blocked {
			set.Note = p.blockNote(c.Rev)
		}
		out = append(out, set)
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
