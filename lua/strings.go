package lua

import (
	"fmt"
	"strings"

	glua "github.com/yuin/gopher-lua"

	"github.com/rollsh/rollsh/nodes"
)

// longest is the most that one call of the string library makes: more would
// take the machine's memory before anything could stop it.
const longest = 64 << 20

func failedf(format string, args ...any) *nodes.Error {
	return &nodes.Error{Kind: nodes.Failed, Message: fmt.Sprintf(format, args...)}
}

func (h *Host) mendStrings() {
	L := h.root
	str, _ := L.GetGlobal("string").(*glua.LTable)
	str.RawSetString("dump", glua.LNil)
	rep := goFunction(str, "rep")
	str.RawSetString("rep", L.NewFunction(func(L *glua.LState) int {
		if n := L.CheckInt(2); n > 0 && len(L.CheckString(1)) > longest/n {
			h.raise(L, "string.rep", failedf("the result would be larger than %d MiB", longest>>20))
		}
		return rep(L)
	}))
	char := goFunction(str, "char")
	str.RawSetString("char", L.NewFunction(func(L *glua.LState) int {
		for i := 1; i <= L.GetTop(); i++ {
			if n := L.CheckInt(i); n < 0 || n > 255 {
				L.ArgError(i, "invalid value")
			}
		}
		return char(L)
	}))
	str.RawSetString("format", L.NewFunction(h.format))
	h.mendPatterns(str)
	h.mendNumbers(str)
	if mt, ok := L.GetMetatable(glua.LString("")).(*glua.LTable); ok {
		mt.RawSetString("__metatable", glua.LString("locked"))
		mt.RawSetString("__index", str)
	}
	if tab, ok := L.GetGlobal("table").(*glua.LTable); ok {
		tab.RawSetString("concat", L.NewFunction(h.concat))
	}
}

// concat takes objects and error objects among the items, as .. does, and
// lists of any length: gopher-lua's puts all items on the stack.
func (h *Host) concat(L *glua.LState) int {
	t, sep := L.CheckTable(1), L.OptString(2, "")
	from, to := L.OptInt(3, 1), L.OptInt(4, t.Len())
	var b strings.Builder
	for i := from; i <= to; i++ {
		switch v := asText(h, t.RawGetInt(i)).(type) {
		case glua.LString, glua.LNumber:
			b.WriteString(textOf(v))
		default:
			h.raise(L, "table.concat", usage("item %d is a %s, not a string or a number", i, luaType(v)))
		}
		if i < to {
			b.WriteString(sep)
		}
		if b.Len() > longest {
			h.raise(L, "table.concat", failedf("the result would be larger than %d MiB", longest>>20))
		}
	}
	L.Push(glua.LString(b.String()))
	return 1
}

func asText(h *Host, v glua.LValue) glua.LValue {
	if _, ok := v.(*glua.LUserData); ok || errorOf(v) != nil {
		return glua.LString(h.text(v))
	}
	return v
}
