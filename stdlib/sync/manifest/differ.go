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

// Differences compares what is there with what is wanted.
func (c *Comparison) Differences() ([]Difference, error) {
	var out []Difference
	err := c.walk(func(p string, o, l, w *Entry) {
		d := Difference{Path: p, AsRolled: o != nil && l != nil && !touched(o, l)}
		switch {
		case w == nil && l == nil:
			return
		case w == nil && o == nil:
			d.What = "extra"
		case w == nil:
			d.What = "obsolete"
		case l == nil && o == nil:
			d.What = "unsent"
		case l == nil:
			d.What = "missing"
		case w.Kind == l.Kind && w.SameContent(l) && w.sameAccess(l):
			return
		default:
			d.What = difference(w, l)
		}
		d.Live = copyOf(l)
		out = append(out, d)
	})
	return out, err
}

// Attributes tells what differs of an entry from what is there, live, when its
// content does not: permissions, owner, and of a file its time.
func (e *Entry) Attributes(live *Entry) (perms, owner, time bool) {
	return !e.sameMode(live), !e.sameOwner(live), e.Kind == File && !SameTime(e.Mtime, live.Mtime)
}
