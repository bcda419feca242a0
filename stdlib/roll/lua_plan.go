package roll

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/rollsh/rollsh/lua"
	"github.com/rollsh/rollsh/nodes"
)

// plannedOn shows in a plan what would be done to a node. It fails where the
// plan is asked to assume that.
func plannedOn(ctx context.Context, s *nodes.Session, n *nodes.Node, op, text string) error {
	s.Events.Emit(nodes.Event{Time: time.Now(), Type: nodes.Planned, Op: op, Node: n.Name, Where: nodes.CallerOf(ctx).Where, Text: text})
	if s.Recipe.FailsAt(n.Name, op) {
		return &nodes.Error{Kind: nodes.Failed, Op: op, Node: n.Name, Message: "fails, as the plan was asked to assume"}
	}
	return nil
}

// planOuting shows the outing and what is done in it; nothing is drained.
func planOuting(ctx context.Context, s *nodes.Session, n *nodes.Node, act Act) error {
	if err := plannedOn(ctx, s, n, "node:drain", ""); err != nil {
		return err
	}
	if err := act(ctx); err != nil {
		// err is told; this says what comes of the node.
		_ = plannedOn(ctx, s, n, "node:undrain", "if its tree was not switched, or its check passes; else it stays drained")
		return err
	}
	return plannedOn(ctx, s, n, "node:undrain", "")
}

// foreseeStep is R:step in a plan: it is shown for each node, called after the
// state that it leads to, and then what the function does, itself planned. The
// states of the nodes are kept as in a roll, so that what follows is what would.
func foreseeStep(ctx context.Context, r *Roll, a stepArgs) (lua.Foreseen, error) {
	if a.Fn.none() {
		return lua.Foreseen{}, nil
	}
	var parts []string
	if a.What != "" {
		parts = append(parts, a.What)
	}
	if a.Fn.fn.IsZero() { // a command; what a function does is shown by itself
		parts = append(parts, a.Fn.words())
	}
	text := strings.Join(parts, ": ")
	var value any
	err := r.Step(ctx, a.Nodes, a.State, a.What, func(ctx context.Context) (err error) {
		if err = r.plannedStep(ctx, a.Nodes, a.State, text); err != nil || a.Fn.fn.IsZero() {
			return err
		}
		var arg any = a.Nodes
		if len(a.Nodes.Nodes) == 1 {
			arg = a.Nodes.Nodes[0]
		}
		value, err = a.Fn.call(ctx, arg)
		return err
	})
	if err == nil && a.State == Switched && a.What == "" {
		for _, n := range a.Nodes.Nodes {
			r.journal.session.Service.Switched(n.Name)
		}
	}
	return lua.Foreseen{Value: value}, err
}

// plannedStep shows a step of each node; those that are assumed to fail there
// are told together.
func (r *Roll) plannedStep(ctx context.Context, set nodes.Set, to State, text string) error {
	var failed []error
	for _, n := range set.Nodes {
		if err := plannedOn(ctx, r.journal.session, n, "roll:"+string(to), text); err != nil {
			failed = append(failed, err)
		}
	}
	if len(failed) == 0 || len(set.Nodes) == 1 {
		return errors.Join(failed...)
	}
	return &nodes.Error{Kind: nodes.Tasks, Message: fmt.Sprintf("%d of %d failed", len(failed), len(set.Nodes)), Errors: failed}
}

// foreseeOuting is R:drained in a plan: what is decided when something in it
// fails is decided as in a roll, over a drain and a check that are only shown.
func foreseeOuting(ctx context.Context, r *Roll, a outingArgs) (lua.Foreseen, error) {
	s := r.journal.session
	by, err := rotation(s, a.Node, a.Drain, a.Check)
	if err != nil {
		return lua.Foreseen{}, err
	}
	shown := func(does Hook, op, text string) Hook {
		if does == nil {
			return nil
		}
		return func(ctx context.Context, n *nodes.Node) error { return plannedOn(ctx, s, n, op, text) }
	}
	by.Drain, by.Undrain = shown(by.Drain, "node:drain", ""), shown(by.Undrain, "node:undrain", "")
	by.Check = shown(by.Check, "roll:"+string(Checked), "once more, as something failed")
	return lua.Foreseen{}, r.WhileOut(ctx, a.Node, by, func(ctx context.Context) error {
		_, err := a.Fn.Call(ctx, a.Node)
		return err
	})
}
