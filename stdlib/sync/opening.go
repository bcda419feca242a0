package sync

import (
	"context"

	"github.com/rollsh/rollsh/nodes"
)

// opening is a channel that is made ready while the source is read.
type opening struct {
	done chan struct{} // closed when err is known
	err  error
}

// warmUp begins to connect to all nodes and to start their agents.
func (e *Engine) warmUp(ctx context.Context, set nodes.Set) map[*nodes.Node]*opening {
	all := make(map[*nodes.Node]*opening, len(set.Nodes))
	for _, n := range set.Nodes {
		o := &opening{done: make(chan struct{})}
		all[n] = o
		go func() {
			defer close(o.done)
			o.err = e.open(ctx, n)
		}()
	}
	return all
}

// open starts the agent of a node, unless the channel is busy: then there is
// one.
func (e *Engine) open(ctx context.Context, n *nodes.Node) error {
	if _, err := e.dial(ctx, n); err != nil {
		return err
	}
	ch := e.channel(n)
	select {
	case <-ch.turn:
		defer ch.give()
		_, _, err := e.line(ctx, ch)
		return err
	default:
		return nil
	}
}

// wait gives how the opening went.
func (o *opening) wait(ctx context.Context) error {
	select {
	case <-o.done:
		return o.err
	case <-ctx.Done():
		return nodes.Stopped(ctx)
	}
}
