package lua

import (
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
	case *ast.LogicalOpExpr:
		return c.eitherType(e)
	}
	return ""
}

// eitherType is what "a or b" gives where both are of a type, or b never ends.
func (c *checker) eitherType(e *ast.LogicalOpExpr) string {
	left := c.typeOf(e.Lhs)
	if e.Operator == "and" {
		return ""
	}
	if call, ok := e.Rhs.(*ast.FuncCallExpr); ok {
		if id, ok := call.Func.(*ast.IdentExpr); ok && (id.Value == "fail" || id.Value == "error") && c.lookup(id.Value) == nil {
			return left
		}
	}
	if t, ok := e.Rhs.(*ast.TableExpr); ok && len(t.Fields) == 0 && strings.HasSuffix(left, "[]") {
		return left
	}
	if left == c.typeOf(e.Rhs) {
		return left
	}
	return ""
}

// Types that are no LuaCATS ones: what a required file gives, and what was found
// wrong already, whose fields and methods are not ours to judge; and the table
// of the recipe's arguments.
const (
	elsewhere = "elsewhere"
	argsTable = "args"
)

func (c *checker) callType(e *ast.FuncCallExpr) string {
	types := c.callTypes(e)
	if len(types) == 0 {
		return ""
	}
	return types[0]
}

// callTypes are the types of all that a call gives.
func (c *checker) callTypes(e *ast.FuncCallExpr) []string {
	b := c.target(e)
	switch {
	case b == nil && (e.Method != "" && c.typeOf(e.Receiver) == elsewhere || e.Func != nil && c.typeOf(e.Func) == elsewhere):
		return []string{elsewhere}
	case c.catches(e):
		return caughtTypes(e)
	case b == nil:
		return nil
	case b.full == "require":
		return []string{elsewhere}
	case b.full == "args" && c.args != nil:
		return []string{argsTable}
	case b.full == "choose" && len(e.Args) > 1:
		return []string{c.chosen(e)}
	case b.full == "results:node":
		return []string{OutcomeType(c.typeOf(e.Receiver))}
	}
	var out []string
	for _, typ := range splitType(b.Returns, ',') {
		out = append(out, returned(typ))
	}
	return out
}

// caughtTypes is what pcall gives of a function that is written out and returns
// nothing: whether it went well, or else the error.
func caughtTypes(e *ast.FuncCallExpr) []string {
	if len(e.Args) != 1 {
		return nil
	}
	fn, ok := e.Args[0].(*ast.FunctionExpr)
	if !ok {
		return nil
	}
	gives := false
	eachNode(reflect.ValueOf(fn.Stmts), func(node any) {
		if r, ok := node.(*ast.ReturnStmt); ok && len(r.Exprs) > 0 {
			gives = true
		}
	})
	if gives {
		return nil
	}
	return []string{"boolean", "Error"}
}

// chosen is what choose gives: an item of the list, or part of it.
func (c *checker) chosen(e *ast.FuncCallExpr) string {
	list := c.typeOf(e.Args[1])
	if len(e.Args) == 2 {
		return elementType(list)
	}
	if list == "Set" || list == "Changesets" { // many, whatever else the options say
		return list
	}
	return ""
}

// returned is the type that a record gives; one that may be nil is still of
// that type where its fields are read.
func returned(typ string) string {
	typ = strings.TrimSuffix(typ, "?")
	if len(splitType(typ, '|')) > 1 || typ == "any" || typ == "nil" || strings.HasSuffix(typ, "...") {
		return ""
	}
	return typ
}

// class finds a class by a type: Results<T> is Results.
func (c *checker) class(typ string) *class {
	name, _, _ := strings.Cut(typ, "<")
	return c.h.byName[name]
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
	cl := c.class(typ)
	switch {
	case typ == elsewhere:
		return elsewhere
	case typ == argsTable:
		return c.argType(key.Value)
	case typ == "Error":
		return errorFieldType(key.Value)
	case cl == nil:
		field, _ := fieldType(typ, key.Value)
		return returned(field)
	case cl.fields[key.Value] != nil:
		return returned(cl.fields[key.Value].Type)
	case cl.methods[key.Value] != nil:
		return ""
	case cl.Name == "Set":
		return "Node"
	case cl.Name == "Results":
		return OutcomeType(typ)
	}
	return ""
}

func errorFieldType(name string) string {
	switch name {
	case "errors":
		return "Error[]"
	case "cause":
		return "Error"
	}
	return ""
}

// argType is the type of one of the recipe's arguments.
func (c *checker) argType(name string) string {
	a := c.args.key(name)
	switch {
	case a == nil:
		return ""
	case a.Flag:
		return "boolean"
	}
	return a.Type
}

// target finds the record that a call calls; nil when it is not known.
func (c *checker) target(e *ast.FuncCallExpr) *binding {
	if e.Method != "" {
		if cl := c.class(c.typeOf(e.Receiver)); cl != nil {
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
	cl := c.class(typ)
	if cl == nil {
		c.spelt(e, typ, key.Value)
		return
	}
	if cl.fields[key.Value] != nil || cl.methods[key.Value] != nil {
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

// spelt checks a field of a table whose fields are known. One that some file
// adds to a table itself is not judged.
func (c *checker) spelt(e *ast.AttrGetExpr, typ, name string) {
	var known []string
	switch {
	case typ == argsTable && c.args.key(name) == nil:
		for _, a := range c.args.List {
			known = append(known, a.Name)
		}
		c.findUnlessOwn(name, e.Line(), name, "the recipe declares no argument '%s'%s", name, didYouMean(name, known))
	case typ == "Error":
		if near := nodes.Suggest(name, ErrorFields()); near != "" && !slices.Contains(ErrorFields(), name) {
			c.findUnlessOwn(name, e.Line(), name, "an error has no field '%s' (did you mean '%s'?)", name, near)
		}
	case FieldsOf(typ) != nil:
		for _, f := range FieldsOf(typ) {
			known = append(known, f.Name)
		}
		if !slices.Contains(known, name) {
			c.findUnlessOwn(name, e.Line(), name, "no field '%s' in {%s}%s", name, strings.Join(known, ", "), didYouMean(name, known))
		}
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
			c.function(fn, b.called()...)
			continue
		}
		c.argument(a, b)
	}
	if b != nil {
		c.arguments(e, b)
	} else if e.Method != "" && c.typeOf(e.Receiver) == "" {
		c.optionsOfAny(e)
	}
	c.names(e, b)
}

// optionsOfAny checks option keys where the type of x in x:name{...} is not
// known: a key that is near an option of a method of that name, and is an
// option of none, is misspelt.
func (c *checker) optionsOfAny(e *ast.FuncCallExpr) {
	var known []string
	for _, cl := range c.h.byName {
		if b := cl.methods[e.Method]; b != nil {
			known = append(known, b.optionNames()...)
		}
	}
	for _, a := range e.Args {
		t, ok := a.(*ast.TableExpr)
		if !ok || c.run.own[e.Method] {
			continue
		}
		for _, f := range t.Fields {
			key, ok := f.Key.(*ast.StringExpr)
			if !ok || slices.Contains(known, key.Value) {
				continue
			}
			if near := nodes.Suggest(key.Value, known); near != "" {
				c.findUnlessOwn(e.Method, f.Value.Line(), key.Value, "%s: no option '%s' (did you mean '%s'?)", e.Method, key.Value, near)
			}
		}
	}
}

// argument looks at an argument; functions among the options get what they are
// called with.
func (c *checker) argument(a ast.Expr, b *binding) {
	t, ok := a.(*ast.TableExpr)
	if !ok || b == nil {
		c.expr(a)
		return
	}
	for _, f := range t.Fields {
		if f.Key != nil {
			c.expr(f.Key)
		}
		fn, isFunction := f.Value.(*ast.FunctionExpr)
		key, isName := f.Key.(*ast.StringExpr)
		if !isFunction || !isName {
			c.expr(f.Value)
			continue
		}
		var types []string
		for _, s := range []*spec{b.spec, b.fleetSpec()} {
			if p := s.key(key.Value); p != nil {
				types = p.passes()
			}
		}
		c.function(fn, types...)
	}
}

// fleetSpec has the options that a method of sets takes besides its own.
func (b *binding) fleetSpec() *spec {
	if !b.Do.fleet {
		return &spec{}
	}
	return specOf(typeOfFleet)
}

// catches reports whether a call is of Lua's own pcall or xpcall.
func (c *checker) catches(e *ast.FuncCallExpr) bool {
	id, ok := e.Func.(*ast.IdentExpr)
	return ok && (id.Value == "pcall" || id.Value == "xpcall") && c.lookup(id.Value) == nil
}

// called are the types of what a record passes to the function that it is given
// last.
func (b *binding) called() []string {
	if len(b.spec.pos) == 0 {
		return nil
	}
	return b.spec.pos[len(b.spec.pos)-1].passes()
}

// passes are the types that a function is called with.
func (p *param) passes() []string {
	var out []string
	for _, f := range FieldsOf("{" + p.calls + "}") {
		out = append(out, f.Type)
	}
	return out
}

// method checks that x:name names a method. Where the type of x is not known,
// a name that is near one of ours and is nobody's is a misspelling.
func (c *checker) method(e *ast.FuncCallExpr) {
	typ := c.typeOf(e.Receiver)
	cl := c.class(typ)
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
			c.findUnlessOwn(e.Method, e.Line(), e.Method, "no object has a method '%s' (did you mean '%s'?)", e.Method, near)
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
	cl := c.class(c.typeOf(get.Object))
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
		c.find(e.Line(), c.placeOf(e, p.name, b.Name), "%s: %s", b.full, nodes.AsError(err, nodes.Usage).Message)
	}
}

// placeOf is the word by which a constant is found on its line: the constant
// itself, or else the first of the words that is there.
func (c *checker) placeOf(e ast.Expr, words ...string) string {
	switch e := e.(type) {
	case *ast.StringExpr:
		words = append([]string{e.Value}, words...)
	case *ast.NumberExpr:
		words = append([]string{e.Value}, words...)
	}
	for _, w := range words {
		if c.column(e.Line(), w) > 0 {
			return w
		}
	}
	return ""
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
	case *ast.TableExpr:
		return constantTable(e)
	}
	return nil, false
}

// constantTable is a table whose keys and values are all constants.
func constantTable(e *ast.TableExpr) (glua.LValue, bool) {
	t := &glua.LTable{Metatable: glua.LNil}
	for _, f := range e.Fields {
		v, ok := constantValue(f.Value)
		if !ok {
			return nil, false
		}
		if f.Key == nil {
			t.Append(v)
			continue
		}
		key, ok := constantValue(f.Key)
		if !ok {
			return nil, false
		}
		t.RawSet(key, v)
	}
	return t, true
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
				c.problem(e.Line(), word, err)
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
