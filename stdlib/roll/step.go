package roll

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"time"

	"github.com/rollsh/rollsh/nodes"
)

// words say what a step to a state does, where the recipe does not.
var words = map[State]string{Staged: "stage", Drained: "drain", Switched: "switch", Checked: "check", Done: "undrain", Undone: "undo"}

// Act is what a step does.
type Act func(ctx context.Context) error

// Step does one thing to a node, or to all nodes of a set at once: its intent
// is on the disk before act is called, its outcome before Step returns. When act
// succeeds, the nodes are in the state. When it fails, a Tasks error tells which
// of them failed, and the others are as they were. The error is act's, or the
// journal's: then nothing further may be done. A roll whose lock was taken over
// starts no step; one that is asked to stop starts none on a further node.
func (r *Roll) Step(ctx context.Context, set nodes.Set, state State, what string, act Act) error {
	if _, ok := words[state]; !ok {
		return &nodes.Error{
			Kind: nodes.Usage, Message: fmt.Sprintf("no step leads to the state '%s'", state),
			Hint: "staged, drained, switched, checked, done or undone",
		}
	}
	if what == "" {
		what = words[state]
	}
	return r.do(ctx, set, move{state: state, what: what, out: outAfter(state), aside: state == Staged}, act)
}

// move is where a step leads.
type move struct {
	state State
	what  string
	out   *bool // whether the node is out of service then; nil: as before
	aside bool  // done beside the tree: a node that was drained or switched stays what it is
}

// outAfter tells whether a node in the state is out of service; nil where that
// depends on how it got there.
func outAfter(s State) *bool {
	out := s == Drained
	switch s {
	case Staged, Switched, Checked, Undone:
		return nil
	}
	return &out
}

func (r *Roll) do(ctx context.Context, set nodes.Set, m move, act Act) error {
	if ctx.Err() != nil {
		return nodes.Stopped(ctx)
	}
	seq, err := r.intend(ctx, set, m)
	if err != nil {
		return err
	}
	switches := r.switches(set)
	bursts := &nodes.Bursts{}
	acting := ctx
	if m.state == Switched || m.state == Undone {
		acting, bursts = nodes.WithBursts(ctx)
	}
	acted := act(acting)
	if acted == nil && m.what == words[Switched] {
		r.noteUndo(set, switches)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordGrace)
	defer cancel()
	if err := r.outcome(ctx, set, seq, m, acted, bursts); err != nil && acted == nil {
		return err
	}
	if len(set.Nodes) == 1 {
		return nodes.At(acted, "", set.Nodes[0].Name)
	}
	return acted
}

// intend writes what is about to be done, and gives the number of the first
// node's step.
func (r *Roll) intend(ctx context.Context, set nodes.Set, m move) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	places, err := r.places(set)
	if err != nil {
		return 0, err
	}
	if err := r.mayBegin(places, m.state); err != nil {
		return 0, err
	}
	meant, now := slices.Clone(r.entry.Nodes), stamp(time.Now())
	err = r.write(ctx, func(tx *sql.Tx) error {
		if err := r.journal.stillHeld(ctx, tx, r.lock); err != nil {
			return err
		}
		for k, i := range places {
			meant[i].Touched = meant[i].Touched || m.state.touches()
			if m.what == words[Switched] && meant[i].Undo == "" {
				meant[i].Undo = r.undo // known should we die in it
			}
			_, err := tx.ExecContext(ctx, `INSERT INTO steps (roll, seq, node, what, state, intent, ended, outcome, why) VALUES ($1, $2, $3, $4, $5, $6, '', '', '')`,
				r.entry.ID, r.seq+1+k, string(meant[i].Node), m.what, string(m.state), now)
			if err != nil {
				return err
			}
			if err := updateNode(ctx, tx, r.entry.ID, meant[i]); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	for _, n := range set.Nodes {
		r.begun[n.Name] = r.begun[n.Name] || m.state.touches()
		r.cut[n.Name] = r.cut[n.Name] || m.what == words[Switched]
	}
	first := r.seq + 1
	r.entry.Nodes, r.seq = meant, r.seq+len(places)
	return first, nil
}

// mayBegin refuses to begin with a further node once a person asked to stop.
// From the first node that is touched, the first Ctrl-C is such a wish; before,
// it cancels.
func (r *Roll) mayBegin(places []int, s State) error {
	if !s.touches() {
		return nil
	}
	if r.soft == nil && r.interrupt != nil {
		r.soft, r.release = r.interrupt.Hold()
	}
	for _, i := range places {
		if !r.begun[r.entry.Nodes[i].Node] {
			return r.asked()
		}
	}
	return nil
}

// asked is a Cancelled error once a person asked the roll to stop.
func (r *Roll) asked() error {
	select {
	case <-r.soft: // nil until the first node is touched
		return &nodes.Error{Kind: nodes.Cancelled, Message: "stopped before the next node", Signal: r.interrupt.Signal()}
	default:
		return nil
	}
}

// outcome writes what came of a step, and tells it.
func (r *Roll) outcome(ctx context.Context, set nodes.Set, seq int, m move, acted error, bursts *nodes.Bursts) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	places, err := r.places(set)
	if err != nil {
		return err
	}
	now, results := time.Now(), make([]result, len(places))
	for k, i := range places {
		results[k] = r.judge(r.entry.Nodes[i], m, acted, len(places) == 1, now)
	}
	err = r.write(ctx, func(tx *sql.Tx) error {
		for k, v := range results {
			_, err := tx.ExecContext(ctx, `UPDATE steps SET ended = $1, outcome = $2, why = $3 WHERE roll = $4 AND seq = $5`,
				stamp(now), v.word, v.why, r.entry.ID, seq+k)
			if err != nil {
				return err
			}
			if err := updateNode(ctx, tx, r.entry.ID, v.node); err != nil {
				return err
			}
		}
		return nil
	})
	for k, i := range places { // what happened has happened, written or not
		before := r.entry.Nodes[i]
		r.entry.Nodes[i] = results[k].node
		took := bursts.On(before.Node)
		if before.State != results[k].node.State || before.Why != results[k].node.Why || took > 0 {
			r.tell(results[k].node, took)
		}
	}
	return err
}

// switches counts the changes of trees on each node so far.
func (r *Roll) switches(set nodes.Set) []int {
	out := make([]int, len(set.Nodes))
	for i, n := range set.Nodes {
		out[i] = r.journal.session.Service.Switches(n.Name)
	}
	return out
}

// noteUndo settles by what name a node is undone: that of the first switch of
// this roll that changed its tree. A switch that found nothing to change can not
// be undone; one of which nobody knew whether it was made has not been when a
// later one did change the tree.
func (r *Roll) noteUndo(set nodes.Set, before []int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	places, err := r.places(set)
	if err != nil {
		return // outcome says so
	}
	for k, i := range places {
		n := &r.entry.Nodes[i]
		changed := r.journal.session.Service.Switches(n.Node) > before[k]
		switch {
		case changed && r.unsure[n.Node]:
			n.Undo = r.undo
		case !changed && n.Undo == r.undo:
			n.Undo = ""
		}
		delete(r.unsure, n.Node)
	}
}

// result is what a step came to on one node.
type result struct {
	node NodeEntry
	word string // ok, failed, unknown; skipped: another node failed
	why  string
}

func (r *Roll) judge(n NodeEntry, m move, acted error, single bool, now time.Time) result {
	if acted == nil && m.aside && n.Touched {
		return result{n, "ok", ""}
	}
	if acted == nil {
		n.State, n.Why, n.Since = m.state, "", now
		n.arrive(m, r.entry.To)
		switch m.what {
		case words[Switched]:
			delete(r.cut, n.Node)
			delete(r.answers, n.Node)
		case words[Checked]:
			r.answers[n.Node] = yes
		}
		return result{n, "ok", ""}
	}
	err := acted
	if !single {
		if err = errorOf(acted, n.Node); err == nil {
			return result{n, "skipped", "other nodes failed"}
		}
	}
	why := m.what + ": " + firstLine(nodes.AsError(err, nodes.Internal).Message)
	state := stateAfter(err)
	if state == Unknown && m.state == Staged { // nothing that serves was touched
		state = Failed
		if nodes.KindOf(err) == nodes.Cancelled {
			state = n.State
		}
	}
	n.State, n.Why, n.Since = state, why, now
	if n.State == Unknown {
		return result{n, "unknown", why}
	}
	if m.what == words[Checked] {
		r.answers[n.Node] = no
	}
	return result{n, "failed", why}
}

// errorOf finds a node's own error in one of several nodes; an error that names
// no nodes is everybody's.
func errorOf(err error, n nodes.Name) error {
	e := nodes.AsError(err, nodes.Internal)
	if len(e.Errors) == 0 {
		return err
	}
	for _, one := range e.Errors {
		if nodes.AsError(one, nodes.Internal).Node == n {
			return one
		}
	}
	return nil
}

// arrive notes what a state means for service and revision.
func (n *NodeEntry) arrive(m move, to nodes.Revision) {
	if m.out != nil {
		n.Out = *m.out
	}
	switch m.state {
	case Staged:
		n.Touched = false
	case Switched, Done:
		n.Rev = to
	case Undone:
		n.Touched, n.Rev, n.Undo = n.Out, "", ""
	}
}

// Settle writes a node's state when a rule decided it, rather than a step: what
// failed, and what was decided. out says whether the node is out of service.
// Steps of the node whose outcome was never known are settled with it.
func (r *Roll) Settle(ctx context.Context, n *nodes.Node, state State, out bool, failed, decision string) error {
	why := failed
	if decision != "" {
		why += "; " + decision
	}
	node, err := r.settle(ctx, n, state, out, why)
	if decision != "" {
		node.Why = decision // the step has told what failed
	}
	if node.Node != "" {
		r.tell(node, 0)
	}
	return err
}

// settle is Settle without telling. It gives the node as it stands now, written
// or not; none where the roll has ended.
func (r *Roll) settle(ctx context.Context, n *nodes.Node, state State, out bool, why string) (NodeEntry, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordGrace)
	defer cancel()
	r.mu.Lock()
	defer r.mu.Unlock()
	places, err := r.places(nodes.Set{Nodes: []*nodes.Node{n}})
	if err != nil {
		return NodeEntry{}, err
	}
	i := places[0]
	node := r.entry.Nodes[i]
	node.State, node.Why, node.Out, node.Since = state, why, out, time.Now()
	switch state {
	case Untouched, Staged, Undone:
		node.Touched, node.Rev, node.Undo = false, "", ""
	}
	err = r.write(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `UPDATE steps SET outcome = 'unknown', ended = $1 WHERE roll = $2 AND node = $3 AND outcome = ''`,
			stamp(time.Now()), r.entry.ID, string(n.Name))
		if err != nil {
			return err
		}
		return updateNode(ctx, tx, r.entry.ID, node)
	})
	r.entry.Nodes[i] = node
	return node, err
}

func updateNode(ctx context.Context, tx *sql.Tx, id string, n NodeEntry) error {
	_, err := tx.ExecContext(ctx, `UPDATE roll_nodes SET state = $1, why = $2, since = $3, out = $4, touched = $5, rev = $6, undo = $7 WHERE roll = $8 AND node = $9`,
		string(n.State), n.Why, stamp(n.Since), flag(n.Out), flag(n.Touched), string(n.Rev), n.Undo, id, string(n.Node))
	return err
}

// places finds the nodes in the roll.
func (r *Roll) places(set nodes.Set) ([]int, error) {
	if !r.open || r.concluded {
		return nil, &nodes.Error{Kind: nodes.Usage, Message: "the roll " + r.entry.ID + " has ended"}
	}
	out := make([]int, 0, len(set.Nodes))
	for _, n := range set.Nodes {
		i := slices.IndexFunc(r.entry.Nodes, func(e NodeEntry) bool { return e.Node == n.Name })
		if i < 0 {
			return nil, notInRoll(n, r.entry)
		}
		out = append(out, i)
	}
	return out, nil
}

func notInRoll(n *nodes.Node, e Entry) error {
	return &nodes.Error{Kind: nodes.Usage, Message: fmt.Sprintf("%s is not in the roll %s", n.Name, e.ID)}
}

// whole reports whether no switch of the node was cut off.
func (r *Roll) whole(n *nodes.Node) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return !r.cut[n.Name]
}

func (r *Roll) earlier(n *nodes.Node) bool { return r.past[n.Name] }

func (r *Roll) checked(n *nodes.Node) answer {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.answers[n.Name]
}
