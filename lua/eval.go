package lua

import (
	"context"
	"errors"
	"strconv"

	glua "github.com/yuin/gopher-lua"
	"github.com/yuin/gopher-lua/ast"
	"github.com/yuin/gopher-lua/parse"

	"github.com/rollsh/rollsh/nodes"
)

// ShellChunk is the name of what is typed at the shell or given with -e.
const ShellChunk = "shell"

// Eval runs what a person typed and gives the values of an expression. Globals
// and top-level locals are kept for the next call. An error for which
// Incomplete is true was not run: more lines are to come.
func (h *Host) Eval(ctx context.Context, src string) ([]Raw, error) {
	return h.eval(ctx, src, ShellChunk, ShellChunk)
}

// EvalOwn is Eval for a line that rollsh makes of a command: it has no place that
// errors and warnings could name.
func (h *Host) EvalOwn(ctx context.Context, src string) ([]Raw, error) {
	return h.eval(ctx, src, embeddedPrefix+"command", "")
}

func (h *Host) eval(ctx context.Context, src, name, where string) ([]Raw, error) {
	chunk, err := parseTyped(src)
	if err != nil {
		return nil, err
	}
	<-h.baton
	defer h.give()
	h.root.G.CurrentThread = h.root
	fn, err := h.compile(chunk, name)
	if err != nil {
		return nil, err
	}
	results, err := h.run(bare(ctx), h.root, &task{where: where}, fn)
	out := make([]Raw, len(results))
	for i, r := range results {
		out[i] = Raw{r}
	}
	return out, err
}

// asExpression makes statements of an expression.
const asExpression = "return "

// parseTyped parses an expression, or else statements. Of two errors it gives that
// of the parser that came further.
func parseTyped(src string) ([]ast.Stmt, error) {
	chunk, asked := parseChunk(asExpression+src, ShellChunk)
	if asked == nil {
		return chunk, nil
	}
	chunk, err := parseChunk(src, ShellChunk)
	switch {
	case err == nil:
		keepLocals(chunk)
		return chunk, nil
	case cameFurther(asked, err):
		return nil, asked
	}
	return nil, err
}

// cameFurther reports whether the parser got further with a text as an expression
// than as statements.
func cameFurther(expression, statements error) bool {
	var e, s *parse.Error
	switch {
	case !errors.As(expression, &e) || !errors.As(statements, &s) || s.Pos.Line == parse.EOF:
		return false
	case e.Pos.Line == parse.EOF || e.Pos.Line > s.Pos.Line:
		return true
	}
	column := e.Pos.Column
	if e.Pos.Line == 1 {
		column -= len(asExpression)
	}
	return e.Pos.Line == s.Pos.Line && column > s.Pos.Column
}

// ParseTyped reports whether Eval could run a text; the error is as of Parse.
func ParseTyped(src string) error {
	_, err := parseTyped(src)
	return err
}

// keepLocals turns the top-level locals of a chunk into globals, so that they
// are there on the next line.
func keepLocals(chunk []ast.Stmt) {
	for i, s := range chunk {
		local, ok := s.(*ast.LocalAssignStmt)
		if !ok {
			continue
		}
		assign := &ast.AssignStmt{Rhs: local.Exprs}
		for _, name := range local.Names {
			id := &ast.IdentExpr{Value: name}
			id.SetLine(local.Line())
			id.SetLastLine(local.LastLine())
			assign.Lhs = append(assign.Lhs, id)
		}
		if len(assign.Rhs) == 0 {
			null := &ast.NilExpr{}
			null.SetLine(local.Line())
			assign.Rhs = []ast.Expr{null}
		}
		assign.SetLine(local.Line())
		assign.SetLastLine(local.LastLine())
		chunk[i] = assign
	}
}

// lockGlobals makes files refuse to read or make globals that are not there;
// what is typed at the shell may make them.
func (h *Host) lockGlobals() {
	L, mt := h.root, h.root.NewTable()
	G, unlisted := L.G.Global, L.NewTable()
	G.RawSetString("_G", G)
	unlisted.RawSetString(joinName, L.NewFunction(join))
	mt.RawSetString("__metatable", glua.LString("locked"))
	mt.RawSetString("__index", unlisted)
	undefined := L.NewTable()
	undefined.RawSetString("__index", L.NewFunction(func(L *glua.LState) int {
		name := L.Get(2).String()
		if h.typed(L) {
			L.Push(glua.LNil)
			return 1
		}
		h.raise(L, "", usage("undefined name '%s'%s", name, didYouMean(name, h.globalNames())))
		return 0
	}))
	mt.RawSetString("__newindex", L.NewFunction(func(L *glua.LState) int {
		name := L.Get(2).String()
		if !h.typed(L) {
			e := usage("assignment to the global '%s'", name)
			e.Hint = "write: local " + name
			h.raise(L, "", e)
		}
		L.RawSet(G, L.Get(2), L.Get(3))
		return 0
	}))
	G.Metatable, unlisted.Metatable = mt, undefined
	for _, name := range []string{"string", "table", "math", "coroutine", "os", "json"} {
		if t, ok := G.RawGetString(name).(*glua.LTable); ok && t.Metatable == glua.LNil {
			h.lockLibrary(name, t)
		}
	}
}

// lockLibrary makes a misspelt function of a library an error.
func (h *Host) lockLibrary(name string, t *glua.LTable) {
	mt := h.root.NewTable()
	mt.RawSetString("__metatable", glua.LString("locked"))
	mt.RawSetString("__index", h.root.NewFunction(func(L *glua.LState) int {
		var known []string
		t.ForEach(func(k, _ glua.LValue) { known = append(known, k.String()) })
		key := L.Get(2).String()
		h.raise(L, "", usage("%s has no function '%s'%s", name, key, didYouMean(key, known)))
		return 0
	}))
	t.Metatable = mt
}

// typed reports whether the running chunk was typed at the shell.
func (h *Host) typed(L *glua.LState) bool {
	return h.callerSource(L) == "" && h.Session.Recipe.Path == ""
}

func (h *Host) globalNames() []string {
	var out []string
	h.root.G.Global.ForEach(func(k, _ glua.LValue) { out = append(out, k.String()) })
	return out
}

func asUsage(err error) *nodes.Error { return nodes.AsError(err, nodes.Usage) }

func itoa(n int) string { return strconv.Itoa(n) }
