package lua

import (
	"maps"
	"slices"

	"github.com/yuin/gopher-lua/ast"

	"github.com/rollsh/rollsh/nodes"
)

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

// catches reports whether a call is of Lua's own pcall or xpcall.
func (c *checker) catches(e *ast.FuncCallExpr) bool {
	id, ok := e.Func.(*ast.IdentExpr)
	return ok && (id.Value == "pcall" || id.Value == "xpcall") && c.lookup(id.Value) == nil
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
	if e.Kind == nodes.Policy { // no mistake; the call raises it
		return
	}
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
	if err != nil && c.h.library(name) != nil {
		return
	}
	if err != nil {
		c.problem(e.Line(), name, err)
		return
	}
	c.run.check(path)
}
