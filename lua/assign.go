package lua

import (
	"fmt"
	"reflect"
	"slices"

	"github.com/yuin/gopher-lua/ast"
)

// mendAssignments rewrites assignments that gopher-lua gets wrong, so that they go
// through a local of their own. Of several values at once, such as a, b = b, a, it
// puts one that goes to a local there at once, so that what is read after it reads
// the new one; Lua reads all before it writes. And ok = f() and g() leaves a local
// ok as it was where f() gives false or nil.
func mendAssignments(chunk []ast.Stmt) { mendIn(reflect.ValueOf(chunk)) }

func mendIn(v reflect.Value) {
	switch v.Kind() {
	case reflect.Slice:
		for i := range v.Len() {
			mendIn(v.Index(i))
			if s, ok := v.Index(i).Interface().(*ast.AssignStmt); ok && goesWrong(s) {
				v.Index(i).Set(reflect.ValueOf(atOnce(s)))
			}
		}
	case reflect.Interface:
		mendIn(v.Elem())
	case reflect.Pointer:
		if v.IsNil() {
			return
		}
		for i := range v.Elem().NumField() {
			if field := v.Elem().Field(i); field.CanInterface() {
				mendIn(field)
			}
		}
	}
}

// goesWrong reports whether an assignment may write a local before it has read
// all that it reads, or not at all.
func goesWrong(s *ast.AssignStmt) bool {
	if len(s.Lhs) == 1 {
		_, name := s.Lhs[0].(*ast.IdentExpr)
		_, logical := s.Rhs[0].(*ast.LogicalOpExpr)
		return name && logical
	}
	if len(s.Rhs) == 1 {
		switch s.Rhs[0].(type) {
		case *ast.FuncCallExpr, *ast.Comma3Expr:
			return false
		}
	}
	for _, l := range s.Lhs {
		if _, ok := l.(*ast.IdentExpr); ok {
			return true
		}
	}
	return false
}

// atOnce is do local values = ... targets = values end. The names of its locals
// are none that a recipe can write.
func atOnce(s *ast.AssignStmt) ast.Stmt {
	read := &ast.LocalAssignStmt{}
	read.SetLine(s.Line())
	local := func(what string, i int, e ast.Expr) ast.Expr {
		name := &ast.IdentExpr{Value: fmt.Sprintf("(%s %d)", what, i)}
		name.SetLine(s.Line())
		read.Names = append(read.Names, name.Value)
		if e != nil {
			read.Exprs = append(read.Exprs, e)
		}
		return name
	}
	targets := make([]ast.Expr, len(s.Lhs))
	for i, l := range s.Lhs {
		targets[i] = l
		get, ok := l.(*ast.AttrGetExpr)
		if !ok {
			continue
		}
		at := &ast.AttrGetExpr{Object: local("object", i, get.Object), Key: get.Key}
		if _, constant := get.Key.(*ast.StringExpr); !constant {
			at.Key = local("key", i, get.Key)
		}
		at.SetLine(get.Line())
		targets[i] = at
	}
	do := &ast.DoBlockStmt{Stmts: []ast.Stmt{read}}
	do.SetLine(s.Line())
	for i, t := range targets {
		write := &ast.AssignStmt{Lhs: []ast.Expr{t}, Rhs: []ast.Expr{local("value", i, nil)}}
		write.SetLine(s.Line())
		do.Stmts = slices.Insert(do.Stmts, 1, ast.Stmt(write)) // the last one first, as in Lua
	}
	read.Exprs = append(read.Exprs, s.Rhs...)
	return do
}
