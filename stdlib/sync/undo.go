package sync

import (
	"context"
	"errors"
	"time"

	"github.com/rollsh/rollsh/nodes"
	"github.com/rollsh/rollsh/stdlib/sync/wire"
)

// Undo puts back what a roll replaced, added and deleted in the tree at path
// on each node; an empty roll means the last one there. A file that was changed
// by hand since is kind changed, unless force is set. The value is a Stats.
func (e *Engine) Undo(ctx context.Context, set nodes.Set, path nodes.RemotePath, roll string, force bool) (*nodes.Results, error) {
	const op = "sync.undo"
	res, err := e.onAll(ctx, op, set, path, func(ctx context.Context, n *nodes.Node, path nodes.RemotePath, m emitter) (any, error) {
		began := time.Now()
		m.started("undoing " + or(roll, "the last roll") + " in " + string(path))
		rep, err := e.undoNode(ctx, n, path, roll, force, m)
		err = plainError(err)
		var v Stats
		if err == nil {
			if rep.Settled != "" {
				m.warn("a roll that was cut short was " + rep.Settled + " first")
			}
			v = stats(rep)
			v.Burst, v.Seconds = rep.Burst.Seconds(), time.Since(began).Seconds()
		}
		m.finished(summary(v), err)
		return v, err
	})
	if res != nil {
		e.tellBurst(ctx, res)
	}
	return res, err
}

func (e *Engine) undoNode(ctx context.Context, n *nodes.Node, path nodes.RemotePath, roll string, force bool, m emitter) (*wire.Report, error) {
	if err := ctx.Err(); err != nil {
		return nil, nodes.Stopped(ctx)
	}
	req := wire.Request{
		Op: wire.OpUndo, Root: []byte(path), Roll: newRoll(), Path: []byte(roll),
		Force: force, By: e.holder("sync.undo"),
	}
	patient, cancel := afterword(ctx)
	defer cancel()
	rep, err := e.ask(patient, n, req)
	var asked *unheard
	errors.As(err, &asked)
	if nodes.KindOf(err) == nodes.Lost && ctx.Err() == nil {
		rep, err = e.ask(ctx, n, req) // the node knows this undo by its id and does it once
	}
	switch {
	case noAgent(err):
		j := &job{e: e, o: &Options{Path: path}, node: n, path: path, roll: string(req.Roll), by: req.By, events: m}
		rep, err = e.thinUndo(ctx, j, roll, force, why(err))
	case err != nil && asked != nil && !agentSaid(err):
		err = perhapsUndone(ctx, err)
	}
	if err != nil || !rep.Nothing {
		e.session.Service.Switched(n.Name)
	}
	return rep, err
}

// perhapsUndone is the error of an undo that a node was asked for and of which
// nothing was heard.
func perhapsUndone(ctx context.Context, err error) error {
	kind := nodes.Lost
	if ctx.Err() != nil {
		kind = nodes.KindOf(err)
	}
	return &nodes.Error{
		Kind: kind, Message: why(err) + "; whether it was undone is not known", Cause: err,
		Hint: "look at the tree before you undo again: without roll= that may undo one more roll",
	}
}

// onAll runs f on all nodes at once, each with its path.
func (e *Engine) onAll(ctx context.Context, op string, set nodes.Set, path nodes.RemotePath,
	f func(context.Context, *nodes.Node, nodes.RemotePath, emitter) (any, error),
) (*nodes.Results, error) {
	if path != "" && path[0] != '/' {
		return nil, nodes.At(usage("path '"+string(path)+"' is not absolute"), op, "")
	}
	res := &nodes.Results{Op: op, List: make([]nodes.Outcome, len(set.Nodes))}
	at := map[*nodes.Node]int{}
	for i, n := range set.Nodes {
		at[n] = i
	}
	o := Options{Path: path}
	each(set, func(n *nodes.Node) {
		began := time.Now()
		out := nodes.Outcome{Node: n}
		p, err := o.pathOn(n)
		if err == nil {
			out.Value, err = f(ctx, n, p, e.emitter(ctx, op, n))
		}
		if err != nil {
			out.Value = nil
		}
		out.Err, out.State, out.Elapsed = err, nodes.StateOf(err), time.Since(began)
		res.List[at[n]] = out
	})
	return res, alike(res)
}

// one is the error of results: that of the node when there is one node, else kind
// tasks.
func one(res *nodes.Results) error {
	err := res.Err()
	if err == nil {
		return nil
	}
	all := *nodes.AsError(err, nodes.Internal)
	if len(res.List) == 1 && len(all.Errors) == 1 {
		return all.Errors[0]
	}
	return &all
}

// alike is one, but takes the kind that all failures share where that says that
// nodes were not as they were expected: changed, locked or refused.
func alike(res *nodes.Results) error {
	err := one(res)
	e := nodes.AsError(err, nodes.Internal)
	if err == nil || e.Kind != nodes.Tasks || len(e.Errors) == 0 {
		return err
	}
	kind := nodes.KindOf(e.Errors[0])
	for _, other := range e.Errors {
		if nodes.KindOf(other) != kind {
			return err
		}
	}
	if kind == nodes.Changed || kind == nodes.Locked || kind == nodes.Refused {
		same := *e
		same.Kind = kind
		return &same
	}
	return err
}
