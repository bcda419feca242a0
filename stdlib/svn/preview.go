package svn

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/rollsh/rollsh/nodes"
)

// Preview is what a take would meet.
type Preview struct {
	Clean     bool             `lua:"clean"`
	Conflicts []Foreseen       `lua:"conflicts"`
	Needs     nodes.Changesets `lua:"needs"`   // the fewest earlier ones, neither merged nor picked, with which less is in conflict
	Related   nodes.Changesets `lua:"related"` // all earlier ones, neither merged nor picked, on the files of the picks
	Picks     nodes.Changesets `lua:"picks"`
	Report    string           `lua:"report"` // all of it in words, for a person
}

// Foreseen is a conflict that a take would meet.
type Foreseen struct {
	Path  string `lua:"path"`
	Kind  string `lua:"kind"` // text, property or tree
	Rev   int    `lua:"rev"`  // of the pick that meets it first
	Why   string `lua:"why"`
	Hunks []Hunk `lua:"hunks"`
}

// Hunk is a stretch of lines in conflict.
type Hunk struct {
	Line   int    `lua:"line"` // of the merged file
	Base   string `lua:"base"`
	Mine   string `lua:"mine"`
	Theirs string `lua:"theirs"`
}

// Preview merges picks in memory, in the order and by the rules of svn, and
// touches no working copy. After a conflict it goes on with what is merged, so
// that later ones are found too.
func (m *Merge) Preview(ctx context.Context, revs Revisions) (Preview, error) {
	p, err := m.study(ctx, false)
	if err != nil {
		return Preview{}, err
	}
	set, err := m.pick(p, revs, available, "preview")
	if err != nil {
		return Preview{}, err
	}
	n := &needs{m: m, p: p, library: newLibrary(m.Into), trails: newTrails(p, m.Into.inRepo)}
	s := m.rehearse(p, set, n.library, n.trails)
	shown := s.shown()
	var again []commit
	var needed revset
	err = together([]func() error{
		func() (err error) { again, err = m.reread(ctx, p, shown); return err },
		func() (err error) {
			if err := s.run(ctx); err != nil {
				return err
			}
			needed, err = n.find(ctx, s)
			return err
		},
	})
	if err != nil {
		return Preview{}, err
	}
	p.source.renew(again)
	if err := m.fresh(ctx, p, set.union(needed).minus(shown)); err != nil {
		return Preview{}, err
	}
	m.Into.svn.metadata.save(p.source)
	m.Into.svn.metadata.save(p.target)
	out := s.result(needed)
	out.Report = out.report(columnsOf(m.Into.svn.session.Person))
	return out, nil
}

// shown are the changesets whose messages the result may hold, to be read again while
// the picks are played: of what may be needed as many as are read in little time.
func (s *rehearsal) shown() revset {
	out := s.picked
	if related := s.related(); len(related) <= manyMessages {
		out = out.union(revsetOf(slices.Sorted(maps.Keys(related))))
	}
	return out
}

// report tells the conflicts and what is missing, in lines of some columns; empty
// where there is nothing to tell.
func (p Preview) report(columns int) string {
	var b strings.Builder
	if len(p.Conflicts) > 0 {
		b.WriteString("this will conflict:\n")
	}
	for _, f := range p.Conflicts {
		b.WriteString(wrap(fmt.Sprintf("  %-9s %s", f.Kind, oneLine(f.Why)), columns, "            ") + "\n")
	}
	if len(p.Needs) > 0 {
		b.WriteString("these came before and are needed, but are not among them:\n" + Table(p.Needs, columns, nil))
	}
	return strings.TrimRight(b.String(), "\n")
}

// file reads a file of the target as the picks left it.
func (s *rehearsal) file(ctx context.Context, rel string) (*sketch, error) {
	if k := s.files[rel]; k != nil {
		return k, nil
	}
	text, err := s.text(ctx, rel)
	if err != nil {
		return nil, err
	}
	k := s.sketch(rel, text)
	s.files[rel] = k
	return k, nil
}

// sketch is a file as the target, or the copy that a pick brought, has it.
func (s *rehearsal) sketch(rel string, text []byte) *sketch {
	here, _ := s.tree.at(rel)
	return &sketch{made: fmt.Sprintf("%s\x00%d %d", rel, here.Rev, here.Pick), lines: splitLines(string(text)), raw: text}
}

// text reads what the target, or the copy that a pick brought, has at a path.
func (s *rehearsal) text(ctx context.Context, rel string) ([]byte, error) {
	here, _ := s.tree.at(rel)
	if here.Rev == 0 { // a copy that a pick brought
		at, _ := segmentAt(s.p.sourceSegs, here.Pick)
		return s.library.textAt(ctx, at+"/"+rel, here.Pick)
	}
	return s.library.text(ctx, s.m.Into.inRepo+"/"+rel, here.Rev, s.p.head)
}

// fetch reads, side by side, the files of the target that the picks change and
// that may differ from the source's.
func (s *rehearsal) fetch(ctx context.Context) error {
	var list []string
	for _, c := range s.picks {
		at, _ := segmentAt(s.p.sourceSegs, c.Rev)
		for _, t := range c.Paths {
			rel, ok := below(at, t.Path)
			ch, changed := s.library.changes[c.Rev][rel]
			here, exists := s.tree.at(rel)
			if ok && exists && s.concerned(rel) && !here.Dir && t.Action == "M" && changed && (ch.Binary || len(ch.Left)+len(ch.Right) > 0) &&
				!slices.Contains(list, rel) && (ch.Binary || s.doubtful(rel, c.Rev)) {
				list = append(list, rel)
			}
		}
	}
	texts := make([][]byte, len(list))
	err := parallel(ctx, len(list), func(ctx context.Context, i int) (err error) { texts[i], err = s.text(ctx, list[i]); return err })
	for i, rel := range list {
		if err == nil {
			s.files[rel] = s.sketch(rel, texts[i])
		}
	}
	return err
}

// mergeFile merges the text and the properties of a file.
func (s *rehearsal) mergeFile(ctx context.Context, c commit, rel string) error {
	ch, ok := s.library.changes[c.Rev][rel]
	if !ok {
		return nil
	}
	if err := s.mergeProps(ctx, c, rel); err != nil {
		return err
	}
	if ch.Binary {
		return s.mergeBinary(ctx, c, rel)
	}
	if len(ch.Left) == 0 && len(ch.Right) == 0 {
		return nil
	}
	if _, read := s.files[rel]; !read && !s.doubtful(rel, c.Rev) {
		s.files[rel] = &sketch{made: madeBy(rel, c.Rev), lines: ch.Right}
		return nil
	}
	mine, err := s.file(ctx, rel)
	if err != nil {
		return err
	}
	next, clashes := s.library.merge(mine, c.Rev, ch)
	s.files[rel] = next
	if len(clashes) > 0 {
		f := Foreseen{Path: rel, Kind: textConflict, Rev: c.Rev, Why: fmt.Sprintf("r%d changes lines of %s that are different here", c.Rev, rel)}
		if isLink(ch.Left) && isLink(ch.Right) {
			f.Why = fmt.Sprintf("r%d changes where the symlink %s points, which is different here", c.Rev, rel)
		}
		for _, k := range clashes {
			f.Hunks = append(f.Hunks, Hunk{Line: k.Line, Base: strings.Join(k.Base, ""), Mine: strings.Join(k.Mine, ""), Theirs: strings.Join(k.Theirs, "")})
		}
		s.meet(f)
	}
	return nil
}

// isLink reports whether a text is what svn keeps of a symlink.
func isLink(text []string) bool {
	return len(text) == 1 && strings.HasPrefix(text[0], "link ") && !strings.HasSuffix(text[0], "\n")
}

func (s *rehearsal) mergeBinary(ctx context.Context, c commit, rel string) error {
	path, _ := segmentAt(s.p.sourceSegs, c.Rev)
	mine, err := s.file(ctx, rel)
	if err != nil {
		return err
	}
	left, err := s.library.textAt(ctx, path+"/"+rel, c.Rev-1)
	if err != nil {
		return err
	}
	right, err := s.library.textAt(ctx, path+"/"+rel, c.Rev)
	if err != nil {
		return err
	}
	if !bytes.Equal(left, mine.bytes()) && !bytes.Equal(right, mine.bytes()) {
		s.meet(Foreseen{Path: rel, Kind: textConflict, Rev: c.Rev, Why: fmt.Sprintf("r%d changes the binary file %s, which is another one here", c.Rev, rel)})
		return nil
	}
	s.files[rel] = &sketch{made: madeBy(rel, c.Rev), raw: right, binary: true}
	return nil
}

// mergeProps merges the properties that a pick changed on a path, but for merge
// information, which svn merges by itself.
func (s *rehearsal) mergeProps(ctx context.Context, c commit, rel string) error {
	name := rel
	if rel == "" {
		name = "."
	}
	names := slices.DeleteFunc(slices.Clone(s.library.changes[c.Rev][name].Props), func(n string) bool { return n == mergeProperty })
	if len(names) == 0 {
		return nil
	}
	path, _ := segmentAt(s.p.sourceSegs, c.Rev)
	left, err := s.library.properties(ctx, join0(path, rel), c.Rev-1)
	if err != nil {
		return err
	}
	right, err := s.library.properties(ctx, join0(path, rel), c.Rev)
	if err != nil {
		return err
	}
	mine, err := s.properties(ctx, rel)
	if err != nil {
		return err
	}
	if bad := takeProps(mine, left, right, names); len(bad) > 0 {
		s.meet(Foreseen{Path: name, Kind: propertyConflict, Rev: c.Rev, Why: fmt.Sprintf("r%d changes %s of %s, which is different here", c.Rev, oneLine(strings.Join(bad, ", ")), name)})
	}
	return nil
}

// takeProps puts changed properties into mine and lists those that conflict: what
// mine has is neither what they were nor what they became.
func takeProps(mine, left, right map[string]string, names []string) (bad []string) {
	for _, n := range names {
		l, hadL := left[n]
		r, hasR := right[n]
		v, here := mine[n]
		if (here != hadL || v != l) && (here != hasR || v != r) {
			bad = append(bad, n)
		}
		delete(mine, n)
		if hasR {
			mine[n] = r
		}
	}
	return bad
}

// properties are those of a path of the target as the picks left it, without
// merge information.
func (s *rehearsal) properties(ctx context.Context, rel string) (map[string]string, error) {
	if p := s.props[rel]; p != nil {
		return p, nil
	}
	path, rev := join0(s.m.Into.inRepo, rel), s.p.head
	if here, _ := s.tree.at(rel); rel != "" && here.Rev == 0 {
		rev = here.Pick
		at, _ := segmentAt(s.p.sourceSegs, rev)
		path = join0(at, rel)
	}
	p, err := s.library.properties(ctx, path, rev)
	if err != nil {
		return nil, err
	}
	delete(p, mergeProperty)
	s.props[rel] = p
	return p, nil
}

// relOf is the relative path of what svn calls "." for the top.
func relOf(name string) string {
	if name == "." {
		return ""
	}
	return name
}

// join0 appends a relative path, which may be empty, to a plain path.
func join0(path, rel string) string { return strings.TrimRight(path+"/"+rel, "/") }

// result gathers what was met and what is missing.
func (s *rehearsal) result(needed revset) Preview {
	out := Preview{Clean: len(s.out) == 0, Conflicts: s.out, Picks: nodes.Changesets{}, Needs: nodes.Changesets{}, Related: nodes.Changesets{}}
	if len(s.picks) == 0 {
		return out
	}
	related := s.related()
	for _, c := range s.p.source.Commits {
		if s.picked.has(c.Rev) {
			out.Picks = append(out.Picks, c.changeset())
		}
		if needed.has(c.Rev) {
			out.Needs = append(out.Needs, c.changeset())
		}
		if related[c.Rev] {
			out.Related = append(out.Related, c.changeset())
		}
	}
	return out
}

// related finds the revisions that could be taken, are not picked, and come before
// a pick on one of its files.
func (s *rehearsal) related() map[int]bool {
	out := map[int]bool{}
	for _, c := range s.picks {
		at, _ := segmentAt(s.p.sourceSegs, c.Rev)
		for _, t := range c.Paths {
			if rel, ok := below(at, t.Path); ok && rel != "" && t.Kind != "dir" {
				for _, rev := range s.trails.earlier(rel, c.Rev) {
					if !out[rev] && !s.picked.has(rev) && s.p.stand(rev) == available {
						out[rev] = true
					}
				}
			}
		}
	}
	return out
}
