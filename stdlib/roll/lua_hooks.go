package roll

import (
	"context"
	"errors"
	"time"

	"github.com/rollsh/rollsh/lua"
	"github.com/rollsh/rollsh/nodes"
)

// hook is a command or a function of a node, or false for none.
type hook struct {
	line string
	fn   lua.Callback
	off  bool // false was given
}

// UnpackLua takes a string, a function or false.
func (h *hook) UnpackLua(v any) error {
	switch v := v.(type) {
	case string:
		if v != "" {
			h.line = v
			return nil
		}
	case lua.Callback:
		h.fn = v
		return nil
	case bool:
		if !v {
			h.off = true
			return nil
		}
	}
	return errors.New("expected a command, a function or false")
}

func (h hook) none() bool { return h.line == "" && h.fn.IsZero() }

// words are the hook for a plan, as written.
func (h hook) words() string {
	if !h.fn.IsZero() {
		return "function"
	}
	return h.line
}

// run does it for one node and gives what a function returned.
func (h hook) run(ctx context.Context, s *nodes.Session, n *nodes.Node) (any, error) {
	if h.line != "" {
		return nil, Command(s, h.line)(ctx, n)
	}
	return h.call(ctx, n)
}

// call calls the function; false, or false and a reason, is a failure.
func (h hook) call(ctx context.Context, arg any) (any, error) {
	if h.fn.IsZero() {
		return nil, &nodes.Error{Kind: nodes.Usage, Message: "a step on several nodes is a function, not a command"}
	}
	results, err := h.fn.Call(ctx, arg)
	if err != nil || len(results) == 0 {
		return nil, err
	}
	if results[0] != false {
		return results[0], nil
	}
	e := &nodes.Error{Kind: nodes.Failed, Message: "said no"}
	if len(results) > 1 {
		if why, ok := results[1].(string); ok {
			e.Message = why
		}
	}
	return nil, e
}

func (h hook) hook(s *nodes.Session) Hook {
	if h.none() {
		return nil
	}
	return func(ctx context.Context, n *nodes.Node) error {
		_, err := h.run(ctx, s, n)
		return nodes.At(err, "", n.Name)
	}
}

// drain is how nodes are taken out of service: by a balancer, by a pair of
// hooks, or not at all. The zero value is what the node itself says.
type drain struct {
	balancer nodes.Balancer
	out, in  hook
	off      bool
}

// UnpackLua takes a Backend, {drain=, undrain=} or false.
func (d *drain) UnpackLua(v any) error {
	switch v := v.(type) {
	case nodes.Balancer:
		d.balancer = v
		return nil
	case bool:
		if !v {
			d.off = true
			return nil
		}
	case map[string]any:
		return d.pair(v)
	}
	return errors.New("expected a Backend, {drain=, undrain=} or false")
}

func (d *drain) pair(m map[string]any) error {
	if err := nodes.UnknownKeys(m, "drain", "undrain"); err != nil {
		return err
	}
	for key, into := range map[string]*hook{"drain": &d.out, "undrain": &d.in} {
		if err := into.UnpackLua(m[key]); err != nil || into.off {
			return errors.New("expected {drain=, undrain=}, each a command or a function")
		}
	}
	return nil
}

// rotation is how a node is drained and checked in a roll: as the recipe says,
// else as the node was given.
func rotation(s *nodes.Session, n *nodes.Node, d drain, check hook) (Rotation, error) {
	r, err := Own(s, n)
	switch {
	case d.off:
		r.Drain, r.Undrain, r.Ask, r.Words, err = nil, nil, nil, "no drain", nil
	case d.balancer != nil:
		r.through(d.balancer)
		err = nil
	case !d.out.none():
		r.Drain, r.Undrain, r.Ask, r.Words, err = d.out.hook(s), d.in.hook(s), nil, "drain: "+d.out.words(), nil
	}
	if check.off {
		r.Check = nil
	} else if !check.none() {
		r.Check = check.hook(s)
	}
	return r, err
}

// gate is what holds a roll up between batches.
type gate struct {
	wait time.Duration
	ask  bool
	fn   lua.Callback
}

// UnpackLua takes seconds, "ask" or a function.
func (g *gate) UnpackLua(v any) error {
	switch v := v.(type) {
	case float64:
		if v >= 0 && v < 1e9 {
			g.wait = time.Duration(v * float64(time.Second))
			return nil
		}
	case string:
		if v == "ask" {
			g.ask = true
			return nil
		}
	case lua.Callback:
		g.fn = v
		return nil
	}
	return errors.New("expected seconds, 'ask' or a function")
}

func (g gate) gate() Gate {
	out := Gate{Wait: g.wait, Ask: g.ask}
	if !g.fn.IsZero() {
		out.Call = func(ctx context.Context, done, left nodes.Set) (bool, error) {
			results, err := g.fn.Call(ctx, done, left)
			return len(results) == 0 || results[0] != false, err
		}
	}
	return out
}
