package roll

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/rollsh/rollsh/nodes"
)

// words say what a step to a state does, where the recipe does not.
var words = map[State]string{Staged: "stage", Drained: "drain", Switched: "switch", Checked: "check", Done: "undrain", Undone: "undo"}

// Step does one thing to one node: its intent is on the disk before act is
// called, its outcome before Step returns. When act succeeds, the node is in
// the state. The error is act's, or the journal's: then nothing further may be
// done to the node. A roll whose lock was taken over starts no step.
func (r *Roll) Step(ctx context.Context, n *nodes.Node, state State, what string, act func(context.Context) error) error {
	if _, ok := words[state]; !ok {
		return &nodes.Error{Kind: nodes.Usage, Message: fmt.Sprintf("no step leads to the state '%s'", state),
			Hint: "staged, drained, switched, checked, done or undone"}
	}
	if what == "" {
		what = words[state]
	}
	if ctx.Err() != nil {
		return nodes.Stopped(ctx)
	}
	seq, err := r.intend(ctx, n, state, what)
	if err != nil {
		return err
	}
	acted := act(ctx)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordGrace)
	defer cancel()
	if err := r.outcome(ctx, n, seq, state, what, acted); err != nil && acted == nil {
		return err
	}
	return nodes.At(acted, "", n.Name)
}

// intend writes what is about to be done.
func (r *Roll) intend(ctx context.Context, n *nodes.Node, state State, what string) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	i, err := r.place(n)
	if err != nil {
		return 0, err
	}
	node := r.entry.Nodes[i]
	node.Touched = node.Touched || state.touches()
	seq := r.seq + 1
	err = r.journal.write(ctx, func(tx *sql.Tx) error {
		if err := r.journal.stillHeld(ctx, tx, r.lock); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, `INSERT INTO steps (roll, seq, node, what, state, intent, ended, outcome, why) VALUES ($1, $2, $3, $4, $5, $6, '', '', '')`,
			r.entry.ID, seq, string(n.Name), what, string(state), stamp(time.Now()))
		if err != nil {
			return err
		}
		return updateNode(ctx, tx, r.entry.ID, node)
	})
	if err == nil {
		r.entry.Nodes[i], r.seq = node, seq
	}
	return seq, err
}

// outcome writes what came of a step.
func (r *Roll) outcome(ctx context.Context, n *nodes.Node, seq int, state State, what string, acted error) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	i, err := r.place(n)
	if err != nil {
		return err
	}
	node, word, why := r.entry.Nodes[i], "ok", ""
	if acted == nil {
		node.succeed(state, r.entry)
	} else {
		word, why = "failed", what+": "+firstLine(nodes.AsError(acted, nodes.Internal).Message)
		node.State, node.Why, node.Since = stateAfter(acted), why, time.Now()
		if node.State == Unknown {
			word = "unknown"
		}
	}
	err = r.journal.write(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `UPDATE steps SET ended = $1, outcome = $2, why = $3 WHERE roll = $4 AND seq = $5`,
			stamp(time.Now()), word, why, r.entry.ID, seq)
		if err != nil {
			return err
		}
		return updateNode(ctx, tx, r.entry.ID, node)
	})
	r.entry.Nodes[i] = node // what happened has happened, written or not
	r.tell(node)
	return err
}

// succeed moves the node on after a step.
func (n *NodeEntry) succeed(state State, e Entry) {
	n.State, n.Why, n.Since = state, "", time.Now()
	switch state {
	case Drained:
		n.Out = true
	case Switched:
		n.Rev = e.To
	case Done:
		n.Out = false
	case Undone:
		n.Out, n.Touched, n.Rev = false, false, ""
	}
}

// Settle writes a node's state when a person or a rule decided it, rather than
// a step; out says whether it is out of service. Steps of the node whose
// outcome was never known are settled with it.
func (r *Roll) Settle(ctx context.Context, n *nodes.Node, state State, out bool, why string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordGrace)
	defer cancel()
	r.mu.Lock()
	defer r.mu.Unlock()
	i, err := r.place(n)
	if err != nil {
		return err
	}
	node := r.entry.Nodes[i]
	node.State, node.Why, node.Out, node.Since = state, why, out, time.Now()
	if state == Undone {
		node.Touched, node.Rev = false, ""
	}
	err = r.journal.write(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `UPDATE steps SET outcome = 'unknown', ended = $1 WHERE roll = $2 AND node = $3 AND outcome = ''`,
			stamp(time.Now()), r.entry.ID, string(n.Name))
		if err != nil {
			return err
		}
		return updateNode(ctx, tx, r.entry.ID, node)
	})
	r.entry.Nodes[i] = node
	r.tell(node)
	return err
}

func updateNode(ctx context.Context, tx *sql.Tx, id string, n NodeEntry) error {
	_, err := tx.ExecContext(ctx, `UPDATE roll_nodes SET state = $1, why = $2, since = $3, out = $4, touched = $5, rev = $6 WHERE roll = $7 AND node = $8`,
		string(n.State), n.Why, stamp(n.Since), flag(n.Out), flag(n.Touched), string(n.Rev), id, string(n.Node))
	return err
}

// place finds the node in the roll.
func (r *Roll) place(n *nodes.Node) (int, error) {
	if !r.open {
		return 0, &nodes.Error{Kind: nodes.Usage, Message: "the roll " + r.entry.ID + " has ended"}
	}
	for i := range r.entry.Nodes {
		if r.entry.Nodes[i].Node == n.Name {
			return i, nil
		}
	}
	return 0, &nodes.Error{Kind: nodes.Usage, Message: fmt.Sprintf("%s is not in the roll %s", n.Name, r.entry.ID)}
}

// tell lets the screen know of a node's state.
func (r *Roll) tell(n NodeEntry) {
	r.journal.session.Events.Emit(nodes.Event{Time: n.Since, Type: nodes.State, Op: "roll", Node: n.Node, State: string(n.State), Text: n.Why})
}
