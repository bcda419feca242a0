package manifest

// Tally counts the paths of a switch as a decision does: of the folders that are
// made or go, only those in which nothing else does.
type Tally struct {
	added, changed, deleted int
	open                    []tallied
}

// tallied is a folder that is made or goes, as long as more of what is in it may come.
type tallied struct {
	path  string
	count *int // Tally.added or Tally.deleted
	full  bool // something in it is made too, or goes
}

// Add counts one more pair; they come sorted by path.
func (t *Tally) Add(p *Pair) {
	t.close(p.Path)
	e, count := p.To, &t.added
	switch {
	case p.From != nil && p.To != nil:
		t.changed++
		return
	case p.To == nil:
		e, count = p.From, &t.deleted
	}
	for i, f := range t.open {
		if f.path == parent(p.Path) && f.count == count {
			t.open[i].full = true
		}
	}
	if e.Kind == Dir {
		t.open = append(t.open, tallied{path: p.Path, count: count})
	} else {
		*count++
	}
}

// Counts gives how many paths were added, changed and deleted; no pair comes after
// it.
func (t *Tally) Counts() (added, changed, deleted int) {
	t.close("")
	return t.added, t.changed, t.deleted
}

// close counts the open folders that the path p is past; the empty path is past all.
func (t *Tally) close(p string) {
	for n := len(t.open); n > 0 && (p == "" || passed(t.open[n-1].path, p)); n-- {
		if f := t.open[n-1]; !f.full {
			*f.count++
		}
		t.open = t.open[:n-1]
	}
}
