package lua

import (
	"context"
	"reflect"
	"slices"
	"strings"
	"time"

	glua "github.com/yuin/gopher-lua"

	"github.com/rollsh/rollsh/nodes"
)

// eachArgs are the options of each, and of every method on a set.
type eachArgs struct {
	AtOnce         nodes.AtOnce `lua:"at_once" doc:"how many at once: 4, \"20%\", \"all\", or batches {1, 4, \"50%\"}"`
	Between        Raw          `lua:"between" type:"number|function" calls:"done: Set, left: Set" doc:"seconds, or function(done, left), after a batch; false ends it"`
	MaxFailed      int          `lua:"max_failed" default:"0" doc:"failures tolerated over the whole call"`
	MaxUnreachable int          `lua:"max_unreachable" default:"0" doc:"unreachable nodes tolerated, counted apart"`
	OnFailure      string       `lua:"on_failure" default:"stop" enum:"stop|cancel|ask|continue" doc:"what happens when a budget is spent"`
}

// fleetArgs are the options that every method on a set takes beside its own.
type fleetArgs struct {
	eachArgs
	Check bool `lua:"check" default:"true" doc:"raise when a node failed; false: look at the Results"`
}

type setEachArgs struct {
	eachArgs
	Fn Callback `lua:"fn,pos" calls:"n: Node" doc:"called with each node"`
}

// options turns the arguments into the scheduler's.
func (a eachArgs) options(h *Host, op string) nodes.EachOpts {
	o := nodes.EachOpts{
		Op: op, AtOnce: a.AtOnce, MaxFailed: a.MaxFailed, MaxUnreachable: a.MaxUnreachable,
		OnFailure: nodes.FailurePolicy(a.OnFailure), Ask: h.askOnFailure,
	}
	switch v := a.Between.v.(type) {
	case glua.LNumber:
		o.Pause = time.Duration(float64(v) * float64(time.Second))
	case *glua.LFunction:
		cb := Callback{h: h, fn: v}
		o.Gate = func(ctx context.Context, done, left nodes.Set) (bool, error) {
			results, err := cb.Call(ctx, done, left)
			return err == nil && (len(results) == 0 || results[0] != false), err
		}
	}
	return o
}

// askOnFailure lets the person decide when a budget is spent. Where nobody is
// there to look, with --yes too, the rest is left alone.
func (h *Host) askOnFailure(ctx context.Context, r *nodes.Results) (string, error) {
	failed := r.In(nodes.FailedState, nodes.NotReached)
	no := "no"
	answer, err := h.Session.Person.Ask(ctx, nodes.Question{Text: failed.Fold() + " failed; go on with the rest?", Default: &no})
	if err == nil && slices.Contains([]string{"y", "yes"}, strings.ToLower(strings.TrimSpace(answer))) {
		return string(nodes.CarryOn), nil
	}
	return string(nodes.StopRest), err
}

func setEach(c *Call, s nodes.Set, a setEachArgs) (any, error) {
	o := a.options(c.Host, c.Name)
	if c.Host.planning() { // one node at a time, in order: plans can be compared
		o.AtOnce, o.Gate, o.Pause = nodes.OneAtOnce(), nil, 0
	}
	return block(c, func(ctx context.Context) (*nodes.Results, error) {
		return fanOut(ctx, s, o, func(ctx context.Context, n *nodes.Node) (any, error) { return a.Fn.call(ctx, n) })
	})
}

// fanOut runs f on the nodes and raises what is left of the failures.
func fanOut(ctx context.Context, s nodes.Set, o nodes.EachOpts, f func(context.Context, *nodes.Node) (any, error)) (*nodes.Results, error) {
	r := nodes.Each(ctx, s, o, f)
	if ctx.Err() != nil {
		return nil, stoppedOn(ctx, r)
	}
	return r, o.Err(r)
}

// stoppedOn is the error of a fan-out whose context ended: it says which nodes
// were done before that, which were not begun, and what is known of the others.
func stoppedOn(ctx context.Context, r *nodes.Results) error {
	e := *nodes.AsError(nodes.Stopped(ctx), nodes.Cancelled)
	for _, o := range r.List {
		if o.Err != nil && nodes.AsError(o.Err, nodes.Internal).Message != e.Message {
			e.Errors = append(e.Errors, nodes.At(o.Err, "", o.Node.Name))
		}
	}
	if done := r.In(nodes.OK); len(done.Nodes) > 0 {
		e.Message += "; done on " + done.Fold()
	}
	if rest := r.In(nodes.NotAttempted); len(rest.Nodes) > 0 && len(rest.Nodes) < len(r.List) {
		e.Message += "; not begun on " + rest.Fold()
	}
	return &e
}

// onSet makes the set's method of a node's method: all nodes at once, with the
// options of each beside its own.
func (f Func) onSet() Func {
	single := f.Do
	f.Doc += " On a Set: on all its nodes at once, with the options of each beside its own."
	f.Returns = resultsOf + strings.TrimSuffix(f.Returns, "?") + ">"
	f.Do = Impl{receiver: reflect.TypeFor[nodes.Set](), args: single.args, result: single.result, fleet: true}
	f.Do.call = func(c *Call, receiver, _ any) (any, error) {
		return c.fleet(receiver.(nodes.Set), specOf(single.args), single, f.Mutates)
	}
	return f
}

// fleet splits the options between each and the method, and fans out.
func (c *Call) fleet(set nodes.Set, s *spec, single Impl, mutates bool) (any, error) {
	own, rest, err := c.splitOptions(s)
	if err != nil {
		return nil, err
	}
	parsed, err := c.Host.unpack(specOf(typeOfFleet), typeOfFleet, []glua.LValue{rest})
	if err != nil {
		return nil, err
	}
	args, err := c.Host.unpack(s, single.args, own)
	if err == nil {
		err = c.Host.keepToStand(single, mutates, set, args)
	}
	if err == nil {
		err = c.lookHere(s, args)
	}
	if err != nil {
		return nil, err
	}
	opts := parsed.(fleetArgs)
	o := opts.options(c.Host, c.Name)
	if o.AtOnce.IsZero() {
		o.AtOnce = nodes.AllAtOnce()
	}
	if !opts.Check {
		o.OnFailure = nodes.CarryOn
	}
	return block(c, func(ctx context.Context) (*nodes.Results, error) {
		ctx, roll := nodes.WithRolling(ctx)
		r, err := refusedAlike(fanOut(ctx, set, o, func(ctx context.Context, n *nodes.Node) (any, error) {
			v, err := single.onNode(ctx, n, args)
			if err != nil && nodes.KindOf(err) != nodes.Exit { // nothing came to its end
				v = nil
			}
			return v, err
		}))
		if r != nil {
			r.RollID = roll.ID()
		}
		return r, err
	})
}

// refusedAlike makes one usage error of arguments that no node was asked
// about: what is wrong with them is the caller's, not the nodes'.
func refusedAlike(r *nodes.Results, err error) (*nodes.Results, error) {
	e := nodes.AsError(err, nodes.Internal)
	if e == nil || e.Kind != nodes.Tasks {
		return r, err
	}
	for _, one := range e.Errors {
		if nodes.KindOf(one) != nodes.Usage {
			return r, err
		}
	}
	first := *nodes.AsError(e.Errors[0], nodes.Internal)
	first.Node = ""
	return nil, &first
}

var typeOfFleet = reflect.TypeFor[fleetArgs]()

func (c *Call) optionsTable() *glua.LTable {
	if len(c.args) == 0 {
		return nil
	}
	t, _ := c.args[len(c.args)-1].(*glua.LTable)
	return t
}

// splitOptions gives the arguments for the method, and the table for each. A
// key that both know, such as check, goes to both.
func (c *Call) splitOptions(s *spec) (own []glua.LValue, rest *glua.LTable, err error) {
	rest = c.Host.root.NewTable()
	t, fleet := c.optionsTable(), specOf(typeOfFleet)
	if t == nil || t.Len() > 0 { // a list is an argument, such as the words of a command
		return c.args, rest, nil
	}
	both := spec{keys: slices.Concat(s.keys, fleet.keys)}
	if err := both.checkKeys(t, "option"); err != nil {
		return nil, nil, err
	}
	mine, left := c.Host.root.NewTable(), false
	t.ForEach(func(k, v glua.LValue) {
		if fleet.key(k.String()) != nil {
			rest.RawSet(k, v)
		}
		if s.key(k.String()) != nil {
			mine.RawSet(k, v)
			left = true
		}
	})
	own = slices.Clone(c.args[:len(c.args)-1])
	if left {
		own = append(own, mine)
	}
	return own, rest, nil
}
