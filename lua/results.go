package lua

import (
	"slices"
	"strings"

	glua "github.com/yuin/gopher-lua"

	"github.com/rollsh/rollsh/nodes"
)

// outcome is what r.web3 gives.
type outcome struct {
	OK      bool    `lua:"ok"`
	State   string  `lua:"state"`
	Value   any     `lua:"value"`
	Error   error   `lua:"error"`
	Seconds float64 `lua:"seconds"`
	Node    string  `lua:"node"`
}

func outcomeOf(o nodes.Outcome) outcome {
	return outcome{
		OK: o.State == nodes.OK, State: string(o.State), Value: o.Value, Error: o.Err,
		Seconds: o.Elapsed.Seconds(), Node: string(o.Node.Name),
	}
}

func lookupOutcome(r *nodes.Results, name string) (outcome, bool) {
	for _, o := range r.List {
		if string(o.Node.Name) == name {
			return outcomeOf(o), true
		}
	}
	return outcome{}, false
}

// resultsClass is how an operation ended on each node of a set.
func resultsClass() Class {
	inState := func(name, doc string, states ...nodes.OutcomeState) Func {
		return Func{
			Name: name, Doc: doc, Returns: "Set", Example: "r:" + name + "()",
			Do: PureMethod(func(r *nodes.Results, _ None) (nodes.Set, error) { return r.In(states...), nil }),
		}
	}
	return Class{
		Name: "Results", Doc: "How an operation ended on each node, in the set's order.", Of: (*nodes.Results)(nil),
		String: StringOf(resultsText),
		Seq: SeqOf(func(r *nodes.Results) int { return len(r.List) }, func(r *nodes.Results, i int) any {
			return outcomeOf(r.List[i])
		}),
		Lookup: func(v any, name string) (any, bool) { return lookupOutcome(v.(*nodes.Results), name) },
		Names: func(v any) []string {
			var out []string
			for _, o := range v.(*nodes.Results).List {
				out = append(out, string(o.Node.Name))
			}
			return out
		},
		Funcs: []Func{
			inState("ok", "The nodes where it went well.", nodes.OK),
			inState("failed", "The nodes where it failed, the unreachable ones included.", nodes.FailedState, nodes.NotReached),
			inState("untouched", "The nodes where it was not begun.", nodes.NotAttempted),
			{Name: "node", Doc: "Gives the outcome on one node.", Returns: "table", Example: `r:node "web1".value`, Do: PureMethod(resultsNode)},
			{
				Name: "iter", Doc: "Iterates over name and outcome in order.", Returns: "fun(): any", Example: "for name, o in r:iter() do print(name, o.state) end",
				Do: HeldMethod(resultsIter),
			},
			{
				Name: "fold", Doc: "Groups equal output: a list of {nodes=, text=}.", Returns: "{nodes: string, text: string}[]", Example: "for _, g in ipairs(r:fold()) do print(g.nodes, g.text) end",
				Do: HeldMethod(func(c *Call, r *nodes.Results, _ None) (any, error) { return c.Host.foldResults(r), nil }),
			},
			{
				Name: "roll_id", Doc: "The roll that sync.undo takes, or nil.", Returns: "string?", Example: "sync.undo{to=web, path=\"/srv/www\", roll=r:roll_id()}",
				Do: PureMethod(func(r *nodes.Results, _ None) (any, error) { return orNil(r.RollID), nil }),
			},
		},
	}
}

func resultsText(r *nodes.Results) string {
	var parts []string
	for _, state := range []nodes.OutcomeState{nodes.OK, nodes.FailedState, nodes.NotReached, nodes.NotAttempted} {
		if s := r.In(state); len(s.Nodes) > 0 {
			parts = append(parts, string(state)+" "+s.Fold())
		}
	}
	return strings.Join(parts, ", ")
}

func resultsNode(r *nodes.Results, a nameArgs) (outcome, error) {
	o, ok := lookupOutcome(r, a.Name)
	if !ok {
		return o, &nodes.Error{Kind: nodes.NotFound, Message: "no node '" + a.Name + "' in these results"}
	}
	return o, nil
}

func resultsIter(c *Call, r *nodes.Results, _ None) (any, error) {
	i := 0
	return Raw{c.L.NewFunction(func(L *glua.LState) int {
		if i >= len(r.List) {
			L.Push(glua.LNil)
			return 1
		}
		o := r.List[i]
		i++
		return c.Host.pushAll(L, Many{string(o.Node.Name), outcomeOf(o)})
	})}, nil
}

// group is what fold gives: the nodes whose output is equal.
type group struct {
	Nodes string `lua:"nodes"`
	Set   nodes.Set
	Text  string `lua:"text"`
}

// foldResults groups the nodes by what they gave: the output of a command, the
// value otherwise, or the error.
func (h *Host) foldResults(r *nodes.Results) []group {
	var out []group
	for _, o := range r.List {
		text := h.outcomeText(o, r.Op)
		i := slices.IndexFunc(out, func(g group) bool { return g.Text == text })
		if i < 0 {
			out, i = append(out, group{Text: text}), len(out)
		}
		out[i].Set.Nodes = append(out[i].Set.Nodes, o.Node)
	}
	for i := range out {
		out[i].Nodes = out[i].Set.Fold()
	}
	return out
}

// outcomeText is what an outcome of the call op gave. The same failure of the call
// itself reads the same on every node and from every line.
func (h *Host) outcomeText(o nodes.Outcome, op string) string {
	if o.Err != nil {
		e := *nodes.AsError(o.Err, nodes.Internal)
		e.Node = ""
		if e.Op == op {
			e.Where, e.Op = "", ""
		}
		return e.Error()
	}
	if o.State != nodes.OK {
		return string(o.State)
	}
	v := h.push(o.Value)
	switch v := v.(type) {
	case glua.LString:
		return strings.TrimRight(string(v), "\n")
	case *glua.LTable:
		if out, ok := v.RawGetString("stdout").(glua.LString); ok {
			errText, _ := v.RawGetString("stderr").(glua.LString)
			return strings.TrimRight(string(out)+string(errText), "\n")
		}
	case *glua.LUserData:
		return h.objectText(v)
	}
	return h.Inspect(Raw{v})
}
