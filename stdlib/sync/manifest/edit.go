package manifest

import "errors"

// Edit is what turns one list into another: as a Patch, but not held in memory.
type Edit struct {
	Change List // entries that are new or differ in anything
	Gone   List // of paths that are no longer in it; only the paths count
}

// Edited is the list that an edit turns base into.
func Edited(base List, e Edit) List { return &edited{base, e} }

type edited struct {
	base List
	e    Edit
}

// Read implements List.
func (l *edited) Read() Seq {
	return &editedSeq{start(l.base), start(l.e.Change), start(l.e.Gone)}
}

// Traits implements List.
func (l *edited) Traits() Traits {
	var t Traits
	t.add(l.base.Traits())
	t.add(l.e.Change.Traits())
	return t
}

// start is before the first entry of a list.
func start(l List) cursor { return cursor{Seq: l.Read(), used: true} }

type editedSeq struct{ base, change, gone cursor }

// Next implements Seq. Where one of the lists cannot be read on, Err says so at
// the end.
func (s *editedSeq) Next() *Entry {
	for {
		b, c := s.base.head(), s.change.head()
		if c != nil && (b == nil || c.Path <= b.Path) {
			if b != nil && b.Path == c.Path {
				s.base.take()
			}
			return s.change.take()
		}
		if b == nil {
			return nil
		}
		if s.base.take(); !s.isGone(b.Path) {
			return b
		}
	}
}

func (s *editedSeq) isGone(p string) bool {
	g := s.gone.head()
	for g != nil && g.Path < p {
		s.gone.take()
		g = s.gone.head()
	}
	return g != nil && g.Path == p
}

// Err implements Seq.
func (s *editedSeq) Err() error {
	return errors.Join(s.base.Err(), s.change.Err(), s.gone.Err())
}

// Paths is a list of all that an edit names.
func (e Edit) Paths() List { return Edited(e.Gone, Edit{Change: e.Change, Gone: names(nil)}) }

// Between is the edit that turns the list a into b.
func Between(a, b List) Edit {
	return Edit{Change: &between{a, b, false}, Gone: &between{a, b, true}}
}

// between is what of b is not so in a or, gone, what of a is not in b.
type between struct {
	a, b List
	gone bool
}

// Read implements List.
func (l *between) Read() Seq { return &betweenSeq{Beside(l.a.Read(), l.b.Read()), l.gone} }

// Traits implements List.
func (l *between) Traits() Traits { return l.b.Traits() }

type betweenSeq struct {
	*Two
	gone bool
}

// Next implements Seq.
func (s *betweenSeq) Next() *Entry {
	for {
		a, b := s.Two.Next()
		switch {
		case a == nil && b == nil:
			return nil
		case b == nil && s.gone:
			return a
		case b != nil && !s.gone && (a == nil || a.record() != b.record()):
			return b
		}
	}
}

// Empty reports whether an edit changes nothing; it reads on to the first that
// is changed.
func (e Edit) Empty() (bool, error) {
	for _, l := range []List{e.Change, e.Gone} {
		s := l.Read()
		if s.Next() != nil || s.Err() != nil {
			return false, s.Err()
		}
	}
	return true, nil
}

// Is reports whether an edit is another one.
func (e Edit) Is(b Edit) (same bool, err error) {
	same = true
	for _, two := range [][2]List{{e.Change, b.Change}, {e.Gone, b.Gone}} {
		s, t := two[0].Read(), two[1].Read()
		x, y := s.Next(), t.Next()
		for ; x != nil && y != nil; x, y = s.Next(), t.Next() {
			if x.Path != y.Path || two[0] == e.Change && x.record() != y.record() {
				return false, nil
			}
		}
		same = same && x == nil && y == nil
		err = errors.Join(err, s.Err(), t.Err())
	}
	return same, err
}

// Two reads two lists side by side.
type Two struct{ a, b cursor }

// Beside begins to read two lists.
func Beside(a, b Seq) *Two {
	return &Two{cursor{Seq: a, used: true}, cursor{Seq: b, used: true}}
}

// Next gives what the lists have at the next path, nil where one has nothing
// there, and twice nil at the end. It is valid until Next is called again.
func (t *Two) Next() (a, b *Entry) {
	a, b = t.a.head(), t.b.head()
	switch {
	case a == nil || b == nil:
	case a.Path < b.Path:
		b = nil
	case a.Path > b.Path:
		a = nil
	}
	t.a.used, t.b.used = a != nil, b != nil
	return a, b
}

// Err says why one of the lists could not be read to its end; nil where both were.
func (t *Two) Err() error { return errors.Join(t.a.Err(), t.b.Err()) }
