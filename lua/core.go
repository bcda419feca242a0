package lua

import (
	"fmt"
	"os"
	"slices"
	"sort"
	"strings"
	"time"

	glua "github.com/yuin/gopher-lua"

	"github.com/rollsh/rollsh/nodes"
)

// coreModules are the records of the host itself: tasks, nodes, and what
// replaces Lua's own os and require.
func (h *Host) coreModules() []Module {
	return []Module{
		{
			Doc:     "Tasks, errors and values.",
			Classes: []Class{nodeClass(), setClass(), resultsClass(), secretClass(), standInClass()},
			Funcs: []Func{
				{
					Name: "parallel", Doc: "Runs functions at once, waits for all, and gives their first results in order.", Returns: "any ...", Mutates: false,
					Example: `parallel{ function() sleep(1) end, function() sleep(1) end }`, Do: Go(h.parallel),
				},
				{
					Name: "timeout", Doc: "Runs a function, as a task of its own, and raises kind timeout when it takes longer.", Returns: "any ...",
					Example: `timeout(10, function() sleep(1) end)`, Do: Held(timeout),
				},
				{Name: "sleep", Doc: "Waits for a number of seconds.", Returns: "nil", Example: `sleep(0.5)`, Do: Held(pausing)},
				{
					Name: "defer", Doc: "Runs a function when the task ends, last in first out, however it ends.", Returns: "nil",
					Example: `defer(function() say "done" end)`, Do: Held(deferCall),
				},
				{Name: "fail", Doc: "Raises kind failed.", Returns: "nil", Example: `if not ok then fail "the check says no" end`, Do: Held(fail)},
				{
					Name: "args", Doc: "Declares the recipe's arguments and gives their values; help \"arguments\" has their types.", Returns: "table<string, any>", Example: `local a = args{ {"rev", "revision", default="HEAD"}, node={"only this node"}, fast={"skip gates", flag=true} }`,
					Do: Held(recipeArgs),
				},
				{
					Name: "require", Doc: "Loads a Lua file once: from this file's folder, then from lib/ of the project; else gives a module of the standard library.", Returns: "any",
					Example: `local common = require "common"`, Do: Held(require),
				},
				{
					Name: "inspect", Doc: "Writes any value as the shell shows it.", Returns: "string", Example: `print(inspect{1, 2})`,
					Do: Held(func(c *Call, a inspectArgs) (any, error) { return c.Host.Inspect(a.Value), nil }),
				},
				{Name: "env", Doc: "Reads a variable of the environment; nil when it is not set. Those of secrets it does not tell.", Returns: "string?", Example: `print(env "HOME")`, Do: Pure(getenv)},
			},
		},
		jsonModule(),
		{Name: "os", Doc: "Time.", Funcs: []Func{
			{Name: "time", Doc: "Gives seconds since 1970, now or of a table {year=, month=, day=, hour=, min=, sec=}.", Returns: "number", Example: `print(os.time())`, Do: Held(osTime)},
			{Name: "date", Doc: "Writes a time with strftime's conversions; a leading ! means UTC, *t gives a table.", Returns: "string|table", Example: `print(os.date "%Y-%m-%d")`, Do: Held(osDate)},
			{Name: "clock", Doc: "Gives seconds since rollsh started.", Returns: "number", Example: `print(os.clock())`, Do: Pure(osClock(time.Now()))},
		}},
		h.nodesModule(),
		h.nodeModule(),
	}
}

func secretClass() Class {
	return Class{
		Name: "Secret", Doc: "A text that is printed nowhere.", Of: nodes.Secret{},
		String: StringOf(func(s nodes.Secret) string { return s.String() }),
	}
}

type failArgs struct {
	Message Raw `lua:"message,pos" type:"string|number|table" doc:"what went wrong; an error is told in a line, and is the cause"`
}

// fail says where, if anywhere, but not "fail": the message is the recipe's own.
func fail(c *Call, a failArgs) (any, error) {
	e := &nodes.Error{Kind: nodes.Failed, Where: c.Where(), Message: c.Host.tostring(c.L, a.Message.v)}
	if cause := errorOf(a.Message.v); cause != nil {
		e.Cause = cause
	} else if t, ok := a.Message.v.(*glua.LTable); ok {
		e.Message, e.Cause = c.Host.tableMessage(t), thrownValue{t}
	}
	c.Host.raise(c.L, "", e)
	return nil, nil // not reached
}

type inspectArgs struct {
	Value Raw `lua:"value,pos,optional" type:"any" doc:"anything"`
}

type envArgs struct {
	Name string `lua:"name,pos" doc:"name of the variable"`
}

func getenv(a envArgs) (any, error) {
	if name := nodes.SecretOf(a.Name); name != "" {
		return nil, &nodes.Error{Kind: nodes.Usage, Message: nodes.Clean(a.Name) + " gives a secret, which env does not tell", Hint: "secret \"" + nodes.Clean(name) + "\""}
	}
	if v, ok := os.LookupEnv(a.Name); ok {
		return v, nil
	}
	return nil, nil
}

type osTimeArgs struct {
	When Raw `lua:"when,pos,optional" type:"table" doc:"year, month, day, and hour (12), min, sec"`
}

func osTime(_ *Call, a osTimeArgs) (any, error) {
	t, ok := a.When.v.(*glua.LTable)
	if !ok {
		return float64(time.Now().Unix()), nil
	}
	part := func(name string, otherwise int) int {
		if n, ok := t.RawGetString(name).(glua.LNumber); ok {
			return int(n)
		}
		return otherwise
	}
	for _, name := range []string{"year", "month", "day"} {
		if t.RawGetString(name) == glua.LNil {
			return nil, usage("missing '%s'", name)
		}
	}
	when := time.Date(part("year", 0), time.Month(part("month", 1)), part("day", 1), part("hour", 12), part("min", 0), part("sec", 0), 0, time.Local)
	return float64(when.Unix()), nil
}

type osDateArgs struct {
	Format string  `lua:"format,pos" default:"%c" doc:"strftime"`
	Time   float64 `lua:"time,pos" default:"-1" doc:"seconds since 1970; now when not given"`
}

func osDate(_ *Call, a osDateArgs) (any, error) {
	when := time.Now()
	if a.Time >= 0 {
		when = time.Unix(int64(a.Time), 0)
	}
	format, utc := strings.CutPrefix(a.Format, "!")
	if utc {
		when = when.UTC()
	}
	if format == "*t" {
		return map[string]any{
			"year": when.Year(), "month": int(when.Month()), "day": when.Day(), "hour": when.Hour(), "min": when.Minute(),
			"sec": when.Second(), "wday": int(when.Weekday()) + 1, "yday": when.YearDay(), "isdst": when.IsDST(),
		}, nil
	}
	return strftime(format, when)
}

// strftime writes a time by C's conversions; an unknown one is an error.
func strftime(format string, t time.Time) (string, error) {
	var b strings.Builder
	for i := 0; i < len(format); i++ {
		if format[i] != '%' {
			b.WriteByte(format[i])
			continue
		}
		i++
		if i == len(format) {
			return "", usage("the format ends in '%%'")
		}
		s, ok := conversion(format[i], t)
		if !ok {
			return "", usage("unknown conversion '%%%c'", format[i])
		}
		b.WriteString(s)
	}
	return b.String(), nil
}

// layouts are strftime's conversions that Go's time layouts can write.
var layouts = map[byte]string{
	'a': "Mon", 'A': "Monday", 'b': "Jan", 'B': "January", 'c': "Mon Jan _2 15:04:05 2006", 'd': "02", 'D': "01/02/06", 'e': "_2",
	'F': "2006-01-02", 'h': "Jan", 'H': "15", 'I': "03", 'm': "01", 'M': "04", 'p': "PM", 'r': "03:04:05 PM", 'R': "15:04", 'S': "05",
	'T': "15:04:05", 'x': "01/02/06", 'X': "15:04:05", 'y': "06", 'Y': "2006", 'z': "-0700", 'Z': "MST", 'j': "002",
}

func conversion(c byte, t time.Time) (string, bool) {
	if layout, ok := layouts[c]; ok {
		return t.Format(layout), true
	}
	year, week := t.ISOWeek()
	switch c {
	case '%':
		return "%", true
	case 'n':
		return "\n", true
	case 't':
		return "\t", true
	case 's':
		return fmt.Sprint(t.Unix()), true
	case 'w':
		return fmt.Sprint(int(t.Weekday())), true
	case 'u':
		return fmt.Sprint((int(t.Weekday())+6)%7 + 1), true
	case 'U':
		return fmt.Sprintf("%02d", (t.YearDay()+6-int(t.Weekday()))/7), true
	case 'W':
		return fmt.Sprintf("%02d", (t.YearDay()+6-(int(t.Weekday())+6)%7)/7), true
	case 'V':
		return fmt.Sprintf("%02d", week), true
	case 'G':
		return fmt.Sprint(year), true
	case 'C':
		return fmt.Sprintf("%02d", t.Year()/100), true
	}
	return "", false
}

func osClock(start time.Time) func(None) (float64, error) {
	return func(None) (float64, error) { return time.Since(start).Seconds(), nil }
}

// Inspect writes a value as the shell shows it: tables over several lines,
// strings quoted, objects by their text.
func (h *Host) Inspect(v Raw) string {
	var b strings.Builder
	h.inspect(&b, v.v, "", map[*glua.LTable]bool{})
	return b.String()
}

func (h *Host) inspect(b *strings.Builder, v glua.LValue, indent string, above map[*glua.LTable]bool) {
	switch v := v.(type) {
	case nil:
		b.WriteString("nil")
	case glua.LString:
		b.WriteString(quote(string(v)))
	case *glua.LTable:
		if errorOf(v) != nil {
			b.WriteString(textOf(v))
			return
		}
		if above[v] {
			b.WriteString("(this table)")
			return
		}
		above[v] = true
		h.inspectTable(b, v, indent, above)
		delete(above, v)
	case *glua.LUserData:
		b.WriteString(luaType(v) + "(" + h.objectText(v) + ")")
	case *glua.LFunction:
		b.WriteString("function")
	default:
		b.WriteString(textOf(v))
	}
}

func (h *Host) inspectTable(b *strings.Builder, t *glua.LTable, indent string, above map[*glua.LTable]bool) {
	n := t.Len()
	var keys []glua.LValue
	t.ForEach(func(k, _ glua.LValue) {
		if i, ok := k.(glua.LNumber); ok && i >= 1 && int(i) <= n && i == glua.LNumber(int(i)) {
			return
		}
		keys = append(keys, k)
	})
	sort.SliceStable(keys, func(i, j int) bool { return keys[i].String() < keys[j].String() })
	if n == 0 && len(keys) == 0 {
		b.WriteString("{}")
		return
	}
	inner := indent + "  "
	parts := make([]string, 0, n+len(keys))
	for i := range n {
		parts = append(parts, h.inspected(t.RawGetInt(i+1), inner, above))
	}
	for _, k := range keys {
		parts = append(parts, keyText(k)+" = "+h.inspected(t.RawGet(k), inner, above))
	}
	one := "{ " + strings.Join(parts, ", ") + " }"
	if len(indent)+len(one) <= 76 && !strings.Contains(one, "\n") {
		b.WriteString(one)
		return
	}
	b.WriteString("{\n" + inner + strings.Join(parts, ",\n"+inner) + "\n" + indent + "}")
}

func (h *Host) inspected(v glua.LValue, indent string, above map[*glua.LTable]bool) string {
	var b strings.Builder
	h.inspect(&b, v, indent, above)
	return b.String()
}

func keyText(k glua.LValue) string {
	s, ok := k.(glua.LString)
	if !ok {
		return "[" + luaText(k) + "]"
	}
	if identifier(string(s)) {
		return string(s)
	}
	return "[" + quote(string(s)) + "]"
}

var keywords = []string{
	"and", "break", "do", "else", "elseif", "end", "false", "for", "function", "goto", "if", "in", "local", "nil",
	"not", "or", "repeat", "return", "then", "true", "until", "while",
}

func identifier(s string) bool {
	for i := range len(s) {
		c := s[i]
		if c != '_' && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return s != "" && !slices.Contains(keywords, s)
}
