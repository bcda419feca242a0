package lua

import (
	"math"
	"strconv"
	"strings"

	glua "github.com/yuin/gopher-lua"

	"github.com/rollsh/rollsh/nodes"
)

// luaType names the type of a value for people: the class of an object, else
// Lua's type.
func luaType(v glua.LValue) string {
	if v == nil {
		return "nil"
	}
	if ud, ok := v.(*glua.LUserData); ok {
		if mt, ok := ud.Metatable.(*glua.LTable); ok {
			if name, ok := mt.RawGetString("__name").(glua.LString); ok {
				return string(name)
			}
		}
	}
	return v.Type().String()
}

// luaText writes a scalar as it would be written in a message.
func luaText(v glua.LValue) string {
	switch v := v.(type) {
	case glua.LNumber:
		return numberText(v)
	case glua.LString, glua.LBool:
		return v.String()
	}
	return luaType(v)
}

// numberText writes a number as Lua 5.1 does, with "%.14g": 0.3 for 0.1 + 0.2, 1e+15
// for 10^15. gopher-lua's String writes all digits, and whole numbers as integers.
func numberText(n glua.LNumber) string {
	switch f := float64(n); {
	case math.IsNaN(f):
		return "nan"
	case math.IsInf(f, 0):
		return strings.ToLower(strings.TrimPrefix(strconv.FormatFloat(f, 'g', -1, 64), "+"))
	default:
		return strconv.FormatFloat(f, 'g', 14, 64)
	}
}

// didYouMean is " (did you mean 'x'?)", or empty when nothing is near.
func didYouMean(name string, known []string) string {
	if s := nodes.Suggest(name, known); s != "" {
		return " (did you mean '" + s + "'?)"
	}
	return ""
}

// parseNumber reads a number as Lua 5.1 does: decimal with exponent, or hex.
func parseNumber(s string) (float64, bool) {
	s = strings.Trim(s, " \t\n\r\f\v")
	digits := strings.TrimLeft(s, "+-")
	if hex, ok := strings.CutPrefix(strings.ToLower(digits), "0x"); ok {
		n, err := strconv.ParseUint(hex, 16, 64)
		f := float64(n)
		if strings.HasPrefix(s, "-") {
			f = -f
		}
		return f, err == nil
	}
	if digits == "" || strings.ContainsAny(digits, "_xXpPiInN") { // no infinities, names or Go's separators
		return 0, false
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil && !math.IsInf(f, 0) {
		return 0, false
	}
	return f, true
}

// quote writes a string as a Lua literal; Lua 5.1 knows neither \x nor \u.
func quote(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for i := range len(s) {
		switch c := s[i]; {
		case c == '"' || c == '\\':
			b.WriteByte('\\')
			b.WriteByte(c)
		case c == '\n':
			b.WriteString(`\n`)
		case c < ' ' || c == 0x7f:
			b.WriteByte('\\')
			d := strconv.Itoa(int(c))
			b.WriteString(strings.Repeat("0", 3-len(d)) + d)
		default:
			b.WriteByte(c)
		}
	}
	b.WriteByte('"')
	return b.String()
}

// Quote writes a string as a Lua 5.1 literal.
func Quote(s string) string { return quote(s) }
