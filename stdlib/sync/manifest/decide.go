package manifest

import (
	"fmt"
	"slices"
	"strings"
)

// Policy is what a sync does about files that it did not put there.
type Policy struct {
	Delete string // ours, all or none
	Drift  string // refuse, overwrite or keep
	Adopt  bool   // files that no roll put there become ours
	First  bool   // no roll was ever made here: what is in the way is replaced
}

// Put is an entry of what is wanted that must be put in place.
type Put struct {
	*Entry
	// Live is what stands there now; nil for nothing.
	Live *Entry
	// Have says that the wanted bytes need not be sent: the live file holds them,
	// and only permissions, owner or time differ; or the file does that it joins.
	Have bool
	// Joins says that it is made a hard link of the file that Link names.
	Joins bool
}

// Drift is a path that somebody changed on the node since a roll put it there.
type Drift struct {
	Path  string
	What  string // changed, missing, mode, owner, type, unknown (not put there by a roll)
	Live  Entry  // what is there; zero for missing
	Yield bool   // replaced anyway (drift=overwrite)
}

// Decision is what a sync would do to one tree. It holds what changes, and
// nothing of what stays.
type Decision struct {
	Puts    []Put   // sorted by path
	Deletes []Entry // live entries that go, sorted by path
	Drift   []Drift // sorted by path
	Extras  int     // live entries that no roll put there and that stay
	Extra   []string
	Blocked []string
	Ours    Patch // turns what was ours, of what the rules look at, into what is ours afterwards
	Was     Patch // the reverse of Ours
	Adopted int
}

// decider walks three sorted lists by path.
type decider struct {
	pol     Policy
	lists   bool
	brief   bool // what is ours afterwards is not asked for
	out     Decision
	becomes *Entry // what is ours at the present path afterwards; nil: nothing
	waits   bool   // that is known when all has been seen
	pending []pending
	left    map[string]int      // what is in each pending folder and stays
	turning map[string][]string // folders that are replaced, and what is in them
	peers   map[string]*peer    // files that others shall be hard links of
}

// pending is a folder that goes if it becomes empty.
type pending struct {
	Entry
	ours *Entry // nil: it was not ours
}

// peer is what became of a file that others shall be hard links of.
type peer struct {
	wanted bool // it will be as wanted
	put    bool
	ino    uint64 // when it stays
}

// Decide compares what rolls left, what is there and what is wanted, and says
// what must change. It contacts nothing but through c.Hash.
//
// Invariants: a path is in at most one of Puts and Deletes; nothing that no
// roll put there is deleted unless Delete is all; nothing that drifted is
// touched unless Drift is overwrite, or it already is as wanted.
func (c *Comparison) Decide() (Decision, error) {
	d := &decider{pol: c.Policy, lists: c.Lists, left: map[string]int{}, turning: map[string][]string{}}
	var err error
	if d.peers, err = peersOf(c.Want); err != nil {
		return d.out, err
	}
	if err := c.walk(d.path); err != nil {
		return d.out, err
	}
	var held map[string]bool
	if c.Held != nil {
		held = c.Held()
	}
	d.folders(held)
	d.block(held)
	slices.SortFunc(d.out.Deletes, byPath)
	slices.SortFunc(d.out.Was.Change, func(a, b *Entry) int { return strings.Compare(a.Path, b.Path) })
	slices.Sort(d.out.Ours.Gone)
	return d.out, nil
}

func byPath(a, b Entry) int { return strings.Compare(a.Path, b.Path) }

// Predict lists the files of want whose contents must be sent to a tree that is
// exactly as rolls left it.
func Predict(ours, want List, pol Policy) ([]*Entry, error) {
	d := &decider{pol: pol, brief: true}
	var err error
	if d.peers, err = peersOf(want); err != nil {
		return nil, err
	}
	c := &Comparison{Ours: ours, Live: ours.Read(), Want: want}
	if err := c.walk(d.path); err != nil {
		return nil, err
	}
	var out []*Entry
	for i := range d.out.Puts {
		if p := &d.out.Puts[i]; p.Kind == File && !p.Have {
			out = append(out, p.Entry)
		}
	}
	return out, nil
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
	d.becomes, d.waits = nil, false
	if l != nil && len(d.turning) > 0 {
		d.inTurning(p)
	}
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
	if l != nil {
		d.stays(p)
	}
	if !d.brief && !d.waits {
		d.settle(p, o, d.becomes)
	}
}

// settle notes what of ours changes at a path.
func (d *decider) settle(p string, o, e *Entry) {
	ours, was := &d.out.Ours, &d.out.Was
	switch {
	case o == e:
	case e == nil:
		ours.Gone, was.Change = append(ours.Gone, p), append(was.Change, copied(o))
	case o == nil:
		ours.Change, was.Gone = append(ours.Change, d.own(e)), append(was.Gone, p)
	case o.record() != e.record():
		ours.Change, was.Change = append(ours.Change, d.own(e)), append(was.Change, copied(o))
	}
}

// own gives an entry that is valid for as long as the decision: that of the put
// at its path, if there is one.
func (d *decider) own(e *Entry) *Entry {
	if n := len(d.out.Puts); n > 0 && d.out.Puts[n-1].Entry == e {
		return e
	}
	return copied(e)
}

func (d *decider) extra(p string) {
	d.out.Extras++
	if d.lists {
		d.out.Extra = append(d.out.Extra, p)
	}
}

// stays counts what a pending folder holds.
func (d *decider) stays(p string) {
	if up := parent(p); len(d.left) > 0 {
		if n, ok := d.left[up]; ok {
			d.left[up] = n + 1
		}
	}
}

// absent decides about a wanted path that is not there.
func (d *decider) absent(p string, o, w *Entry) {
	if o != nil && !d.drift(Drift{Path: p, What: "missing"}) {
		d.keep(o)
		return
	}
	d.put(w, nil, false)
	d.stays(p)
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
		d.remove(l, copied(o))
		d.waits = true
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
	f.Yield = d.pol.Drift == "overwrite"
	d.out.Drift = append(d.out.Drift, f)
	return f.Yield
}

func (d *decider) keep(e *Entry) { d.becomes = e }

func (d *decider) put(w, live *Entry, have bool) {
	w = copied(w)
	p := Put{Entry: w, Have: have}
	if live != nil {
		p.Live = copied(live)
	}
	if w.Kind == File && w.Link != "" && d.peers[w.Link].wanted {
		p.Have, p.Joins = true, true
	}
	d.out.Puts = append(d.out.Puts, p)
	d.settled(w, true, 0)
	d.keep(w)
	if live != nil && live.Kind == Dir && w.Kind != Dir && d.turning != nil {
		d.turning[w.Path] = nil
	}
}

func (d *decider) remove(l, ours *Entry) {
	if l.Kind == Dir {
		d.pending = append(d.pending, pending{*l, ours})
		if d.left != nil {
			d.left[l.Path] = 0
		}
		return
	}
	d.out.Deletes = append(d.out.Deletes, *l)
}

// folders settles, deepest first, which folders become empty and go. One of
// ours that stays because of what is in it stays ours.
func (d *decider) folders(held map[string]bool) {
	if len(d.pending) == 0 {
		return
	}
	goes := func(e *Entry) {
		if up := parent(e.Path); d.left[up] > 0 {
			d.left[up]--
		}
	}
	for i := range d.out.Deletes {
		goes(&d.out.Deletes[i])
	}
	for i := len(d.pending) - 1; i >= 0; i-- {
		p := &d.pending[i]
		if d.left[p.Path] > 0 || held[p.Path] {
			continue
		}
		d.out.Deletes = append(d.out.Deletes, p.Entry)
		goes(&p.Entry)
		if p.ours != nil {
			d.settle(p.Path, p.ours, nil)
		}
	}
}

func parent(p string) string {
	if i := strings.LastIndexByte(p, '/'); i >= 0 {
		return p[:i]
	}
	return ""
}

// inTurning notes what lies in a folder that is to be replaced.
func (d *decider) inTurning(p string) {
	for up := parent(p); up != ""; up = parent(up) {
		if list, ok := d.turning[up]; ok {
			d.turning[up] = append(list, p)
		}
	}
}

// block finds folders that must become something else but hold what may not
// go.
func (d *decider) block(held map[string]bool) {
	if len(d.turning) == 0 {
		return
	}
	goes := map[string]bool{}
	for i := range d.out.Deletes {
		goes[d.out.Deletes[i].Path] = true
	}
	for i := range d.out.Puts {
		p := d.out.Puts[i].Path
		if inside, turns := d.turning[p]; turns {
			if what := holds(p, inside, goes, held); what != "" {
				d.out.Blocked = append(d.out.Blocked, fmt.Sprintf("%s must be replaced, but holds %s", Quote(p), what))
			}
		}
	}
}

// holds names something below the folder dir, which holds the paths inside, that
// does not go; empty when all goes.
func holds(dir string, inside []string, goes, held map[string]bool) string {
	under := dir + "/"
	for h := range held {
		if h == dir || strings.HasPrefix(h, under) {
			return "files that are kept or excluded, in " + Quote(h)
		}
	}
	for _, p := range inside {
		if !goes[p] {
			return Quote(p)
		}
	}
	return ""
}
