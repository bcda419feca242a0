package roll

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/rollsh/rollsh/nodes"
)

// Words are what a recipe has done to each node, as written, for a plan; empty
// for nothing. What commands and functions do is not predicted.
type Words struct {
	Before, After, Check string
	AtOnce               string
}

// Outline writes what is done in which order: a line for each group of nodes,
// in order, that are treated alike.
//
//	cdn[1-2], one by one: drain: touch /srv/out, switch, check: curl -sf localhost, undrain
//
// Lines are as wide as the terminal of the person, or usualWidth where there is
// none.
func Outline(set nodes.Set, rotation func(*nodes.Node) (Rotation, error), w Words, person nodes.Person) (string, error) {
	var lines []string
	for _, tier := range set.Tiers() {
		var last string
		var group nodes.Set
		flush := func() {
			if len(group.Nodes) > 0 {
				lines = append(lines, wrap(group.Fold()+", "+w.pace(tier)+":", last, person))
			}
		}
		for _, n := range tier.Nodes {
			r, err := rotation(n)
			if err != nil {
				return "", err
			}
			if line := w.line(n, r); line != last {
				flush()
				last, group = line, nodes.Set{}
			}
			group.Nodes = append(group.Nodes, n)
		}
		flush()
	}
	return strings.Join(lines, "\n"), nil
}

func (w Words) pace(tier nodes.Set) string {
	pace := w.AtOnce
	if pace == "" {
		if own := tier.AtOnce(); !own.IsZero() {
			pace = own.String()
		}
	}
	switch pace {
	case "", "1":
		return "one by one"
	case "all":
		return "all at once"
	}
	return pace + " at a time"
}

func (w Words) line(n *nodes.Node, r Rotation) string {
	parts := []string{}
	add := func(what, how string) {
		if how != "" {
			parts = append(parts, fmt.Sprintf("%s: %s", what, how))
		}
	}
	add("before", w.Before)
	parts = append(parts, r.Words, "switch")
	add("after", w.After)
	if w.Check == "" {
		add("check", n.Check)
	} else if w.Check != "no check" {
		add("check", w.Check)
	}
	if r.Drain != nil {
		parts = append(parts, "undrain")
	}
	return strings.Join(parts, ", ")
}

// usualWidth is how wide a line of the outline may be where it goes to no
// terminal.
const usualWidth = 78

// wrap writes what is done to a group in lines that fit: broken behind commas
// where that is possible, and what follows is indented.
func wrap(group, steps string, person nodes.Person) string {
	const indent = "    "
	width := usualWidth
	if n := nodes.Columns(person); n > 0 {
		width = n - 1
	}
	var lines []string
	line := group
	for part := range strings.SplitSeq(steps, ", ") {
		part += ","
		if utf8.RuneCountInString(line+" "+strings.TrimSpace(part)) > width {
			lines, line = append(lines, line), indent+part
		} else {
			line += " " + part
		}
	}
	lines = append(lines, strings.TrimSuffix(line, ","))
	for i, line := range lines {
		lines[i] = nodes.Fit(person, line, indent+indent)
	}
	return strings.Join(lines, "\n")
}
