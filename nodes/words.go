package nodes

import (
	"fmt"
	"strconv"
	"strings"
)

// TypeOf names the type of a plain value from Lua: a number, a string, a list.
func TypeOf(v any) string {
	switch v.(type) {
	case nil:
		return "nil"
	case bool:
		return "a boolean"
	case float64:
		return "a number"
	case string:
		return "a string"
	case []any:
		return "a list"
	case map[string]any:
		return "a table"
	}
	return "an object"
}

// Count writes a number of things: 1 file, 3 files. The noun is one that takes an s.
func Count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return strconv.Itoa(n) + " " + noun + "s"
}

// splitWords cuts a line as a POSIX shell does, without expansions: 'as it is',
// "with \" and \\", back\slash; # at the begin of a word starts a comment.
func splitWords(line string) ([]string, error) {
	var words []string
	for i := 0; ; {
		for i < len(line) && (line[i] == ' ' || line[i] == '\t') {
			i++
		}
		if i == len(line) || line[i] == '#' {
			return words, nil
		}
		w, n, err := readWord(line[i:])
		if err != nil {
			return nil, err
		}
		words = append(words, w)
		i += n
	}
}

// readWord reads the word at the begin of s and tells its length there.
func readWord(s string) (string, int, error) {
	var b strings.Builder
	i := 0
	for i < len(s) && s[i] != ' ' && s[i] != '\t' {
		switch s[i] {
		case '\'', '"':
			text, n, ok := readQuoted(s[i:])
			if !ok {
				return "", 0, fmt.Errorf("%c is not closed", s[i])
			}
			b.WriteString(text)
			i += n
			continue
		case '\\':
			if i++; i == len(s) {
				return "", 0, fmt.Errorf(`a line cannot go on after '\'`)
			}
		}
		b.WriteByte(s[i])
		i++
	}
	return b.String(), i, nil
}

// readQuoted reads the quoted text that begins at s[0].
func readQuoted(s string) (text string, length int, closed bool) {
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch {
		case s[i] == s[0]:
			return b.String(), i + 1, true
		case s[0] == '"' && s[i] == '\\' && i+1 < len(s) && strings.IndexByte("\"\\$`", s[i+1]) >= 0:
			i++
		}
		b.WriteByte(s[i])
	}
	return "", 0, false
}
