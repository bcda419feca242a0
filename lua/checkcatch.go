package lua

import (
	"reflect"

	"github.com/yuin/gopher-lua/ast"
)

// catchers gathers the names of functions, fields and methods of a file that
// call one of their parameters inside pcall or xpcall, or give it to another
// function that does: what is written out in a call of them is expected to raise.
func catchers(chunk []ast.Stmt, names map[string]bool) {
	for known := -1; known < len(names); {
		known = len(names)
		eachFunction(chunk, func(name string, fn *ast.FunctionExpr) {
			if name != "" && catchesParameter(fn, names) {
				names[name] = true
			}
		})
	}
}

// eachFunction calls f for the functions of a chunk that have a name.
func eachFunction(chunk []ast.Stmt, f func(name string, fn *ast.FunctionExpr)) {
	give := func(name string, e ast.Expr) {
		if fn, ok := e.(*ast.FunctionExpr); ok {
			f(name, fn)
		}
	}
	eachNode(reflect.ValueOf(chunk), func(node any) {
		switch n := node.(type) {
		case *ast.FuncDefStmt:
			if n.Name.Method != "" {
				f(n.Name.Method, n.Func)
			} else {
				f(lastName(n.Name.Func), n.Func)
			}
		case *ast.LocalAssignStmt:
			for i, name := range n.Names {
				if i < len(n.Exprs) {
					give(name, n.Exprs[i])
				}
			}
		case *ast.AssignStmt:
			for i, l := range n.Lhs {
				if i < len(n.Rhs) {
					give(lastName(l), n.Rhs[i])
				}
			}
		case *ast.Field:
			give(lastName(n.Key), n.Value)
		}
	})
}

// lastName is the last word of a.b.c; empty where it is not a name.
func lastName(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.IdentExpr:
		return e.Value
	case *ast.StringExpr:
		return e.Value
	case *ast.AttrGetExpr:
		if key, ok := e.Key.(*ast.StringExpr); ok {
			return key.Value
		}
	}
	return ""
}

// catchesParameter reports whether a parameter of the function is named in the
// arguments of a protected call in it.
func catchesParameter(fn *ast.FunctionExpr, names map[string]bool) bool {
	given := map[string]bool{}
	for _, name := range fn.ParList.Names {
		given[name] = true
	}
	found := false
	eachNode(reflect.ValueOf(fn.Stmts), func(node any) {
		call, ok := node.(*ast.FuncCallExpr)
		if !ok || !protects(call, names) {
			return
		}
		eachNode(reflect.ValueOf(call.Args), func(node any) {
			switch arg := node.(type) {
			case *ast.IdentExpr:
				found = found || given[arg.Value]
			case *ast.Comma3Expr:
				found = found || fn.ParList.HasVargs
			}
		})
	})
	return found
}

// protects reports whether a call is of pcall, xpcall or a name that is known to
// catch.
func protects(call *ast.FuncCallExpr, names map[string]bool) bool {
	if call.Method != "" {
		return names[call.Method]
	}
	if id, ok := call.Func.(*ast.IdentExpr); ok && (id.Value == "pcall" || id.Value == "xpcall") {
		return true
	}
	return names[lastName(call.Func)]
}

// isExpected reports whether what a function would raise is expected. Files that
// are required on the way tell of more catchers.
func (c *checker) isExpected(fn *ast.FunctionExpr) bool {
	if c.expected == nil || c.catching != len(c.run.catchers) {
		c.expected, c.catching = expected(c.chunk, c.run.catchers), len(c.run.catchers)
	}
	return c.expected[fn]
}

// expected finds the functions of a file that are called inside pcall, xpcall or
// a catcher by a name, or out of a table: what they would raise is expected.
func expected(chunk []ast.Stmt, catchers map[string]bool) map[*ast.FunctionExpr]bool {
	names, outOfTables := protectedNames(chunk, catchers)
	out := map[*ast.FunctionExpr]bool{}
	eachFunction(chunk, func(name string, fn *ast.FunctionExpr) {
		if names[name] {
			out[fn] = true
		}
	})
	if !outOfTables {
		return out
	}
	eachNode(reflect.ValueOf(chunk), func(node any) {
		if field, ok := node.(*ast.Field); ok {
			if fn, ok := field.Value.(*ast.FunctionExpr); ok {
				out[fn] = true
			}
		}
	})
	return out
}

// protectedNames are the names that are called inside a protected call, but for
// parameters, which stand for what is given; outOfTables tells whether something
// is called there that came out of a table: c[2], or a loop's variable.
func protectedNames(chunk []ast.Stmt, catchers map[string]bool) (names map[string]bool, outOfTables bool) {
	names = map[string]bool{}
	var loops, parameters []string
	eachNode(reflect.ValueOf(chunk), func(node any) {
		switch n := node.(type) {
		case *ast.GenericForStmt:
			loops = append(loops, n.Names...)
		case *ast.FunctionExpr:
			parameters = append(parameters, n.ParList.Names...)
		case *ast.FuncCallExpr:
			if !protects(n, catchers) {
				return
			}
			for _, a := range n.Args {
				_, text := a.(*ast.StringExpr)
				_, attribute := a.(*ast.AttrGetExpr)
				switch name := lastName(a); {
				case name != "" && !text:
					names[name] = true
				case attribute:
					outOfTables = true
				}
			}
		}
	})
	for _, name := range loops {
		outOfTables = outOfTables || names[name]
	}
	for _, name := range parameters {
		delete(names, name)
	}
	return names, outOfTables
}
