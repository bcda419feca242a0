package roll

import (
	"context"
	"database/sql"
	"slices"
	"strconv"

	"github.com/rollsh/rollsh/nodes"
)

// Status is how a name stands: its locks, its last roll, and each node that
// was ever rolled to under it.
type Status struct {
	Name       string
	Locks      []Lock
	Last       *Entry // the newest roll that did anything to a node, else the newest; nil for a name that is only locked
	Unfinished bool   // Last must be resumed, undone or closed
	Nodes      []NodeEntry
}

// Status tells how a name stands, or all of them for an empty one.
func (j *Journal) Status(ctx context.Context, name string) (out []Status, err error) {
	err = j.read(ctx, func(tx *sql.Tx) error {
		held, err := j.locksOf(ctx, tx, name)
		if err != nil {
			return err
		}
		b := board{place: map[string]int{}}
		if b.open, err = rolledTo(ctx, tx, name); err != nil {
			return err
		}
		if err := j.walk(ctx, tx, name, b.add); err != nil {
			return err
		}
		out = b.finish(held)
		return nil
	})
	return out, err
}

// page is how many rolls are read at once where few of them are wanted.
const page = 50

// walk hands rolls to f, newest first, until f wants no more: of all names for an
// empty one.
func (j *Journal) walk(ctx context.Context, tx *sql.Tx, name string, f func(Entry) (more bool)) error {
	before, id := "9999", ""
	for {
		list, err := j.scan(ctx, tx, `SELECT `+rollColumns+` FROM rolls WHERE (name = $1 OR $1 = '') AND (started, id) < ($2, $3)
			ORDER BY started DESC, id DESC LIMIT $4`, name, before, id, page)
		if err != nil {
			return err
		}
		for _, e := range list {
			if !f(e) {
				return nil
			}
			before, id = stamp(e.Started), e.ID
		}
		if len(list) < page {
			return nil
		}
	}
}

// rolledTo gives, for each name, the nodes that were ever rolled to under it.
func rolledTo(ctx context.Context, tx *sql.Tx, name string) (map[string]map[nodes.Name]bool, error) {
	rows, err := tx.QueryContext(ctx, `SELECT DISTINCT r.name, n.node FROM roll_nodes n JOIN rolls r ON r.id = n.roll WHERE r.name = $1 OR $1 = ''`, name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }() // rows.Err tells
	all := map[string]map[nodes.Name]bool{}
	for rows.Next() {
		var of string
		var node nodes.Name
		if err := rows.Scan(&of, &node); err != nil {
			return nil, err
		}
		if all[of] == nil {
			all[of] = map[nodes.Name]bool{}
		}
		all[of][node] = true
	}
	return all, rows.Err()
}

// board gathers how names stand from their rolls, newest first.
type board struct {
	list  []Status
	place map[string]int                 // of a name in the list
	open  map[string]map[nodes.Name]bool // what older rolls may still tell of
}

func (b *board) at(name string) *Status {
	if _, ok := b.place[name]; !ok {
		b.place[name] = len(b.list)
		b.list = append(b.list, Status{Name: name})
	}
	return &b.list[b.place[name]]
}

// add takes an older roll into account; more is false when still older ones can
// tell nothing new.
func (b *board) add(e Entry) (more bool) {
	s := b.at(e.Name)
	if s.Last == nil || e.reached() && !s.Last.reached() {
		s.Last, s.Unfinished = &e, e.Unfinished()
	}
	for _, n := range e.Nodes {
		if s.add(n) {
			delete(b.open[e.Name], n.Node)
		}
	}
	if s.Last.reached() && len(b.open[e.Name]) == 0 {
		delete(b.open, e.Name)
	}
	return len(b.open) > 0
}

// finish adds who holds what, and how far rolls are that run or are unfinished.
func (b *board) finish(held []Lock) []Status {
	for _, l := range held {
		s := b.at(l.Name)
		s.Locks = append(s.Locks, l)
	}
	for i := range b.list {
		if s := &b.list[i]; s.Unfinished || s.Last != nil && s.Last.State == Running {
			s.waiting()
		}
	}
	return b.list
}

// waiting tells of nodes that the last roll has still to switch how far
// they are in it, beside the revision that they have. One that is out of
// service since before says that.
func (s *Status) waiting() {
	for _, n := range s.Last.Nodes {
		if n.State != Untouched && n.State != Staged {
			continue
		}
		i := slices.IndexFunc(s.Nodes, func(o NodeEntry) bool { return o.Node == n.Node })
		if i >= 0 && !s.Nodes[i].Out {
			n.Rev = s.Nodes[i].Rev
			s.Nodes[i] = n
		}
	}
}

// add takes an older record of a node into account: the newest says the
// state, the newest that put something there says the revision. It reports
// whether both are known then.
func (s *Status) add(n NodeEntry) (known bool) {
	i := slices.IndexFunc(s.Nodes, func(have NodeEntry) bool { return have.Node == n.Node })
	if i < 0 {
		s.Nodes = append(s.Nodes, n)
		i = len(s.Nodes) - 1
	}
	have := &s.Nodes[i]
	if have.Rev == "" {
		have.Rev = n.Rev
	}
	if have.State == Untouched || have.State == Staged {
		n.Rev = have.Rev
		*have = n
	}
	return have.Rev != "" && have.State != Untouched && have.State != Staged
}

// left is how rolls left a node.
type left struct {
	rev nodes.Revision // what they put there; empty: nothing
	out bool           // it is out of service
}

// leftBy tells how the rolls of a name left each node that they went to: all of
// them, or those before one.
func leftBy(ctx context.Context, tx *sql.Tx, name string, next *Entry) (map[nodes.Name]left, error) {
	before, id := "9999", ""
	if next != nil {
		before, id = stamp(next.Started), next.ID
	}
	rows, err := tx.QueryContext(ctx, `SELECT n.node, n.rev, n.out FROM roll_nodes n JOIN rolls r ON r.id = n.roll
		WHERE r.name = $1 AND (r.started, r.id) < ($2, $3) ORDER BY r.started, r.id`, name, before, id)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }() // rows.Err tells
	all := map[nodes.Name]left{}
	for rows.Next() {
		var node nodes.Name
		var l left
		if err := rows.Scan(&node, &l.rev, &l.out); err != nil {
			return nil, err
		}
		if l.rev == "" {
			l.rev = all[node].rev
		}
		all[node] = l
	}
	return all, rows.Err()
}

// oldest gives the smallest revision of the set's nodes; empty when one of
// them was never rolled to, or has a revision that is not a number.
func oldest(all map[nodes.Name]left, set nodes.Set) nodes.Revision {
	var low int
	var out nodes.Revision
	for _, n := range set.Nodes {
		has := all[n.Name].rev
		rev, err := strconv.Atoi(string(has))
		if err != nil {
			return ""
		}
		if out == "" || rev < low {
			low, out = rev, has
		}
	}
	return out
}
