package lua

import (
	"context"
	"strconv"

	glua "github.com/yuin/gopher-lua"
	"github.com/yuin/gopher-lua/ast"

	"github.com/rollsh/rollsh/nodes"
)

// ShellChunk is the name of what is typed at the shell or given with -e.
const ShellChunk = "shell"

// Eval runs what a person typed and gives the values of an expression. Globals
// and top-level locals are kept for the next call. An error for which
// Incomplete is true was not run: more lines are to come.
func (h *Host) Eval(ctx context.Context, src string) ([]Raw, error) {
	chunk, err := parseChunk("return "+src, ShellChunk)
	if err != nil {
		if chunk, err = parseChunk(src, ShellChunk); err != nil {
			return nil, err
		}
		keepLocals(chunk)
	}
	<-h.baton
	defer h.give()
	h.root.G.CurrentThread = h.root
	fn, err := h.compile(chunk, ShellChunk)
	if err != nil {
		return nil, err
	}
	results, err := h.run(bare(ctx), h.root, &task{where: ShellChunk}, fn)
	out := make([]Raw, len(results))
	for i, r := range results {
		out[i] = Raw{r}
	}
	return out, err
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
	G := L.G.Global
	G.RawSetString("_G", G)
	mt.RawSetString("__metatable", glua.LString("locked"))
	mt.RawSetString("__index", L.NewFunction(func(L *glua.LState) int {
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
	G.Metatable = mt
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
