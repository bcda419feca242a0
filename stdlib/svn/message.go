package svn

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/rollsh/rollsh/nodes"
)

// verbs are what the operations of a merge are called in its message.
var verbs = map[string]string{
	"merge": "Merged", "sync": "Merged", "record": "Recorded merge of", "block": "Blocked",
	"unblock": "Unblocked", "rollback": "Rolled back",
}

// Message composes the log message of the merge under way: each revision with
// its author, date, tickets and whole text, in a form that [nodes.Changeset.Merged]
// reads back, however deep messages of merges are nested.
func (m *Merge) Message(ctx context.Context) (string, error) {
	j, err := m.Into.readJournal()
	if err != nil {
		return "", err
	}
	if j == nil {
		return "", m.nothingUnderWay()
	}
	p, err := m.look(ctx, true)
	if err != nil {
		return "", err
	}
	var taken revset
	for _, o := range j.Operations {
		if r, err := ParseRevisions(o.Revs); err == nil {
			taken = taken.union(r.set)
		}
	}
	if err := m.fresh(ctx, p, taken); err != nil {
		return "", err
	}
	return compose(m.path, j.Operations, p.source.Commits), nil
}

func (m *Merge) nothingUnderWay() error {
	return &nodes.Error{Kind: nodes.Refused, Message: "no merge is under way in " + m.Into.Path, Hint: `m:take "..." begins one`}
}

func compose(path string, ops []operation, commits []commit) string {
	var b strings.Builder
	for i, o := range ops {
		if i > 0 {
			b.WriteString("\n")
		}
		r, _ := ParseRevisions(o.Revs)
		cs := Only(changesets(commits), Revisions{set: r.set})
		fmt.Fprintf(&b, "%s %s from %s", verbs[o.Kind], plural(len(cs), "revision")+" "+r.set.String(), path)
		if o.Reason != "" {
			b.WriteString(": " + o.Reason)
		}
		if t := cs.Tickets(); len(t) > 0 {
			b.WriteString(" (#" + strings.Join(t, ", #") + ")")
		}
		b.WriteString("\n")
		b.WriteString(quoteLogs(cs))
	}
	return b.String()
}

func plural(n int, what string) string {
	if n == 1 {
		return what
	}
	return what + "s"
}

// quoteLogs writes the logs, each after a rule and indented.
func quoteLogs(cs nodes.Changesets) string {
	rule := nodes.ShortestRule
	for _, c := range cs {
		for line := range strings.Lines(c.Message) {
			if t := strings.TrimSpace(line); t != "" && strings.Trim(t, ".") == "" {
				rule = max(rule, len(t)+1)
			}
		}
	}
	var b strings.Builder
	for _, c := range cs {
		fmt.Fprintf(&b, "%s\n  r%d | %s | %s\n", strings.Repeat(".", rule), c.Rev, c.Author, c.Date.UTC().Format(time.RFC3339))
		for line := range strings.SplitSeq(strings.TrimRight(c.Message, "\n"), "\n") {
			b.WriteString(strings.TrimRight("  "+line, " ") + "\n")
		}
	}
	if len(cs) > 0 {
		b.WriteString(strings.Repeat(".", rule) + "\n")
	}
	return b.String()
}
