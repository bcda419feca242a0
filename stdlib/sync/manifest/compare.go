package manifest

// Comparison is of what rolls left in a tree, what is there and what is wanted,
// all filtered by the same rules. It is used once.
type Comparison struct {
	Ours, Want List
	Live       Seq // sums are known where that is cheap
	// Held gives the folders that hold something which the rules look past, as far
	// as Live was read; nil: there are none.
	Held   func() map[string]bool
	Policy Policy
	Lists  bool // every path is listed
	// Spool gives a place for what is decided; nil: it is held in memory.
	Spool func() *Spool
	// Hash fills in the sums of live files, as far as they can be read; one that
	// stays unknown counts as different. nil: all are known that can be.
	Hash func([]*Entry)
	All  bool // of all files the sums are taken, not only of those in doubt
}

// triple is copies of what the lists have at one path; nil where they have
// nothing.
type triple struct {
	path    string
	o, l, w *Entry
}

// walk gives f each path with what was left, is there and is wanted, in their
// order, with the sums that a decision needs.
func (c *Comparison) walk(f func(p string, o, l, w *Entry)) error {
	q := Queue[triple]{
		Hash: func(files []*Entry) error { c.Hash(files); return nil },
		Next: func(t triple) error { f(t.path, t.o, t.l, t.w); return nil },
	}
	err := c.sides(func(p string, o, l, w *Entry) {
		doubt := l != nil && l.Kind == File && c.inherit(o, l, w) && c.Hash != nil
		if !doubt && q.Idle() {
			f(p, o, l, w)
			return
		}
		t := triple{p, copyOf(o), copyOf(l), copyOf(w)}
		if doubt {
			_ = q.Put(t, t.l) // nothing in it fails
		} else {
			_ = q.Put(t, nil)
		}
	})
	if err != nil {
		return err
	}
	return q.Flush()
}

// sides gives f what the lists have at each path. What is wanted is often told as a
// change of what was left, which is then read once for both.
func (c *Comparison) sides(f func(p string, o, l, w *Entry)) error {
	want, ok := c.Want.(*edited)
	if !ok || !sameList(want.base, c.Ours) {
		return Walk([]Seq{c.Ours.Read(), c.Live, c.Want.Read()}, func(p string, at []*Entry) { f(p, at[0], at[1], at[2]) })
	}
	lists := []Seq{c.Ours.Read(), c.Live, want.e.Change.Read(), want.e.Gone.Read()}
	return Walk(lists, func(p string, at []*Entry) {
		w := at[2]
		if w == nil && at[3] == nil {
			w = at[0]
		}
		f(p, at[0], at[1], w)
	})
}

// sameList reports that two lists are one and the same, where that can be told.
func sameList(a, b List) bool {
	switch a.(type) {
	case Slice, Refs: // Go compares no slices
		return false
	}
	return a == b
}

func copyOf(e *Entry) *Entry {
	if e == nil {
		return nil
	}
	return copied(e)
}

// inherit gives a live file that lstat cannot tell from ours the sum of ours,
// and reports whether its own must be taken to decide.
func (c *Comparison) inherit(o, l, w *Entry) bool {
	if l.Sum.Known() {
		return false
	}
	if o != nil && o.SameStat(l) {
		l.Sum = o.Sum
		return c.All
	}
	return c.All || o != nil && o.Kind == File && o.Size == l.Size || w != nil && w.Kind == File && w.Size == l.Size
}
