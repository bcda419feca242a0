package lua

import (
	"fmt"
	"maps"
	"reflect"
	"slices"

	glua "github.com/yuin/gopher-lua"

	"github.com/rollsh/rollsh/nodes"
)

// register turns the modules' records into globals, modules and classes.
func (h *Host) register() {
	for _, m := range h.modules {
		for _, c := range m.Classes {
			h.addClass(c)
		}
	}
	node, set := h.byName["Node"], h.byName["Set"]
	h.addSetOperators()
	for _, m := range h.modules {
		for _, f := range m.NodeMethods {
			h.addMethod(node, f)
			if f.Do.onNode != nil {
				h.addMethod(set, f.onSet())
			}
		}
		for _, f := range m.SetMethods {
			h.addMethod(set, f)
		}
		h.addModule(m)
	}
	lendMethods(node, set)
}

func (h *Host) addModule(m Module) {
	G := h.root.G.Global
	for name, v := range m.Values {
		G.RawSetString(name, h.push(v))
	}
	if m.Name == "" {
		for _, f := range m.Funcs {
			G.RawSetString(f.Name, h.functionOf(h.name(f, f.Name)))
		}
		return
	}
	G.RawSetString(m.Name, h.moduleTable(m))
}

// moduleTable is what recipes see of a module: a table that cannot be changed
// and refuses unknown names.
func (h *Host) moduleTable(m Module) *glua.LTable {
	L := h.root
	funcs := map[string]*binding{}
	for _, f := range m.Funcs {
		if funcs[f.Name] != nil {
			panic("lua: " + m.Name + "." + f.Name + " registered twice")
		}
		funcs[f.Name] = h.name(f, m.Name+"."+f.Name)
	}
	t, mt := L.NewTable(), L.NewTable()
	mt.RawSetString("__name", glua.LString(m.Name))
	mt.RawSetString("__metatable", glua.LString("locked"))
	mt.RawSetString("__index", L.NewFunction(func(L *glua.LState) int {
		name := L.Get(2).String()
		if b := funcs[name]; b != nil {
			L.Push(h.functionOf(b))
			return 1
		}
		h.raise(L, "", usage("%s has no function '%s'%s", m.Name, name, didYouMean(name, slices.Sorted(maps.Keys(funcs)))))
		return 0
	}))
	mt.RawSetString("__newindex", L.NewFunction(func(L *glua.LState) int {
		h.raise(L, "", usage("the module %s cannot be changed", m.Name))
		return 0
	}))
	mt.RawSetString("__tostring", L.NewFunction(func(L *glua.LState) int {
		L.Push(glua.LString("module " + m.Name))
		return 1
	}))
	if m.Call != nil {
		call := h.name(*m.Call, m.Name)
		mt.RawSetString("__call", L.NewFunction(func(L *glua.LState) int {
			L.Remove(1)
			return h.invoke(L, call)
		}))
	}
	t.Metatable = mt
	return t
}

func (h *Host) bind(f Func, full string) *binding {
	return &binding{Func: f, full: full}
}

// name binds a function that is reached by its full name.
func (h *Host) name(f Func, full string) *binding {
	b := h.bind(f, full)
	h.bindings[full] = b
	return b
}

func (h *Host) functionOf(b *binding) *glua.LFunction {
	if b.function == nil {
		b.function = h.root.NewFunction(func(L *glua.LState) int { return h.invoke(L, b) })
	}
	return b.function
}

// invoke is the one place where every record is called: arguments are checked,
// the Go function is run, its results or its error go back to Lua.
func (h *Host) invoke(L *glua.LState, b *binding) int {
	args := make([]glua.LValue, L.GetTop())
	for i := range args {
		args[i] = L.Get(i + 1)
	}
	L.SetTop(0)
	c := &Call{Host: h, L: L, Name: h.called(L, b.full), args: args}
	v, err := h.audited(c, b)
	if err != nil {
		h.raise(L, h.blamed(L, c.Name, err), err)
	}
	if r, ok := v.(*nodes.Results); ok && r != nil {
		c.placeOutcomes(r)
	}
	if v == nil && b.Returns == "nil" {
		return 0 // nothing, which the shell does not show
	}
	return h.pushAll(L, v)
}

func (h *Host) perform(c *Call, b *binding) (any, error) {
	receiver, err := c.receiver(b)
	if err != nil {
		return nil, err
	}
	if c.recorded(b) {
		return c.plan(b, receiver)
	}
	if b.Do.fleet {
		return b.Do.call(c, receiver, nil)
	}
	if b.Do.script != "" {
		return h.runScript(c, b, receiver)
	}
	var args any = None{}
	if b.Do.args != nil {
		if args, err = h.unpack(b.spec(), b.Do.args, c.args); err != nil {
			return nil, err
		}
	}
	if err := h.keepToStand(b.Do, b.Mutates, receiver, args); err != nil {
		return nil, err
	}
	if err := c.lookHere(b.spec(), args); err != nil {
		return nil, err
	}
	return b.Do.call(c, receiver, args)
}

// receiver takes the object of a method call off the arguments.
func (c *Call) receiver(b *binding) (any, error) {
	want := b.Do.receiver
	if want == nil {
		return nil, nil
	}
	if len(c.args) > 0 {
		if ud, ok := c.args[0].(*glua.LUserData); ok && reflect.TypeOf(ud.Value) == want {
			c.args = c.args[1:]
			return ud.Value, nil
		}
		if set, ok := asSet(c.args[0]); ok && want == reflect.TypeFor[nodes.Set]() {
			c.args = c.args[1:]
			return set, nil
		}
	}
	return nil, usage("called without its object: write x:%s(...), not x.%s(...)", b.Name, b.Name)
}

// runScript calls a function that is written in Lua, after its arguments
// passed the checks of its record.
func (h *Host) runScript(c *Call, b *binding, receiver any) (any, error) {
	unpacked, err := h.unpack(b.spec(), b.Do.args, c.args)
	if err == nil {
		err = h.keepToStand(b.Do, b.Mutates, receiver, unpacked)
	}
	if err != nil {
		return nil, err
	}
	fn, err := h.script(c.L, b)
	if err != nil {
		return nil, err
	}
	opts := h.root.NewTable()
	var given *glua.LTable
	if len(c.args) > 0 {
		given, _ = c.args[len(c.args)-1].(*glua.LTable)
	}
	for i := range b.spec().keys {
		p := &b.spec().keys[i]
		v := glua.LValue(glua.LNil)
		if given != nil {
			v = given.RawGetString(p.name)
		}
		if v == glua.LNil && p.def != "" {
			v = defaultValue(p)
		}
		opts.RawSetString(p.name, v)
	}
	args := []glua.LValue{opts}
	if receiver != nil {
		args = []glua.LValue{h.push(receiver), opts}
		for i := range b.spec().pos {
			if i < len(c.args) {
				args = append(args, c.args[i])
			}
		}
	}
	top := c.L.GetTop()
	c.L.Push(fn)
	for _, a := range args {
		c.L.Push(a)
	}
	c.L.Call(len(args), glua.MultRet)
	out := make(Many, 0, 1)
	for i := top + 1; i <= c.L.GetTop(); i++ {
		out = append(out, Raw{c.L.Get(i)})
	}
	c.L.SetTop(top)
	return out, nil
}

// script compiles an embedded function once.
func (h *Host) script(L *glua.LState, b *binding) (*glua.LFunction, error) {
	if fn := h.scripts[b.full]; fn != nil {
		return fn, nil
	}
	chunk, err := h.load(b.Do.script, embeddedPrefix+b.full)
	if err != nil {
		return nil, err
	}
	results, err := h.pcall(L, chunk, nil)
	if err != nil {
		return nil, err
	}
	fn, ok := results[0].(*glua.LFunction)
	if !ok {
		return nil, fmt.Errorf("the script of %s returns no function", b.full)
	}
	h.scripts[b.full] = fn
	return fn, nil
}

func plainCount(failed, all int) string { return fmt.Sprintf("%d of %d failed", failed, all) }

func (h *Host) warn(L *glua.LState, text string) {
	h.Session.Events.Emit(nodes.Event{Type: nodes.Warned, Where: h.where(L), Text: text})
}
