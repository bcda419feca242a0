package lua

import (
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

// addSetOperators gives sets + and -; Usage where two names would stand for one
// machine, or one name for two.
func (h *Host) addSetOperators() {
	op := func(f func(a, b nodes.Set) nodes.Set, name string) *glua.LFunction {
		return h.root.NewFunction(func(L *glua.LState) int {
			a, ok1 := asSet(L.Get(1))
			b, ok2 := asSet(L.Get(2))
			if !ok1 || !ok2 {
				h.raise(L, "", usage("cannot %s %s and %s: both must be a Set or a Node", name, luaType(L.Get(1)), luaType(L.Get(2))))
			}
			set := f(a, b)
			if err := set.Check(); err != nil {
				h.raise(L, "", err)
			}
			L.Push(h.push(set))
			return 1
		})
	}
	for _, class := range []string{"Set", "Node"} {
		mt := h.byName[class].meta
		mt.RawSetString("__add", op(nodes.Set.Union, "add"))
		mt.RawSetString("__sub", op(nodes.Set.Minus, "subtract"))
	}
}
