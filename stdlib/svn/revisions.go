package svn

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/rollsh/rollsh/nodes"
)

// Revisions is a set of revision numbers as a person writes it: 123, "123",
// "r123", "HEAD", "120-123,130", a list of these, or Changesets.
type Revisions struct {
	set  revset
	one  revset // of these, the ones that were named one by one
	head bool   // "HEAD" is among them
	all  bool   // "all"
}

// maxRevisions bounds what one argument may name.
const maxRevisions = 1_000_000

// UnpackLua reads a set of revisions from a plain value.
func (r *Revisions) UnpackLua(v any) error {
	switch v := v.(type) {
	case float64:
		if v != math.Trunc(v) || v < 0 || v > math.MaxInt32 {
			return errNoRevisions
		}
		r.add(int(v), int(v))
	case string:
		if err := r.parse(v); err != nil {
			return fmt.Errorf("%w: %s", errNoRevisions, nodes.AsError(err, nodes.Usage).Message)
		}
	case nodes.Changesets:
		for _, c := range v {
			r.add(c.Rev, c.Rev)
		}
	case nodes.Changeset:
		r.add(v.Rev, v.Rev)
	case []any:
		for _, item := range v {
			if err := r.UnpackLua(item); err != nil {
				return err
			}
		}
	default:
		return errNoRevisions
	}
	return nil
}

var errNoRevisions = errors.New(`expected a revision such as 123, "r120-123,130" or "HEAD", a list of them, or Changesets`)

func (r *Revisions) add(lo, hi int) {
	r.set = r.set.with(lo, hi)
	if lo == hi {
		r.one = r.one.with(lo, hi)
	}
}

// ParseRevisions reads "120-123,r130", "HEAD" or "all"; blanks and r are
// allowed, ranges are written with - or :.
func ParseRevisions(s string) (Revisions, error) {
	var r Revisions
	err := r.parse(s)
	return r, err
}

func (r *Revisions) parse(s string) error {
	for part := range strings.SplitSeq(s, ",") {
		part = strings.TrimSpace(part)
		switch {
		case strings.EqualFold(part, "HEAD"):
			r.head = true
			continue
		case part == "all" && strings.TrimSpace(s) == "all":
			r.all = true
			continue
		case part == "" && strings.TrimSpace(s) != "":
			continue
		}
		lo, hi, ok := span(part)
		if !ok || hi-lo >= maxRevisions {
			return badRevision(part)
		}
		r.add(lo, hi)
	}
	return nil
}

func span(part string) (lo, hi int, ok bool) {
	ends := strings.FieldsFunc(part, func(c rune) bool { return c == '-' || c == ':' })
	if len(ends) == 0 || len(ends) > 2 || strings.Count(part, "-")+strings.Count(part, ":") != len(ends)-1 {
		return 0, 0, false
	}
	nums := make([]int, len(ends))
	for i, e := range ends {
		n, err := strconv.ParseUint(strings.TrimLeft(strings.TrimSpace(e), "rR"), 10, 31)
		if err != nil {
			return 0, 0, false
		}
		nums[i] = int(n)
	}
	lo, hi = nums[0], nums[len(nums)-1]
	return min(lo, hi), max(lo, hi), true
}

func badRevision(s string) error {
	return &nodes.Error{Kind: nodes.Usage, Message: "'" + oneLine(s) + "' is not a revision", Hint: `123, "r123", "120-123,130" or "HEAD"`}
}

// revset is a set of revisions: sorted ranges that neither touch nor overlap.
type revset []revrange

type revrange struct{ lo, hi int } // both inclusive

func (s revset) with(lo, hi int) revset {
	return append(slices.Clone(s), revrange{lo, hi}).normal()
}

func (s revset) normal() revset {
	slices.SortFunc(s, func(a, b revrange) int { return a.lo - b.lo })
	out := s[:0:0]
	for _, r := range s {
		if n := len(out); n > 0 && r.lo <= out[n-1].hi+1 {
			out[n-1].hi = max(out[n-1].hi, r.hi)
		} else {
			out = append(out, r)
		}
	}
	return out
}

func (s revset) union(t revset) revset { return append(slices.Clone(s), t...).normal() }

func (s revset) minus(t revset) revset {
	var out revset
	for _, r := range s {
		lo := r.lo
		for _, x := range t {
			if x.hi < lo || x.lo > r.hi {
				continue
			}
			if x.lo > lo {
				out = append(out, revrange{lo, x.lo - 1})
			}
			lo = x.hi + 1
		}
		if lo <= r.hi {
			out = append(out, revrange{lo, r.hi})
		}
	}
	return out
}

func (s revset) intersect(t revset) revset { return s.minus(s.minus(t)) }

func (s revset) has(rev int) bool {
	i, found := slices.BinarySearchFunc(s, rev, func(r revrange, v int) int { return r.lo - v })
	return found || i > 0 && s[i-1].hi >= rev
}

// list gives every revision, ascending.
func (s revset) list() []int {
	var out []int
	for _, r := range s {
		for n := r.lo; n <= r.hi; n++ {
			out = append(out, n)
		}
	}
	return out
}

// String writes "120-123,130", svn's own form.
func (s revset) String() string {
	parts := make([]string, len(s))
	for i, r := range s {
		parts[i] = strconv.Itoa(r.lo)
		if r.hi != r.lo {
			parts[i] += "-" + strconv.Itoa(r.hi)
		}
	}
	return strings.Join(parts, ",")
}
