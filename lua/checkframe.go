package lua

import (
	"reflect"
	"strconv"

	"github.com/yuin/gopher-lua/ast"
)

// frame is a function of a file, or the file itself, with the names that it
// declares anywhere: flow tells those of different functions apart, not those of
// different blocks.
type frame struct {
	flow   *flow
	outer  *frame // nil for a file
	path   string
	number string
	names  map[string]bool

	requires []string // of a file: the files that it requires
}

func (f *frame) file() *frame {
	for f.outer != nil {
		f = f.outer
	}
	return f
}

// of is the frame of a function that is written in this one.
func (f *frame) of(fn *ast.FunctionExpr) *frame {
	if f.flow.frames[fn] == nil {
		number := strconv.Itoa(len(f.flow.frames) + 1)
		f.flow.frames[fn] = &frame{flow: f.flow, outer: f, path: f.path, number: number, names: namesIn(fn.Stmts, parameters(fn))}
	}
	return f.flow.frames[fn]
}

// id is that of a variable; the name itself for a global.
func (f *frame) id(name string) string {
	for at := f; at != nil; at = at.outer {
		if at.names[name] {
			if at.outer == nil {
				return at.path + "." + name
			}
			return at.number + "." + name
		}
	}
	return name
}

// outside is the id that a name has outside of this function.
func (f *frame) outside(name string) string {
	if f.outer == nil {
		return name
	}
	return f.outer.id(name)
}

// name is the id of what an expression names plainly; empty for any other.
func (f *frame) name(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.IdentExpr:
		return f.id(e.Value)
	case *ast.Comma3Expr:
		return f.id("...")
	case *ast.AttrGetExpr:
		key, ok := e.Key.(*ast.StringExpr)
		if !ok {
			return ""
		}
		if object, ok := e.Object.(*ast.IdentExpr); ok && f.id(object.Value) == object.Value {
			return object.Value + "." + key.Value // of a module of Lua or ours
		}
		return "." + key.Value
	case *ast.FuncCallExpr:
		if path := f.required(e); path != "" {
			return "module " + path
		}
	}
	return ""
}

// required is the file that a call requires; empty where it is no such call.
func (f *frame) required(call *ast.FuncCallExpr) string {
	word, ok := constantArg(call)
	if callee, isName := call.Func.(*ast.IdentExpr); !ok || !isName || f.id(callee.Value) != "require" {
		return ""
	}
	path, err := f.flow.files.locate(f.path, word)
	if err != nil { // told where the call is checked
		return ""
	}
	return path
}

// parameters are the names of a function's parameters, "..." among them.
func parameters(fn *ast.FunctionExpr) []string {
	if fn.ParList.HasVargs {
		return append(fn.ParList.Names[:len(fn.ParList.Names):len(fn.ParList.Names)], "...")
	}
	return fn.ParList.Names
}

// namesIn are the names that a body declares, without those of the functions in
// it, and more names.
func namesIn(body []ast.Stmt, more []string) map[string]bool {
	names := map[string]bool{}
	add := func(list ...string) {
		for _, name := range list {
			names[name] = true
		}
	}
	add(more...)
	eachNode(reflect.ValueOf(body), func(node any) bool {
		switch n := node.(type) {
		case *ast.FunctionExpr:
			return false
		case *ast.LocalAssignStmt:
			add(n.Names...)
		case *ast.NumberForStmt:
			add(n.Name)
		case *ast.GenericForStmt:
			add(n.Names...)
		}
		return true
	})
	return names
}
