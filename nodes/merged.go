package nodes

import (
	"strconv"
	"strings"
	"time"
)

// ShortestRule is the length of the line between the logs that the message of a
// merge quotes; where a log holds such a line itself, a longer one is used.
const ShortestRule = 8

var quotedHead = Pattern(`^  r(\d+) \| (.*) \| (\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ)$`)

// Merged gives the changesets that the message of a merge tells of, as `svn.merge`
// composes it: those that were merged, recorded, blocked or rolled back, without
// their paths. The messages of merges among them tell of others in turn. It gives
// none for any other message.
func (c Changeset) Merged() Changesets {
	var out Changesets
	lines := strings.Split(c.Message, "\n")
	for i := 0; i < len(lines); i++ {
		rule := lines[i]
		if len(rule) < ShortestRule || strings.Trim(rule, ".") != "" {
			continue
		}
		for i+1 < len(lines) {
			c, next, ok := quoted(lines, i+1, rule)
			if !ok {
				break
			}
			out, i = append(out, c), next
		}
	}
	return out
}

// quoted reads one log that begins at a line and ends at the next rule.
func quoted(lines []string, at int, rule string) (Changeset, int, bool) {
	head := quotedHead().FindStringSubmatch(lines[at])
	if head == nil {
		return Changeset{}, 0, false
	}
	rev, _ := strconv.Atoi(head[1])
	c := Changeset{Rev: rev, Author: head[2]}
	c.Date, _ = time.Parse(time.RFC3339, head[3])
	var text []string
	for i := at + 1; i < len(lines); i++ {
		if lines[i] == rule {
			c.Message = strings.Join(text, "\n")
			return c, i, true
		}
		text = append(text, strings.TrimPrefix(lines[i], "  "))
	}
	return c, 0, false
}
