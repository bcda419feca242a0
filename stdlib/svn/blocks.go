package svn

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/rollsh/rollsh/nodes"
)

// block is one line of the property rollsh:blocked: revisions of a path that
// shall not be merged, with who said so and why. Other svn clients do not offer
// them either, as they are recorded in svn:mergeinfo too.
type block struct {
	Path   string
	Revs   revset
	Who    string
	When   string // a date
	Reason string
}

var blockLine = nodes.Pattern(`^(/.*?):([0-9][0-9,:-]*)(?: (\S+) (\d{4}-\d\d-\d\d)(?: (.*))?)?$`)

// parseBlocks reads "/trunk:18,20-22 alice 2026-11-22 the reason" lines; author,
// date and reason may be missing.
func parseBlocks(text string) []block {
	var out []block
	for line := range strings.Lines(text) {
		m := blockLine().FindStringSubmatch(strings.TrimSpace(line))
		if m == nil {
			continue
		}
		if r, err := ParseRevisions(m[2]); err == nil {
			out = append(out, block{Path: m[1], Revs: r.set, Who: m[3], When: m[4], Reason: m[5]})
		}
	}
	return out
}

func writeBlocks(list []block) string {
	var b strings.Builder
	for _, k := range list {
		if len(k.Revs) > 0 {
			b.WriteString(strings.TrimSpace(fmt.Sprintf("%s:%s %s %s %s", k.Path, k.Revs, k.Who, k.When, k.Reason)) + "\n")
		}
	}
	return b.String()
}

func (p *picture) blockedSet(path string) revset {
	var out revset
	for _, b := range p.blocks {
		if b.Path == path {
			out = append(out, b.Revs...)
		}
	}
	return out.normal()
}

// blockNote tells that a revision of the source is blocked, by whom, when and why, as
// far as the property says; of several the last word.
func (p *picture) blockNote(rev int) string {
	path, _ := segmentAt(p.sourceSegs, rev)
	for _, b := range slices.Backward(p.blocks) {
		if b.Path != path || !b.Revs.has(rev) {
			continue
		}
		text := "blocked"
		if b.Who != "" {
			text += " by " + b.Who + " on " + b.When
		}
		if b.Reason != "" {
			text += ": " + b.Reason
		}
		return text
	}
	return string(blocked)
}

// Block records revisions as merged without merging them, with a reason, in the
// checkout; Commit commits it.
func (m *Merge) Block(ctx context.Context, revs Revisions, reason string) (nodes.Changesets, error) {
	return m.simple(ctx, "block", revs, available, reason)
}

// Unblock takes blocks back, in the checkout; Commit commits it.
func (m *Merge) Unblock(ctx context.Context, revs Revisions) (nodes.Changesets, error) {
	return m.simple(ctx, "unblock", revs, blocked, "")
}

// simple does a change that cannot conflict in files.
func (m *Merge) simple(ctx context.Context, kind string, revs Revisions, want standing, reason string) (nodes.Changesets, error) {
	var out nodes.Changesets
	err := m.change(ctx, kind, func(w *work) error {
		p, err := m.study(ctx, false)
		if err == nil {
			err = m.uncommitted(ctx, p)
		}
		if err != nil {
			return err
		}
		set, err := m.pick(p, revs, want, kind)
		if err != nil {
			return err
		}
		out = Only(changesets(p.source.Commits), Revisions{set: set})
		return w.begin(ctx, operation{Kind: kind, Revs: set.String(), Reason: oneLine(reason), Head: p.head})
	})
	return out, err
}

// markBlocks brings the property of the working copy in line with an operation.
func (w *work) markBlocks(ctx context.Context, o operation) error {
	c := w.m.Into
	value, err := c.property(ctx, blockProperty)
	if err != nil {
		return err
	}
	r, err := ParseRevisions(o.Revs)
	if err != nil {
		return err
	}
	list := parseBlocks(value)
	for i := range list {
		if list[i].Path == w.m.path {
			list[i].Revs = list[i].Revs.minus(r.set)
		}
	}
	if o.Kind == "block" {
		who := strings.ReplaceAll(oneLine(w.j.Who), " ", "_")
		list = append(list, block{w.m.path, r.set, firstNonEmpty(who, "unknown"), time.Now().UTC().Format(time.DateOnly), o.Reason})
	}
	return c.setProperty(ctx, w.lock, blockProperty, writeBlocks(list), ".")
}

func firstNonEmpty(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// property reads a property of the working copy's top folder.
func (c *Checkout) property(ctx context.Context, name string) (string, error) {
	var list []propXML
	k := c.here("propget", "--xml", name, ".")
	k.locals, k.read = true, collect("target", &list)
	a, err := c.client.run(ctx, k)
	if err != nil {
		return "", err
	}
	if a.failed && notSet(a) {
		return "", nil
	}
	if err := a.err(); err != nil {
		return "", err
	}
	if len(list) == 0 {
		return "", nil
	}
	return list[0].Value, nil
}

// setProperty sets a property of a path of the working copy; an empty value removes
// it.
func (c *Checkout) setProperty(ctx context.Context, lock *os.File, name, value, path string) error {
	k := c.here("propdel", name, local(path))
	if value != "" {
		file, err := tempFile("rollsh-property-*", value)
		if err != nil {
			return err
		}
		defer os.Remove(file)
		k = c.here("propset", name, "-F", file, local(path))
	}
	k.locals = true
	a, err := c.mutate(ctx, lock, k)
	if err == nil {
		err = a.err()
	}
	return err
}
