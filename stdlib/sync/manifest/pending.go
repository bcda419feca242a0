package manifest

import (
	"fmt"
	"strings"
)

// pending is a folder of which something is known only when all that is in it
// was seen.
type pending struct {
	path  string
	at    int64  // where its change has its flags
	what  byte   // goes, fresh, turns or lacks
	flags byte   // fresh: as they are so far
	ours  bool   // goes: it stays ours if it does not
	full  bool   // something in it goes, or is new; lacks: something is to be put there
	stays string // the first path in it that stays; empty for none
}

// What is to be known of a pending folder.
const (
	goes  = 'g' // whether it becomes empty, and goes then
	fresh = 'f' // whether anything is made in the new folder
	turns = 't' // whether all goes from the folder that is replaced
	lacks = 'l' // whether anything is to be put into the folder, which is not there and stays so
)

// passed reports whether the path p comes after all that is in the folder dir,
// which came before it. In the order of the paths there can be others between a
// folder and what is in it, but only such as begin with its path: so few folders
// are open at a time.
func passed(dir, p string) bool {
	return !strings.HasPrefix(p, dir) || len(p) > len(dir) && p[len(dir)] > '/'
}

// above is the open folder that p is directly in, if that is what is asked of it.
func (d *decider) above(p string, what byte) *pending {
	up := parent(p)
	for i := len(d.open) - 1; i >= 0; i-- {
		if f := d.open[i]; f.what == what && f.path == up {
			return f
		}
	}
	return nil
}

// stays notes that something stays at a path.
func (d *decider) stays(p string) {
	if len(d.open) == 0 {
		return
	}
	if f := d.above(p, goes); f != nil {
		f.stays = p
	}
	for _, f := range d.open {
		if f.what == turns && strings.HasPrefix(p, f.path+"/") && (f.stays == "" || p < f.stays) {
			f.stays = p
		}
	}
}

// lacking reports whether c leaves a folder away that is wanted.
func (c *Change) lacking() bool {
	return c.Want != nil && c.Want.Kind == Dir && !c.Put && (c.Live == nil || c.Live.Kind != Dir)
}

// blockPut notes that p cannot be put where a folder that it is in is left away; of
// each such folder one path is told.
func (d *decider) blockPut(p string) {
	for _, f := range d.open {
		if f.what == lacks && !f.full && strings.HasPrefix(p, f.path+"/") {
			f.full = true
			d.out.Blocked = append(d.out.Blocked, fmt.Sprintf("%s cannot be put on the node: %s is no folder there any more, and drift=\"keep\" leaves that so", Quote(p), Quote(f.path)))
		}
	}
}

// handful is how much may go for want of a source without a word: so few are as likely
// meant, and soon put back.
const handful = 10

// blockBare notes that all that is there would go for want of a source.
func (d *decider) blockBare() {
	if n := d.out.Deleted; d.pol.Bare != "" && n > handful {
		d.out.Blocked = append(d.out.Blocked, fmt.Sprintf("%s, and what is on the node would be deleted (%d): look at from=, or say empty=true if that is meant", d.pol.Bare, n))
	}
}

// close settles the open folders that the path p is past; the empty path is past
// all.
func (d *decider) close(p string) {
	for n := len(d.open); n > 0 && (p == "" || passed(d.open[n-1].path, p)); n-- {
		f := d.open[n-1]
		d.open = d.open[:n-1]
		switch f.what {
		case fresh:
			d.closeFresh(f)
		case goes:
			d.closeGoing(f)
		case turns:
			if what := d.holds(f); what != "" {
				d.out.Blocked = append(d.out.Blocked, fmt.Sprintf("%s must be replaced, but holds %s", Quote(f.path), what))
			}
		}
	}
}

func (d *decider) closeFresh(f *pending) {
	if !f.full {
		d.out.Added++
		d.out.changes.set(f.at, f.flags|flagAlone)
	}
}

// closeGoing settles whether a folder goes. One of ours that stays because of
// what is in it stays ours.
func (d *decider) closeGoing(f *pending) {
	if f.stays != "" || d.looksPast()[f.path] {
		d.stays(f.path)
		return
	}
	flags := byte(flagGoes)
	d.out.Goes++
	if !f.full {
		d.out.Deleted++
		flags |= flagAlone
	}
	if f.ours {
		d.out.Settles++
	}
	if up := d.above(f.path, goes); up != nil {
		up.full = true
	}
	d.out.changes.set(f.at, flags)
}

// looksPast are the folders that hold something which the rules look past.
func (d *decider) looksPast() map[string]bool {
	if d.held == nil {
		return nil
	}
	return d.held()
}

// holds names something in a folder that is to be replaced that does not go;
// empty when all goes.
func (d *decider) holds(f *pending) string {
	under := f.path + "/"
	for h := range d.looksPast() {
		if h == f.path || strings.HasPrefix(h, under) {
			return "files that are kept or excluded, in " + Quote(h)
		}
	}
	if f.stays != "" {
		return Quote(f.stays)
	}
	return ""
}
