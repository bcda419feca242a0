package lua

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	glua "github.com/yuin/gopher-lua"

	"github.com/rollsh/rollsh/nodes"
)

// conversions are what string.format knows in Lua 5.1.
const conversions = "cdiouxXeEfgGqs"

// verb is one conversion of string.format, with what may be wrong in it.
var verb = nodes.Pattern(`%([-+ #0]*)(\d*)(?:\.(\d*))?((?s).?)`)

// format is string.format as Lua 5.1 and C have it; gopher-lua's passes the format
// to Go, which writes much in another way. %s takes any value.
func (h *Host) format(L *glua.LState) int {
	text := L.CheckString(1)
	var out strings.Builder
	arg, end := 1, 0
	for _, at := range verb().FindAllStringSubmatchIndex(text, -1) {
		out.WriteString(text[end:at[0]])
		end = at[1]
		whole := text[at[0]:at[1]]
		if whole == "%%" {
			out.WriteByte('%')
			continue
		}
		arg++
		s, err := parseConversion(text, at)
		if err == nil && arg > L.GetTop() {
			err = usage("no value for '%s'", whole)
		}
		if err != nil {
			h.raise(L, "string.format", err)
		}
		out.WriteString(h.formatted(L, arg, s))
		if out.Len() > longest {
			h.raise(L, "string.format", failedf("the result would be larger than %d MiB", longest>>20))
		}
	}
	L.Push(glua.LString(out.String() + text[end:]))
	return 1
}

// asked is what a conversion in a format asks for, as printf(3) tells.
type asked struct {
	flags     string
	width     int
	precision int // -1: none is given
	letter    byte
}

func (s asked) has(flag string) bool { return strings.Contains(s.flags, flag) }

// parseConversion reads the conversion that the pattern found in a format.
func parseConversion(format string, at []int) (asked, error) {
	whole, width, letter := format[at[0]:at[1]], format[at[4]:at[5]], format[at[8]:at[9]]
	s := asked{flags: format[at[2]:at[3]], precision: -1}
	precision := ""
	if at[6] >= 0 {
		precision, s.precision = format[at[6]:at[7]], 0
	}
	switch {
	case len(s.flags) > 5:
		return s, usage("too many flags in '%s'", whole)
	case len(width) > 2 || len(precision) > 2:
		return s, usage("a width or precision of more than two digits: '%s'", whole)
	case letter == "" || !strings.Contains(conversions, letter):
		return s, usage("unknown conversion '%s'", whole)
	}
	s.letter = letter[0]
	s.width, _ = strconv.Atoi(width) // none: 0
	if precision != "" {
		s.precision, _ = strconv.Atoi(precision)
	}
	return s, nil
}

// formatted writes the value at arg.
func (h *Host) formatted(L *glua.LState, arg int, s asked) string {
	switch s.letter {
	case 's':
		text := h.tostring(L, L.Get(arg))
		if s.precision >= 0 && s.precision < len(text) {
			text = text[:s.precision]
		}
		return s.pad("", text, false)
	case 'q':
		if n, ok := L.Get(arg).(glua.LNumber); ok {
			return quoted(numberText(n))
		}
		return quoted(L.CheckString(arg))
	}
	n := number(L, arg)
	switch s.letter {
	case 'c':
		return s.pad("", string([]byte{byte(int64(n))}), false)
	case 'd', 'i', 'o', 'u', 'x', 'X':
		return s.integer(n)
	}
	return s.float(n)
}

// number is the argument at arg; a string that reads as one will do.
func number(L *glua.LState, arg int) float64 {
	if s, ok := L.Get(arg).(glua.LString); ok {
		if n, ok := parseNumber(string(s)); ok {
			return n
		}
	}
	return float64(L.CheckNumber(arg))
}

// pad fills up to the width, with zeros between sign and digits where zeros is set.
func (s asked) pad(sign, digits string, zeros bool) string {
	fill := max(0, s.width-len(sign)-len(digits))
	switch {
	case s.has("-"):
		return sign + digits + strings.Repeat(" ", fill)
	case zeros && s.has("0"):
		return sign + strings.Repeat("0", fill) + digits
	}
	return strings.Repeat(" ", fill) + sign + digits
}

// sign is what stands before a number.
func (s asked) sign(negative bool) string {
	switch {
	case negative:
		return "-"
	case s.has("+"):
		return "+"
	case s.has(" "):
		return " "
	}
	return ""
}

// integer writes a whole number of 64 bits; a negative one is written by its bits
// where the conversion has no sign.
func (s asked) integer(n float64) string {
	bits, sign := uint64(int64(n)), ""
	switch negative := int64(n) < 0; {
	case s.letter == 'd' || s.letter == 'i':
		if sign = s.sign(negative); negative {
			bits = -bits
		}
	case n >= math.MaxInt64:
		bits = uint64(n)
	}
	digits := strconv.FormatUint(bits, s.base())
	if s.letter == 'X' {
		digits = strings.ToUpper(digits)
	}
	if s.precision == 0 && bits == 0 {
		digits = ""
	}
	digits = strings.Repeat("0", max(0, s.precision-len(digits))) + digits
	switch {
	case !s.has("#"):
	case s.letter == 'o' && !strings.HasPrefix(digits, "0"):
		digits = "0" + digits
	case s.base() == 16 && bits != 0:
		sign = "0" + string(s.letter)
	}
	return s.pad(sign, digits, s.precision < 0)
}

func (s asked) base() int {
	switch s.letter {
	case 'x', 'X':
		return 16
	case 'o':
		return 8
	}
	return 10
}

// float writes a number with a point or an exponent.
func (s asked) float(n float64) string {
	negative := math.Signbit(n)
	if math.IsInf(n, 0) || math.IsNaN(n) {
		text := "inf"
		if math.IsNaN(n) {
			text = "nan"
		}
		if s.letter < 'a' {
			text = strings.ToUpper(text)
		}
		return s.pad(s.sign(negative), text, false)
	}
	precision := 6
	if s.precision >= 0 {
		precision = s.precision
	}
	form := "%." + strconv.Itoa(precision) + string(s.letter)
	if s.has("#") {
		form = "%#" + form[1:]
	}
	return s.pad(s.sign(negative), fmt.Sprintf(form, math.Abs(n)), true)
}

// quoted writes a text as Lua's %q does, so that Lua reads it again.
func quoted(s string) string {
	return `"` + strings.NewReplacer(`"`, `\"`, `\`, `\\`, "\n", "\\\n", "\r", `\r`, "\x00", `\000`).Replace(s) + `"`
}
