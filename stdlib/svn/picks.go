package svn

import (
	"fmt"
	"slices"
	"strings"

	"github.com/rollsh/rollsh/nodes"
)

// pick judges what was asked to be taken. Revisions of a range that are no
// changes of the source, or merges from the target itself, are left out in
// silence, as svn does; everything else that cannot be taken is refused, each
// with its reason.
func (m *Merge) pick(p *picture, r Revisions, want standing, verb string) (revset, error) {
	if r.head {
		r.add(p.latest(), p.latest())
	}
	var out revset
	var reasons []string
	if r.all {
		out = p.all(want)
	}
	for _, rev := range r.set.list() {
		s := p.stand(rev)
		quiet := (s == phantom || s == reflected || s == bookkeeping || s == unknown) && !r.one.has(rev)
		switch {
		case s == want:
			out = append(out, revrange{rev, rev})
		case !quiet:
			reasons = append(reasons, fmt.Sprintf("r%d is %s", rev, m.reason(p, rev, s)))
		}
	}
	if len(reasons) > 0 {
		return nil, &nodes.Error{Kind: nodes.Refused, Message: "cannot " + verb + ": " + shorten(reasons), Hint: lists[want]}
	}
	if len(out) == 0 {
		return nil, &nodes.Error{Kind: nodes.Refused, Message: "there is nothing to " + verb + " from " + m.path}
	}
	return out.normal(), nil
}

// lists says which list holds what can be done something with.
var lists = map[standing]string{
	available:  "m:available() lists what can be taken",
	integrated: "m:integrated() lists what is merged",
	blocked:    "m:blocked() lists what is blocked",
}

func (p *picture) all(want standing) revset {
	var out revset
	for _, c := range p.source.Commits {
		if p.standOf(c) == want {
			out = append(out, revrange{c.Rev, c.Rev})
		}
	}
	return out.normal()
}

// latest is the newest revision of the source.
func (p *picture) latest() int {
	if n := len(p.source.Commits); n > 0 {
		return p.source.Commits[n-1].Rev
	}
	return 0
}

func (m *Merge) reason(p *picture, rev int, s standing) string {
	switch s {
	case phantom:
		return "no change of " + m.path
	case available:
		return "neither merged nor blocked"
	case blocked:
		return oneLine(p.blockNote(rev))
	case reflected:
		return "itself a merge from " + m.Into.inRepo
	}
	return string(s)
}

func shorten(list []string) string {
	const most = 12
	if n := len(list); n > most {
		list = append(slices.Clone(list[:most]), fmt.Sprintf("and %d more", n-most))
	}
	return strings.Join(list, "; ")
}
