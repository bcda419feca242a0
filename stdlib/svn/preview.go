package svn

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/rollsh/rollsh/nodes"
)

// Preview is what a take would meet.
type Preview struct {
	Clean     bool             `lua:"clean"`
	Conflicts []Foreseen       `lua:"conflicts"`
	Needs     nodes.Changesets `lua:"needs"`   // earlier, neither merged nor picked, on the paths in conflict
	Related   nodes.Changesets `lua:"related"` // the same on all paths of the picks
	Picks     nodes.Changesets `lua:"picks"`
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
	p, err := m.study(ctx)
	if err != nil {
		return Preview{}, err
	}
	set, err := m.pick(p, revs, available, "preview")
	if err != nil {
		return Preview{}, err
	}
	s := &rehearsal{m: m, p: p, picked: set, files: map[string]*sketch{}, props: map[string]map[string]string{}, met: map[string]int{}}
	if err := s.prepare(ctx); err != nil {
		return Preview{}, err
	}
	for _, c := range s.picks {
		if err := s.play(ctx, c); err != nil {
			return Preview{}, err
		}
	}
	m.Into.svn.metadata.save(p.source)
	m.Into.svn.metadata.save(p.target)
	return s.result(), nil
}

// rehearsal is a merge in memory.
type rehearsal struct {
	m       *Merge
	p       *picture
	picked  revset
	picks   []commit
	changes map[int]map[string]change
	tree    map[string]treeEntry // the target as it is, then as the picks leave it
	files   map[string]*sketch   // texts that were read or merged
	props   map[string]map[string]string
	out     []Foreseen
	met     map[string]int // kind and path to index in out
	victims []string       // of the pick that is played
}

// treeEntry is a path of the target.
type treeEntry struct {
	Dir  bool
	Rev  int // last changed; 0 when a pick brought it
	Pick int // the pick that brought it
}

// sketch is a file of the target as the picks leave it.
type sketch struct {
	lines  []string
	binary bool
	raw    []byte
}

// prepare reads the target's tree and, side by side, what the picks changed.
func (s *rehearsal) prepare(ctx context.Context) (err error) {
	for _, c := range s.p.source.Commits {
		if s.picked.has(c.Rev) {
			s.picks = append(s.picks, c)
		}
	}
	if s.tree, err = s.m.Into.listing(ctx, s.p); err != nil {
		return err
	}
	all := make([]map[string]change, len(s.picks))
	err = parallel(ctx, len(s.picks), func(ctx context.Context, i int) (err error) {
		path, _ := segmentAt(s.p.sourceSegs, s.picks[i].Rev)
		all[i], err = s.m.Into.changes(ctx, path, s.picks[i].Rev)
		return err
	})
	s.changes = map[int]map[string]change{}
	for i, c := range s.picks {
		s.changes[c.Rev] = all[i]
	}
	return err
}

// listing is the tree of the target, cached by its last change.
func (c *Checkout) listing(ctx context.Context, p *picture) (map[string]treeEntry, error) {
	last := 0
	if n := len(p.target.Commits); n > 0 {
		last = p.target.Commits[n-1].Rev
	}
	cache := c.svn.metadata
	key := cache.key(c.UUID, "tree\x00"+c.inRepo+"\x00"+strconv.Itoa(last))
	var tree map[string]treeEntry
	if cache.recall("trees", key, &tree) {
		return tree, nil
	}
	list, err := c.list(ctx, p.head)
	if err != nil {
		return nil, err
	}
	tree = make(map[string]treeEntry, len(list))
	for _, e := range list {
		tree[e.Name] = treeEntry{Dir: e.Kind == "dir", Rev: e.Commit.Revision}
	}
	cache.keep("trees", key, tree)
	return tree, nil
}

// play merges one pick.
func (s *rehearsal) play(ctx context.Context, c commit) error {
	path, _ := segmentAt(s.p.sourceSegs, c.Rev)
	s.victims = nil
	for _, t := range byPath(c.Paths) {
		rel, ok := below(path, t.Path)
		if !ok || s.belowVictim(rel) || s.p.mergedInto(path, rel, c.Rev) {
			continue
		}
		if err := s.touch(ctx, c, t, rel); err != nil {
			return err
		}
	}
	return nil
}

func (s *rehearsal) belowVictim(rel string) bool {
	return slices.ContainsFunc(s.victims, func(v string) bool { _, in := below(v, rel); return in })
}

// touch merges what a pick did to one path.
func (s *rehearsal) touch(ctx context.Context, c commit, t touch, rel string) error {
	if rel == "" {
		return s.mergeProps(ctx, c, rel)
	}
	if up := s.missingAbove(rel); up != "" {
		s.treeClash(c, up, "is changed by r%d, and is not here", up)
		return nil
	}
	here, exists := s.tree[rel]
	switch {
	case t.Action == "A" && exists:
		s.treeClash(c, rel, "is added by r%d, and is here already", rel)
		return nil
	case t.Action == "A":
		return s.add(ctx, c, t, rel)
	case !exists:
		s.treeClash(c, rel, "is changed by r%d, and is not here", rel)
		return nil
	case t.Kind != "" && here.Dir != (t.Kind == "dir") && t.Action == "M":
		s.treeClash(c, rel, "is changed by r%d, and is of another kind here", rel)
		return nil
	case t.Action == "M" && here.Dir:
		return s.mergeProps(ctx, c, rel)
	case t.Action == "M":
		return s.mergeFile(ctx, c, rel)
	}
	return s.remove(ctx, c, t, rel, here)
}

func (s *rehearsal) missingAbove(rel string) string {
	missing := ""
	for up := parent(rel); up != ""; up = parent(up) {
		if _, ok := s.tree[up]; !ok {
			missing = up
		}
	}
	return missing
}

func (s *rehearsal) treeClash(c commit, victim, why, path string) {
	s.victims = append(s.victims, victim)
	s.meet(Foreseen{Path: victim, Kind: treeConflict, Rev: c.Rev, Why: path + " " + fmt.Sprintf(why, c.Rev) + s.moved(path)})
}

// meet notes a conflict; of the same path and kind there is one, with all hunks.
func (s *rehearsal) meet(f Foreseen) {
	key := f.Kind + "\x00" + f.Path
	if i, ok := s.met[key]; ok {
		s.out[i].Hunks = append(s.out[i].Hunks, f.Hunks...)
		return
	}
	s.met[key] = len(s.out)
	s.out = append(s.out, f)
}

// moved tells where a path that is not in the target went, as far as its history
// says.
func (s *rehearsal) moved(rel string) string {
	for _, c := range slices.Backward(s.p.target.Commits) {
		for _, t := range c.Paths {
			if to, ok := below(s.m.Into.inRepo, t.Path); ok && t.From != "" && strings.HasSuffix(t.From, "/"+rel) && to != rel {
				return fmt.Sprintf("; it was moved or copied to %s in r%d by %s", to, c.Rev, oneLine(c.Author))
			}
		}
	}
	return ""
}

// add brings a file or folder, with what a copied folder holds.
func (s *rehearsal) add(ctx context.Context, c commit, t touch, rel string) error {
	s.tree[rel] = treeEntry{Dir: t.Kind == "dir", Pick: c.Rev}
	if t.From != "" && t.Kind == "dir" {
		list, err := s.m.Into.listAt(ctx, t.Path, c.Rev)
		if err != nil {
			return err
		}
		for _, e := range list {
			s.tree[rel+"/"+e.Name] = treeEntry{Dir: e.Kind == "dir", Pick: c.Rev}
		}
		return nil
	}
	if ch, ok := s.changes[c.Rev][rel]; ok && t.From == "" {
		s.files[rel] = &sketch{lines: ch.Right, binary: ch.Binary}
		return nil
	}
	s.files[rel] = nil // to be read from the source where it is needed
	return nil
}

// remove deletes or replaces a path; what differs here from what was deleted is
// a conflict.
func (s *rehearsal) remove(ctx context.Context, c commit, t touch, rel string, here treeEntry) error {
	same, err := s.sameAsLeft(ctx, c, rel, here)
	if err != nil {
		return err
	}
	if !same {
		word := map[string]string{"D": "deleted", "R": "replaced"}[t.Action]
		s.treeClash(c, rel, "is "+word+" by r%d, and was changed here", rel)
		return nil
	}
	for p := range s.tree {
		if _, in := below(rel, p); in {
			delete(s.tree, p)
			delete(s.files, p)
			delete(s.props, p)
		}
	}
	if t.Action == "R" {
		return s.add(ctx, c, t, rel)
	}
	return nil
}

// sameAsLeft reports whether the target has at a path what the source had before
// a revision.
func (s *rehearsal) sameAsLeft(ctx context.Context, c commit, rel string, here treeEntry) (bool, error) {
	path, _ := segmentAt(s.p.sourceSegs, c.Rev)
	if !here.Dir {
		return s.sameFile(ctx, path+"/"+rel, c.Rev-1, rel)
	}
	list, err := s.m.Into.listAt(ctx, path+"/"+rel, c.Rev-1)
	if err != nil {
		return false, err
	}
	left := map[string]bool{}
	for _, e := range list {
		left[rel+"/"+e.Name] = e.Kind == "dir"
	}
	mine := map[string]bool{}
	for p, e := range s.tree {
		if in, ok := below(rel, p); ok && in != "" {
			mine[p] = e.Dir
		}
	}
	if !maps.Equal(left, mine) {
		return false, nil
	}
	for p, dir := range left {
		if dir || !s.doubtful(p, c.Rev) {
			continue
		}
		if same, err := s.sameFile(ctx, path+"/"+p, c.Rev-1, p); err != nil || !same {
			return false, err
		}
	}
	return true, nil
}

// doubtful reports whether a file may differ from the source's before a revision:
// somebody changed it on one side since they parted, and not by a pick.
func (s *rehearsal) doubtful(rel string, rev int) bool {
	if _, read := s.files[rel]; read {
		return true
	}
	for _, c := range s.p.target.Commits {
		if at, _ := segmentAt(s.p.targetSegs, c.Rev); at == s.m.Into.inRepo && touches(c, at+"/"+rel, nil) && !isBirth(c, at) {
			return true
		}
	}
	for _, c := range s.p.source.Commits {
		at, _ := segmentAt(s.p.sourceSegs, c.Rev)
		if c.Rev < rev && s.p.standOf(c) != shared && touches(c, at+"/"+rel, nil) {
			return true
		}
	}
	return false
}

// sameFile compares a file of the target with one of the source, properties too.
func (s *rehearsal) sameFile(ctx context.Context, path string, rev int, rel string) (bool, error) {
	mine, err := s.file(ctx, rel)
	if err != nil {
		return false, err
	}
	left, err := s.m.Into.contents(ctx, path, rev)
	if err != nil || !bytes.Equal(left, mine.bytes()) {
		return false, err
	}
	a, err := s.m.Into.properties(ctx, path, rev)
	if err != nil {
		return false, err
	}
	b, err := s.properties(ctx, rel)
	delete(a, mergeProperty)
	return maps.Equal(a, b), err
}

func (k *sketch) bytes() []byte {
	if k.raw != nil {
		return k.raw
	}
	return []byte(strings.Join(k.lines, ""))
}

// file reads a file of the target as the picks left it.
func (s *rehearsal) file(ctx context.Context, rel string) (*sketch, error) {
	if k := s.files[rel]; k != nil {
		return k, nil
	}
	path, rev := s.m.Into.inRepo+"/"+rel, s.p.head
	last := s.tree[rel].Rev
	if last == 0 { // a copy that a pick brought
		rev = s.tree[rel].Pick
		at, _ := segmentAt(s.p.sourceSegs, rev)
		path, last = at+"/"+rel, rev
	}
	cache := s.m.Into.svn.metadata
	key := cache.key(s.m.Into.UUID, "text\x00"+path+"\x00"+strconv.Itoa(last))
	var text []byte
	if !cache.recall("texts", key, &text) {
		var err error
		if text, err = s.m.Into.contents(ctx, path, rev); err != nil {
			return nil, err
		}
		cache.keep("texts", key, text)
	}
	k := &sketch{lines: splitLines(string(text)), raw: text}
	s.files[rel] = k
	return k, nil
}

// mergeFile merges the text and the properties of a file.
func (s *rehearsal) mergeFile(ctx context.Context, c commit, rel string) error {
	ch, ok := s.changes[c.Rev][rel]
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
		s.files[rel] = &sketch{lines: ch.Right}
		return nil
	}
	mine, err := s.file(ctx, rel)
	if err != nil {
		return err
	}
	text, clashes := merge3(ch.Left, mine.lines, ch.Right)
	s.files[rel] = &sketch{lines: text}
	if len(clashes) > 0 {
		f := Foreseen{Path: rel, Kind: textConflict, Rev: c.Rev, Why: fmt.Sprintf("r%d changes lines of %s that are different here", c.Rev, rel)}
		for _, k := range clashes {
			f.Hunks = append(f.Hunks, Hunk{Line: k.Line, Base: strings.Join(k.Base, ""), Mine: strings.Join(k.Mine, ""), Theirs: strings.Join(k.Theirs, "")})
		}
		s.meet(f)
	}
	return nil
}

func (s *rehearsal) mergeBinary(ctx context.Context, c commit, rel string) error {
	path, _ := segmentAt(s.p.sourceSegs, c.Rev)
	mine, err := s.file(ctx, rel)
	if err != nil {
		return err
	}
	left, err := s.m.Into.contents(ctx, path+"/"+rel, c.Rev-1)
	if err != nil {
		return err
	}
	right, err := s.m.Into.contents(ctx, path+"/"+rel, c.Rev)
	if err != nil {
		return err
	}
	if !bytes.Equal(left, mine.bytes()) && !bytes.Equal(right, mine.bytes()) {
		s.meet(Foreseen{Path: rel, Kind: textConflict, Rev: c.Rev, Why: fmt.Sprintf("r%d changes the binary file %s, which is another one here", c.Rev, rel)})
		return nil
	}
	s.files[rel] = &sketch{raw: right, binary: true}
	return nil
}

// mergeProps merges the properties that a pick changed on a path, but for merge
// information, which svn merges by itself.
func (s *rehearsal) mergeProps(ctx context.Context, c commit, rel string) error {
	name := rel
	if rel == "" {
		name = "."
	}
	names := slices.DeleteFunc(slices.Clone(s.changes[c.Rev][name].Props), func(n string) bool { return n == mergeProperty })
	if len(names) == 0 {
		return nil
	}
	path, _ := segmentAt(s.p.sourceSegs, c.Rev)
	left, err := s.m.Into.properties(ctx, join0(path, rel), c.Rev-1)
	if err != nil {
		return err
	}
	right, err := s.m.Into.properties(ctx, join0(path, rel), c.Rev)
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
	if rel != "" && s.tree[rel].Rev == 0 {
		rev = s.tree[rel].Pick
		at, _ := segmentAt(s.p.sourceSegs, rev)
		path = join0(at, rel)
	}
	p, err := s.m.Into.properties(ctx, path, rev)
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

func (c *Checkout) listAt(ctx context.Context, path string, rev int) ([]listXML, error) {
	var list []listXML
	args := []string{"list", "-R", "--xml", "-r", strconv.Itoa(rev), at(join(c.Repo, path), rev)}
	_, err := c.client.must(ctx, call{args: args, read: collect("entry", &list)})
	return list, err
}

// result gathers what was met and what is missing.
func (s *rehearsal) result() Preview {
	out := Preview{Clean: len(s.out) == 0, Conflicts: s.out, Picks: changesets(s.picks), Needs: nodes.Changesets{}, Related: nodes.Changesets{}}
	if len(s.picks) == 0 {
		return out
	}
	last := s.picks[len(s.picks)-1].Rev
	for _, c := range s.p.source.Commits {
		if c.Rev >= last || s.picked.has(c.Rev) || s.p.standOf(c) != available {
			continue
		}
		at, _ := segmentAt(s.p.sourceSegs, c.Rev)
		if slices.ContainsFunc(s.out, func(f Foreseen) bool { return c.Rev < s.lastOn(f.Path) && touches(c, join0(at, relOf(f.Path)), nil) }) {
			out.Needs = append(out.Needs, c.changeset())
		}
		if s.sharesPath(c, at) {
			out.Related = append(out.Related, c.changeset())
		}
	}
	return out
}

// lastOn is the last pick that touches a path.
func (s *rehearsal) lastOn(rel string) int {
	last := 0
	for _, c := range s.picks {
		at, _ := segmentAt(s.p.sourceSegs, c.Rev)
		if touches(c, join0(at, relOf(rel)), nil) {
			last = c.Rev
		}
	}
	return last
}

func (s *rehearsal) sharesPath(c commit, at string) bool {
	for _, p := range s.picks {
		if p.Rev < c.Rev {
			continue
		}
		for _, t := range p.Paths {
			if rel, ok := below(at, t.Path); ok && rel != "" && touches(c, t.Path, nil) && t.Kind != "dir" {
				return true
			}
		}
	}
	return false
}
