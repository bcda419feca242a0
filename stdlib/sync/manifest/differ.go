package manifest

// Difference is a path at which a tree is not as a list says.
type Difference struct {
	Path string
	// What is changed, missing, mode, owner or type; unsent for what is missing and
	// no roll put there yet; extra for what is not in the list, and obsolete for
	// what is not, but was put there by a roll.
	What string
	Live *Entry // what is there; nil for nothing
	// AsRolled says that it is as the last roll left it: if it differs, it is the
	// list that moved on.
	AsRolled bool
}

// Differences compares what is there with a list; ours is what rolls left. All
// are sorted by path and filtered by the same rules, and live has the sums that
// must be known.
func Differences(ours, list, live []Entry) []Difference {
	var out []Difference
	i, j, k := 0, 0, 0
	for i < len(ours) || j < len(live) || k < len(list) {
		p := least(ours, i, live, j, list, k)
		o, l, w := at(ours, &i, p), at(live, &j, p), at(list, &k, p)
		d := Difference{Path: p, Live: l, AsRolled: o != nil && l != nil && !touched(o, l)}
		switch {
		case w == nil && l == nil:
			continue
		case w == nil && o == nil:
			d.What = "extra"
		case w == nil:
			d.What = "obsolete"
		case l == nil && o == nil:
			d.What = "unsent"
		case l == nil:
			d.What = "missing"
		case w.Kind == l.Kind && w.SameContent(l) && w.sameAccess(l):
			continue
		default:
			d.What = difference(w, l)
		}
		out = append(out, d)
	}
	return out
}

// Attributes tells what differs of an entry from what is there, live, when its
// content does not: permissions, owner, and of a file its time.
func (e *Entry) Attributes(live *Entry) (perms, owner, time bool) {
	return !e.sameMode(live), !e.sameOwner(live), e.Kind == File && !SameTime(e.Mtime, live.Mtime)
}
