package lua

import (
	"context"
	"errors"
	"fmt"
	"strings"

	glua "github.com/yuin/gopher-lua"
)

// pcall and xpcall call their function on a thread of its own. At an error
// gopher-lua closes the upvalues of all frames of a thread, those that live on
// too: what closures and the functions around the pcall share would come apart.

// deepest is how many calls of pcall, xpcall and resume nest, as in Lua 5.1: each takes
// the machine's own stack.
const deepest = 200

// above is the thread that waits for L: the one that resumed it, or that made
// a protected call on it.
func (h *Host) above(L *glua.LState) *glua.LState {
	if L.Parent != nil {
		return L.Parent
	}
	return h.outer[L]
}

// nested fails where protected calls and coroutines nest too deep.
func (h *Host) nested(L *glua.LState) {
	depth := 0
	for up := L; up != nil; up = h.above(up) {
		depth++
	}
	if depth > deepest {
		h.raise(L, "", failedf("stack overflow: calls of pcall or coroutines nest too deep"))
	}
}

// aside gives a thread on which L makes a protected call; rejoin ends that.
func (h *Host) aside(L *glua.LState) *glua.LState {
	h.nested(L)
	th := h.thread(L)
	th.SetContext(L.Context())
	h.outer[th] = L
	L.G.CurrentThread = th
	return th
}

// rejoin goes back to L. A thread whose closures may still look at its stack is
// not used again.
func (h *Host) rejoin(L, th *glua.LState, again bool) {
	delete(h.outer, th)
	L.G.CurrentThread = L
	if again {
		th.SetTop(0)
		th.SetContext(context.Background())
		h.idle = append(h.idle, th)
	}
}

// luaPcall gives every error as an error object, so that e.kind can be read
// whatever went wrong.
func (h *Host) luaPcall(L *glua.LState) int {
	L.CheckAny(1)
	args := make([]glua.LValue, L.GetTop())
	for i := range args {
		args[i] = L.Get(i + 1)
	}
	th := h.aside(L)
	for _, v := range args {
		th.Push(v)
	}
	err := th.PCall(len(args)-1, glua.MultRet, nil)
	if err != nil {
		h.rejoin(L, th, true)
		L.Push(glua.LFalse)
		L.Push(h.given(L, h.traced(L, err)))
		return 2
	}
	return h.handOver(L, th)
}

// handOver gives true and what the protected call on th gave, and ends with th.
func (h *Host) handOver(L, th *glua.LState) int {
	L.Push(glua.LTrue)
	n := th.GetTop()
	for i := range n {
		L.Push(th.Get(i + 1))
	}
	h.rejoin(L, th, true)
	return n + 1
}

// luaXpcall runs the handler where the error was thrown, before the stack
// unwinds.
func (h *Host) luaXpcall(L *glua.LState) int {
	fn, handler := L.CheckAny(1), L.CheckFunction(2)
	th := h.aside(L)
	th.Push(fn)
	err := th.PCall(0, glua.MultRet, L.NewFunction(func(L *glua.LState) int {
		v := L.Get(1)
		if errorOf(v) == nil {
			v = h.caught(h.failure(v))
		}
		L.Push(handler)
		L.Push(v)
		L.Call(1, 1)
		return 1
	}))
	if err != nil {
		h.rejoin(L, th, false)
		L.Push(glua.LFalse)
		var api *glua.ApiError
		if errors.As(err, &api) && api.Object != nil && api.Object != glua.LNil {
			L.Push(api.Object)
		} else {
			L.Push(h.given(L, h.traced(L, err)))
		}
		return 2
	}
	return h.handOver(L, th)
}

// traced adds what is above a protected call to the traceback of its error.
func (h *Host) traced(L *glua.LState, err error) error {
	var api *glua.ApiError
	if !errors.As(err, &api) {
		return err
	}
	whole := *api
	whole.StackTrace += h.frames(L)
	return &whole
}

// frames lists the Lua functions that are being called on L and above it.
func (h *Host) frames(L *glua.LState) string {
	var b strings.Builder
	for up := L; up != nil; up = h.above(up) {
		for level := 0; level < 100; level++ {
			dbg, ok := up.GetStack(level)
			if !ok {
				break
			}
			if _, err := up.GetInfo("Sl", dbg, glua.LNil); err == nil && dbg.CurrentLine > 0 {
				fmt.Fprintf(&b, "\n\t%s:%d: in a function", dbg.Source, dbg.CurrentLine)
			}
		}
	}
	return b.String()
}
