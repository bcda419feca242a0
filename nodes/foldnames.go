package nodes

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
)

// FoldNames writes names as "web[01-12,20],cdn1": names that differ in one
// number are joined at the first of them, padding with zeros is kept, and Expand
// of every piece gives the same names back (in the order of their numbers).
func FoldNames(names []string) string {
	counts := map[string]int{}
	for _, name := range names {
		for _, s := range slots(name) {
			counts[s.key()]++
		}
	}
	groups := map[string][]slot{}
	var order []string
	for _, name := range names {
		s := bestSlot(name, counts)
		if _, ok := groups[s.key()]; !ok {
			order = append(order, s.key())
		}
		groups[s.key()] = append(groups[s.key()], s)
	}
	var out []string
	for _, key := range order {
		out = append(out, foldGroup(groups[key])...)
	}
	return strings.Join(out, ",")
}

// slot is a name seen as text, one of its numbers, text.
type slot struct{ before, digits, after string }

func (s slot) key() string {
	return s.before + "\x00" + s.after + "\x00" + strconv.FormatBool(s.digits == "")
}

// slots gives a name once for each of its numbers, the last number first.
func slots(name string) []slot {
	var out []slot
	for end := len(name); end > 0; {
		if !isDigit(name[end-1]) {
			end--
			continue
		}
		start := end
		for start > 0 && isDigit(name[start-1]) {
			start--
		}
		if end-start <= maxDigits {
			out = append(out, slot{name[:start], name[start:end], name[end:]})
		}
		end = start
	}
	return out
}

// bestSlot takes the number in which most other names differ from this one.
func bestSlot(name string, counts map[string]int) slot {
	best := slot{before: name}
	most := 0
	for _, s := range slots(name) {
		if n := counts[s.key()]; n > most {
			best, most = s, n
		}
	}
	return best
}

// foldGroup writes the names of one slot; padded and unpadded numbers that one
// range cannot hold together become pieces of their own.
func foldGroup(group []slot) []string {
	if group[0].digits == "" {
		return []string{group[0].before}
	}
	padded := map[int]bool{}
	for _, s := range group {
		if isPadded(s.digits) {
			padded[len(s.digits)] = true
		}
	}
	byWidth := map[int][]span{}
	var order []int
	for _, s := range group {
		width := 0
		if padded[len(s.digits)] {
			width = len(s.digits)
		}
		if byWidth[width] == nil {
			order = append(order, width)
		}
		n, _ := strconv.Atoi(s.digits) // digits only, at most maxDigits
		byWidth[width] = append(byWidth[width], span{n, n, width})
	}
	var out []string
	for _, width := range order {
		out = append(out, group[0].before+writeSpans(joinSpans(byWidth[width]))+group[0].after)
	}
	return out
}

func isPadded(digits string) bool { return len(digits) > 1 && digits[0] == '0' }

// joinSpans sorts spans and joins those that touch.
func joinSpans(spans []span) []span {
	slices.SortFunc(spans, func(a, b span) int { return cmp.Compare(a.lo, b.lo) })
	out := spans[:1]
	for _, s := range spans[1:] {
		if last := &out[len(out)-1]; s.lo <= last.hi+1 {
			last.hi = max(last.hi, s.hi)
		} else {
			out = append(out, s)
		}
	}
	return out
}

func writeSpans(spans []span) string {
	var parts []string
	for _, s := range spans {
		part := s.text(s.lo)
		if s.hi != s.lo {
			part += "-" + s.text(s.hi)
		}
		parts = append(parts, part)
	}
	if len(spans) == 1 && spans[0].lo == spans[0].hi {
		return parts[0]
	}
	return "[" + strings.Join(parts, ",") + "]"
}
