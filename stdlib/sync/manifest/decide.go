package manifest

import (
	"slices"
	"strings"
)

// Policy is what a sync does about files that it did not put there.
type Policy struct {
	Delete string // ours, all or none
	Drift  string // refuse, overwrite or keep
	Adopt  bool   // files that no roll put there become ours
	First  bool   // no roll was ever made here: what is in the way is replaced
	Bare   string // how nothing is wanted that nobody may have meant; then nothing may go. Empty: all may
}

// Drift is a path that somebody changed on the node since a roll put it there.
type Drift struct {
	Path  string
	What  string // changed, missing, mode, owner, type, unknown (not put there by a roll)
	Live  Entry  // what is there; zero for missing
	Yield bool   // replaced anyway (drift=overwrite)
}

// Decision is what a sync would do to one tree. What changes is in a spool, and
// nothing is held of what stays; what is told to a person is in lists.
type Decision struct {
	Count
	Drift   []Drift  // sorted by path
	Extra   []string // with Lists: the live entries that no roll put there and that stay
	Blocked []string

	changes recorder
	traits  Traits // of what is ours afterwards and was not
}

// Count is how much a decision is.
type Count struct {
	Puts, Goes              int // entries that are put in place, and that go
	Added, Changed, Deleted int // the same for a person: of folders only those in which nothing else is added or goes
	Fresh                   int // entries that are put where nothing is
	Files                   int // whose contents are sent
	Bytes                   int64
	Joins                   int // hard links that are made
	Settles                 int // paths at which what is ours changes
	Extras                  int // live entries that no roll put there and that stay
	Adopted                 int
}

// Read gives the changes.
func (d *Decision) Read() *Changes { return readChanges(d.changes.to) }

// Ours is what turns what was ours, of what the rules look at, into what is ours
// afterwards.
func (d *Decision) Ours() Edit {
	return Edit{
		Change: &picked{d, func(c *Change) *Entry { e, _ := c.Settled(); return e }, d.traits},
		Gone:   &picked{d, func(c *Change) *Entry { _, e := c.Settled(); return e }, Traits{}},
	}
}

// Was is the reverse of Ours.
func (d *Decision) Was() Edit {
	return Edit{
		Change: &picked{d, func(c *Change) *Entry { return c.unless(c.Was == nil, c.Was) }, Traits{}},
		Gone:   &picked{d, func(c *Change) *Entry { return c.unless(c.Was != nil, c.Ours) }, Traits{}},
	}
}

// Settled gives what becomes ours where that changes, or what is gone from it.
func (c *Change) Settled() (ours, gone *Entry) {
	return c.unless(c.Ours == nil, c.Ours), c.unless(c.Ours != nil, c.Was)
}

// unless gives e where what is ours changes and no is false.
func (c *Change) unless(no bool, e *Entry) *Entry {
	if no || !c.settles() {
		return nil
	}
	return e
}

// decider walks three sorted lists by path.
type decider struct {
	pol   Policy
	lists bool
	held  func() map[string]bool
	out   Decision
	c     Change           // at the present path
	asks  bool             // Live is a folder that goes if it becomes empty
	open  []*pending       // folders of which not all was seen, the innermost last
	peers map[string]*peer // files that others shall be hard links of: these are held
	told  func(*Change)    // nil: changes are recorded
}

// peer is what became of a file that others shall be hard links of.
type peer struct {
	wanted bool // it will be as wanted
	put    bool
	ino    uint64 // when it stays
}

// Decide compares what rolls left, what is there and what is wanted, and says
// what must change. It contacts nothing but through c.Hash. What it holds in
// memory besides the lists that it gives are the files that others shall be hard
// links of, and the folders that hold what the rules look past.
//
// Invariants: a path is put in place or goes, never both; nothing that no roll
// put there is deleted unless Delete is all; nothing that drifted is touched
// unless Drift is overwrite, or it already is as wanted.
func (c *Comparison) Decide() (*Decision, error) {
	d := &decider{pol: c.Policy, lists: c.Lists, held: c.Held}
	d.out.changes.to = NewSpool(nil)
	if c.Spool != nil {
		d.out.changes.to = c.Spool()
	}
	err := d.walk(c)
	d.close("")
	d.blockBare()
	d.out.changes.flush()
	slices.Sort(d.out.Blocked)
	if err == nil {
		err = d.out.changes.err
	}
	return &d.out, err
}

func (d *decider) walk(c *Comparison) (err error) {
	if d.peers, err = peersOf(c.Want); err != nil {
		return err
	}
	return c.walk(d.path)
}

// Predict tells of the files of want whose contents must be sent to a tree that
// is exactly as rolls left it. Each is valid until tell returns.
func Predict(ours, want List, pol Policy, tell func(*Entry)) error {
	d := &decider{pol: pol, told: func(c *Change) {
		if c.Sent() {
			tell(c.Want)
		}
	}}
	return d.walk(&Comparison{Ours: ours, Live: ours.Read(), Want: want})
}

func peersOf(want List) (map[string]*peer, error) {
	if !want.Traits().HardLinks {
		return nil, nil
	}
	m := map[string]*peer{}
	s := want.Read()
	for w := s.Next(); w != nil; w = s.Next() {
		if w.Kind == File && w.Link != "" {
			m[w.Link] = &peer{}
		}
	}
	return m, s.Err()
}

// joined reports whether a live file that is as wanted also is the hard link
// that it shall be.
func (d *decider) joined(l, w *Entry) bool {
	if w.Kind != File || w.Link == "" {
		return true
	}
	p := d.peers[w.Link]
	return !p.wanted || !p.put && p.ino == l.Ino
}

// settled notes what became of a file, should others be hard links of it.
func (d *decider) settled(w *Entry, put bool, ino uint64) {
	if p := d.peers[w.Path]; p != nil && w.Kind == File {
		*p = peer{wanted: true, put: put, ino: ino}
	}
}

func (d *decider) path(p string, o, l, w *Entry) {
	d.close(p)
	d.c, d.asks = Change{Was: o, Live: l, Want: w}, false
	switch {
	case w != nil && l == nil:
		d.absent(p, o, w)
	case w != nil:
		d.present(p, o, l, w)
	case l == nil: // ours and gone: nothing is left to do
	case o != nil:
		d.stale(p, o, l)
	case d.pol.Delete == "all":
		d.remove(l, nil)
	case d.pol.Adopt:
		d.out.Adopted++
		d.keep(l)
	default:
		d.extra(p)
	}
	if d.told != nil {
		d.told(&d.c)
		return
	}
	if l != nil && !d.c.Goes && !d.asks || d.c.Fresh() {
		d.stays(p)
	}
	if d.c.Put {
		d.blockPut(p)
	}
	lacking := d.pol.Drift == "keep" && d.c.lacking()
	if d.c.Put || d.c.Goes || d.asks || d.c.settles() {
		d.record(p)
	}
	if lacking {
		d.open = append(d.open, &pending{path: p, what: lacks})
	}
}

// record writes the change at the present path and counts it.
func (d *decider) record(p string) {
	c, n := &d.c, &d.out.Count
	if c.settles() {
		n.Settles++
		if c.Ours != nil {
			d.out.traits.see(c.Ours)
		}
	}
	switch {
	case c.Put:
		d.countPut()
	case c.Goes:
		n.Goes++
		n.Deleted++
		if up := d.above(p, goes); up != nil {
			up.full = true
		}
	}
	if !c.Put && !c.Goes && !d.asks && c.Live != c.Ours {
		c.Live = nil // nobody asks for it
	}
	at := d.out.changes.add(c)
	switch {
	case d.asks:
		d.open = append(d.open, &pending{path: p, at: at, what: goes, ours: c.Ours != nil})
	case c.Fresh() && c.Want.Kind == Dir:
		d.open = append(d.open, &pending{path: p, at: at, what: fresh, flags: c.flags()})
	case c.Put && c.Live != nil && c.Live.Kind == Dir && c.Want.Kind != Dir:
		d.open = append(d.open, &pending{path: p, what: turns})
	}
}

func (d *decider) countPut() {
	c, n := &d.c, &d.out.Count
	n.Puts++
	if c.Joins {
		n.Joins++
	}
	if c.Sent() {
		n.Files++
		n.Bytes += c.Want.Size
	}
	if c.Live != nil {
		n.Changed++
		return
	}
	n.Fresh++
	if c.Want.Kind != Dir {
		n.Added++
	}
	if up := d.above(c.Want.Path, fresh); up != nil {
		up.full = true
	}
}

func (d *decider) extra(p string) {
	d.out.Extras++
	if d.lists {
		d.out.Extra = append(d.out.Extra, p)
	}
}

// absent decides about a wanted path that is not there.
func (d *decider) absent(p string, o, w *Entry) {
	if o != nil && !d.drift(Drift{Path: p, What: "missing"}) {
		d.keep(o)
		return
	}
	d.put(w, nil, false)
}

// present decides about a wanted path where something is.
func (d *decider) present(p string, o, l, w *Entry) {
	switch {
	case l.Same(w) && d.joined(l, w):
		d.keep(w)
		d.settled(w, false, l.Ino)
		return
	case l.SameContent(w) && (o == nil || o.Kind != l.Kind || o.sameAccess(l) || l.sameAccess(w)):
		// The bytes are there already, whoever put them: permissions, owner and
		// time follow the source, unless somebody changed those of ours.
	case o == nil && (d.pol.First || l.Kind == Dir && w.Kind == Dir):
	case o == nil:
		if !d.drift(Drift{Path: p, What: "unknown", Live: *l}) {
			d.extra(p)
			return
		}
	case touched(o, l):
		if !d.drift(Drift{Path: p, What: difference(o, l), Live: *l}) {
			d.keep(o)
			return
		}
	}
	d.put(w, l, l.Kind == File && l.SameContent(w))
}

// stale decides about a path of ours that is no longer wanted.
func (d *decider) stale(p string, o, l *Entry) {
	switch {
	case d.pol.Delete == "none":
		d.keep(o)
	case o.Kind == Dir && l.Kind == Dir:
		d.remove(l, o)
	case touched(o, l) && !d.drift(Drift{Path: p, What: difference(o, l), Live: *l}):
		d.keep(o)
	default:
		d.remove(l, nil)
	}
}

// touched reports whether somebody changed what a roll put there. A time that
// changed while the bytes did not is no change.
func touched(o, l *Entry) bool {
	if o.SameStat(l) {
		return o.Kind == File && l.Sum.Known() && l.Sum != o.Sum
	}
	return !o.SameContent(l) || !o.sameAccess(l)
}

func difference(o, l *Entry) string {
	switch {
	case o.Kind != l.Kind:
		return "type"
	case !o.SameContent(l):
		return "changed"
	case o.sameMode(l):
		return "owner"
	}
	return "mode"
}

// drift notes a drifted path and tells whether to go on over it.
func (d *decider) drift(f Drift) bool {
	f.Path, f.Yield = strings.Clone(f.Path), d.pol.Drift == "overwrite"
	if f.What != "missing" {
		f.Live.Path = f.Path
	}
	d.out.Drift = append(d.out.Drift, f)
	return f.Yield
}

func (d *decider) keep(e *Entry) { d.c.Ours = e }

func (d *decider) put(w, live *Entry, have bool) {
	c := &d.c
	c.Put, c.Have, c.Live = true, have, live
	if w.Kind == File && w.Link != "" && d.peers[w.Link].wanted {
		c.Have, c.Joins = true, true
	}
	d.settled(w, true, 0)
	d.keep(w)
}

// remove has a live entry go; a folder only if it becomes empty. ours is that
// folder as rolls left it, if it was ours: then it stays ours with what is in it.
func (d *decider) remove(l, ours *Entry) {
	if l.Kind != Dir {
		d.c.Goes = true
		return
	}
	d.asks = true
	d.keep(ours)
}

func parent(p string) string {
	if i := strings.LastIndexByte(p, '/'); i >= 0 {
		return p[:i]
	}
	return ""
}
