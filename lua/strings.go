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
	rep, format := goFunction(str, "rep"), goFunction(str, "format")
	str.RawSetString("rep", L.NewFunction(func(L *glua.LState) int {
		if n := L.CheckInt(2); n > 0 && len(L.CheckString(1)) > longest/n {
			h.raise(L, "string.rep", failedf("the result would be larger than %d MiB", longest>>20))
		}
		return rep(L)
	}))
	str.RawSetString("format", L.NewFunction(func(L *glua.LState) int {
		h.checkFormat(L)
		return format(L)
	}))
	h.mendPatterns(str)
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
			b.WriteString(v.String())
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

// conversions are what string.format knows in Lua 5.1.
const conversions = "cdiouxXeEfgGqs"

// verb is one conversion of string.format.
var verb = nodes.Pattern(`%([-+ #0]*)(\d*)(\.\d*)?(.?)`)

// checkFormat refuses what Lua refuses: gopher-lua passes the format to Go, where
// an unknown verb gives "%!y(...)" and no error. What Go writes in another way, and
// objects for %s, are replaced by their texts.
func (h *Host) checkFormat(L *glua.LState) {
	arg := 1
	format := verb().ReplaceAllStringFunc(L.CheckString(1), func(whole string) string {
		m := verb().FindStringSubmatch(whole)
		conversion := m[4]
		if conversion == "%" {
			return whole
		}
		if conversion == "" || !strings.Contains(conversions, conversion) {
			h.raise(L, "string.format", usage("unknown conversion '%s'", whole))
		}
		if arg++; arg > L.GetTop() {
			h.raise(L, "string.format", usage("no value for '%s'", whole))
		}
		text, isText := h.formatted(L, arg, conversion)
		switch {
		case !isText && (conversion == "u" || conversion == "i"):
			return strings.TrimSuffix(whole, conversion) + "d"
		case !isText:
			return whole
		}
		L.Replace(arg, glua.LString(text))
		if conversion == "q" {
			return "%s"
		}
		return "%" + strings.Trim(m[1], "+ #0") + m[2] + m[3] + "s"
	})
	L.Replace(1, glua.LString(format))
}

// formatted checks the value for a conversion, and gives its text where Go would
// write another one.
func (h *Host) formatted(L *glua.LState, arg int, conversion string) (text string, is bool) {
	switch conversion {
	case "s":
		t := L.Get(arg).Type()
		return h.tostring(L, L.Get(arg)), t != glua.LTString && t != glua.LTNumber
	case "q":
		return quoted(L.CheckString(arg)), true
	case "x", "X", "o", "u":
		if n := L.CheckNumber(arg); n < 0 { // as the bits of a 64-bit number
			return fmt.Sprintf("%"+strings.Replace(conversion, "u", "d", 1), uint64(int64(n))), true
		}
	default:
		L.CheckNumber(arg)
	}
	return "", false
}

// quoted writes a text as Lua's %q does, so that Lua reads it again.
func quoted(s string) string {
	return `"` + strings.NewReplacer(`"`, `\"`, `\`, `\\`, "\n", "\\\n", "\r", `\r`, "\x00", `\000`).Replace(s) + `"`
}
