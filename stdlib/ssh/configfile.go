package ssh

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/rollsh/rollsh/nodes"
)

// configLine is one directive of an ssh_config file.
type configLine struct {
	file   string
	number int
	key    string // lower case
	rest   string // the value as written
}

func (l configLine) at() string { return fmt.Sprintf("%s:%d", l.file, l.number) }

// words splits the value as OpenSSH's argv_split does: single and double
// quotes, backslash before a quote, blank or backslash, and a comment at the
// start of a word. Source: OpenSSH 9.2, misc.c.
func (l configLine) words() ([]string, error) {
	words, ok := splitWords(l.rest)
	if !ok {
		return nil, &nodes.Error{Kind: nodes.Usage, Message: l.at() + ": a quote is not closed"}
	}
	return words, nil
}

func splitWords(s string) (words []string, ok bool) {
	var word strings.Builder
	var quote byte
	inside := false
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c == '\\' && i+1 < len(s) && (s[i+1] == '\'' || s[i+1] == '"' || s[i+1] == '\\' || (quote == 0 && s[i+1] == ' ')):
			i++
			word.WriteByte(s[i])
			inside = true
		case quote != 0 && c == quote:
			quote = 0
		case quote != 0:
			word.WriteByte(c)
		case c == '"' || c == '\'':
			quote, inside = c, true
		case c == ' ' || c == '\t':
			if inside {
				words = append(words, word.String())
				word.Reset()
				inside = false
			}
		case c == '#' && !inside:
			return words, true
		default:
			word.WriteByte(c)
			inside = true
		}
	}
	if inside {
		words = append(words, word.String())
	}
	return words, quote == 0
}

// readConfig reads a file of ssh_config directives; a file that is absent has
// none. (The library kevinburke/ssh_config was tried first: it cuts values at
// any #, knows no Match, resolves Include against another home, and takes "?"
// for none or one character; the comparison with ssh -G needs all of these.)
func readConfig(file string) ([]configLine, error) {
	text, err := os.ReadFile(file)
	if os.IsNotExist(err) {
		return nil, nil
	}
	if err != nil {
		return nil, &nodes.Error{Kind: nodes.Usage, Message: "cannot read the ssh configuration: " + err.Error(), Cause: err}
	}
	var lines []configLine
	number := 0
	for line := range strings.Lines(string(text)) {
		number++
		line = strings.Trim(line, " \t\r\n\f")
		if line == "" || line[0] == '#' {
			continue
		}
		key, rest := line, ""
		if i := strings.IndexAny(line, " \t="); i >= 0 {
			key, rest = line[:i], strings.TrimLeft(line[i:], " \t")
			rest = strings.TrimLeft(strings.TrimPrefix(rest, "="), " \t")
		}
		lines = append(lines, configLine{file, number, strings.ToLower(strings.Trim(key, `"`)), rest})
	}
	return lines, nil
}

// includes lists the files that an Include names: globs in order of their
// names, relative ones beside the including kind of configuration.
func includes(pattern, home, base string) []string {
	switch {
	case strings.HasPrefix(pattern, "~/"):
		pattern = filepath.Join(home, pattern[2:])
	case !filepath.IsAbs(pattern):
		pattern = filepath.Join(base, pattern)
	}
	found, err := filepath.Glob(pattern)
	if err != nil {
		return nil
	}
	slices.Sort(found)
	return found
}

// wild matches an OpenSSH pattern: * is any text, ? is exactly one character.
// Source: ssh_config(5), PATTERNS.
func wild(pattern, s string) bool {
	star, mark := -1, 0
	i, j := 0, 0
	for j < len(s) {
		switch {
		case i < len(pattern) && pattern[i] == '*':
			star, mark = i, j
			i++
		case i < len(pattern) && (pattern[i] == '?' || pattern[i] == s[j]):
			i++
			j++
		case star >= 0:
			mark++
			i, j = star+1, mark
		default:
			return false
		}
	}
	return strings.Trim(pattern[i:], "*") == ""
}

// wildHost matches a list with commas in which upper case is as lower, as Match
// has it; Host does not.
func wildHost(patterns, host string) bool {
	return wildList(strings.Split(strings.ToLower(patterns), ","), strings.ToLower(host))
}

// wildList matches a list of patterns, of which a negated one that matches
// decides against.
func wildList(patterns []string, s string) bool {
	matched := false
	for _, p := range patterns {
		negated := strings.HasPrefix(p, "!")
		if !wild(strings.TrimPrefix(p, "!"), s) {
			continue
		}
		if negated {
			return false
		}
		matched = true
	}
	return matched
}
