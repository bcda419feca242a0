package roll

import (
	"context"
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

// foreseeStep is R:step in a plan: the step of each node, called after the state
// it leads to, and then what the function does, itself planned.
func foreseeStep(ctx context.Context, r *Roll, a stepArgs) (lua.Foreseen, error) {
	if a.Fn.none() {
		return lua.Foreseen{}, nil
	}
	text := a.Fn.words()
	if a.What != "" {
		text = a.What + ": " + text
	}
	for _, n := range a.Nodes.Nodes {
		if err := plannedOn(ctx, r.journal.session, n, "roll:"+string(a.State), text); err != nil {
			return lua.Foreseen{}, err
		}
	}
	if a.Fn.fn.IsZero() {
		return lua.Foreseen{}, nil
	}
	var arg any = a.Nodes
	if len(a.Nodes.Nodes) == 1 {
		arg = a.Nodes.Nodes[0]
	}
	value, err := a.Fn.call(ctx, arg)
	return lua.Foreseen{Value: value}, err
}

// foreseeOuting is R:drained in a plan.
func foreseeOuting(ctx context.Context, r *Roll, a outingArgs) (lua.Foreseen, error) {
	return lua.Foreseen{}, planOuting(ctx, r.journal.session, a.Node, func(ctx context.Context) error {
		_, err := a.Fn.Call(ctx, a.Node)
		return err
	})
}
