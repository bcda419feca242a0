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
	return &editedSeq{start(l.base), start(l.e.Change), start(l.e.Gone), nil}
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

type editedSeq struct {
	base, change, gone cursor
	err                error
}

// Next implements Seq.
func (s *editedSeq) Next() *Entry {
	for s.err == nil {
		b, c := s.base.head(), s.change.head()
		for _, of := range []*cursor{&s.base, &s.change} {
			if s.err = of.Err(); s.err != nil {
				return nil
			}
		}
		if c != nil && (b == nil || c.Path <= b.Path) {
			if b != nil && b.Path == c.Path {
				s.base.take()
			}
			return s.change.take()
		}
		if b == nil {
			return nil
		}
		for g := s.gone.head(); g != nil && g.Path < b.Path; g = s.gone.head() {
			s.gone.take()
		}
		g := s.gone.head()
		if s.err = s.gone.Err(); s.err != nil {
			return nil
		}
		gone := g != nil && g.Path == b.Path
		if s.base.take(); !gone {
			return b
		}
	}
	return nil
}

// Err implements Seq.
func (s *editedSeq) Err() error { return s.err }

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
func (l *between) Read() Seq { return &betweenSeq{start(l.a), start(l.b), l.gone} }

// Traits implements List.
func (l *between) Traits() Traits { return l.b.Traits() }

type betweenSeq struct {
	a, b cursor
	gone bool
}

// Next implements Seq.
func (s *betweenSeq) Next() *Entry {
	for s.Err() == nil {
		a, b := s.a.head(), s.b.head()
		switch {
		case a == nil && b == nil || s.Err() != nil:
			return nil
		case b == nil || a != nil && a.Path < b.Path:
			if s.a.take(); s.gone {
				return a
			}
		case a == nil || b.Path < a.Path:
			if s.b.take(); !s.gone {
				return b
			}
		default:
			s.a.take()
			if s.b.take(); !s.gone && a.record() != b.record() {
				return b
			}
		}
	}
	return nil
}

// Err implements Seq.
func (s *betweenSeq) Err() error {
	if err := s.a.Err(); err != nil {
		return err
	}
	return s.b.Err()
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

// Is reports whether an edit is what a patch tells.
func (e Edit) Is(p *Patch) (bool, error) {
	change, gone := e.Change.Read(), e.Gone.Read()
	for _, want := range p.Change {
		if is := change.Next(); is == nil || is.record() != want.record() {
			return false, change.Err()
		}
	}
	for _, path := range p.Gone {
		if is := gone.Next(); is == nil || is.Path != path {
			return false, gone.Err()
		}
	}
	more := change.Next() != nil || gone.Next() != nil
	return !more, errors.Join(change.Err(), gone.Err())
}
