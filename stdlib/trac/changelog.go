package trac

import (
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/rollsh/rollsh/nodes"
)

// changeHead is the first line of a changeset: date, author, [revision]. Every
// line of a message begins with a tab, so that no message can look like one.
var changeHead = nodes.Pattern(`^([A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT) (.*) \[(\d{1,17})\]$`)

// changedFile is a line such as "\t* trunk/a.php (modified)".
var changedFile = nodes.Pattern(`^\t\* (.*) \(([a-z]+)\)$`)

// letters are svn's, by Trac's words.
var letters = map[string]string{"modified": "M", "added": "A", "deleted": "D", "copied": "A", "moved": "A"}

// parseChangelog reads Trac's change log. What is neither comment nor changeset
// is an error: a page that only looks right must not pass for one.
func parseChangelog(text string) (nodes.Changesets, error) {
	var out nodes.Changesets
	var lines []string // of the changeset under way
	flush := func() {
		if len(out) > 0 {
			fill(&out[len(out)-1], lines)
		}
		lines = nil
	}
	for line := range strings.SplitSeq(text, "\n") {
		line = strings.TrimSuffix(line, "\r")
		switch m := changeHead().FindStringSubmatch(line); {
		case m != nil:
			flush()
			c, err := head(m)
			if err != nil {
				return nil, err
			}
			out = append(out, c)
		case len(out) > 0 && (line == "" || line[0] == '\t'):
			lines = append(lines, line)
		case len(out) == 0 && (strings.TrimSpace(line) == "" || line[0] == '#'):
		default:
			return nil, &nodes.Error{Kind: nodes.Protocol, Code: "changelog", Message: "trac's change log has an unknown line: '" + clip(nodes.Clean(line)) + "'"}
		}
	}
	flush()
	return out, nil
}

func head(m []string) (nodes.Changeset, error) {
	date, err := time.Parse(time.RFC1123, m[1])
	if err != nil {
		return nodes.Changeset{}, &nodes.Error{Kind: nodes.Protocol, Code: "changelog", Message: "trac's change log has an unknown date: '" + clip(m[1]) + "'"}
	}
	rev, _ := strconv.Atoi(m[3]) // at most 17 digits
	author := m[2]
	if author == "(none)" {
		author = ""
	}
	return nodes.Changeset{Rev: rev, Author: author, Date: date.UTC()}, nil
}

// fill reads paths up to the first empty line, then the message.
func fill(c *nodes.Changeset, lines []string) {
	i := 0
	for ; i < len(lines) && strings.TrimSpace(lines[i]) != ""; i++ {
		if m := changedFile().FindStringSubmatch(lines[i]); m != nil {
			action := letters[m[2]]
			if action == "" {
				action = "M"
			}
			c.Paths = append(c.Paths, nodes.ChangedPath{Path: "/" + strings.TrimPrefix(m[1], "/"), Action: action})
		}
	}
	c.Message = unwrap(lines[i:])
}

// columns is where Trac wraps: 70, less the tab that each line begins with.
const columns = 69

// unwrap takes the tabs off and joins a line to the one before it where Trac
// must have broken them: where the next word would not have fitted.
func unwrap(lines []string) string {
	var out []string
	last := "" // as Trac wrote it
	for _, line := range lines {
		line = strings.TrimPrefix(line, "\t")
		word, _, _ := strings.Cut(line, " ")
		if n := len(out); n > 0 && last != "" && word != "" && utf8.RuneCountInString(last)+1+utf8.RuneCountInString(word) > columns {
			out[n-1] += " " + line
		} else {
			out = append(out, line)
		}
		last = strings.TrimSpace(line)
	}
	return strings.TrimSpace(strings.Join(out, "\n"))
}

func clip(s string) string {
	if r := []rune(s); len(r) > 100 {
		return string(r[:100]) + "…"
	}
	return s
}
