package svn

import (
	"slices"
	"strings"
)

// mergeProperty is where svn keeps what is merged, and blockProperty where
// rollsh keeps why some of it was only recorded.
const (
	mergeProperty = "svn:mergeinfo"
	blockProperty = "rollsh:blocked"
)

// mergeinfo is a value of svn:mergeinfo: by path of the repository what was
// merged from there.
type mergeinfo map[string]merged

// merged are the revisions merged from one path; those of here are merged into
// the node that carries the property only, not into what is below it.
type merged struct {
	all  revset
	here revset
}

// parseMergeinfo reads "/trunk:3-7,9*" lines. Lines that are none of these are
// left out, as svn does on reading.
func parseMergeinfo(text string) mergeinfo {
	out := mergeinfo{}
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\r\n")
		i := strings.LastIndexByte(line, ':')
		if i <= 0 || line[0] != '/' {
			continue
		}
		m := out[line[:i]]
		for part := range strings.SplitSeq(line[i+1:], ",") {
			part, here := strings.CutSuffix(part, "*")
			lo, hi, ok := span(part)
			switch {
			case !ok:
			case here:
				m.here = m.here.with(lo, hi)
			default:
				m.all = m.all.with(lo, hi)
			}
		}
		out[line[:i]] = m
	}
	return out
}

// has reports whether a revision of a path is merged into everything below.
func (m mergeinfo) has(path string, rev int) bool { return m[path].all.has(rev) }

// from gives the revisions merged from a path.
func (m mergeinfo) from(path string) revset { return m[path].all }

// segment is a stretch of a node's history at one path.
type segment struct {
	Path   string
	Lo, Hi int
}

// segments follows a path back through the commits of its log, newest last.
// What a copy brought along counts as the node's own history.
func segments(path string, commits []commit, head int) []segment {
	var out []segment
	cur, hi := path, head
	for i := len(commits) - 1; i >= 0; i-- {
		c := commits[i]
		from, rev, born := birth(c, cur)
		if !born || c.Rev > hi {
			continue
		}
		out = append(out, segment{cur, c.Rev, hi})
		if from == "" {
			return out
		}
		cur, hi = from, rev
	}
	return append(out, segment{cur, 0, hi})
}

// birth tells whether a commit made the path, and from where it was copied. The
// nearest of the folders above that the commit made decides.
func birth(c commit, path string) (from string, rev int, born bool) {
	best := -1
	for _, p := range c.Paths {
		if p.Action != "A" && p.Action != "R" || len(p.Path) <= best {
			continue
		}
		rel, ok := below(p.Path, path)
		if !ok || rel != "" && p.From == "" {
			continue
		}
		best, born, from, rev = len(p.Path), true, "", 0
		if p.From != "" {
			from, rev = strings.TrimRight(p.From+"/"+rel, "/"), p.FromRev
		}
	}
	return from, rev, born
}

// natural is the history as mergeinfo: what a node has without any merge.
func natural(list []segment) mergeinfo {
	out := mergeinfo{}
	for _, s := range list {
		m := out[s.Path]
		m.all = m.all.with(s.Lo, s.Hi)
		out[s.Path] = m
	}
	return out
}

// segmentAt is the path that a node had in a revision.
func segmentAt(list []segment, rev int) (string, bool) {
	i := slices.IndexFunc(list, func(s segment) bool { return s.Lo <= rev && rev <= s.Hi })
	if i < 0 {
		return "", false
	}
	return list[i].Path, true
}
