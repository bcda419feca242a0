package svn

import (
	"slices"
	"strings"
)

// hunk says that lines lo to hi of a base (hi exclusive) became other lines.
type hunk struct {
	lo, hi int
	lines  []string
}

// splitLines cuts a text into lines that keep their ends.
func splitLines(text string) []string {
	if text == "" {
		return nil
	}
	lines := strings.SplitAfter(text, "\n")
	if lines[len(lines)-1] == "" {
		lines = lines[:len(lines)-1]
	}
	return lines
}

// diffLines lists how a became b, in order.
func diffLines(a, b []string) []hunk {
	lo := 0
	for lo < len(a) && lo < len(b) && a[lo] == b[lo] {
		lo++
	}
	hiA, hiB := len(a), len(b)
	for hiA > lo && hiB > lo && a[hiA-1] == b[hiB-1] {
		hiA, hiB = hiA-1, hiB-1
	}
	out := middle(a[lo:hiA], b[lo:hiB])
	for i := range out {
		out[i].lo += lo
		out[i].hi += lo
	}
	return out
}

// maxEdits bounds the work of a diff; texts that differ in more lines are taken
// as rewritten from the first differing line to the last.
const maxEdits = 20_000

// middle is Myers' greedy diff (An O(ND) Difference Algorithm, 1986) of texts
// without a common beginning or end.
func middle(a, b []string) []hunk {
	if len(a) == 0 && len(b) == 0 {
		return nil
	}
	if len(a) == 0 || len(b) == 0 {
		return []hunk{{0, len(a), b}}
	}
	trace, ok := search(a, b)
	if !ok {
		return []hunk{{0, len(a), b}}
	}
	return backtrack(trace, a, b)
}

// search gives, for each number of edits, how far each diagonal reaches.
func search(a, b []string) (trace [][]int, ok bool) {
	most := min(len(a)+len(b), maxEdits)
	v := []int{0, 0, 0} // diagonals -1, 0, 1
	cells := 0
	for d := 0; d <= most; d++ {
		row := make([]int, 2*d+3)
		for k := -d; k <= d; k += 2 {
			x := 0
			switch {
			case d == 0:
			case k == -d || k != d && v[k-1+d] < v[k+1+d]:
				x = v[k+1+d]
			default:
				x = v[k-1+d] + 1
			}
			y := x - k
			for x < len(a) && y < len(b) && a[x] == b[y] {
				x, y = x+1, y+1
			}
			row[k+d+1] = x
			if x >= len(a) && y >= len(b) {
				return append(trace, row), true
			}
		}
		trace, v = append(trace, row), row
		if cells += len(row); cells > maxEdits*1000 {
			return nil, false
		}
	}
	return nil, false
}

// backtrack walks the edits back from the ends and joins them into hunks.
func backtrack(trace [][]int, a, b []string) []hunk {
	x, y := len(a), len(b)
	var out []hunk
	for d := len(trace) - 1; d > 0; d-- {
		v, k := trace[d-1], x-y
		at := func(k int) int { return v[k+d] } // row d-1 has its diagonal 0 at index d
		prev := k - 1
		if k == -d || k != d && at(k-1) < at(k+1) {
			prev = k + 1
		}
		px := at(prev)
		py := px - prev
		if prev == k+1 { // a line of b was inserted
			out = prepend(out, hunk{px, px, b[py : py+1]})
		} else {
			out = prepend(out, hunk{px, px + 1, nil})
		}
		x, y = px, py
	}
	slices.Reverse(out)
	return out
}

// prepend joins an edit with the one after it where they touch; the list is
// built from its end.
func prepend(out []hunk, h hunk) []hunk {
	if n := len(out); n > 0 && out[n-1].lo == h.hi {
		out[n-1] = hunk{h.lo, out[n-1].hi, slices.Concat(h.lines, out[n-1].lines)}
		return out
	}
	return append(out, h)
}

// part is a stretch of a merged text: lines on which both sides agree, or a
// clash.
type part struct {
	lines []string
	clash *clash
}

// clash is a conflict of a few lines.
type clash struct {
	Line               int // of the merged text with theirs, counted from 1
	Base, Mine, Theirs []string
}

// merge3 merges theirs into mine, both made from base, by svn's rules: changes
// that only touch do not conflict, equal changes do not conflict. In conflict
// theirs is taken.
func merge3(base, mine, theirs []string) (text []string, conflicts []clash) {
	for _, p := range merge3Parts(base, mine, theirs) {
		if p.clash != nil {
			p.clash.Line = len(text) + 1
			conflicts = append(conflicts, *p.clash)
			text = append(text, p.clash.Theirs...)
		}
		text = append(text, p.lines...)
	}
	return text, conflicts
}

func merge3Parts(base, mine, theirs []string) []part {
	ours, other := diffLines(base, mine), diffLines(base, theirs)
	var out []part
	at := 0
	agree := func(lines []string) {
		if n := len(out); n > 0 && out[n-1].clash == nil {
			out[n-1].lines = append(out[n-1].lines, lines...)
		} else if len(lines) > 0 {
			out = append(out, part{lines: slices.Clone(lines)})
		}
	}
	for len(ours) > 0 || len(other) > 0 {
		r := overlap(&ours, &other, len(base))
		agree(base[at:r.lo])
		m, t := apply(base, r.lo, r.hi, r.mine), apply(base, r.lo, r.hi, r.theirs)
		switch {
		case len(r.theirs) == 0:
			agree(m)
		case len(r.mine) == 0, slices.Equal(m, t):
			agree(t)
		default:
			out = append(out, part{clash: &clash{Base: base[r.lo:r.hi], Mine: m, Theirs: t}})
		}
		at = r.hi
	}
	agree(base[at:])
	return out
}

// region is a stretch of the base that one or both sides changed.
type region struct {
	lo, hi       int
	mine, theirs []hunk
}

// overlap takes the next stretch off the two lists: one change, or all those of
// both sides that overlap.
func overlap(ours, other *[]hunk, end int) region {
	var r region
	switch a, b := *ours, *other; {
	case len(b) == 0 || len(a) > 0 && before(a[0], b[0]):
		r = region{lo: a[0].lo, hi: a[0].hi, mine: a[:1]}
		*ours = a[1:]
	default:
		r = region{lo: b[0].lo, hi: b[0].hi, theirs: b[:1]}
		*other = b[1:]
	}
	for {
		switch a, b := *ours, *other; {
		case len(a) > 0 && r.meets(a[0], r.theirs, end):
			r.mine, r.hi, *ours = append(slices.Clip(r.mine), a[0]), max(r.hi, a[0].hi), a[1:]
		case len(b) > 0 && r.meets(b[0], r.mine, end):
			r.theirs, r.hi, *other = append(slices.Clip(r.theirs), b[0]), max(r.hi, b[0].hi), b[1:]
		default:
			return r
		}
	}
}

// before orders changes by their place; an insertion comes before a change of
// the line that it precedes.
func before(a, b hunk) bool { return a.lo < b.lo || a.lo == b.lo && a.hi < b.hi }

// meets reports whether a change overlaps the region, or begins at the very line
// where a change of the other side does, if only by an insertion. At the end of
// the base there is no line between changes that touch.
func (r region) meets(h hunk, others []hunk, end int) bool {
	if h.lo < r.hi || len(others) > 0 && h.lo == end && r.hi == end {
		return true
	}
	return slices.ContainsFunc(others, func(o hunk) bool { return o.lo == h.lo })
}

// apply gives the lines that a stretch of the base became.
func apply(base []string, lo, hi int, hunks []hunk) []string {
	var out []string
	for _, h := range hunks {
		out = append(out, base[lo:h.lo]...)
		out = append(out, h.lines...)
		lo = h.hi
	}
	return append(out, base[lo:hi]...)
}
