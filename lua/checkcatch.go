package lua

import (
	"reflect"
	"strings"

	"github.com/yuin/gopher-lua/ast"
)

// flow follows functions through the files of a check, by name: which of them
// may be called inside pcall, and are expected to raise. It takes neither order
// nor conditions into account, so that it finds too many rather than too few.
//
// A name is an id: "2.fn" for a variable of the second function, ".fn" for a
// field or method of whatever object, "fn" for a global, "module x" for what a file
// returns; "()" before an id stands for what is given in calls of it.
type flow struct {
	files  *files
	from   map[string][]source // what a name may stand for
	same   map[string][]string // other names of what a name stands for
	takers map[string][]string // for a parameter: the calls that it is given in
	frames map[*ast.FunctionExpr]*frame

	suspects map[string]bool
	todo     []string
	expected map[*ast.FunctionExpr]bool
}

// source is an expression with the function that it is written in.
type source struct {
	expr ast.Expr
	in   *frame
}

// catching are the functions of Lua and of ours that a recipe gives to what is
// expected to raise.
var catching = []string{"pcall", "xpcall", "coroutine.create", "test.raises"}

// storing are those that put what they are given into their first argument.
var storing = map[string]bool{"table.insert": true, "rawset": true, "setmetatable": true}

func newFlow(files *files) *flow {
	return &flow{
		files: files, from: map[string][]source{}, same: map[string][]string{}, takers: map[string][]string{},
		frames: map[*ast.FunctionExpr]*frame{}, suspects: map[string]bool{}, expected: map[*ast.FunctionExpr]bool{},
	}
}

// file takes in what a file says, and gives the files that it requires.
func (w *flow) file(path string, chunk []ast.Stmt) (required []string) {
	top := &frame{flow: w, path: path, names: namesIn(chunk, nil)}
	w.walk(chunk, top)
	return top.requires
}

func (w *flow) walk(what any, in *frame) {
	eachNode(reflect.ValueOf(what), func(node any) bool {
		switch n := node.(type) {
		case *ast.FunctionExpr:
			w.walk(n.Stmts, in.of(n))
			return false
		case *ast.LocalAssignStmt:
			for i, name := range n.Names {
				value := valueFor(i, n.Exprs)
				if same, ok := value.(*ast.IdentExpr); ok && same.Value == name { // local pcall = pcall
					w.alias(in.id(name), in.outside(name))
					continue
				}
				w.hold(in.id(name), value, in)
			}
		case *ast.AssignStmt:
			for i, l := range n.Lhs {
				w.assign(l, valueFor(i, n.Rhs), in)
			}
		case *ast.FuncDefStmt:
			if n.Name.Method != "" {
				w.hold("."+n.Name.Method, n.Func, in)
				w.hold(in.name(n.Name.Receiver), n.Func, in)
			} else {
				w.assign(n.Name.Func, n.Func, in)
			}
		case *ast.Field:
			if key, ok := n.Key.(*ast.StringExpr); ok {
				w.hold("."+key.Value, n.Value, in)
			}
		case *ast.GenericForStmt:
			for _, name := range n.Names {
				for _, e := range n.Exprs {
					w.hold(in.id(name), e, in)
				}
			}
		case *ast.ReturnStmt:
			if in.outer == nil && len(n.Exprs) > 0 {
				w.hold("module "+in.path, n.Exprs[0], in)
			}
		case *ast.FuncCallExpr:
			w.called(n, in)
		}
		return true
	})
}

// valueFor is the expression that the i-th name of an assignment gets.
func valueFor(i int, exprs []ast.Expr) ast.Expr {
	if len(exprs) == 0 {
		return nil
	}
	return exprs[min(i, len(exprs)-1)]
}

// assign notes that a place gets a value; so does the table that it is in.
func (w *flow) assign(place, value ast.Expr, in *frame) {
	w.hold(in.name(place), value, in)
	if get, ok := place.(*ast.AttrGetExpr); ok {
		w.hold(in.name(get.Object), value, in)
	}
}

// hold notes that a name may stand for a value.
func (w *flow) hold(id string, value ast.Expr, in *frame) {
	if id == "" || value == nil {
		return
	}
	w.from[id] = append(w.from[id], source{value, in})
	if strings.HasPrefix(id, ".__") { // a metamethod
		w.from[".__"] = append(w.from[".__"], source{value, in})
	}
	switch v := value.(type) {
	case *ast.FunctionExpr:
		for _, p := range parameters(v) {
			p = in.of(v).id(p)
			w.takers[p] = append(w.takers[p], "()"+id)
		}
	case *ast.LogicalOpExpr:
		w.alias(id, in.name(v.Lhs))
		w.alias(id, in.name(v.Rhs))
	default:
		w.alias(id, in.name(value))
	}
}

func (w *flow) alias(id, other string) {
	if other != "" {
		w.same[other] = append(w.same[other], id)
	}
}

// called notes what a call gives to what it calls, and what a function that is
// written out among the arguments may be given: the others.
func (w *flow) called(call *ast.FuncCallExpr, in *frame) {
	if path := in.required(call); path != "" {
		in.file().requires = append(in.file().requires, path)
	}
	callee, args := in.name(call.Func), call.Args
	if call.Method != "" {
		callee, args = "."+call.Method, append([]ast.Expr{call.Receiver}, args...)
	}
	for i, a := range args {
		w.hold("()"+callee, a, in)
		if i > 0 && storing[callee] {
			w.hold(in.name(args[0]), a, in)
		}
	}
	for _, f := range append([]ast.Expr{call.Func}, args...) {
		fn, ok := f.(*ast.FunctionExpr)
		if !ok {
			continue
		}
		for _, p := range parameters(fn) {
			for _, a := range args {
				if a != f {
					w.hold(in.of(fn).id(p), a, in)
				}
			}
		}
	}
}

// find works out what is expected to raise, once all files are taken in.
func (w *flow) find() {
	for _, name := range catching {
		w.suspect("()" + name)
	}
	for len(w.todo) > 0 {
		id := w.todo[len(w.todo)-1]
		w.todo = w.todo[:len(w.todo)-1]
		for _, s := range w.from[id] {
			w.take(s.expr, s.in)
		}
		for _, call := range w.takers[id] {
			w.suspect(call)
		}
		if callee, ok := strings.CutPrefix(id, "()"); ok {
			for _, other := range w.same[callee] {
				w.suspect("()" + other)
			}
		}
	}
}

func (w *flow) suspect(id string) {
	if id != "" && !w.suspects[id] {
		w.suspects[id] = true
		w.todo = append(w.todo, id)
	}
}

// take suspects all functions that are written out in a piece of a file, and all
// names in it.
func (w *flow) take(what any, in *frame) {
	eachNode(reflect.ValueOf(what), func(node any) bool {
		switch n := node.(type) {
		case *ast.FunctionExpr:
			if !w.expected[n] {
				w.expected[n] = true
				w.suspect(".__") // any object in it may call its own
				w.take(n.Stmts, in.of(n))
			}
			return false
		case *ast.IdentExpr:
			w.suspect(in.id(n.Value))
		case *ast.Comma3Expr:
			w.suspect(in.id("..."))
		case *ast.AttrGetExpr:
			if name := in.name(n); name != "" {
				w.suspect(name)
				return in.name(n.Object) == ""
			}
		case *ast.FuncCallExpr:
			if n.Method != "" {
				w.suspect("." + n.Method)
			}
			w.suspect(in.name(n))
		}
		return true
	})
}
