package nodes

import (
	"fmt"
	"strconv"
	"strings"
)

// MaxNodes is how many nodes one pattern or one nodes file may name. A range
// that would give more is refused before anything is made of it.
const MaxNodes = 100_000

// maxDigits bounds the numbers of a range, so that they fit an int.
const maxDigits = 9

// span is lo-hi of a range; width is the number of digits that numbers are
// padded to with zeros, 0 for none.
type span struct{ lo, hi, width int }

func (s span) text(n int) string { return fmt.Sprintf("%0*d", s.width, n) }

// has reports whether digits is a number of the span, written as it writes it.
func (s span) has(digits string) bool {
	if len(digits) > maxDigits {
		return false
	}
	n, err := strconv.Atoi(digits)
	return err == nil && s.lo <= n && n <= s.hi && s.text(n) == digits
}

// template is a name with ranges: texts[0] ranges[0] texts[1] ranges[1] ...,
// with one text more than ranges.
type template struct {
	texts  []string
	ranges [][]span
}

// parseTemplate reads a text such as r[1-2]n[01-12,20]. Where literal is set, a
// bracket that holds something else than a range is left as it stands (an IPv6
// address); otherwise it is a Usage error.
func parseTemplate(s string, literal bool) (template, error) {
	t := template{texts: []string{""}}
	for s != "" {
		i := strings.IndexAny(s, "[]")
		if i < 0 {
			i = len(s)
		}
		t.texts[len(t.texts)-1] += s[:i]
		s = s[i:]
		if s == "" {
			break
		}
		inside, rest, closed := strings.Cut(s[1:], "]")
		isRange := s[0] == '[' && closed && inside != "" && strings.Trim(inside, "0123456789,-") == ""
		switch {
		case isRange:
			spans, err := parseSpans(inside)
			if err != nil {
				return template{}, err
			}
			t.ranges = append(t.ranges, spans)
			t.texts = append(t.texts, "")
			s = rest
		case literal:
			t.texts[len(t.texts)-1] += s[:1]
			s = s[1:]
		default:
			return template{}, badRange(s)
		}
	}
	return t, nil
}

func badRange(s string) error {
	if s[0] == ']' {
		return &Error{Kind: Usage, Message: "']' without '[' before it"}
	}
	inside, _, closed := strings.Cut(s, "]")
	if !closed {
		return &Error{Kind: Usage, Message: "'" + s + "' has no ']'"}
	}
	return &Error{Kind: Usage, Message: "'" + inside + "]' is not a range of numbers such as [1-3] or [01-12,20]"}
}

func parseSpans(list string) ([]span, error) {
	var spans []span
	for item := range strings.SplitSeq(list, ",") {
		s, err := parseSpan(item)
		if err != nil {
			return nil, err
		}
		spans = append(spans, s)
	}
	return spans, nil
}

func parseSpan(item string) (span, error) {
	lo, hi, ranged := strings.Cut(item, "-")
	if !ranged {
		hi = lo
	}
	bad := func(why string) (span, error) {
		return span{}, &Error{Kind: Usage, Message: "bad range '" + item + "': " + why}
	}
	if len(lo) > maxDigits || len(hi) > maxDigits {
		return bad("a number has at most " + strconv.Itoa(maxDigits) + " digits")
	}
	from, err1 := strconv.Atoi(lo)
	to, err2 := strconv.Atoi(hi)
	switch {
	case err1 != nil || err2 != nil || from < 0 || to < 0:
		return bad("write it as 3 or 1-3")
	case from > to:
		return bad("it runs backwards, write " + hi + "-" + lo)
	case len(hi) != len(lo) && strings.HasPrefix(hi, "0"):
		return bad("both ends need the same number of digits")
	}
	s := span{lo: from, hi: to}
	if len(lo) > 1 && lo[0] == '0' {
		s.width = len(lo)
	}
	return s, nil
}

// count tells how many names the template gives; anything above MaxNodes is
// told as MaxNodes+1.
func (t template) count() int {
	total := 1
	for _, spans := range t.ranges {
		total = min(total*length(spans), MaxNodes+1)
	}
	return total
}

func length(spans []span) int {
	n := 0
	for _, s := range spans {
		n = min(n+s.hi-s.lo+1, MaxNodes+1)
	}
	return n
}

// expandInStep gives names for n nodes: where the template has several ranges of
// n numbers each, such as 10.0.0.[1-3]:[2201-2203], these run side by side;
// otherwise as expand does.
func (t template) expandInStep(n int) ([]string, error) {
	if len(t.ranges) == 0 || t.count() == n || n > MaxNodes {
		return t.expand()
	}
	for _, spans := range t.ranges {
		if length(spans) != n {
			return t.expand()
		}
	}
	out := make([]string, n)
	for i, text := range t.texts {
		for j := range out {
			out[j] += text
		}
		if i == len(t.ranges) {
			break
		}
		column, err := template{texts: []string{"", ""}, ranges: t.ranges[i : i+1]}.expand()
		if err != nil {
			return nil, err
		}
		for j := range out {
			out[j] += column[j]
		}
	}
	return out, nil
}

// expand gives every name; the last range runs fastest.
func (t template) expand() ([]string, error) {
	if t.count() > MaxNodes {
		return nil, &Error{Kind: Usage, Message: fmt.Sprintf("more than %d nodes in one range", MaxNodes)}
	}
	names := []string{t.texts[0]}
	for i, spans := range t.ranges {
		var next []string
		for _, name := range names {
			for _, s := range spans {
				for n := s.lo; n <= s.hi; n++ {
					next = append(next, name+s.text(n)+t.texts[i+1])
				}
			}
		}
		names = next
	}
	return names, nil
}

// Expand gives the names that a text such as web[01-12,20] stands for, in its
// order. It fails with Usage for a bad range and for more than MaxNodes names.
func Expand(text string) ([]string, error) {
	t, err := parseTemplate(text, false)
	if err != nil {
		return nil, err
	}
	return t.expand()
}

// splitPattern cuts a pattern at the commas that stand outside brackets, and at
// white space.
func splitPattern(pattern string) []string {
	depth := 0
	return strings.FieldsFunc(pattern, func(r rune) bool {
		switch r {
		case '[':
			depth++
		case ']':
			depth--
		case ',':
			return depth <= 0
		case ' ', '\t', '\n':
			return true
		}
		return false
	})
}

// matches reports whether name is one that the template stands for, where its
// texts may hold * and ?. The work is bounded by the lengths of both.
func (t template) matches(name string) bool {
	at := make([]bool, len(name)+1) // at[p]: the pattern so far ends before name[p]
	at[0] = true
	for i, text := range t.texts {
		for _, c := range []byte(text) {
			at = stepByte(at, name, c)
		}
		if i < len(t.ranges) {
			at = stepRange(at, name, t.ranges[i])
		}
	}
	return at[len(name)]
}

func stepByte(at []bool, name string, c byte) []bool {
	next := make([]bool, len(at))
	seen := false
	for p := range at {
		seen = seen || at[p]
		switch {
		case c == '*':
			next[p] = seen
		case p > 0 && at[p-1] && (c == '?' || name[p-1] == c):
			next[p] = true
		}
	}
	return next
}

func stepRange(at []bool, name string, spans []span) []bool {
	next := make([]bool, len(at))
	for p := range name {
		if !at[p] {
			continue
		}
		for q := p + 1; q <= len(name) && q-p <= maxDigits && isDigit(name[q-1]); q++ {
			for _, s := range spans {
				next[q] = next[q] || s.has(name[p:q])
			}
		}
	}
	return next
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }
