package lua

import (
	"reflect"

	"github.com/yuin/gopher-lua/ast"
)

// ownNames gathers the names of fields and methods that a file defines itself,
// in functions and tables too: they are never taken for misspelt ones of ours. Where
// a function gets a name that the text does not tell, anyName is among them.
func ownNames(chunk []ast.Stmt, names map[string]bool) {
	eachNode(reflect.ValueOf(chunk), func(node any) bool {
		switch n := node.(type) {
		case *ast.FuncDefStmt:
			if n.Name.Method != "" {
				names[n.Name.Method] = true
			}
			addAssigned(n.Name.Func, names)
		case *ast.AssignStmt:
			for i, l := range n.Lhs {
				addAssigned(l, names)
				_, isFunction := valueFor(i, n.Rhs).(*ast.FunctionExpr)
				if get, ok := l.(*ast.AttrGetExpr); ok && isFunction && !isWritten(get.Key) {
					names[anyName] = true
				}
			}
		case *ast.Field:
			addKey(n.Key, names)
			if key, ok := n.Key.(*ast.StringExpr); ok && key.Value == "__index" {
				if _, isFunction := n.Value.(*ast.FunctionExpr); isFunction {
					names[anyName] = true
				}
			}
		}
		return true
	})
}

// anyName stands for names that are made while the recipe runs.
const anyName = "*"

// isWritten reports whether a key stands in the text, or is a position: t[#t + 1].
func isWritten(key ast.Expr) bool {
	switch key.(type) {
	case *ast.StringExpr, *ast.NumberExpr, *ast.ArithmeticOpExpr:
		return true
	}
	return false
}

func addAssigned(e ast.Expr, names map[string]bool) {
	if get, ok := e.(*ast.AttrGetExpr); ok {
		addKey(get.Key, names)
	}
}

func addKey(key ast.Expr, names map[string]bool) {
	if s, ok := key.(*ast.StringExpr); ok {
		names[s.Value] = true
	}
}

// eachNode calls f for every node of a syntax tree; where f gives false, not for
// those in it. The tree is of pointers to
// structs, so that what gopher-lua's parser makes of a chunk has to be known
// here in general only.
func eachNode(v reflect.Value, f func(node any) (deeper bool)) {
	switch v.Kind() {
	case reflect.Slice:
		for i := range v.Len() {
			eachNode(v.Index(i), f)
		}
	case reflect.Interface:
		eachNode(v.Elem(), f)
	case reflect.Pointer:
		if v.IsNil() {
			return
		}
		if !f(v.Interface()) {
			return
		}
		for i := range v.Elem().NumField() {
			if field := v.Elem().Field(i); field.CanInterface() {
				eachNode(field, f)
			}
		}
	}
}
