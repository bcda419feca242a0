package lua

import (
	"context"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	glua "github.com/yuin/gopher-lua"

	"github.com/rollsh/rollsh/nodes"
)

// standIn is what a mutating call gives in a plan: what its record declares as
// a typical success, and what the recipe says in plan={...}. Anything else that
// is read from it is an error: a plan says that it cannot know, and is never
// silently wrong.
type standIn struct {
	op    string
	known map[string]any
}

func standInClass() Class {
	return Class{
		Name: "Planned", Doc: "Stands for the result of a call that a plan only records.", Of: (*standIn)(nil),
		String: StringOf(func(s *standIn) string { return "result of " + s.op }),
		Lookup: func(v any, name string) (any, bool) {
			value, ok := v.(*standIn).known[name]
			return value, ok
		},
		Names: func(v any) []string { return slices.Sorted(maps.Keys(v.(*standIn).known)) },
		Unknown: func(v any, name string) error {
			return &nodes.Error{
				Kind: nodes.Usage, Message: "a plan cannot know '" + name + "' of " + v.(*standIn).op,
				Hint: "give the call plan={" + name + "=...}, or read=true if it changes nothing",
			}
		},
	}
}

// planning reports whether calls are recorded instead of made.
func (h *Host) planning() bool { return h.Session.Recipe.Mode == nodes.ModePlan }

// recorded reports whether a plan records this call: it may change something,
// or waits for what was changed, and the recipe does not vouch for it with
// read=true.
func (c *Call) recorded(b *binding) bool {
	if !c.Host.planning() || !b.changes() || b.Do.script != "" {
		return false
	}
	t := c.optionsTable()
	return t == nil || t.RawGetString("read") != glua.LTrue
}

// plan records a call instead of making it, and gives what the recipe goes on
// with: what is foreseen of it, or a stand-in.
func (c *Call) plan(b *binding, receiver any) (any, error) {
	args, err := c.ownArguments(b)
	if err != nil {
		return nil, err
	}
	if c.Host.recorded == 0 { // else a call that was recorded may make the file
		if err := c.lookHere(b.spec(), args); err != nil {
			return nil, err
		}
	}
	f, err := c.foresee(b, receiver, args)
	if nodes.KindOf(err) == nodes.NotFound && c.Host.recorded > 0 { // a call that was recorded may make it
		n, _ := receiver.(*nodes.Node)
		text := c.argumentText() + ": cannot be foreseen: " + nodes.AsError(err, nodes.NotFound).Message
		f, err = Foreseen{Value: c.standIn(b, n), On: []PlannedOn{{Node: n, Text: text}}}, nil
	}
	if err != nil {
		return nil, err
	}
	return c.record(b, f)
}

// ownArguments makes the errors that a call would make; on a set, each's
// options are left out.
func (c *Call) ownArguments(b *binding) (any, error) {
	own := c.args
	if b.Do.fleet {
		var err error
		if own, _, err = c.splitOptions(b.spec()); err != nil {
			return nil, err
		}
	}
	return c.Host.unpack(b.spec(), orEmpty(b.Do.args), own)
}

// foresee asks the record what the call would do; on a set, for each node.
func (c *Call) foresee(b *binding, receiver, args any) (Foreseen, error) {
	if set, ok := receiver.(nodes.Set); ok && b.Do.fleet {
		return c.foreseeEach(b, set, args)
	}
	if b.Foresee.call != nil {
		v, err := b.Foresee.call(c, receiver, args)
		f, _ := v.(Foreseen)
		return f, err
	}
	if set, ok := setAmong(args); ok && strings.HasPrefix(b.Returns, "Results") {
		return c.foreseeEach(b, set, args)
	}
	n, _ := receiver.(*nodes.Node)
	return Foreseen{Value: c.standIn(b, n), On: []PlannedOn{{Node: n}}}, nil
}

// foreseeEach asks for one node after the other: plans can be compared.
func (c *Call) foreseeEach(b *binding, set nodes.Set, args any) (Foreseen, error) {
	r := &nodes.Results{Op: b.full}
	all := Foreseen{Value: r}
	for _, n := range set.Nodes {
		one := Foreseen{Value: c.standIn(b, n), On: []PlannedOn{{Node: n}}}
		if b.Foresee.onNode != nil {
			err := c.Block(func(ctx context.Context) error {
				v, err := b.Foresee.onNode(ctx, n, args)
				one, _ = v.(Foreseen)
				return err
			})
			if err != nil {
				return all, nodes.At(err, b.full, n.Name)
			}
		}
		all.On = append(all.On, one.On...)
		r.List = append(r.List, nodes.Outcome{Node: n, State: nodes.StateOf(one.Err), Value: one.Value, Err: one.Err})
	}
	all.Err = r.Err()
	return all, nil
}

// setAmong finds the one set that the arguments name.
func setAmong(args any) (set nodes.Set, found bool) {
	v := reflect.ValueOf(args)
	if v.Kind() != reflect.Struct {
		return set, false
	}
	for _, f := range reflect.VisibleFields(v.Type()) {
		if f.Type != reflect.TypeFor[nodes.Set]() || !f.IsExported() {
			continue
		}
		if found {
			return nodes.Set{}, false
		}
		set, found = v.FieldByIndex(f.Index).Interface().(nodes.Set)
	}
	return set, found
}

// standIn is the result of a call of which nothing is foreseen.
func (c *Call) standIn(b *binding, n *nodes.Node) any {
	if b.Returns == "nil" || b.Returns == "" {
		return nil
	}
	known := map[string]any{}
	maps.Copy(known, b.Planned)
	if t := c.optionsTable(); t != nil {
		if given, ok := c.Host.plain(t.RawGetString("plan")).(map[string]any); ok {
			maps.Copy(known, given)
		}
	}
	s := &standIn{op: perNode(b.full), known: known}
	if n != nil {
		s.op = string(n.Name) + " " + s.op
	}
	return s
}

// perNode names what a method of sets does on each node.
func perNode(full string) string {
	if method, ok := strings.CutPrefix(full, "set:"); ok {
		return "node:" + method
	}
	return full
}

// record notes in the plan what was foreseen, node by node. Where the plan is
// asked to assume a failure, the call fails there.
func (c *Call) record(b *binding, f Foreseen) (any, error) {
	var assumed []error
	c.Host.recorded++
	op := perNode(b.full)
	results, _ := f.Value.(*nodes.Results)
	for _, on := range f.On {
		e := nodes.Event{Type: nodes.Planned, Op: op, Where: c.Where(), Text: on.Text, Lines: on.Lines}
		if e.Text == "" {
			e.Text = c.argumentText()
		}
		if on.Node != nil {
			e.Node = on.Node.Name
		}
		c.Host.Session.Events.Emit(e)
		if !c.Host.Session.Recipe.FailsAt(e.Node, op) {
			continue
		}
		err := &nodes.Error{Kind: nodes.Failed, Op: op, Node: e.Node, Where: e.Where, Message: "fails, as the plan was asked to assume"}
		assumed = append(assumed, err)
		results.Fail(on.Node, err)
	}
	switch {
	case f.Err != nil:
		return f.Value, f.Err
	case results != nil && len(assumed) > 0 && !c.goesOn():
		return f.Value, results.Err()
	case results == nil && len(assumed) > 0:
		return nil, assumed[0]
	}
	return f.Value, nil
}

// goesOn reports whether the options of a method of sets let failures pass.
func (c *Call) goesOn() bool {
	t := c.optionsTable()
	return t != nil && (t.RawGetString("check") == glua.LFalse || t.RawGetString("on_failure") == glua.LString(nodes.CarryOn))
}

// argumentText writes the arguments as the recipe has them. Secrets print as
// [secret], functions as their place.
func (c *Call) argumentText() string {
	words := make([]string, 0, len(c.args))
	for _, a := range c.args {
		if fn, ok := a.(*glua.LFunction); ok && !fn.IsG {
			words = append(words, fmt.Sprintf("function(%s:%d)", fn.Proto.SourceName, fn.Proto.LineDefined))
			continue
		}
		words = append(words, c.Host.Inspect(Raw{a}))
	}
	return strings.Join(words, ", ")
}
