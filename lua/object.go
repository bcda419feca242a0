package lua

import (
	"fmt"
	"reflect"
	"slices"
	"sort"
	"strings"
	"time"

	glua "github.com/yuin/gopher-lua"

	"github.com/rollsh/rollsh/nodes"
)

// class is a registered Class with its methods bound.
type class struct {
	Class
	meta    *glua.LTable
	methods map[string]*binding
	fields  map[string]*Field
}

// binding is a Func in its place.
type binding struct {
	Func
	full     string // sync.push, node:run
	function *glua.LFunction
}

func (b *binding) spec() *spec { return specOf(b.Do.args) }

func (h *Host) addClass(c Class) *class {
	cl := &class{Class: c, methods: map[string]*binding{}, fields: map[string]*Field{}}
	for i := range c.Fields {
		cl.fields[c.Fields[i].Name] = &c.Fields[i]
	}
	t := reflect.TypeOf(c.Of)
	if h.classes[t] != nil || h.byName[c.Name] != nil {
		panic("lua: class " + c.Name + " registered twice")
	}
	h.classes[t], h.byName[c.Name] = cl, cl
	cl.meta = h.metatable(cl)
	for _, f := range c.Funcs {
		h.addMethod(cl, f)
	}
	if c.Seq != nil && cl.methods["iter"] == nil {
		h.addMethod(cl, Func{Name: "iter", Doc: "Iterates over the items in order.", Returns: "fun(): any", Example: "for item in list:iter() do print(item) end", Do: iterOf(cl)})
	}
	return cl
}

// iterOf is the iterator of sequences: for item in x:iter().
func iterOf(cl *class) Impl {
	return Impl{receiver: reflect.TypeOf(cl.Of), call: func(c *Call, receiver, _ any) (any, error) {
		i := 0
		return Raw{c.L.NewFunction(func(L *glua.LState) int {
			if i >= cl.Seq.length(receiver) {
				L.Push(glua.LNil)
				return 1
			}
			i++
			return c.Host.pushAll(L, cl.Seq.at(receiver, i-1))
		})}, nil
	}}
}

func (h *Host) addMethod(cl *class, f Func) {
	if cl.methods[f.Name] != nil {
		panic("lua: method " + cl.Name + ":" + f.Name + " registered twice")
	}
	cl.methods[f.Name] = h.bind(f, lowerFirst(cl.Name)+":"+f.Name)
}

func lowerFirst(s string) string { return strings.ToLower(s[:1]) + s[1:] }

func (h *Host) metatable(cl *class) *glua.LTable {
	L, mt := h.root, h.root.NewTable()
	mt.RawSetString("__name", glua.LString(cl.Name))
	mt.RawSetString("__metatable", glua.LString("locked"))
	mt.RawSetString("__index", L.NewFunction(func(L *glua.LState) int { return h.index(L, cl) }))
	mt.RawSetString("__newindex", L.NewFunction(func(L *glua.LState) int {
		h.raise(L, "", usage("a %s cannot be changed: '%s' is not yours to set", cl.Name, L.Get(2).String()))
		return 0
	}))
	mt.RawSetString("__tostring", L.NewFunction(func(L *glua.LState) int {
		L.Push(glua.LString(h.objectText(L.CheckUserData(1))))
		return 1
	}))
	mt.RawSetString("__concat", L.NewFunction(func(L *glua.LState) int {
		L.Push(glua.LString(h.text(L.Get(1)) + h.text(L.Get(2))))
		return 1
	}))
	mt.RawSetString("__eq", L.NewFunction(objectsEqual))
	mt.RawSetString("__call", L.NewFunction(func(L *glua.LState) int {
		msg := usage("a %s cannot be called", cl.Name)
		if hides := h.hiddenBy(L, L.Get(1)); hides != "" {
			msg.Hint = fmt.Sprintf("a local named '%s' hides the global '%s'", hides, hides)
		} else if cl.Hides != "" {
			msg.Hint = fmt.Sprintf("the global '%s' is called so; this is what it gives", cl.Hides)
		}
		h.raise(L, "", msg)
		return 0
	}))
	if cl.Seq != nil {
		mt.RawSetString("__len", L.NewFunction(func(L *glua.LState) int {
			L.Push(glua.LNumber(cl.Seq.length(L.CheckUserData(1).Value)))
			return 1
		}))
	}
	return mt
}

// hiddenBy is the global whose name a local of the calling function has, or one
// around it, that holds v; empty for none.
func (h *Host) hiddenBy(L *glua.LState, v glua.LValue) string {
	caller, ok := L.GetStack(1)
	if !ok {
		return ""
	}
	hides := func(name string, held glua.LValue) bool {
		return held == v && h.root.G.Global.RawGetString(name) != glua.LNil
	}
	for i := 1; ; i++ {
		name, held := L.GetLocal(caller, i)
		if name == "" {
			break
		}
		if hides(name, held) {
			return name
		}
	}
	fn, err := L.GetInfo("f", caller, glua.LNil)
	called, ok := fn.(*glua.LFunction)
	if err != nil || !ok {
		return ""
	}
	for i := 1; ; i++ {
		name, held := L.GetUpvalue(called, i)
		if name == "" || hides(name, held) {
			return name
		}
	}
}

func objectsEqual(L *glua.LState) int {
	a, ok1 := L.Get(1).(*glua.LUserData)
	b, ok2 := L.Get(2).(*glua.LUserData)
	same := ok1 && ok2 && reflect.TypeOf(a.Value) == reflect.TypeOf(b.Value) &&
		(reflect.TypeOf(a.Value).Comparable() && a.Value == b.Value || sameNodes(a, b))
	L.Push(glua.LBool(same))
	return 1
}

// sameNodes reports whether two Nodes, or two Sets, are the same machines by the
// same names, in the same order: the nodes of a file are new ones each time that it is read.
func sameNodes(a, b *glua.LUserData) bool {
	x, ok1 := asSet(a)
	y, ok2 := asSet(b)
	return ok1 && ok2 && slices.EqualFunc(x.Nodes, y.Nodes, (*nodes.Node).Same)
}

// text is what an object or an error object is in a sentence.
func (h *Host) text(v glua.LValue) string {
	if ud, ok := v.(*glua.LUserData); ok {
		return h.objectText(ud)
	}
	return textOf(v)
}

func (h *Host) objectText(ud *glua.LUserData) string {
	cl := h.classOf(ud)
	if cl == nil || cl.String == nil {
		return luaType(ud)
	}
	return cl.String(ud.Value)
}

func (h *Host) classOf(ud *glua.LUserData) *class { return h.classes[reflect.TypeOf(ud.Value)] }

// index answers x.name and x[i]: method, field, name, item; anything else is
// an error, so that a misspelling never reads as nil.
func (h *Host) index(L *glua.LState, cl *class) int {
	ud := L.CheckUserData(1)
	switch key := L.Get(2).(type) {
	case glua.LString:
		name := string(key)
		if m := cl.methods[name]; m != nil {
			L.Push(h.methodOf(m, ud))
			return 1
		}
		if f := cl.fields[name]; f != nil {
			L.Push(h.push(f.get(ud.Value)))
			return 1
		}
		if cl.Lookup != nil {
			if v, ok := cl.Lookup(ud.Value, name); ok {
				L.Push(h.push(v))
				return 1
			}
		}
		if cl.Unknown != nil {
			h.raise(L, "", cl.Unknown(ud.Value, name))
		}
		h.raise(L, "", usage("a %s has no field or method '%s'%s", cl.Name, name, didYouMean(name, cl.names(ud.Value))))
	case glua.LNumber:
		if cl.Seq != nil {
			if i := int(key); i >= 1 && i <= cl.Seq.length(ud.Value) && glua.LNumber(i) == key {
				return h.pushAll(L, cl.Seq.at(ud.Value, i-1))
			}
			L.Push(glua.LNil)
			return 1
		}
	}
	h.raise(L, "", usage("a %s cannot be indexed with %s", cl.Name, luaText(L.Get(2))))
	return 0
}

// methodOf is a method as recipes call it, o:name(...); one that is bound also
// as o.name(...).
func (h *Host) methodOf(m *binding, ud *glua.LUserData) *glua.LFunction {
	if !m.Bound {
		return h.functionOf(m)
	}
	return h.root.NewFunction(func(L *glua.LState) int {
		if L.Get(1) != ud {
			L.Insert(ud, 1)
		}
		return h.invoke(L, m)
	})
}

func (cl *class) names(v any) []string {
	var out []string
	for n := range cl.methods {
		out = append(out, n)
	}
	for n := range cl.fields {
		out = append(out, n)
	}
	if cl.Names != nil {
		out = append(out, cl.Names(v)...)
	}
	sort.Strings(out)
	return slices.Compact(out)
}

// pushAll pushes a result, which may be Many values, and tells how many.
func (h *Host) pushAll(L *glua.LState, v any) int {
	switch v := v.(type) {
	case None:
		return 0
	case Many:
		for _, one := range v {
			L.Push(h.push(one))
		}
		return len(v)
	}
	L.Push(h.push(v))
	return 1
}

// push turns a Go value into Lua.
func (h *Host) push(v any) glua.LValue {
	switch v := v.(type) {
	case nil, None:
		return glua.LNil
	case Raw:
		if v.v == nil {
			return glua.LNil
		}
		return v.v
	case glua.LValue:
		return v
	case Callback:
		return v.fn
	case error:
		if isNil(v) {
			return glua.LNil
		}
		return h.errorObject(nodes.AsError(v, nodes.Internal))
	case time.Time:
		if v.IsZero() {
			return glua.LNil
		}
		return glua.LString(v.UTC().Format("2006-01-02T15:04:05Z"))
	case time.Duration:
		return glua.LNumber(v.Seconds())
	case []byte:
		return glua.LString(v)
	}
	if isNil(v) {
		return glua.LNil
	}
	if cl := h.classes[reflect.TypeOf(v)]; cl != nil {
		return h.object(v, cl)
	}
	return h.pushKind(reflect.ValueOf(v))
}

func isNil(v any) bool {
	r := reflect.ValueOf(v)
	switch r.Kind() {
	case reflect.Pointer, reflect.Map, reflect.Func, reflect.Interface:
		return r.IsNil()
	}
	return false
}

// object wraps a Go value. Nodes that are alike, such as those of a nodes file that
// is read twice, have one object for as long as the host lives: recipes use nodes
// as keys of tables.
func (h *Host) object(v any, cl *class) glua.LValue {
	n, isNode := v.(*nodes.Node)
	if !isNode {
		return h.wrap(v, cl)
	}
	if ud := h.objects[n]; ud != nil {
		return ud
	}
	ud := h.alike(n)
	if ud == nil {
		ud = h.wrap(n, cl)
		h.named[n.Name] = append(h.named[n.Name], n)
	}
	h.objects[n] = ud
	return ud
}

// alike is the object of a node that is as n is; nil where there is none yet.
func (h *Host) alike(n *nodes.Node) *glua.LUserData {
	for _, known := range h.named[n.Name] {
		if known.Alike(n) {
			return h.objects[known]
		}
	}
	return nil
}

func (h *Host) wrap(v any, cl *class) *glua.LUserData {
	ud := h.root.NewUserData()
	ud.Value, ud.Metatable = v, cl.meta
	return ud
}

func (h *Host) pushKind(r reflect.Value) glua.LValue {
	switch r.Kind() {
	case reflect.Bool:
		return glua.LBool(r.Bool())
	case reflect.String:
		return glua.LString(r.String())
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return glua.LNumber(r.Int())
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return glua.LNumber(r.Uint())
	case reflect.Float32, reflect.Float64:
		return glua.LNumber(r.Float())
	case reflect.Slice, reflect.Array:
		t := h.list()
		for i := range r.Len() {
			t.RawSetInt(i+1, h.push(r.Index(i).Interface())) // Append would pass over a nil
		}
		return t
	case reflect.Map:
		t := h.root.NewTable()
		for _, k := range r.MapKeys() {
			t.RawSetString(fmt.Sprint(k.Interface()), h.push(r.MapIndex(k).Interface()))
		}
		return t
	case reflect.Pointer:
		return h.push(r.Elem().Interface())
	case reflect.Struct:
		return h.pushStruct(r)
	}
	panic("lua: no Lua form for a result of type " + r.Type().String())
}

// pushStruct makes a table of the tagged fields; an optional one that is empty is
// left out.
func (h *Host) pushStruct(r reflect.Value) glua.LValue {
	t := h.root.NewTable()
	for i := range r.NumField() {
		f := r.Type().Field(i)
		tag, ok := f.Tag.Lookup("lua")
		switch {
		case ok:
			name, flag, _ := strings.Cut(tag, ",")
			if flag == "optional" && r.Field(i).IsZero() {
				continue
			}
			t.RawSetString(name, h.push(r.Field(i).Interface()))
		case f.Anonymous:
			if inner, ok := h.push(r.Field(i).Interface()).(*glua.LTable); ok {
				inner.ForEach(func(k, v glua.LValue) { t.RawSet(k, v) })
			}
		}
	}
	return t
}
