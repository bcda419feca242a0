package lua

import (
	"maps"
	"slices"
	"time"

	glua "github.com/yuin/gopher-lua"

	"github.com/rollsh/rollsh/nodes"
)

// This file is what help, completion, editor types and the reference see of
// the records. Nothing here runs Lua that a person wrote.

// Arg is one argument of a record: a positional one or an option.
type Arg struct {
	Name     string
	Type     string // for people: string, number, Set|Node, Checkout|string
	Shape    string // the same with the fields of tables: string|{files: string?}
	Doc      string
	Default  string // as written in the record; empty: none
	Enum     []string
	Calls    string // of a function: the parameters that it is called with
	Required bool
	Rest     bool // it takes all arguments that are left
}

// Fields are the keys of a table that is given for the argument, where they are
// known, and whether the argument is a list of such tables.
func (a Arg) Fields() (names []string, list bool) { return fieldsIn(a.Shape) }

// Args lists the positional arguments of a record in order, and its options.
func (f Func) Args() (positional, options []Arg) {
	s := specOf(f.Do.args)
	options = argsOf(s.keys)
	if f.Do.fleet {
		options = append(options, argsOf(specOf(typeOfFleet).keys)...)
	}
	return argsOf(s.pos), options
}

func argsOf(params []param) []Arg {
	out := make([]Arg, len(params))
	for i, p := range params {
		out[i] = Arg{Name: p.name, Type: p.typ, Shape: p.shape, Doc: p.doc, Default: p.def, Enum: p.enum, Calls: p.calls, Required: p.required, Rest: p.rest}
	}
	return out
}

// OptionsBeforeFunction reports whether the options table comes before a last
// argument that is a function, as in set:each(opts, fn).
func (f Func) OptionsBeforeFunction() bool { return specOf(f.Do.args).endsInFunction() }

// Of gives the field's value of an object's Go value.
func (f Field) Of(v any) any { return f.get(v) }

// ClassNames lists the classes in order of their names.
func (h *Host) ClassNames() []string { return slices.Sorted(maps.Keys(h.byName)) }

// Class gives a class with all its methods, those that modules added to Node
// and Set included; nil when there is none of that name.
func (h *Host) Class(name string) *Class {
	cl := h.byName[name]
	if cl == nil {
		return nil
	}
	full := cl.Class
	full.Funcs = nil
	for _, name := range slices.Sorted(maps.Keys(cl.methods)) {
		full.Funcs = append(full.Funcs, h.spellOut(cl.methods[name].Func))
	}
	return &full
}

// Type names a value's type: a class, or Lua's own.
func (r Raw) Type() string { return luaType(r.v) }

// Value gives the plain Go value: nil, bool, float64, string, []any,
// map[string]any, an object's Go value, and *nodes.Error for an error object.
func (h *Host) Value(r Raw) any {
	if e := errorOf(r.v); e != nil {
		return e
	}
	return h.plain(r.v)
}

// Plain gives a Go result as Value would give it after its way through Lua. It
// takes the baton.
func (h *Host) Plain(v any) any {
	<-h.baton
	defer h.give()
	return h.plain(h.push(v))
}

// Globals gives every global name with the type of its value. It takes the
// baton.
func (h *Host) Globals() map[string]string {
	<-h.baton
	defer h.give()
	out := map[string]string{}
	h.root.G.Global.ForEach(func(k, v glua.LValue) {
		if name, ok := k.(glua.LString); ok {
			out[string(name)] = luaType(v)
		}
	})
	return out
}

// ObjectNames lists the names that a global object answers to besides its
// class's methods and fields, such as the nodes of a set, and the string keys
// of a plain table. It takes the baton.
func (h *Host) ObjectNames(global string) []string {
	<-h.baton
	defer h.give()
	switch v := h.root.G.Global.RawGetString(global).(type) {
	case *glua.LUserData:
		if cl := h.byName[luaType(v)]; cl != nil && cl.Names != nil {
			return cl.Names(v.Value)
		}
	case *glua.LTable:
		var out []string
		v.ForEach(func(k, _ glua.LValue) {
			if s, ok := k.(glua.LString); ok && identifier(string(s)) {
				out = append(out, string(s))
			}
		})
		slices.Sort(out)
		return out
	}
	return nil
}

// SetGlobal makes a value a global, as the shell does with the last value. It
// takes the baton.
func (h *Host) SetGlobal(name string, v Raw) {
	<-h.baton
	defer h.give()
	h.root.G.Global.RawSetString(name, v.v)
}

// NameOf finds what help knows a value by: "sync.push", "set:each", "sync", or
// the name of a class; empty when it is none of ours. It takes the baton.
func (h *Host) NameOf(r Raw) string {
	<-h.baton
	defer h.give()
	switch v := r.v.(type) {
	case *glua.LUserData:
		return luaType(v)
	case *glua.LTable:
		if mt, ok := v.Metatable.(*glua.LTable); ok {
			if name, ok := mt.RawGetString("__name").(glua.LString); ok {
				return string(name)
			}
		}
		if errorOf(v) != nil {
			return "errors"
		}
	case *glua.LFunction:
		return h.functionName(v)
	}
	return ""
}

// functionName looks a function up by identity; the baton is held.
func (h *Host) functionName(fn *glua.LFunction) string {
	for _, cl := range h.byName {
		for _, b := range cl.methods {
			if b.function == fn {
				return b.full
			}
		}
	}
	for _, m := range h.modules {
		holder, prefix := glua.LValue(h.root.G.Global), ""
		if m.Name != "" {
			holder, prefix = h.root.G.Global.RawGetString(m.Name), m.Name+"."
		}
		for _, f := range m.Funcs {
			if h.root.GetField(holder, f.Name) == fn {
				return prefix + f.Name
			}
		}
	}
	return ""
}

// Record finds a record by the name that errors and help use: "sync.push",
// "say", "set:each", or "roll" for a module that is called.
func (h *Host) Record(name string) (Func, bool) {
	for _, m := range h.Modules() {
		if m.Call != nil && m.Name == name {
			return *m.Call, true
		}
		for _, f := range m.Funcs {
			if f.Name == name && m.Name == "" || m.Name+"."+f.Name == name {
				return f, true
			}
		}
	}
	for _, cl := range h.byName {
		for _, b := range cl.methods {
			if b.full == name || cl.Name+":"+b.Name == name {
				return h.spellOut(b.Func), true
			}
		}
	}
	return Func{}, false
}

// ErrorFields are the names that an error object answers to.
func ErrorFields() []string { return slices.Clone(errorFields) }

// Keywords are the reserved words of Lua.
func Keywords() []string { return slices.Clone(keywords) }

// FoldedText is what an outcome gave, as r:fold() groups it: the output of a
// command, the value otherwise, or the error. It takes the baton.
func (h *Host) FoldedText(o nodes.Outcome) string {
	<-h.baton
	defer h.give()
	return h.outcomeText(o, "")
}

// Responsive reports whether Lua gives up the baton within a time. A pure
// computation in one call of the string library does not.
func (h *Host) Responsive(within time.Duration) bool {
	t := time.NewTimer(within)
	defer t.Stop()
	select {
	case <-h.baton:
		h.give()
		return true
	case <-t.C:
		return false
	}
}

// Parse reports whether a text is Lua; the error is a Usage error with the line.
func Parse(src, name string) error {
	_, err := parseChunk(src, name)
	return err
}
