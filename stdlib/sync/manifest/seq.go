package manifest

import (
	"slices"
	"strings"
)

// Seq gives the entries of a list one by one, sorted by path.
type Seq interface {
	// Next gives the next entry, which is valid until Next is called again; nil at
	// the end of the list, and where it cannot be read on.
	Next() *Entry
	// Err says why Next gave nil before the end; nil when it was the end.
	Err() error
}

// List is a list of entries, sorted by path, that can be read any number of
// times, by several readers at once.
type List interface {
	Read() Seq
	// Traits are what may be among the entries.
	Traits() Traits
}

// Traits are what is rare in a list, so that it need not be looked for.
type Traits struct {
	HardLinks bool    `json:",omitempty"` // files may be hard links of others
	Owners    []Owner `json:",omitempty"` // that are given, each once
}

func (t *Traits) see(e *Entry) {
	if e.Kind == File && e.Link != "" {
		t.HardLinks = true
	}
	if e.Owner.Given() {
		t.owner(e.Owner)
	}
}

// owner looks at the last first: neighbours have the same.
func (t *Traits) owner(o Owner) {
	if n := len(t.Owners); n > 0 && t.Owners[n-1] == o || slices.Contains(t.Owners, o) {
		return
	}
	t.Owners = append(t.Owners, o)
}

func (t *Traits) add(b Traits) {
	t.HardLinks = t.HardLinks || b.HardLinks
	for _, o := range b.Owners {
		t.owner(o)
	}
}

// Slice is a List that is in memory as it is.
type Slice []Entry

// Read implements List.
func (s Slice) Read() Seq { return &sliceSeq{left: s} }

// Traits implements List.
func (s Slice) Traits() (t Traits) {
	for i := range s {
		t.see(&s[i])
	}
	return t
}

type sliceSeq struct{ left []Entry }

// Next implements Seq.
func (s *sliceSeq) Next() *Entry {
	if len(s.left) == 0 {
		return nil
	}
	e := &s.left[0]
	s.left = s.left[1:]
	return e
}

// Err implements Seq.
func (s *sliceSeq) Err() error { return nil }

// Refs is a List of references to entries.
type Refs []*Entry

// Read implements List.
func (r Refs) Read() Seq { return &refSeq{left: r} }

// Traits implements List.
func (r Refs) Traits() (t Traits) {
	for _, e := range r {
		t.see(e)
	}
	return t
}

type refSeq struct{ left []*Entry }

// Next implements Seq.
func (s *refSeq) Next() *Entry {
	if len(s.left) == 0 {
		return nil
	}
	e := s.left[0]
	s.left = s.left[1:]
	return e
}

// Err implements Seq.
func (s *refSeq) Err() error { return nil }

// Collect reads a whole list into memory.
func Collect(l List) ([]Entry, error) {
	if s, ok := l.(Slice); ok {
		return s, nil
	}
	var out []Entry
	s := l.Read()
	for e := s.Next(); e != nil; e = s.Next() {
		out = append(out, *e)
	}
	return out, s.Err()
}

// Look gives the entry of a path, nil where there is none. It reads the list up
// to there.
func Look(l List, p string) (*Entry, error) {
	s := l.Read()
	e := s.Next()
	for e != nil && e.Path < p {
		e = s.Next()
	}
	if e == nil || e.Path != p {
		return nil, s.Err()
	}
	return copied(e), nil
}

// Patch is what turns one list into another.
type Patch struct {
	Change []*Entry // entries that are new or differ in anything, sorted by path
	Gone   []string // paths that are no longer in it, sorted
}

// Empty reports whether the lists are the same.
func (p *Patch) Empty() bool { return len(p.Change)+len(p.Gone) == 0 }

// Edit is the same, as lists.
func (p *Patch) Edit() Edit { return Edit{Change: Refs(p.Change), Gone: names(p.Gone)} }

// Patched is the list that p turns base into.
func Patched(base List, p Patch) List {
	if p.Empty() {
		return base
	}
	return Edited(base, p.Edit())
}

// names is a list of entries of which only the paths are known.
type names []string

// Read implements List.
func (n names) Read() Seq { return &nameSeq{left: n} }

// Traits implements List.
func (names) Traits() Traits { return Traits{} }

type nameSeq struct {
	left []string
	e    Entry
}

// Next implements Seq.
func (s *nameSeq) Next() *Entry {
	if len(s.left) == 0 {
		return nil
	}
	s.e.Path, s.left = s.left[0], s.left[1:]
	return &s.e
}

// Err implements Seq.
func (*nameSeq) Err() error { return nil }

// cursor looks one entry ahead. It begins as used.
type cursor struct {
	Seq
	cur  *Entry
	used bool // cur was given out: Next is called when the one after it is asked for
}

// head gives the entry that comes next, and nil at the end.
func (c *cursor) head() *Entry {
	if c.used {
		c.used = false
		c.cur = c.Next()
	}
	return c.cur
}

// take goes on to the entry after the head; the head stays valid until then.
func (c *cursor) take() *Entry {
	e := c.head()
	c.used = e != nil
	return e
}

// Mapped is a list whose entries are changed by f as they are read: not in
// their paths, and each one's copy alone.
func Mapped(l List, f func(*Entry)) List { return &mapped{l, f} }

type mapped struct {
	List
	f func(*Entry)
}

// Read implements List.
func (m *mapped) Read() Seq { return &mappedSeq{Seq: m.List.Read(), f: m.f} }

type mappedSeq struct {
	Seq
	f func(*Entry)
	e Entry
}

// Next implements Seq.
func (m *mappedSeq) Next() *Entry {
	e := m.Seq.Next()
	if e == nil {
		return nil
	}
	m.e = *e
	m.f(&m.e)
	return &m.e
}

// Some is the list of those entries of l that a function which keep gives for
// each reading is true for. It is asked in the order of the paths.
func Some(l List, keep func() func(*Entry) bool) List { return &some{l, keep} }

type some struct {
	List
	keep func() func(*Entry) bool
}

// Read implements List.
func (s *some) Read() Seq { return &someSeq{s.List.Read(), s.keep()} }

type someSeq struct {
	Seq
	keep func(*Entry) bool
}

// Next implements Seq.
func (s *someSeq) Next() *Entry {
	for {
		if e := s.Seq.Next(); e == nil || s.keep(e) {
			return e
		}
	}
}

// Delta is what turns the list a into b, and what a has at those paths. The
// entries are copies.
func Delta(a, b List) (p Patch, replaced Slice, err error) {
	err = Walk([]Seq{a.Read(), b.Read()}, func(path string, at []*Entry) {
		was, is := at[0], at[1]
		switch {
		case is == nil:
			p.Gone = append(p.Gone, path)
		case was == nil || was.record() != is.record():
			p.Change = append(p.Change, copied(is))
		default:
			return
		}
		if was != nil {
			replaced = append(replaced, *copied(was))
		}
	})
	return p, replaced, err
}

// copied gives an entry that stays. Its path keeps no others in memory.
func copied(e *Entry) *Entry {
	c := *e
	c.Path = strings.Clone(e.Path)
	return &c
}

// Walk goes through lists side by side: f is given each path with the entries
// that the lists have there, nil where one has none, which are valid until it
// returns.
func Walk(lists []Seq, f func(path string, at []*Entry)) error {
	cursors := make([]cursor, len(lists))
	for i := range cursors {
		cursors[i] = cursor{Seq: lists[i], used: true}
	}
	at := make([]*Entry, len(lists))
	for {
		p, found := "", false
		for i := range cursors {
			e := cursors[i].head()
			if at[i] = nil; e == nil {
				continue
			}
			order := -1
			if found {
				order = strings.Compare(e.Path, p)
			}
			if order < 0 {
				p, found = e.Path, true
				clear(at[:i])
			}
			if order <= 0 {
				at[i] = e
			}
		}
		if !found {
			break
		}
		for i := range cursors {
			cursors[i].used = at[i] != nil
		}
		f(p, at)
	}
	for i := range cursors {
		if err := cursors[i].Err(); err != nil {
			return err
		}
	}
	return nil
}
