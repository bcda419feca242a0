package lua

import (
	"reflect"
	"strings"

	glua "github.com/yuin/gopher-lua"
	"github.com/yuin/gopher-lua/ast"
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
	for _, typ := range splitType(c.h.spellOut(b.Func).Returns, ',') {
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
	eachNode(reflect.ValueOf(fn.Stmts), func(node any) bool {
		if r, ok := node.(*ast.ReturnStmt); ok && len(r.Exprs) > 0 {
			gives = true
		}
		return !gives
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
	if name == "errors" {
		return "Error[]"
	}
	return "" // cause is an error of ours, or a text
}

// argType is the type of one of the recipe's arguments.
func (c *checker) argType(name string) string {
	if a := c.args.key(name); a != nil {
		return a.luaType()
	}
	return ""
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
