package lua

import (
	"strings"

	glua "github.com/yuin/gopher-lua"

	"github.com/rollsh/rollsh/nodes"
)

// specials are the bytes that mean something in a pattern.
const specials = "^$*+?.([%-"

// mendPatterns puts find, match, gmatch and gsub in place of gopher-lua's, which
// differ from Lua's in frontiers, broken patterns and positions past the end, and
// whose gsub copies the text once for each replacement.
func (h *Host) mendPatterns(str *glua.LTable) {
	for name, f := range map[string]glua.LGFunction{
		"find":   func(L *glua.LState) int { return h.find(L, "string.find", true) },
		"match":  func(L *glua.LState) int { return h.find(L, "string.match", false) },
		"gmatch": h.gmatch,
		"gsub":   h.gsub,
	} {
		str.RawSetString(name, h.root.NewFunction(f))
	}
}

// pattern is the matcher of a call.
func (h *Host) pattern(L *glua.LState, op, text, pat string) *pattern {
	return &pattern{
		text: text, pat: pat,
		fail: func(message string) { h.raise(L, op, failedf("%s", message)) },
		tick: func() {
			if ctx := L.Context(); ctx != nil && ctx.Err() != nil {
				h.raise(L, op, nodes.Stopped(ctx))
			}
		},
	}
}

// from matches from s on; an anchored pattern has its ^ at the begin.
func (m *pattern) from(s int) int {
	m.captures = m.captures[:0]
	if strings.HasPrefix(m.pat, "^") {
		return m.match(s, 1)
	}
	return m.match(s, 0)
}

// find is string.find, with positions, and string.match.
func (h *Host) find(L *glua.LState, op string, positions bool) int {
	text, pat := L.CheckString(1), L.CheckString(2)
	start := L.OptInt(3, 1)
	if start < 0 {
		start = max(1, len(text)+start+1)
	}
	start = min(max(start, 1)-1, len(text))
	if positions && (L.ToBool(4) || !strings.ContainsAny(pat, specials)) {
		i := strings.Index(text[start:], pat)
		if i < 0 {
			L.Push(glua.LNil)
			return 1
		}
		L.Push(glua.LNumber(start + i + 1))
		L.Push(glua.LNumber(start + i + len(pat)))
		return 2
	}
	m := h.pattern(L, op, text, pat)
	for s := start; s <= len(text); s++ {
		end := m.from(s)
		switch {
		case end == none && pat != "" && pat[0] == '^':
			s = len(text)
		case end == none:
		case positions:
			L.Push(glua.LNumber(s + 1))
			L.Push(glua.LNumber(end))
			return 2 + m.push(L, len(m.captures), s, end)
		default:
			return m.push(L, max(1, len(m.captures)), s, end)
		}
	}
	L.Push(glua.LNil)
	return 1
}

// push pushes n captures of a match from s to end, and gives n.
func (m *pattern) push(L *glua.LState, n, s, end int) int {
	for i := range n {
		L.Push(m.value(i, s, end))
	}
	return n
}

// value is a capture; without any, the first is the whole match.
func (m *pattern) value(i, s, end int) glua.LValue {
	if i >= len(m.captures) {
		if i > 0 {
			m.fail("invalid capture index")
		}
		return glua.LString(m.text[s:end])
	}
	switch c := m.captures[i]; c.size {
	case open:
		m.fail("unfinished capture")
	case position:
		return glua.LNumber(c.start + 1)
	default:
		return glua.LString(m.text[c.start : c.start+c.size])
	}
	return glua.LNil
}

// gmatch gives an iterator over the matches. A ^ means itself there.
func (h *Host) gmatch(L *glua.LState) int {
	text, pat := L.CheckString(1), L.CheckString(2)
	at := 0
	L.Push(L.NewFunction(func(L *glua.LState) int {
		m := h.pattern(L, "string.gmatch", text, pat)
		for ; at <= len(text); at++ {
			m.captures = m.captures[:0]
			s := at
			end := m.match(s, 0)
			if end == none {
				continue
			}
			at = end
			if end == s { // an empty match: go on behind it
				at++
			}
			return m.push(L, max(1, len(m.captures)), s, end)
		}
		L.Push(glua.LNil)
		return 1
	}))
	return 1
}

// gsub is string.gsub.
func (h *Host) gsub(L *glua.LState) int {
	text, pat, with := L.CheckString(1), L.CheckString(2), L.CheckAny(3)
	switch with.Type() {
	case glua.LTString, glua.LTNumber, glua.LTTable, glua.LTFunction:
	default:
		L.ArgError(3, "string/function/table expected")
	}
	limit := L.OptInt(4, len(text)+1)
	m := h.pattern(L, "string.gsub", text, pat)
	var out strings.Builder
	n, s := 0, 0
	for n < limit {
		end := m.from(s)
		if end != none {
			n++
			h.replace(L, &out, m, s, end, with)
			if out.Len() > longest {
				m.fail("the result would be larger than 64 MiB")
			}
		}
		switch {
		case end != none && end > s:
			s = end
		case s < len(text):
			out.WriteByte(text[s])
			s++
		default:
			s = len(text) + 1
		}
		if s > len(text) || strings.HasPrefix(pat, "^") {
			break
		}
	}
	if s < len(text) {
		out.WriteString(text[s:])
	}
	L.Push(glua.LString(out.String()))
	L.Push(glua.LNumber(n))
	return 2
}

// replace writes what a match is replaced by: a text with %0 to %9 in it, what a
// table has for the first capture, or what a function gives for all of them. false
// and nil leave the match as it is.
func (h *Host) replace(L *glua.LState, out *strings.Builder, m *pattern, s, end int, with glua.LValue) {
	var v glua.LValue
	switch w := with.(type) {
	case *glua.LTable:
		v = L.GetTable(w, m.value(0, s, end))
	case *glua.LFunction:
		L.Push(w)
		L.Call(m.push(L, max(1, len(m.captures)), s, end), 1)
		v = L.Get(-1)
		L.Pop(1)
	default:
		m.expand(out, with.String(), s, end)
		return
	}
	switch v := v.(type) {
	case glua.LString, glua.LNumber:
		out.WriteString(textOf(v))
	default:
		if glua.LVAsBool(v) {
			m.fail("invalid replacement value (a " + luaType(v) + ")")
		}
		out.WriteString(m.text[s:end])
	}
}

// expand writes a replacement text: %1 is the first capture, %0 the match.
func (m *pattern) expand(out *strings.Builder, with string, s, end int) {
	for i := 0; i < len(with); i++ {
		switch {
		case with[i] != '%':
			out.WriteByte(with[i])
		case i+1 == len(with):
			m.fail("invalid use of '%' in the replacement: write %% for one")
		case with[i+1] == '0':
			out.WriteString(m.text[s:end])
			i++
		case isDigit(with[i+1]):
			out.WriteString(m.value(int(with[i+1]-'1'), s, end).String())
			i++
		default:
			i++
			out.WriteByte(with[i])
		}
	}
}
