package svn

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// rehearsal is a merge in memory.
type rehearsal struct {
	m       *Merge
	p       *picture
	picked  revset
	picks   []commit
	library *library
	only    string             // where not empty, what does not touch this path is left out
	tree    *treeView          // the target as the picks leave it
	files   map[string]*sketch // texts that were read or merged
	props   map[string]map[string]string
	out     []Foreseen
	met     map[string]int // kind and path to index in out
	clashes map[int]int    // by pick: stretches of lines, properties and paths in conflict
	weight  map[string]int // the same by kind and path
	trails  *trails
	victims []string // of the pick that is played
}

func (m *Merge) rehearse(p *picture, picked revset, l *library, t *trails) *rehearsal {
	s := &rehearsal{
		m: m, p: p, picked: picked, library: l, trails: t, files: map[string]*sketch{}, props: map[string]map[string]string{},
		met: map[string]int{}, clashes: map[int]int{}, weight: map[string]int{},
	}
	for _, c := range p.source.Commits {
		if picked.has(c.Rev) {
			s.picks = append(s.picks, c)
		}
	}
	return s
}

// sketch is a file of the target as the picks leave it.
type sketch struct {
	made   string // names how it came to be what it is: the same name, the same text
	lines  []string
	binary bool
	raw    []byte
}

// prepare reads the target's tree and, side by side, what the picks changed.
func (s *rehearsal) prepare(ctx context.Context) error {
	err := together([]func() error{
		func() (err error) {
			if s.library.tree == nil {
				s.library.tree, err = s.m.Into.listing(ctx, s.p)
			}
			return err
		},
		func() error { return s.library.changesOf(ctx, s.p, s.picks) },
	})
	if err != nil {
		return err
	}
	s.tree = newTreeView(s.library.tree)
	return s.fetch(ctx)
}

// run plays all picks.
func (s *rehearsal) run(ctx context.Context) error {
	if err := s.prepare(ctx); err != nil {
		return err
	}
	for _, c := range s.picks {
		if err := s.play(ctx, c); err != nil {
			return err
		}
	}
	return nil
}

// listing is the tree of the target, cached by its last change.
func (c *Checkout) listing(ctx context.Context, p *picture) (treeList, error) {
	last := 0
	if n := len(p.target.Commits); n > 0 {
		last = p.target.Commits[n-1].Rev
	}
	cache := c.svn.metadata
	key := cache.key(c.UUID, "tree\x00"+c.inRepo+"\x00"+strconv.Itoa(last))
	var tree treeList
	if cache.recall("trees", key, &tree) {
		return tree, nil
	}
	list, err := c.list(ctx, p.head)
	if err != nil {
		return nil, err
	}
	for _, e := range list {
		tree = append(tree, treeItem{e.Name, treeEntry{Dir: e.Kind == "dir", Rev: e.Commit.Revision}})
	}
	slices.SortFunc(tree, func(a, b treeItem) int { return strings.Compare(a.path, b.path) })
	cache.keep("trees", key, tree)
	return tree, nil
}

// play merges one pick.
func (s *rehearsal) play(ctx context.Context, c commit) error {
	path, _ := segmentAt(s.p.sourceSegs, c.Rev)
	s.victims = nil
	for _, t := range byPath(c.Paths) {
		rel, ok := below(path, t.Path)
		if !ok || !s.concerned(rel) || s.belowVictim(rel) || s.p.mergedInto(path, rel, c.Rev) {
			continue
		}
		if err := s.touch(ctx, c, t, rel); err != nil {
			return err
		}
	}
	return nil
}

// concerned reports whether a path is to be played.
func (s *rehearsal) concerned(rel string) bool {
	if s.only == "" {
		return true
	}
	_, in := below(s.only, rel)
	_, over := below(rel, s.only)
	return in || over
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
	here, exists := s.tree.at(rel)
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
		if _, ok := s.tree.at(up); !ok {
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
	s.clashes[f.Rev] += max(1, len(f.Hunks))
	s.weight[key] += max(1, len(f.Hunks))
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
	s.tree.put(rel, treeEntry{Dir: t.Kind == "dir", Pick: c.Rev})
	if t.From != "" && t.Kind == "dir" {
		list, err := s.library.list(ctx, t.Path, c.Rev)
		if err != nil {
			return err
		}
		for _, e := range list {
			s.tree.put(rel+"/"+e.Name, treeEntry{Dir: e.Kind == "dir", Pick: c.Rev})
		}
		return nil
	}
	if ch, ok := s.library.changes[c.Rev][rel]; ok && t.From == "" {
		s.files[rel] = &sketch{made: madeBy(rel, c.Rev), lines: ch.Right, binary: ch.Binary}
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
	for p := range s.tree.under(rel) {
		s.tree.remove(p)
		delete(s.files, p)
		delete(s.props, p)
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
	list, err := s.library.list(ctx, path+"/"+rel, c.Rev-1)
	if err != nil {
		return false, err
	}
	left := map[string]bool{}
	for _, e := range list {
		left[rel+"/"+e.Name] = e.Kind == "dir"
	}
	mine := map[string]bool{}
	for p, e := range s.tree.under(rel) {
		if p != rel {
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
	return len(s.trails.own(rel)) > 0 || slices.ContainsFunc(s.trails.earlier(rel, rev), func(r int) bool { return s.p.stand(r) != shared })
}

// sameFile compares a file of the target with one of the source, properties too.
func (s *rehearsal) sameFile(ctx context.Context, path string, rev int, rel string) (bool, error) {
	mine, err := s.file(ctx, rel)
	if err != nil {
		return false, err
	}
	left, err := s.library.textAt(ctx, path, rev)
	if err != nil || !bytes.Equal(left, mine.bytes()) {
		return false, err
	}
	a, err := s.library.properties(ctx, path, rev)
	if err != nil {
		return false, err
	}
	b, err := s.properties(ctx, rel)
	delete(a, mergeProperty)
	return maps.Equal(a, b), err
}

// madeBy names what a revision of the source made of a file.
func madeBy(rel string, rev int) string { return rel + "\x00=" + strconv.Itoa(rev) }

func (k *sketch) bytes() []byte {
	if k.raw != nil {
		return k.raw
	}
	return []byte(strings.Join(k.lines, ""))
}

func (c *Checkout) listAt(ctx context.Context, path string, rev int) ([]listXML, error) {
	var list []listXML
	args := []string{"list", "-R", "--xml", "-r", strconv.Itoa(rev), at(join(c.Repo, path), rev)}
	_, err := c.client.must(ctx, call{args: args, read: collect("entry", &list)})
	return list, err
}
