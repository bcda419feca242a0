package lua

import (
	"context"
	"fmt"
	"math"
	"strings"

	glua "github.com/yuin/gopher-lua"
)

// openLibraries opens Lua's own libraries and mends what gopher-lua gets wrong
// or what would lead out of the host. Each mend has a test in traps_test.go.
func (h *Host) openLibraries() {
	L := h.root
	for _, lib := range []struct {
		name string
		open glua.LGFunction
	}{
		{glua.BaseLibName, glua.OpenBase},
		{glua.TabLibName, glua.OpenTable},
		{glua.StringLibName, glua.OpenString},
		{glua.MathLibName, glua.OpenMath},
		{glua.CoroutineLibName, glua.OpenCoroutine},
	} {
		L.Push(L.NewFunction(lib.open))
		L.Push(glua.LString(lib.name))
		L.Call(1, 0)
	}
	for _, name := range []string{
		"getfenv", "setfenv", "module", "newproxy", "_printregs", "loadfile", "dofile", "collectgarbage", "require", "package", "_GOPHER_LUA_VERSION",
	} {
		L.SetGlobal(name, glua.LNil)
	}
	h.mendBase()
	h.mendStrings()
	h.mendCoroutines()
	if m, ok := L.GetGlobal("math").(*glua.LTable); ok {
		m.RawSetString("huge", glua.LNumber(math.Inf(1)))
	}
}

func (h *Host) set(name string, f glua.LGFunction) { h.root.SetGlobal(name, h.root.NewFunction(f)) }

func (h *Host) mendBase() {
	raise := goFunction(h.root.G.Global, "error")
	h.set("error", func(L *glua.LState) int {
		if L.GetTop() == 0 {
			L.Push(glua.LNil) // gopher-lua's wants a value
		}
		return raise(L)
	})
	setMeta := goFunction(h.root.G.Global, "setmetatable")
	h.set("setmetatable", func(L *glua.LState) int {
		switch v := L.Get(1).(type) {
		case *glua.LTable, *glua.LUserData, glua.LString: // of the latter two it is locked
			return setMeta(L)
		default: // gopher-lua's gives all numbers, functions, ... one
			L.ArgError(1, "table expected, got "+luaType(v))
		}
		return 0
	})
	h.set("assert", h.luaAssert)
	h.set("pcall", h.luaPcall)
	h.set("xpcall", h.luaXpcall)
	h.set("tonumber", luaToNumber)
	h.set("tostring", func(L *glua.LState) int {
		L.Push(glua.LString(h.tostring(L, L.CheckAny(1))))
		return 1
	})
	h.set("print", func(L *glua.LState) int {
		words := make([]string, L.GetTop())
		for i := range words {
			words[i] = h.tostring(L, L.Get(i+1))
		}
		h.Session.Person.Show(strings.Join(words, "\t"))
		return 0
	})
	h.set("load", h.luaLoad)
	h.set("loadstring", h.luaLoad)
	h.set("ipairs", h.luaIpairs)
}

// tostring is Lua's, with __tostring and without the addresses of objects.
func (h *Host) tostring(L *glua.LState, v glua.LValue) string {
	if _, ok := v.(*glua.LTable); ok {
		return L.ToStringMeta(v).String()
	}
	return h.text(v)
}

// luaAssert takes any value as message, as Lua 5.1 does; gopher-lua's takes
// strings only.
func (h *Host) luaAssert(L *glua.LState) int {
	if L.ToBool(1) {
		return L.GetTop()
	}
	if L.GetTop() < 2 {
		h.raise(L, "", failedf("assertion failed!"))
	}
	if s, ok := L.Get(2).(glua.LString); ok {
		h.raise(L, "", failedf("%s", string(s)))
	}
	L.Error(L.Get(2), 0)
	return 0
}

// luaToNumber reads exponents and bases as Lua 5.1 does; gopher-lua gives nil
// for "1e1" (its issue 472).
func luaToNumber(L *glua.LState) int {
	base := L.OptInt(2, 10)
	v := L.CheckAny(1)
	L.Push(glua.LNil)
	switch v := v.(type) {
	case glua.LNumber:
		L.Push(v)
	case glua.LString:
		if n, ok := numberInBase(string(v), base); ok {
			L.Push(glua.LNumber(n))
		}
	}
	return 1
}

func numberInBase(s string, base int) (float64, bool) {
	if base == 10 {
		return parseNumber(s)
	}
	s = strings.ToLower(strings.TrimSpace(s))
	s, negative := strings.CutPrefix(s, "-")
	if base == 16 {
		s = strings.TrimPrefix(s, "0x")
	}
	if s == "" || base < 2 || base > 36 {
		return 0, false
	}
	n := 0.0
	for _, c := range s {
		d := strings.IndexRune("0123456789abcdefghijklmnopqrstuvwxyz", c)
		if d < 0 || d >= base {
			return 0, false
		}
		n = n*float64(base) + float64(d)
	}
	if negative {
		n = -n
	}
	return n, true
}

// luaLoad loads text only; gopher-lua has no bytecode. It gives nil and a
// message where the text does not parse.
func (h *Host) luaLoad(L *glua.LState) int {
	src := ""
	switch v := L.Get(1).(type) {
	case glua.LString:
		src = string(v)
	case *glua.LFunction:
		for {
			L.Push(v)
			L.Call(0, 1)
			piece, ok := L.Get(-1).(glua.LString)
			L.Pop(1)
			if !ok || piece == "" {
				break
			}
			src += string(piece)
		}
	default:
		L.ArgError(1, "expected string or function, got "+luaType(v))
	}
	name := L.OptString(2, "load")
	if embedded(name) {
		name = "load" // it is not rollsh's own
	}
	fn, err := h.load(src, name)
	if err != nil {
		L.Push(glua.LNil)
		L.Push(h.errorObject(asUsage(err)))
		return 2
	}
	L.Push(fn)
	return 1
}

// luaIpairs walks tables and every object that is a sequence.
func (h *Host) luaIpairs(L *glua.LState) int {
	v := L.CheckAny(1)
	switch v.(type) {
	case *glua.LTable, *glua.LUserData:
	default:
		L.ArgError(1, "expected table, Set, Results or Changesets, got "+luaType(v))
	}
	L.Push(L.NewFunction(func(L *glua.LState) int {
		i := L.CheckInt(2) + 1
		item := L.GetTable(L.Get(1), glua.LNumber(i))
		if item == glua.LNil {
			L.Push(glua.LNil)
			return 1
		}
		L.Push(glua.LNumber(i))
		L.Push(item)
		return 2
	}))
	L.Push(v)
	L.Push(glua.LNumber(0))
	return 3
}

// mendCoroutines hands a coroutine the context of whoever resumes it, keeps
// coroutines that never end from staying registered with their context, and
// rebuilds wrap on resume, because gopher-lua's leaves the current thread wrong
// after an error.
func (h *Host) mendCoroutines() {
	L := h.root
	co, _ := L.GetGlobal("coroutine").(*glua.LTable)
	create, resume := goFunction(co, "create"), goFunction(co, "resume")
	detached := func(L *glua.LState) int {
		ctx := L.RemoveContext()
		n := create(L)
		L.SetContext(ctx)
		return n
	}
	resumed := func(L *glua.LState) int {
		th := L.CheckThread(1)
		h.nested(L)
		for up := L; up != nil; up = h.above(up) {
			if up == th {
				L.Push(glua.LFalse)
				L.Push(glua.LString("cannot resume a coroutine that is running"))
				return 2
			}
		}
		ctx := L.Context()
		th.SetContext(ctx)
		n := resume(L)
		th.SetContext(context.Background()) // a coroutine that never ends must not hold on to a cancelled context
		return n
	}
	co.RawSetString("create", L.NewFunction(detached))
	co.RawSetString("resume", L.NewFunction(func(L *glua.LState) int {
		n := resumed(L)
		if L.Get(-n) == glua.LFalse {
			if v := L.Get(-1); errorOf(v) == nil {
				L.Push(h.caught(h.failure(v)))
				L.Remove(-2)
			}
		}
		return n
	}))
	co.RawSetString("wrap", L.NewFunction(func(L *glua.LState) int {
		detached(L)
		th := L.Get(-1)
		L.Push(L.NewFunction(func(L *glua.LState) int {
			L.Insert(th, 1)
			n := resumed(L)
			if L.Get(-n) == glua.LFalse {
				L.Error(L.Get(-1), 0)
			}
			return n - 1
		}))
		return 1
	}))
}

func goFunction(t *glua.LTable, name string) glua.LGFunction {
	fn, ok := t.RawGetString(name).(*glua.LFunction)
	if !ok || fn.GFunction == nil {
		panic(fmt.Sprintf("lua: gopher-lua has no %s", name))
	}
	return fn.GFunction
}
