package svn

import (
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/mattn/go-runewidth"

	"github.com/rollsh/rollsh/nodes"
)

// By keeps the changesets of one author.
func By(cs nodes.Changesets, author string) nodes.Changesets {
	return filter(cs, func(c nodes.Changeset) bool { return c.Author == author })
}

// Grep keeps the changesets whose message matches a regular expression (RE2).
func Grep(cs nodes.Changesets, p *regexp.Regexp) nodes.Changesets {
	return filter(cs, func(c nodes.Changeset) bool { return p.MatchString(c.Message) })
}

// Only keeps the changesets with these revisions; HEAD is the latest of them.
func Only(cs nodes.Changesets, revs Revisions) nodes.Changesets {
	latest := 0
	for _, c := range cs {
		latest = max(latest, c.Rev)
	}
	return filter(cs, func(c nodes.Changeset) bool {
		return revs.all || revs.set.has(c.Rev) || revs.head && c.Rev == latest
	})
}

func filter(cs nodes.Changesets, keep func(nodes.Changeset) bool) nodes.Changesets {
	out := nodes.Changesets{}
	for _, c := range cs {
		if keep(c) {
			out = append(out, c)
		}
	}
	return out
}

// widest is the most columns that an author or a list of tickets gets, and
// narrowest the fewest that are left for a subject.
const (
	widest    = 14
	narrowest = 16
)

// Paint colours a cell of a table: 0 is the revision, then date, author, tickets,
// message and note. It adds nothing that takes room.
type Paint func(column int, text string) string

// Table writes changesets for a person: revision, date, author, tickets and the
// first line of the message, cut to a number of columns (0: not cut), and on lines
// of their own the note, and what a merge brought. A nil paint leaves it plain.
func Table(cs nodes.Changesets, columns int, paint Paint) string {
	if len(cs) == 0 {
		return "no changesets\n"
	}
	rows := make([][5]string, len(cs))
	for i, c := range cs {
		rows[i] = row(c)
	}
	width, left := fit(rows, columns)
	var b strings.Builder
	for i, r := range rows {
		b.WriteString(line(r, width, left, columns, paint) + "\n")
		if cs[i].Note != "" {
			note(&b, oneLine(cs[i].Note), columns, paint)
		}
		for _, text := range brought(cs[i].Merged()) {
			note(&b, text, columns, paint)
		}
	}
	return b.String()
}

// fit gives the width of each cell, and what is left for the subject. Where that is
// little the tickets give way, then the hours.
func fit(rows [][5]string, columns int) (width [5]int, left int) {
	for _, r := range rows {
		for j, cell := range r[:4] {
			width[j] = max(width[j], runewidth.StringWidth(cell))
		}
	}
	width[2], width[3] = min(width[2], widest), min(width[3], widest)
	left = columns - width[0] - width[1] - width[2] - width[3] - 8
	if columns == 0 || left >= narrowest {
		return width, left
	}
	tickets := min(width[3], narrowest-left)
	width[3], left = width[3]-tickets, left+tickets
	if hours := width[1] - len(time.DateOnly); left < narrowest && hours > 0 {
		width[1], left = len(time.DateOnly), left+hours
		for i, r := range rows {
			rows[i][1] = r[1][:min(len(r[1]), width[1])]
		}
	}
	return width, max(1, left)
}

// mostMerged is how many changesets of one merge are told of.
const mostMerged = 8

// brought tells what a merge brought.
func brought(cs nodes.Changesets) (lines []string) {
	for i, c := range cs {
		if i == mostMerged && len(cs) > mostMerged+1 {
			return append(lines, cs[i:].More(oneLine))
		}
		lines = append(lines, fmt.Sprintf("r%d %s: %s", c.Rev, oneLine(c.Author), oneLine(c.Subject())))
	}
	return lines
}

// note writes a note below its changeset, indented.
func note(b *strings.Builder, text string, columns int, paint Paint) {
	const indent = "  "
	if columns > 0 {
		text = wrap(text, max(narrowest, columns-len(indent)), "")
	}
	for l := range strings.Lines(text) {
		l = strings.TrimRight(l, "\n")
		if paint != nil {
			l = paint(5, l)
		}
		b.WriteString(indent + l + "\n")
	}
}

func row(c nodes.Changeset) [5]string {
	var tickets []string
	for _, t := range c.Tickets() {
		tickets = append(tickets, "#"+t)
	}
	date := c.Date.Local().Format("2006-01-02 15:04")
	if c.Date.IsZero() {
		date = ""
	}
	return [5]string{nodes.Changesets{c}.Revs(), date, oneLine(c.Author), strings.Join(tickets, ","), oneLine(c.Subject())}
}

func line(r [5]string, width [5]int, left, columns int, paint Paint) string {
	if columns > 0 {
		r[4] = runewidth.Truncate(r[4], left, "...")
	}
	width[4] = max(1, runewidth.StringWidth(r[4]))
	var b strings.Builder
	room := 0 // to fill before the next cell
	for j, cell := range r {
		if width[j] == 0 {
			continue
		}
		cell = runewidth.Truncate(cell, width[j], "~")
		if cell == "" {
			room += width[j] + 2
			continue
		}
		b.WriteString(strings.Repeat(" ", room))
		room = width[j] - runewidth.StringWidth(cell) + 2
		if paint != nil {
			cell = paint(j, cell)
		}
		b.WriteString(cell)
	}
	return b.String()
}
