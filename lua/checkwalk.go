package lua

import (
	"strings"

	glua "github.com/yuin/gopher-lua"
	"github.com/yuin/gopher-lua/ast"

	"github.com/rollsh/rollsh/nodes"
)

// block checks statements, in order: a name is known from where it is declared on.
func (c *checker) block(stmts []ast.Stmt) {
	for _, s := range stmts {
		c.stmt(s)
	}
}

func (c *checker) scoped(stmts []ast.Stmt, declare func()) {
	c.open()
	if declare != nil {
		declare()
	}
	c.block(stmts)
	c.close()
}

func (c *checker) stmt(s ast.Stmt) {
	switch s := s.(type) {
	case *ast.LocalAssignStmt:
		c.localAssign(s)
	case *ast.AssignStmt:
		c.exprs(s.Rhs)
		for _, l := range s.Lhs {
			c.assignTo(l)
		}
	case *ast.FuncCallStmt:
		c.expr(s.Expr)
	case *ast.DoBlockStmt:
		c.scoped(s.Stmts, nil)
	case *ast.WhileStmt:
		c.expr(s.Condition)
		c.scoped(s.Stmts, nil)
	case *ast.RepeatStmt:
		c.open()
		c.block(s.Stmts)
		c.expr(s.Condition)
		c.close()
	case *ast.IfStmt:
		c.expr(s.Condition)
		c.scoped(s.Then, nil)
		c.scoped(s.Else, nil)
	case *ast.NumberForStmt:
		c.exprs([]ast.Expr{s.Init, s.Limit, s.Step})
		c.scoped(s.Stmts, func() { c.declare(s.Name, s.Line(), "number").quiet = true })
	case *ast.GenericForStmt:
		c.genericFor(s)
	case *ast.FuncDefStmt:
		c.funcDef(s)
	case *ast.ReturnStmt:
		c.exprs(s.Exprs)
	}
}

func (c *checker) localAssign(s *ast.LocalAssignStmt) {
	if len(s.Exprs) == 1 && len(s.Names) == 1 {
		if fn, ok := s.Exprs[0].(*ast.FunctionExpr); ok { // a local function sees itself
			c.declare(s.Names[0], s.Line(), "function")
			c.function(fn)
			return
		}
	}
	c.exprs(s.Exprs)
	types := c.valueTypes(s.Exprs)
	for i, name := range s.Names {
		typ, set := "", (*nodes.Set)(nil)
		if i < len(types) {
			typ = types[i]
		}
		if i < len(s.Exprs) {
			set = c.constantSet(s.Exprs[i])
		}
		c.declare(name, s.Line(), typ).set = set
	}
}

// valueTypes are the types of a list of expressions; the last may be a call
// that gives several values.
func (c *checker) valueTypes(exprs []ast.Expr) []string {
	var types []string
	for i, e := range exprs {
		if call, ok := e.(*ast.FuncCallExpr); ok && i == len(exprs)-1 && !call.AdjustRet {
			types = append(types, c.callTypes(call)...)
			break
		}
		types = append(types, c.typeOf(e))
	}
	return types
}

// assignTo checks the left side of an assignment. A local that gets a second
// value has no type that can be relied on.
func (c *checker) assignTo(l ast.Expr) {
	id, ok := l.(*ast.IdentExpr)
	if !ok {
		c.expr(l)
		return
	}
	if v := c.lookup(id.Value); v != nil {
		v.typ, v.set = "", nil
		return
	}
	c.report(Finding{
		Line: l.Line(), Column: c.column(l.Line(), id.Value),
		Message: "assignment to the global '" + id.Value + "'", Hint: "write: local " + id.Value,
	})
	c.declare(id.Value, l.Line(), "").quiet = true
}

func (c *checker) genericFor(s *ast.GenericForStmt) {
	c.exprs(s.Exprs)
	c.scoped(s.Stmts, func() {
		types := c.iterated(s.Exprs)
		for i, name := range s.Names {
			typ := ""
			if i < len(types) {
				typ = types[i]
			}
			c.declare(name, s.Line(), typ).quiet = true
		}
	})
}

// iterated gives the types of the loop variables over ipairs(x) and x:iter().
func (c *checker) iterated(exprs []ast.Expr) []string {
	if len(exprs) != 1 {
		return nil
	}
	call, ok := exprs[0].(*ast.FuncCallExpr)
	if !ok {
		return nil
	}
	if id, ok := call.Func.(*ast.IdentExpr); ok && id.Value == "ipairs" && len(call.Args) == 1 {
		return []string{"number", elementType(c.typeOf(call.Args[0]))}
	}
	if call.Method == "iter" {
		typ := c.typeOf(call.Receiver)
		if elem := elementType(typ); strings.HasPrefix(typ, "Results") {
			return []string{"string", elem}
		}
		return []string{elementType(typ)}
	}
	return nil
}

// elementType is what a sequence holds.
func elementType(typ string) string {
	switch {
	case typ == "Set", typ == "Node":
		return "Node"
	case typ == "Changesets":
		return "Changeset"
	case strings.HasPrefix(typ, "Results"):
		return OutcomeType(typ)
	}
	elem, ok := strings.CutSuffix(typ, "[]")
	if !ok {
		return ""
	}
	return elem
}

func (c *checker) funcDef(s *ast.FuncDefStmt) {
	if id, ok := s.Name.Func.(*ast.IdentExpr); ok {
		if c.lookup(id.Value) == nil {
			c.report(Finding{
				Line: s.Line(), Column: c.column(s.Line(), id.Value),
				Message: "the function '" + id.Value + "' is global", Hint: "write: local function " + id.Value,
			})
			c.declare(id.Value, s.Line(), "function").quiet = true
		}
	} else if s.Name.Func != nil {
		c.expr(s.Name.Func)
	}
	if s.Name.Receiver != nil {
		c.expr(s.Name.Receiver)
		c.open()
		c.declare("self", s.Line(), elsewhere).quiet = true
		c.function(s.Func)
		c.close()
		return
	}
	c.function(s.Func)
}

// function checks a body; types are those of its parameters, as far as they are
// known.
func (c *checker) function(fn *ast.FunctionExpr, types ...string) {
	if c.run.flow.expected[fn] {
		c.caught++
		defer func() { c.caught-- }()
	}
	c.scoped(fn.Stmts, func() {
		for i, name := range fn.ParList.Names {
			typ := ""
			if i < len(types) {
				typ = types[i]
			}
			c.declare(name, fn.Line(), typ).quiet = true
		}
	})
}

func (c *checker) exprs(list []ast.Expr) {
	for _, e := range list {
		c.expr(e)
	}
}

func (c *checker) expr(e ast.Expr) {
	switch e := e.(type) {
	case *ast.IdentExpr:
		c.ident(e)
	case *ast.AttrGetExpr:
		c.attribute(e)
	case *ast.TableExpr:
		for _, f := range e.Fields {
			if f.Key != nil {
				c.expr(f.Key)
			}
			c.expr(f.Value)
		}
	case *ast.FuncCallExpr:
		c.call(e)
	case *ast.LogicalOpExpr:
		c.exprs([]ast.Expr{e.Lhs, e.Rhs})
	case *ast.RelationalOpExpr:
		c.exprs([]ast.Expr{e.Lhs, e.Rhs})
	case *ast.StringConcatOpExpr:
		c.exprs([]ast.Expr{e.Lhs, e.Rhs})
	case *ast.ArithmeticOpExpr:
		c.exprs([]ast.Expr{e.Lhs, e.Rhs})
	case *ast.UnaryMinusOpExpr:
		c.expr(e.Expr)
	case *ast.UnaryNotOpExpr:
		c.expr(e.Expr)
	case *ast.UnaryLenOpExpr:
		c.expr(e.Expr)
	case *ast.FunctionExpr:
		c.function(e)
	}
}

func (c *checker) ident(e *ast.IdentExpr) {
	if v := c.lookup(e.Value); v != nil {
		v.used = true
		return
	}
	if c.h.root.G.Global.RawGetString(e.Value) != glua.LNil {
		return
	}
	known := c.h.globalNames()
	for s := c.scope; s != nil; s = s.outer {
		for _, v := range s.vars {
			known = append(known, v.name)
		}
	}
	c.find(e.Line(), e.Value, "undefined name '%s'%s", e.Value, didYouMean(e.Value, known))
	c.declare(e.Value, e.Line(), elsewhere).quiet = true // said once
}
