package lua

import (
	"fmt"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"

	glua "github.com/yuin/gopher-lua"
	"github.com/yuin/gopher-lua/ast"

	"github.com/rollsh/rollsh/nodes"
)

// typeOf infers what an expression gives, from the records; empty when it is
// not known.
func (c *checker) typeOf(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.StringExpr, *ast.StringConcatOpExpr:
		return "string"
	case *ast.NumberExpr, *ast.UnaryMinusOpExpr, *ast.UnaryLenOpExpr:
		return "number"
	case *ast.TableExpr:
		return "table"
	case *ast.FunctionExpr:
		return "function"
	case *ast.IdentExpr:
		if v := c.lookup(e.Value); v != nil {
			return v.typ
		}
		return c.globalType(e.Value)
	case *ast.FuncCallExpr:
		return c.callType(e)
	case *ast.AttrGetExpr:
		return c.attributeType(e)
	case *ast.ArithmeticOpExpr:
		if t := c.typeOf(e.Lhs); t == "Set" || t == "Node" {
			return "Set"
		}
	}
	return ""
}

// elsewhere is the type of what a required file gives, and of what was found
// wrong already: its fields and methods are not ours to judge.
const elsewhere = "elsewhere"

func (c *checker) callType(e *ast.FuncCallExpr) string {
	b := c.target(e)
	switch {
	case b != nil && b.full == "require":
		return elsewhere
	case b != nil:
		return returned(b.Returns)
	case e.Method != "" && c.typeOf(e.Receiver) == elsewhere, e.Func != nil && c.typeOf(e.Func) == elsewhere:
		return elsewhere
	}
	return ""
}

// returned is the type that a record gives; one that may be nil is still of
// that type where its fields are read.
func returned(typ string) string {
	typ = strings.TrimSuffix(typ, "?")
	if strings.ContainsAny(typ, "|<, ") || typ == "any" || typ == "nil" {
		return ""
	}
	return typ
}

// modulePrefix marks the types of modules.
const modulePrefix = "module "

func (c *checker) globalType(name string) string {
	switch v := c.h.root.G.Global.RawGetString(name).(type) {
	case *glua.LUserData:
		return luaType(v)
	case *glua.LTable:
		return modulePrefix + name
	case *glua.LFunction:
		return "function"
	}
	return ""
}

func (c *checker) attributeType(e *ast.AttrGetExpr) string {
	key, ok := e.Key.(*ast.StringExpr)
	if !ok {
		return elementType(c.typeOf(e.Object))
	}
	typ := c.typeOf(e.Object)
	cl := c.h.byName[typ]
	if typ == elsewhere {
		return elsewhere
	}
	if cl == nil {
		return ""
	}
	if f := cl.fields[key.Value]; f != nil {
		return returned(f.Type)
	}
	if cl.Name == "Set" && cl.methods[key.Value] == nil {
		return "Node"
	}
	return ""
}

// target finds the record that a call calls; nil when it is not known.
func (c *checker) target(e *ast.FuncCallExpr) *binding {
	if e.Method != "" {
		if cl := c.h.byName[c.typeOf(e.Receiver)]; cl != nil {
			return cl.methods[e.Method]
		}
		return nil
	}
	switch fn := e.Func.(type) {
	case *ast.IdentExpr:
		if c.lookup(fn.Value) == nil {
			return c.h.bindings[fn.Value]
		}
	case *ast.AttrGetExpr:
		module, ok := strings.CutPrefix(c.typeOf(fn.Object), modulePrefix)
		key, isName := fn.Key.(*ast.StringExpr)
		if ok && isName {
			return c.h.bindings[module+"."+key.Value]
		}
	}
	return nil
}

// attribute checks x.name.
func (c *checker) attribute(e *ast.AttrGetExpr) {
	c.expr(e.Object)
	key, ok := e.Key.(*ast.StringExpr)
	if !ok {
		c.expr(e.Key)
		return
	}
	typ := c.typeOf(e.Object)
	if module, ok := strings.CutPrefix(typ, modulePrefix); ok {
		if known := c.moduleNames(module); !slices.Contains(known, key.Value) {
			c.find(e.Line(), key.Value, "%s has no function '%s'%s", module, key.Value, didYouMean(key.Value, known))
		}
		return
	}
	cl := c.h.byName[typ]
	if cl == nil || cl.fields[key.Value] != nil || cl.methods[key.Value] != nil {
		return
	}
	if set := c.constantSet(e.Object); set != nil {
		if _, err := set.Lookup(nodes.Name(key.Value)); err != nil {
			c.find(e.Line(), key.Value, "no node, field or method '%s' in %s%s", key.Value, set.Name, didYouMean(key.Value, cl.names(*set)))
		}
		return
	}
	if cl.Lookup == nil {
		c.find(e.Line(), key.Value, "a %s has no field or method '%s'%s", cl.Name, key.Value, didYouMean(key.Value, cl.staticNames()))
	}
}

func (cl *class) staticNames() []string {
	return slices.Concat(slices.Sorted(maps.Keys(cl.methods)), slices.Sorted(maps.Keys(cl.fields)))
}

// moduleNames lists what a module or a library of Lua holds.
func (c *checker) moduleNames(module string) []string {
	var out []string
	for name := range c.h.bindings {
		if fn, ok := strings.CutPrefix(name, module+"."); ok {
			out = append(out, fn)
		}
	}
	if t, ok := c.h.root.G.Global.RawGetString(module).(*glua.LTable); ok {
		t.ForEach(func(k, _ glua.LValue) { out = append(out, k.String()) })
	}
	slices.Sort(out)
	return out
}

// call checks a call: its target, its arguments, and what its constants name.
func (c *checker) call(e *ast.FuncCallExpr) {
	if e.Method != "" {
		c.expr(e.Receiver)
		c.method(e)
	} else {
		c.dotCall(e)
		c.expr(e.Func)
	}
	b := c.target(e)
	if c.catches(e) || b != nil && b.full == "test.raises" {
		c.caught++
		defer func() { c.caught-- }()
	}
	for i, a := range e.Args {
		if fn, ok := a.(*ast.FunctionExpr); ok && b != nil && i == len(e.Args)-1 {
			c.function(fn, c.callbackType(e, b))
			continue
		}
		c.expr(a)
	}
	if b != nil {
		c.arguments(e, b)
	}
	c.names(e, b)
}

// catches reports whether a call is of Lua's own pcall or xpcall.
func (c *checker) catches(e *ast.FuncCallExpr) bool {
	id, ok := e.Func.(*ast.IdentExpr)
	return ok && (id.Value == "pcall" || id.Value == "xpcall") && c.lookup(id.Value) == nil
}

// callbackType is what a record passes first to the function that it is given.
func (c *checker) callbackType(e *ast.FuncCallExpr, b *binding) string {
	switch b.full {
	case "set:each", "set:only", "set:except", "node:each", "node:only", "node:except", "node:drained":
		return "Node"
	}
	return ""
}

// method checks that x:name names a method. Where the type of x is not known,
// a name that is near one of ours and is nobody's is a misspelling.
func (c *checker) method(e *ast.FuncCallExpr) {
	typ := c.typeOf(e.Receiver)
	cl := c.h.byName[typ]
	switch {
	case cl != nil && cl.methods[e.Method] == nil:
		if cl.fields[e.Method] != nil {
			c.find(e.Line(), e.Method, "'%s' of a %s is a field: write .%s", e.Method, cl.Name, e.Method)
			return
		}
		c.find(e.Line(), e.Method, "a %s has no method '%s'%s", cl.Name, e.Method, didYouMean(e.Method, cl.staticNames()))
	case cl == nil && typ == "":
		known := c.allMethods()
		if near := nodes.Suggest(e.Method, known); near != "" && !slices.Contains(known, e.Method) {
			f := Finding{File: c.name, Line: e.Line(), Column: c.column(e.Line(), e.Method), Warning: c.caught > 0}
			f.Message = fmt.Sprintf("no object has a method '%s' (did you mean '%s'?)", e.Method, near)
			c.run.near = append(c.run.near, nearMethod{f, e.Method})
		}
	case typ == "string" && !slices.Contains(c.moduleNames("string"), e.Method):
		c.find(e.Line(), e.Method, "string has no function '%s'%s", e.Method, didYouMean(e.Method, c.moduleNames("string")))
	}
}

func (c *checker) allMethods() []string {
	out := c.moduleNames("string")
	for _, cl := range c.h.byName {
		out = append(out, slices.Sorted(maps.Keys(cl.methods))...)
	}
	slices.Sort(out)
	return out
}

// dotCall finds n.run("x") where n:run "x" was meant.
func (c *checker) dotCall(e *ast.FuncCallExpr) {
	get, ok := e.Func.(*ast.AttrGetExpr)
	if !ok {
		return
	}
	key, ok := get.Key.(*ast.StringExpr)
	if !ok {
		return
	}
	cl := c.h.byName[c.typeOf(get.Object)]
	if cl == nil || cl.methods[key.Value] == nil || cl.methods[key.Value].Bound {
		return
	}
	c.find(e.Line(), key.Value, "'%s' is a method: write :%s(...), not .%s(...)", key.Value, key.Value, key.Value)
}

// arguments checks a call against its record as far as the text tells: how
// many there are, the keys of a table that is written out, and constants.
func (c *checker) arguments(e *ast.FuncCallExpr, b *binding) {
	if openEnded(e.Args) {
		return
	}
	s := b.spec
	pos, table := s.splitExprs(e.Args)
	if len(pos) > len(s.pos) && (len(s.pos) == 0 || !s.pos[len(s.pos)-1].rest) {
		c.find(e.Line(), b.Name, "%s: takes at most %d argument%s, got %d", b.full, len(s.pos), plural(len(s.pos)), len(pos))
		return
	}
	scratch := reflect.New(orEmpty(b.Do.args)).Elem()
	for i := range s.pos {
		switch {
		case i >= len(pos) && s.pos[i].required:
			c.find(e.Line(), b.Name, "%s: missing '%s' (%s)", b.full, s.pos[i].name, s.pos[i].typ)
			return
		case i < len(pos) && !s.pos[i].rest:
			c.constantFits(scratch, b, &s.pos[i], pos[i])
		}
	}
	c.options(e, b, scratch, table)
}

func orEmpty(t reflect.Type) reflect.Type {
	if t == nil {
		return reflect.TypeFor[None]()
	}
	return t
}

// openEnded reports whether the last argument may stand for several.
func openEnded(args []ast.Expr) bool {
	if len(args) == 0 {
		return false
	}
	switch last := args[len(args)-1].(type) {
	case *ast.Comma3Expr:
		return true
	case *ast.FuncCallExpr:
		return !last.AdjustRet
	}
	return false
}

// splitExprs is split for the text of a call.
func (s *spec) splitExprs(args []ast.Expr) (pos []ast.Expr, table ast.Expr) {
	if len(s.keys) == 0 || len(args) == 0 {
		return args, nil
	}
	at := len(args) - 1
	if s.endsInFunction() {
		at--
	}
	if at < 0 || len(args) <= len(s.pos) && !s.optionsAt(at) {
		return args, nil
	}
	if _, ok := args[at].(*ast.TableExpr); ok || len(args) > len(s.pos) {
		return slices.Delete(slices.Clone(args), at, at+1), args[at]
	}
	return args, nil
}

// options checks the table of options where it is written out.
func (c *checker) options(e *ast.FuncCallExpr, b *binding, scratch reflect.Value, table ast.Expr) {
	t, ok := table.(*ast.TableExpr)
	if table != nil && !ok {
		return
	}
	given := map[string]bool{}
	known := b.optionNames()
	if t != nil {
		for _, f := range t.Fields {
			key, ok := f.Key.(*ast.StringExpr)
			if !ok {
				if f.Key == nil {
					c.find(e.Line(), b.Name, "%s: options are written key = value", b.full)
				}
				return
			}
			given[key.Value] = true
			if !slices.Contains(known, key.Value) {
				c.find(f.Value.Line(), key.Value, "%s: unknown option '%s'%s", b.full, key.Value, didYouMean(key.Value, known))
			} else if p := b.spec.key(key.Value); p != nil {
				c.constantFits(scratch, b, p, f.Value)
			}
		}
	}
	for i := range b.spec.keys {
		if p := &b.spec.keys[i]; p.required && !given[p.name] {
			c.find(e.Line(), b.Name, "%s: missing '%s' (%s)", b.full, p.name, p.typ)
		}
	}
}

func (b *binding) optionNames() []string {
	names := b.spec.keyNames()
	if b.Do.fleet {
		names = append(names, specOf(typeOfFleet).keyNames()...)
	}
	return names
}

// constantFits checks a constant against what the record wants, with the very
// code that the call would run.
func (c *checker) constantFits(scratch reflect.Value, b *binding, p *param, e ast.Expr) {
	v, ok := constantValue(e)
	if !ok || v == glua.LNil {
		return
	}
	if err := c.h.assign(scratch, p, v); err != nil {
		c.find(e.Line(), "", "%s: %s", b.full, nodes.AsError(err, nodes.Usage).Message)
	}
}

func constantValue(e ast.Expr) (glua.LValue, bool) {
	switch e := e.(type) {
	case *ast.StringExpr:
		return glua.LString(e.Value), true
	case *ast.NumberExpr:
		n, ok := parseNumber(e.Value)
		return glua.LNumber(n), ok
	case *ast.TrueExpr:
		return glua.LTrue, true
	case *ast.FalseExpr:
		return glua.LFalse, true
	case *ast.NilExpr:
		return glua.LNil, true
	}
	return nil, false
}

// names checks what a constant argument names: nodes files, nodes, patterns,
// required files.
func (c *checker) names(e *ast.FuncCallExpr, b *binding) {
	word, ok := constantArg(e)
	if !ok {
		return
	}
	if id, isName := e.Func.(*ast.IdentExpr); isName && c.lookup(id.Value) == nil {
		switch id.Value {
		case "nodes":
			c.nodesFile(e, word)
		case "node":
			if _, err := c.h.nodeNamed(word); err != nil && c.h.Session.Project != "" {
				c.problem(e.Line(), word, err)
			}
		case "require":
			c.required(e, word)
		}
	}
	if b != nil && (b.full == "set:only" || b.full == "set:except") {
		if set := c.constantSet(e.Receiver); set != nil {
			if _, err := set.Only(word); err != nil {
				c.problem(e.Line(), "", err)
			}
		}
	}
}

func constantArg(e *ast.FuncCallExpr) (string, bool) {
	if len(e.Args) != 1 {
		return "", false
	}
	s, ok := e.Args[0].(*ast.StringExpr)
	if !ok {
		return "", false
	}
	return s.Value, true
}

// problem reports an error of a nodes file, at its own place where it has one.
func (c *checker) problem(line int, word string, err error) {
	e := nodes.AsError(err, nodes.Usage)
	if len(e.Errors) > 0 {
		for _, one := range e.Errors {
			c.problem(line, word, one)
		}
		return
	}
	message := e.Message
	if e.Where != "" {
		message = e.Where + ": " + message
	}
	c.report(Finding{Line: line, Column: c.column(line, word), Message: message, Hint: e.Hint})
}

func (c *checker) nodesFile(e *ast.FuncCallExpr, name string) {
	if c.h.Session.Project == "" {
		return
	}
	if _, err := c.h.loadNodes(name); err != nil {
		c.problem(e.Line(), name, err)
	}
}

// constantSet is the set that nodes "prod" gives, or a local that holds it.
func (c *checker) constantSet(e ast.Expr) *nodes.Set {
	switch e := e.(type) {
	case *ast.IdentExpr:
		if v := c.lookup(e.Value); v != nil {
			return v.set
		}
	case *ast.FuncCallExpr:
		id, ok := e.Func.(*ast.IdentExpr)
		word, constant := constantArg(e)
		if !ok || !constant || id.Value != "nodes" || c.lookup("nodes") != nil || c.h.Session.Project == "" {
			return nil
		}
		if set, err := c.h.loadNodes(word); err == nil {
			return &set
		}
	}
	return nil
}

// required checks that a required file is there, and checks it too.
func (c *checker) required(e *ast.FuncCallExpr, name string) {
	path, err := c.h.files.locate(c.path, name)
	if err != nil {
		c.problem(e.Line(), name, err)
		return
	}
	if src, err := os.ReadFile(path); err == nil {
		c.run.file(path, string(src))
	}
}
