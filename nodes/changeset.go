package nodes

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Changeset is one committed revision.
type Changeset struct {
	Rev     int
	Author  string
	Date    time.Time
	Message string
	Paths   []ChangedPath
	Note    string `json:",omitempty"` // what the list that it is in says of it, such as who blocked it and why; empty for nothing
}

// ChangedPath is a path of the repository that a changeset touched.
type ChangedPath struct {
	Path   string `lua:"path"`
	Action string `lua:"action"`
}

// Changesets is an ordered list of changesets.
type Changesets []Changeset

// ticketWords finds the references that Trac's commit updater knows: a number
// after # or after ticket, issue or bug.
// Source: trac.edgewall.org, tracopt/ticket/commit_updater.py.
var ticketWords = Pattern(`(?i)(?:#|\b(?:ticket|issue|bug)[: ]\s?#?)(\d+)`)

// Tickets lists the tickets that the message names, each once, in order.
func (c Changeset) Tickets() []string {
	var out []string
	for _, m := range ticketWords().FindAllStringSubmatch(c.Message, -1) {
		if !slices.Contains(out, m[1]) {
			out = append(out, m[1])
		}
	}
	return out
}

// Subject is the first line of the message that says something.
func (c Changeset) Subject() string {
	for line := range strings.Lines(c.Message) {
		if s := strings.TrimSpace(line); s != "" {
			return s
		}
	}
	return ""
}

// Revs writes the revisions as "r12-14,r20".
func (cs Changesets) Revs() string {
	revs := make([]int, len(cs))
	for i, c := range cs {
		revs[i] = c.Rev
	}
	slices.Sort(revs)
	var parts []string
	for i := 0; i < len(revs); {
		j := i
		for j+1 < len(revs) && revs[j+1] <= revs[j]+1 {
			j++
		}
		part := "r" + strconv.Itoa(revs[i])
		if revs[j] != revs[i] {
			part += "-" + strconv.Itoa(revs[j])
		}
		parts = append(parts, part)
		i = j + 1
	}
	return strings.Join(parts, ",")
}

// Authors lists the authors, each once, in order of first appearance.
func (cs Changesets) Authors() []string {
	var out []string
	for _, c := range cs {
		if !slices.Contains(out, c.Author) {
			out = append(out, c.Author)
		}
	}
	return out
}

// More tells of changesets that a list leaves out: "and 79 more: r21-99 by anna,
// bob". Its revisions and its authors pass through tidy.
func (cs Changesets) More(tidy func(string) string) string {
	return fmt.Sprintf("and %d more: %s by %s", len(cs), tidy(cs.Revs()), tidy(strings.Join(cs.Authors(), ", ")))
}

// Tickets lists the tickets of all, each once.
func (cs Changesets) Tickets() []string {
	var out []string
	for _, c := range cs {
		for _, t := range c.Tickets() {
			if !slices.Contains(out, t) {
				out = append(out, t)
			}
		}
	}
	return out
}
