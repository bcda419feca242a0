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

// asSet takes a Set, or a Node as a set of one.
func asSet(v glua.LValue) (nodes.Set, bool) {
	ud, ok := v.(*glua.LUserData)
	if !ok {
		return nodes.Set{}, false
	}
	switch v := ud.Value.(type) {
	case nodes.Set:
		return v, true
	case *nodes.Node:
		return nodes.Set{Nodes: []*nodes.Node{v}}, true
	}
	return nodes.Set{}, false
}

// lendMethods gives a node the set's methods that it has none of its own for:
// it is a set of one.
func lendMethods(node, set *class) {
	for name, m := range set.methods {
		if node.methods[name] == nil && node.fields[name] == nil {
			node.methods[name] = &binding{Func: m.Func, full: "node:" + name}
		}
	}
}

// nodeClass is one machine.
func nodeClass() Class {
	return Class{
		Name: "Node", Doc: "One machine of a nodes file; a set of one wherever a Set is taken.", Of: (*nodes.Node)(nil), Hides: "node",
		String: StringOf(func(n *nodes.Node) string { return string(n.Name) }),
		Seq:    SeqOf(func(*nodes.Node) int { return 1 }, func(n *nodes.Node, _ int) any { return n }),
		Fields: []Field{
			FieldOf("name", "string", "its name in the nodes file", func(n *nodes.Node) any { return string(n.Name) }),
			FieldOf("host", "string", "what is connected to", func(n *nodes.Node) any { return n.Address() }),
			FieldOf("user", "string?", "the login, where the nodes file gives one", func(n *nodes.Node) any { return orNil(n.User) }),
			FieldOf("port", "number?", "the port, where the nodes file gives one", func(n *nodes.Node) any { return orNil(n.Port) }),
			FieldOf("tier", "string?", "its tier", func(n *nodes.Node) any { return orNil(n.Tier) }),
			FieldOf("tags", "string[]", "its tags", func(n *nodes.Node) any { return n.Tags }),
			FieldOf("path", "string?", "the path key", func(n *nodes.Node) any { return orNil(string(n.Path)) }),
			FieldOf("vars", "table<string,string>", "the x-NAME keys by NAME", func(n *nodes.Node) any { return orEmptyMap(n.Vars) }),
			FieldOf("check", "string?", "the check command", func(n *nodes.Node) any { return orNil(n.Check) }),
		},
	}
}

func orEmptyMap(m map[string]string) map[string]string {
	if m == nil {
		return map[string]string{}
	}
	return m
}

func orNil[T comparable](v T) any {
	var zero T
	if v == zero {
		return nil
	}
	return v
}

// setClass is an ordered list of nodes.
func setClass() Class {
	return Class{
		Name: "Set", Doc: "An ordered list of nodes without repeats.", Of: nodes.Set{}, Hides: "nodes",
		String: StringOf(func(s nodes.Set) string { return s.Fold() }),
		Seq:    SeqOf(func(s nodes.Set) int { return len(s.Nodes) }, func(s nodes.Set, i int) any { return s.Nodes[i] }),
		Lookup: func(v any, name string) (any, bool) {
			n, err := v.(nodes.Set).Lookup(nodes.Name(name))
			return n, err == nil
		},
		Names: func(v any) []string { return v.(nodes.Set).Names() },
		Fields: []Field{
			FieldOf("name", "string?", "the tier or nodes file", func(s nodes.Set) any { return orNil(s.Name) }),
		},
		Funcs: setFuncs(),
	}
}

type selectArgs struct {
	What Raw `lua:"what,pos" type:"string|function|Set|Node" calls:"n: Node" doc:"names, ranges, globs, @tier, #tag, separated by commas; or a function of a node; or a Set"`
}

type nameArgs struct {
	Name string `lua:"name,pos" doc:"the name"`
}

type balanceArgs struct {
	Backend nodes.Balancer `lua:"backend,pos" doc:"what drains and undrains the nodes"`
}

func setFuncs() []Func {
	return []Func{
		{
			Name: "names", Doc: "Lists the names.", Returns: "string[]", Example: `nodes "prod":names()`,
			Do: PureMethod(func(s nodes.Set, _ None) ([]string, error) { return s.Names(), nil }),
		},
		{
			Name: "fold", Doc: "Writes the names short, as web[1-3].", Returns: "string", Example: `print(nodes "prod":fold())`,
			Do: PureMethod(func(s nodes.Set, _ None) (string, error) { return s.Fold(), nil }),
		},
		{
			Name: "tiers", Doc: "Gives the tiers in the file's order, each with its name.", Returns: "Set[]", Example: `for _, tier in ipairs(nodes "prod":tiers()) do print(tier.name) end`,
			Do: PureMethod(func(s nodes.Set, _ None) ([]nodes.Set, error) { return s.Tiers(), nil }),
		},
		{
			Name: "tier", Doc: "Gives one tier.", Returns: "Set", Example: `nodes "prod":tier "app"`,
			Do: PureMethod(func(s nodes.Set, a nameArgs) (nodes.Set, error) { return s.Tier(a.Name) }),
		},
		{
			Name: "node", Doc: "Gives the node of that name, also where a method or field has the same name.", Returns: "Node", Example: `nodes "prod":node "web1"`,
			Do: PureMethod(setNode),
		},
		{Name: "only", Doc: "Keeps the nodes that are named.", Returns: "Set", Example: `nodes "prod":only "web[1-3],@cdn"`, Do: HeldMethod(setOnly)},
		{Name: "except", Doc: "Leaves out the nodes that are named.", Returns: "Set", Example: `nodes "prod":except "web3"`, Do: HeldMethod(setExcept)},
		{
			Name: "balance", Doc: "Gives the same nodes, drained and undrained through a load balancer.", Returns: "Set",
			Example: `web = web:balance(haproxy.backend{on=node "lb1", socket="/run/haproxy/admin.sock", backend="web"})`,
			Do:      PureMethod(func(s nodes.Set, a balanceArgs) (nodes.Set, error) { return s.Balance(a.Backend), nil }),
		},
		{
			Name: "each", Doc: "Calls a function for each node, in the file's order, within budgets.", Returns: "Results",
			Example: `nodes "prod":each({at_once=2}, function(n) n:run "uptime" end)`,
			Do:      HeldMethod(setEach),
		},
	}
}

func setNode(s nodes.Set, a nameArgs) (*nodes.Node, error) { return s.Lookup(nodes.Name(a.Name)) }

func setOnly(c *Call, s nodes.Set, a selectArgs) (any, error) {
	return selectNodes(c, s, a.What, s.Only, func(in bool) bool { return in })
}

func setExcept(c *Call, s nodes.Set, a selectArgs) (any, error) {
	return selectNodes(c, s, a.What, s.Except, func(in bool) bool { return !in })
}

// selectNodes keeps nodes by pattern, by set, or by what a function says.
func selectNodes(c *Call, s nodes.Set, what Raw, byPattern func(...string) (nodes.Set, error), keep func(in bool) bool) (any, error) {
	if pattern, ok := what.v.(glua.LString); ok {
		return byPattern(string(pattern))
	}
	chosen := func(*nodes.Node) (bool, error) { return false, nil }
	if set, ok := asSet(what.v); ok {
		chosen = func(n *nodes.Node) (bool, error) {
			_, err := set.Lookup(n.Name)
			return err == nil, nil
		}
	} else if fn, ok := what.v.(*glua.LFunction); ok {
		chosen = func(n *nodes.Node) (bool, error) {
			results, err := c.Host.pcall(c.L, fn, []glua.LValue{c.Host.push(n)})
			return err == nil && len(results) > 0 && glua.LVAsBool(results[0]), err
		}
	}
	out := nodes.Set{Name: s.Name}
	for _, n := range s.Nodes {
		in, err := chosen(n)
		if err != nil {
			return nil, err
		}
		if keep(in) {
			out.Nodes = append(out.Nodes, n)
		}
	}
	return out, nil
}

// addSetOperators gives sets + and -.
func (h *Host) addSetOperators() {
	op := func(f func(a, b nodes.Set) nodes.Set, name string) *glua.LFunction {
		return h.root.NewFunction(func(L *glua.LState) int {
			a, ok1 := asSet(L.Get(1))
			b, ok2 := asSet(L.Get(2))
			if !ok1 || !ok2 {
				h.raise(L, "", usage("cannot %s %s and %s: both must be a Set or a Node", name, luaType(L.Get(1)), luaType(L.Get(2))))
			}
			L.Push(h.push(f(a, b)))
			return 1
		})
	}
	for _, class := range []string{"Set", "Node"} {
		mt := h.byName[class].meta
		mt.RawSetString("__add", op(nodes.Set.Union, "add"))
		mt.RawSetString("__sub", op(nodes.Set.Minus, "subtract"))
	}
}

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
		return nil, nodes.Stopped(ctx)
	}
	return r, o.Err(r)
}

// onSet makes the set's method of a node's method: all nodes at once, with the
// options of each beside its own.
func (f Func) onSet() Func {
	single := f.Do
	f.Doc += " On a Set: on all its nodes at once, with the options of each beside its own."
	f.Returns = resultsOf + strings.TrimSuffix(f.Returns, "?") + ">"
	f.Do = Impl{receiver: reflect.TypeFor[nodes.Set](), args: single.args, result: single.result, fleet: true}
	f.Do.call = func(c *Call, receiver, _ any) (any, error) {
		return c.fleet(receiver.(nodes.Set), specOf(single.args), single)
	}
	return f
}

// fleet splits the options between each and the method, and fans out.
func (c *Call) fleet(set nodes.Set, s *spec, single Impl) (any, error) {
	own, rest, err := c.splitOptions(s)
	if err != nil {
		return nil, err
	}
	parsed, err := c.Host.unpack(specOf(typeOfFleet), typeOfFleet, []glua.LValue{rest})
	if err != nil {
		return nil, err
	}
	args, err := c.Host.unpack(s, single.args, own)
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
			return single.onNode(ctx, n, args)
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
	if err := both.checkKeys(t); err != nil {
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
		text := h.outcomeText(o)
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

func (h *Host) outcomeText(o nodes.Outcome) string {
	if o.Err != nil { // the same failure reads the same on every node
		e := *nodes.AsError(o.Err, nodes.Internal)
		e.Node = ""
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
