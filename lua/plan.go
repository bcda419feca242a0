package lua

import (
	"fmt"
	"maps"
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
// and the recipe does not vouch for it with read=true.
func (c *Call) recorded(b *binding) bool {
	if !c.Host.planning() || !b.Mutates || b.Do.script != "" {
		return false
	}
	t := c.optionsTable()
	return t == nil || t.RawGetString("read") != glua.LTrue
}

// record notes a call in the plan and gives its stand-in. On a set it does so
// for each node, in order.
func (c *Call) record(b *binding, receiver any) (any, error) {
	known := map[string]any{}
	maps.Copy(known, b.Planned)
	if t := c.optionsTable(); t != nil {
		if given, ok := c.Host.plain(t.RawGetString("plan")).(map[string]any); ok {
			maps.Copy(known, given)
		}
	}
	set, many := receiver.(nodes.Set)
	if !many || !b.Do.fleet {
		n, _ := receiver.(*nodes.Node)
		return c.recordOne(b, n, known)
	}
	r := &nodes.Results{Op: b.full}
	for _, n := range set.Nodes {
		v, err := c.recordOne(b, n, known)
		r.List = append(r.List, nodes.Outcome{Node: n, State: nodes.StateOf(err), Value: v, Err: err})
	}
	return r, r.Err()
}

func (c *Call) recordOne(b *binding, n *nodes.Node, known map[string]any) (any, error) {
	e := nodes.Event{Type: nodes.Planned, Op: b.full, Where: c.Where(), Text: c.argumentText()}
	if n != nil {
		e.Node = n.Name
	}
	c.Host.Session.Events.Emit(e)
	if fail := c.Host.Session.Recipe.FailAt; fail != "" && fail == string(e.Node)+":"+b.Name {
		return nil, &nodes.Error{Kind: nodes.Failed, Op: b.full, Node: e.Node, Where: c.Where(), Message: "fails, as the plan was asked to assume"}
	}
	if b.Returns == "nil" || b.Returns == "" {
		return nil, nil
	}
	return &standIn{op: strings.TrimSpace(fmt.Sprintf("%s %s", e.Node, b.full)), known: known}, nil
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
