package manifest

import (
	"fmt"
	"strings"

	"github.com/bmatcuk/doublestar/v4"
)

// Patterns say which entries of a tree a sync looks at. They are text in
// gitignore's syntax: a pattern without a slash (but for a trailing one)
// matches in every folder, one with a slash is bound to the root, a trailing
// slash means folders only, ** crosses folders, and a later !pattern takes
// back. An element of Only without wildcards is a path from the root; one of
// Only and Skip that is the literal path of an entry matches it whatever
// wildcards it holds.
type Patterns struct {
	Only   []string // nothing else is looked at; empty means everything
	Skip   []string // exclude and keep: looked past on both sides
	Ignore []string // lines of the tree's .rollignore
}

// Exactly gives the pattern that matches the path p, whatever it is, and
// nothing else.
func Exactly(p string) string {
	var b strings.Builder
	b.WriteByte('/')
	p = strings.TrimSuffix(p, "/")
	for i := range len(p) {
		if strings.IndexByte("*?[]{}\\", p[i]) >= 0 {
			b.WriteByte('\\')
		}
		b.WriteByte(p[i])
	}
	return b.String()
}

// Wildcards are what makes more of a pattern than a path.
const Wildcards = `*?[{\`

// IgnoreFile is read at the root of a tree; it is not sent itself.
const IgnoreFile = ".rollignore"

// Rules are compiled Patterns.
type Rules struct {
	only   []pattern
	skip   []pattern
	ignore []pattern
}

type pattern struct {
	glob    string // for doublestar, bound to the root
	literal string // the pattern as a plain path; empty where it cannot be one
	dirs    bool   // matches folders only
	negate  bool
}

// Compile checks and prepares patterns. The error names the bad one.
func Compile(p Patterns) (*Rules, error) {
	r := &Rules{}
	for _, part := range []struct {
		from []string
		to   *[]pattern
		how  source
	}{{p.Only, &r.only, fromOnly}, {p.Skip, &r.skip, fromSkip}, {p.Ignore, &r.ignore, fromFile}} {
		for _, line := range part.from {
			pat, ok, err := compile(line, part.how)
			if err != nil {
				return nil, err
			}
			if ok {
				*part.to = append(*part.to, pat)
			}
		}
	}
	return r, nil
}

// source is where a pattern was written.
type source int

const (
	fromOnly source = iota
	fromSkip
	fromFile
)

func compile(line string, from source) (p pattern, ok bool, err error) {
	s := line
	if from == fromFile {
		s = trimLine(s)
		if s == "" || s[0] == '#' {
			return p, false, nil
		}
		s = strings.NewReplacer("{", `\{`, "}", `\}`).Replace(s)
	} else {
		p.literal = strings.Trim(strings.TrimPrefix(s, "./"), "/")
	}
	if s, p.negate = strings.CutPrefix(s, "!"); p.negate {
		p.literal = ""
	}
	s, p.dirs = strings.CutSuffix(s, "/")
	s = strings.TrimPrefix(s, "./")
	bound := strings.Contains(s, "/") || from == fromOnly && !strings.ContainsAny(s, Wildcards)
	s = strings.TrimPrefix(s, "/")
	if s == "" {
		return p, false, fmt.Errorf("pattern '%s' matches nothing", line)
	}
	if !bound {
		s = "**/" + s
	}
	if !doublestar.ValidatePattern(s) {
		return p, false, fmt.Errorf("pattern '%s' is not a glob that can be read", line)
	}
	p.glob = s
	return p, true, nil
}

// trimLine takes the line end and trailing spaces away, unless a backslash
// keeps them.
func trimLine(s string) string {
	s = strings.TrimRight(s, "\r\n")
	for strings.HasSuffix(s, " ") && !strings.HasSuffix(s, `\ `) {
		s = s[:len(s)-1]
	}
	return s
}

func (p *pattern) match(name string, dir bool) bool {
	if p.literal != "" && p.literal == name {
		return !p.dirs || dir
	}
	if p.dirs && !dir {
		return false
	}
	return doublestar.MatchUnvalidated(p.glob, name)
}

// matches says whether the last pattern that matches name is a positive one.
func matches(list []pattern, name string, dir bool) bool {
	for i := len(list) - 1; i >= 0; i-- {
		if list[i].match(name, dir) {
			return !list[i].negate
		}
	}
	return false
}

// Verdict is what the rules say of one entry whose parent folders were not
// skipped.
type Verdict int

// The verdicts.
const (
	In      Verdict = iota // it counts
	Outside                // it does not count, but entries in it may
	Skipped                // neither it nor anything in it counts
)

// private reports names that no rule can bring in: the stores of version
// control and rollsh's own state.
func private(name string) bool {
	return name == ".svn" || name == ".git" || name == IgnoreFile || name == ".rollsh" || strings.HasPrefix(name, ".rollsh-")
}

// Judge tells what the rules say of an entry. inside says that a parent was
// matched by only=.
func (r *Rules) Judge(p string, dir, inside bool) Verdict {
	name := p[strings.LastIndexByte(p, '/')+1:]
	switch {
	case private(name), matches(r.skip, p, dir), matches(r.ignore, p, dir):
		return Skipped
	case len(r.only) == 0 || inside || matches(r.only, p, dir):
		return In
	case dir:
		return Outside
	}
	return Skipped
}

// Partial reports whether the rules look at a part of the tree only.
func (r *Rules) Partial() bool { return len(r.only) > 0 }

// Plain reports whether only the names that never count are left out.
func (r *Rules) Plain() bool { return len(r.only)+len(r.skip)+len(r.ignore) == 0 }

// Filter gives the entries that count, with their parents looked at as a scan
// would, and the rest.
func (r *Rules) Filter(l List) (in, rest List) {
	if r.Plain() {
		return l, Slice(nil)
	}
	part := func(wanted bool) List {
		return Some(l, func() func(*Entry) bool {
			j := r.Judging()
			return func(e *Entry) bool { return j(e) == wanted }
		})
	}
	return part(true), part(false)
}

// Judging gives a function that tells of the entries of a list, in their order,
// whether they count, with their parents looked at as a scan would.
func (r *Rules) Judging() func(*Entry) bool {
	memo := map[string]Verdict{}
	top := Outside
	if !r.Partial() {
		top = In
	}
	return func(e *Entry) bool {
		if len(memo) > mostMemo {
			clear(memo) // what is still needed is found again
		}
		memo[""] = top
		return r.verdict(memo, e.Path, e.Kind == Dir) == In
	}
}

// mostMemo is how many folders' verdicts are kept.
const mostMemo = 10_000

// verdict judges p after its parents, which memo remembers.
func (r *Rules) verdict(memo map[string]Verdict, p string, dir bool) Verdict {
	if v, ok := memo[p]; ok {
		return v
	}
	parent := ""
	if i := strings.LastIndexByte(p, '/'); i >= 0 {
		parent = p[:i]
	}
	up := r.verdict(memo, parent, true)
	v := Skipped
	if up != Skipped {
		v = r.Judge(p, dir, up == In)
	}
	if dir {
		memo[p] = v
	}
	return v
}
