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

// Decision is what a sync would do to one tree.
type Decision struct {
	Puts    []Put   // sorted by path
	Deletes []Entry // live entries that go, sorted by path
	Drift   []Drift // sorted by path
	Extra   []Entry // live entries that no roll put there and that stay
	Blocked []string
	Ours    []*Entry // what is ours afterwards, of what the rules look at; entries of the three lists
	Adopted int
}

// decider walks three sorted lists by path.
type decider struct {
	pol     Policy
	out     Decision
	live    []Entry
	held    map[string]bool
	brief   bool    // what is ours afterwards is not asked for
	pending []Entry // folders that go if they become empty
	ours    map[string]*Entry
	peers   map[string]*peer // files that others shall be hard links of
}

// peer is what became of a file that others shall be hard links of.
type peer struct {
	wanted bool // it will be as wanted
	put    bool
	ino    uint64 // when it stays
}

// Decide compares what rolls left (ours), what is there (live, with sums where
// they are known) and what is wanted, all sorted by path and filtered by the
// same rules, and says what must change. It contacts nothing.
//
// Invariants: a path is in at most one of Puts and Deletes; nothing that no
// roll put there is deleted unless Delete is all; nothing that drifted is
// touched unless Drift is overwrite, or it already is as wanted.
func Decide(ours []Entry, live Listing, want []Entry, pol Policy) Decision {
	d := &decider{pol: pol, live: live.Entries, held: live.Held}
	d.out.Ours = make([]*Entry, 0, len(want)+16)
	d.walk(ours, want)
	d.folders()
	d.block()
	slices.SortFunc(d.out.Deletes, byPath)
	slices.SortFunc(d.out.Ours, func(a, b *Entry) int { return strings.Compare(a.Path, b.Path) })
	return d.out
}

// Predict lists the files of want whose contents must be sent to a tree that is
// exactly as rolls left it.
func Predict(ours, want []Entry, pol Policy) []*Entry {
	d := &decider{pol: pol, live: ours, brief: true}
	d.walk(ours, want)
	var out []*Entry
	for i := range d.out.Puts {
		if p := &d.out.Puts[i]; p.Kind == File && !p.Have {
			out = append(out, p.Entry)
		}
	}
	return out
}

func (d *decider) walk(ours, want []Entry) {
	d.peers = peersOf(want)
	i, j, k := 0, 0, 0
	for i < len(ours) || j < len(d.live) || k < len(want) {
		p := least(ours, i, d.live, j, want, k)
		o, l, w := at(ours, &i, p), at(d.live, &j, p), at(want, &k, p)
		d.path(p, o, l, w)
	}
}

func peersOf(want []Entry) map[string]*peer {
	var m map[string]*peer
	for i := range want {
		if w := &want[i]; w.Kind == File && w.Link != "" {
			if m == nil {
				m = map[string]*peer{}
			}
			m[w.Link] = &peer{}
		}
	}
	return m
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

func least(ours []Entry, i int, live []Entry, j int, want []Entry, k int) string {
	p, found := "", false
	for _, c := range []struct {
		list []Entry
		at   int
	}{{ours, i}, {live, j}, {want, k}} {
		if c.at < len(c.list) && (!found || c.list[c.at].Path < p) {
			p, found = c.list[c.at].Path, true
		}
	}
	return p
}

func at(list []Entry, i *int, p string) *Entry {
	if *i < len(list) && list[*i].Path == p {
		*i++
		return &list[*i-1]
	}
	return nil
}

func (d *decider) path(p string, o, l, w *Entry) {
	switch {
	case w != nil && l == nil:
		d.absent(p, o, w)
	case w != nil:
		d.present(p, o, l, w)
	case l == nil: // ours and gone: nothing is left to do
	case o != nil:
		d.stale(p, o, l)
	case d.pol.Delete == "all":
		d.remove(l)
	case d.pol.Adopt:
		d.out.Adopted++
		d.keep(l)
	default:
		d.out.Extra = append(d.out.Extra, *l)
	}
}

// absent decides about a wanted path that is not there.
func (d *decider) absent(p string, o, w *Entry) {
	if o != nil && !d.drift(Drift{Path: p, What: "missing"}) {
		d.keep(o)
		return
	}
	d.put(w, false)
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
			d.out.Extra = append(d.out.Extra, *l)
			return
		}
	case touched(o, l):
		if !d.drift(Drift{Path: p, What: difference(o, l), Live: *l}) {
			d.keep(o)
			return
		}
	}
	d.put(w, l.Kind == File && l.SameContent(w))
}

// stale decides about a path of ours that is no longer wanted.
func (d *decider) stale(p string, o, l *Entry) {
	switch {
	case d.pol.Delete == "none":
		d.keep(o)
	case o.Kind == Dir && l.Kind == Dir:
		d.remove(l)
		d.remember(o)
	case touched(o, l) && !d.drift(Drift{Path: p, What: difference(o, l), Live: *l}):
		d.keep(o)
	default:
		d.remove(l)
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

func (d *decider) keep(e *Entry) {
	if !d.brief {
		d.out.Ours = append(d.out.Ours, e)
	}
}

func (d *decider) put(w *Entry, have bool) {
	p := Put{Entry: w, Have: have}
	if w.Kind == File && w.Link != "" && d.peers[w.Link].wanted {
		p.Have, p.Joins = true, true
	}
	d.out.Puts = append(d.out.Puts, p)
	d.settled(w, true, 0)
	d.keep(w)
}

func (d *decider) remove(l *Entry) {
	if l.Kind == Dir {
		d.pending = append(d.pending, *l)
		return
	}
	d.out.Deletes = append(d.out.Deletes, *l)
}

func (d *decider) remember(o *Entry) {
	if d.ours == nil {
		d.ours = map[string]*Entry{}
	}
	d.ours[o.Path] = o
}

// folders settles, deepest first, which folders become empty and go. One of
// ours that stays because of what is in it stays ours.
func (d *decider) folders() {
	if len(d.pending) == 0 {
		return
	}
	left := d.children()
	for i := range d.out.Deletes {
		left[parent(d.out.Deletes[i].Path)]--
	}
	for i := len(d.pending) - 1; i >= 0; i-- {
		e := d.pending[i]
		if left[e.Path] == 0 && !d.held[e.Path] {
			d.out.Deletes = append(d.out.Deletes, e)
			left[parent(e.Path)]--
		} else if o, ok := d.ours[e.Path]; ok {
			d.keep(o)
		}
	}
}

// children counts what is in each live folder, and what will be.
func (d *decider) children() map[string]int {
	n := map[string]int{}
	for i := range d.live {
		n[parent(d.live[i].Path)]++
	}
	for i := range d.out.Puts {
		n[parent(d.out.Puts[i].Path)]++
	}
	return n
}

func parent(p string) string {
	if i := strings.LastIndexByte(p, '/'); i >= 0 {
		return p[:i]
	}
	return ""
}

// block finds folders that must become something else but hold what may not
// go.
func (d *decider) block() {
	goes := map[string]bool{}
	for i := range d.out.Deletes {
		goes[d.out.Deletes[i].Path] = true
	}
	for i := range d.out.Puts {
		p := &d.out.Puts[i]
		if p.Kind == Dir {
			continue
		}
		if l := Find(d.live, p.Path); l == nil || l.Kind != Dir {
			continue
		}
		if what := d.holds(p.Path, goes); what != "" {
			d.out.Blocked = append(d.out.Blocked, fmt.Sprintf("%s must be replaced, but holds %s", Quote(p.Path), what))
		}
	}
}

// holds names something below the folder dir that does not go; empty when all
// goes.
func (d *decider) holds(dir string, goes map[string]bool) string {
	under := dir + "/"
	for held := range d.held {
		if held == dir || strings.HasPrefix(held, under) {
			return "files that are kept or excluded, in " + Quote(held)
		}
	}
	i, _ := slices.BinarySearchFunc(d.live, under, func(e Entry, s string) int { return strings.Compare(e.Path, s) })
	for ; i < len(d.live) && strings.HasPrefix(d.live[i].Path, under); i++ {
		if !goes[d.live[i].Path] {
			return Quote(d.live[i].Path)
		}
	}
	return ""
}

// Inherit gives live files that lstat cannot tell from ours the sums of ours,
// and lists the indexes of the others whose sums must be known to decide.
func Inherit(ours, live, want []Entry) (unknown []int) {
	i, k := 0, 0
	for j := range live {
		l := &live[j]
		i, k = seek(ours, i, l.Path), seek(want, k, l.Path)
		if l.Kind != File {
			continue
		}
		var o, w *Entry
		if i < len(ours) && ours[i].Path == l.Path {
			o = &ours[i]
			l.Path = o.Path // one text in memory for both
		}
		if k < len(want) && want[k].Path == l.Path {
			w = &want[k]
		}
		switch {
		case o != nil && o.SameStat(l):
			l.Sum = o.Sum
		case o != nil && o.Kind == File && o.Size == l.Size, w != nil && w.Kind == File && w.Size == l.Size:
			unknown = append(unknown, j)
		}
	}
	return unknown
}

func seek(list []Entry, i int, p string) int {
	for i < len(list) && list[i].Path < p {
		i++
	}
	return i
}

// Delta lists what turns the entries a into b: entries of b that are new or
// differ in anything, and paths of a that are not in b.
func Delta(a, b []Entry) (change []Entry, gone []string) {
	i := 0
	for j := range b {
		for i < len(a) && a[i].Path < b[j].Path {
			gone = append(gone, a[i].Path)
			i++
		}
		if i < len(a) && a[i].Path == b[j].Path {
			if a[i].record() != b[j].record() {
				change = append(change, b[j])
			}
			i++
			continue
		}
		change = append(change, b[j])
	}
	for ; i < len(a); i++ {
		gone = append(gone, a[i].Path)
	}
	return change, gone
}

// Apply gives the list that Delta was made from: a without gone, with change.
// change is sorted. Where nothing changes that is a itself.
func Apply(a, change []Entry, gone []string) []Entry {
	if len(change)+len(gone) == 0 {
		return a
	}
	drop := make(map[string]bool, len(gone))
	for _, p := range gone {
		drop[p] = true
	}
	out := make([]Entry, 0, len(a)+len(change))
	i, j := 0, 0
	for i < len(a) || j < len(change) {
		switch {
		case j == len(change) || i < len(a) && a[i].Path < change[j].Path:
			if !drop[a[i].Path] {
				out = append(out, a[i])
			}
			i++
		default:
			if i < len(a) && a[i].Path == change[j].Path {
				i++
			}
			out = append(out, change[j])
			j++
		}
	}
	return out
}

// Merge joins two sorted lists that share no path.
func Merge(a, b []Entry) []Entry { return Apply(a, b, nil) }

// MergeRefs is Merge for references to the one and entries of the other.
func MergeRefs(a []*Entry, b []Entry) []*Entry {
	if len(b) == 0 {
		return a
	}
	out := make([]*Entry, 0, len(a)+len(b))
	for i := range b {
		for len(a) > 0 && a[0].Path < b[i].Path {
			out = append(out, a[0])
			a = a[1:]
		}
		out = append(out, &b[i])
	}
	return append(out, a...)
}

// Copied gives the entries that references lead to.
func Copied(refs []*Entry) []Entry {
	out := make([]Entry, len(refs))
	for i, e := range refs {
		out[i] = *e
	}
	return out
}
