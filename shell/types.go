package shell

import (
	"slices"
	"strings"

	"github.com/rollsh/rollsh/lua"
)

// typesFile is where `rollsh init` puts the editor types.
const typesFile = "rollsh.types.lua"

// typesText writes the records as LuaCATS, the annotations that
// lua-language-server reads (luals.github.io/wiki/annotations).
func typesText(h *lua.Host) string {
	t := &typesWriter{seen: map[string]bool{}}
	t.line("---@meta rollsh")
	t.line("-- Editor types of rollsh. Written by `rollsh types`; changes are lost.")
	for _, name := range h.ClassNames() {
		t.class(*h.Class(name))
	}
	t.errorClass()
	for _, m := range h.Modules() {
		t.module(m)
	}
	t.line(caughtText)
	return t.b.String()
}

// caughtText is Lua's own pcall and xpcall, whose errors are tables here.
const caughtText = `
---Calls a function; what it raised is an Error where rollsh or a string was raised.
---@param f function
---@param ... any
---@return boolean ok
---@return any result what it gave, or the error
---@return any ...
function pcall(f, ...) end

---Calls a function; what it raised goes through a function first.
---@param f function
---@param handler fun(err: any): any
---@param ... any
---@return boolean ok
---@return any result
---@return any ...
function xpcall(f, handler, ...) end`

type typesWriter struct {
	b    strings.Builder
	seen map[string]bool // classes that were written
}

func (t *typesWriter) line(s string) { t.b.WriteString(s + "\n") }

// doc writes text as comments of annotations.
func (t *typesWriter) doc(text string) {
	for line := range strings.SplitSeq(strings.TrimSpace(text), "\n") {
		t.line("---" + line)
	}
}

func (t *typesWriter) class(c lua.Class) {
	for _, f := range c.Funcs {
		t.options(c.Name+"."+f.Name, f)
		t.results(c.Name+"."+f.Name, f)
	}
	t.line("")
	t.doc(c.Doc)
	t.line("---@class " + c.Name)
	for _, f := range c.Fields {
		t.line("---@field " + f.Name + " " + catsType(f.Type) + " " + oneLine(f.Doc))
	}
	if c.Seq != nil {
		t.line("---@field [integer] " + itemOf(c.Name))
		t.line("---@operator len: integer")
	}
	if c.Name == "Results" {
		t.line("---@field [string] Outcome")
	}
	if c.Name == "Set" {
		t.line("---@field [string] Node")
		t.line("---@operator add(Set|Node): Set")
		t.line("---@operator sub(Set|Node): Set")
	}
	t.line("local " + c.Name + " = {}")
	for _, f := range c.Funcs {
		if f.Name == "iter" {
			f.Returns = iterates(c.Name)
		}
		t.function(c.Name+":"+f.Name, c.Name+"."+f.Name, f)
	}
}

// iterates is what iter gives for a class.
func iterates(class string) string {
	if class == "Results" {
		return "fun(): (string, Outcome)"
	}
	return "fun(): " + itemOf(class)
}

func itemOf(class string) string {
	switch class {
	case "Set", "Node":
		return "Node"
	case "Changesets":
		return "Changeset"
	case "Results":
		return "Outcome"
	}
	return "any"
}

// errorClass is what pcall gives, and outcomes are what Results hold; both are
// tables and no classes of the records.
func (t *typesWriter) errorClass() {
	t.line("")
	t.line("---How an operation ended on one node.")
	t.line("---@class Outcome")
	t.line("---@field ok boolean")
	t.line("---@field state \"ok\"|\"failed\"|\"unreachable\"|\"untouched\"")
	t.line("---@field value any what it gave")
	t.line("---@field error Error?")
	t.line("---@field seconds number")
	t.line("")
	t.line("---What pcall gives. `kind` is one of a closed list; see help \"errors\".")
	t.line("---@class Error")
	for _, name := range lua.ErrorFields() {
		typ := "string?"
		switch name {
		case "kind", "message":
			typ = "string"
		case "code":
			typ = "integer|string|nil"
		case "errors":
			typ = "Error[]?"
		}
		t.line("---@field " + name + " " + typ)
	}
}

func (t *typesWriter) module(m lua.Module) {
	for _, f := range m.Funcs {
		t.options(strings.TrimPrefix(m.Name+"."+f.Name, "."), f)
		t.results(strings.TrimPrefix(m.Name+"."+f.Name, "."), f)
	}
	if m.Call != nil {
		t.options(m.Name, *m.Call)
		t.results(m.Name, *m.Call)
	}
	prefix := ""
	if m.Name != "" {
		prefix = m.Name + "."
		t.line("")
		t.doc(m.Doc)
		t.line("---@class " + m.Name + "lib")
		if m.Call != nil {
			t.line("---@overload fun(" + strings.Join(parameters(m.Name, *m.Call), ", ") + "): " + t.given(m.Name, *m.Call)[0])
		}
		t.line(m.Name + " = {}")
	}
	for _, f := range m.Funcs {
		t.function(prefix+f.Name, prefix+f.Name, f)
	}
	for _, name := range slices.Sorted(keysOf(m.Values)) {
		typ := "any"
		if name == "here" {
			typ = "Node"
		}
		t.line("")
		t.line("---@type " + typ)
		t.line(name + " = nil")
	}
}

func keysOf(m map[string]any) func(func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

// options writes the class of a function's options table.
func (t *typesWriter) options(name string, f lua.Func) {
	_, opts := f.Args()
	if len(opts) == 0 {
		return
	}
	t.line("")
	t.line("---@class " + name + ".options")
	for _, o := range opts {
		key := o.Name
		if !o.Required {
			key += "?"
		}
		t.line("---@field " + key + " " + argType(o) + " " + oneLine(o.Doc+defaultText(o)))
	}
}

func defaultText(a lua.Arg) string {
	if a.Default == "" {
		return ""
	}
	return " (default " + a.Default + ")"
}

// function writes one function; options names its options' class.
func (t *typesWriter) function(name, options string, f lua.Func) {
	t.line("")
	t.doc(f.Doc)
	t.withoutOptions(name, options, f)
	var names []string
	for _, p := range paramsOf(options, f) {
		t.line(strings.TrimRight("---@param "+p.Name+" "+p.Type+" "+oneLine(p.Doc), " "))
		names = append(names, strings.TrimSuffix(p.Name, "?"))
	}
	for _, r := range t.given(options, f) {
		t.line("---@return " + r)
	}
	t.line("function " + name + "(" + strings.Join(names, ", ") + ") end")
}

// paramsOf are the parameters as LuaCATS names them: those that may be left out
// end in "?".
func paramsOf(options string, f lua.Func) []lua.Arg {
	pos, opts := f.Args()
	var out []lua.Arg
	table := lua.Arg{Name: "opts?", Type: options + ".options"}
	if slices.ContainsFunc(opts, func(o lua.Arg) bool { return o.Required }) {
		table.Name = "opts"
	}
	for i, a := range pos {
		if len(opts) > 0 && f.OptionsBeforeFunction() && i == len(pos)-1 {
			out = append(out, table)
		}
		p := lua.Arg{Name: paramName(a.Name), Type: argType(a), Doc: a.Doc + defaultText(a)}
		switch {
		case a.Rest:
			p.Name = "..."
		case !a.Required:
			p.Name += "?"
		}
		out = append(out, p)
	}
	if len(opts) > 0 && !f.OptionsBeforeFunction() {
		out = append(out, table)
	}
	return out
}

// withoutOptions tells that options before a function may be left out.
func (t *typesWriter) withoutOptions(name, options string, f lua.Func) {
	params := paramsOf(options, f)
	if n := len(params); n < 2 || params[n-2].Name != "opts?" || !f.OptionsBeforeFunction() {
		return
	}
	var words []string
	if class, _, ok := strings.Cut(name, ":"); ok {
		words = append(words, "self: "+class)
	}
	for _, p := range params {
		if p.Name != "opts?" {
			words = append(words, p.Name+": "+p.Type)
		}
	}
	t.line("---@overload fun(" + strings.Join(words, ", ") + "): " + strings.Join(append(t.given(options, f), "nil")[:1], ""))
}

func parameters(options string, f lua.Func) []string {
	pos, opts := f.Args()
	var out []string
	for _, a := range pos {
		out = append(out, paramName(a.Name)+": "+argType(a))
	}
	if len(opts) > 0 {
		out = append(out, "opts: "+options+".options")
	}
	return out
}

// paramName keeps Lua's reserved words out of parameter lists.
func paramName(name string) string {
	if slices.Contains(lua.Keywords(), name) {
		return name + "_"
	}
	return name
}

func argType(a lua.Arg) string {
	if a.Calls != "" {
		return strings.ReplaceAll(catsType(a.Shape), "function", "fun("+a.Calls+"): (any, any)")
	}
	if len(a.Enum) == 0 {
		return catsType(a.Shape)
	}
	words := make([]string, len(a.Enum))
	for i, e := range a.Enum {
		words[i] = e
		if e != "true" && e != "false" {
			words[i] = `"` + e + `"`
		}
	}
	return strings.Join(words, "|")
}

// results writes the classes of the tables that a function gives, and of the
// Results whose outcomes are known.
func (t *typesWriter) results(name string, f lua.Func) {
	for _, typ := range f.Types() {
		value := lua.OutcomeOf(typ)
		fields := lua.FieldsOf(strings.TrimSuffix(strings.TrimSuffix(typ, "?"), "[]"))
		switch {
		case value != "any":
			t.results(name, lua.Func{Returns: value})
			t.line("")
			t.line("---@class " + name + ".outcome : Outcome")
			t.line("---@field value " + catsType(named(name, value)))
			t.line("")
			t.line("---@class " + name + ".results : Results")
			t.line("---@field [integer] " + name + ".outcome")
			t.line("---@field [string] " + name + ".outcome")
			t.line("---@field iter fun(self): fun(): (string, " + name + ".outcome)")
			t.line("---@field node fun(self, name: string): " + name + ".outcome")
		case fields != nil:
			t.line("")
			t.line("---@class " + name + ".result")
			for _, field := range fields {
				t.line("---@field " + field.Name + " " + catsType(field.Type))
			}
		}
	}
}

// given are the types that a function gives, with the classes that results
// wrote.
func (t *typesWriter) given(name string, f lua.Func) []string {
	var out []string
	for _, typ := range f.Types() {
		if lua.OutcomeOf(typ) != "any" {
			out = append(out, name+".results")
			continue
		}
		out = append(out, catsType(named(name, typ)))
	}
	return out
}

// named puts the class of a table's fields in place of the fields.
func named(name, typ string) string {
	end := len(strings.TrimSuffix(strings.TrimSuffix(typ, "?"), "[]"))
	if lua.FieldsOf(typ[:end]) != nil {
		return name + ".result" + typ[end:]
	}
	return typ
}

// catsType writes a record's type; a list that may be any length is its item.
func catsType(t string) string {
	t = strings.TrimSpace(t)
	switch {
	case t == "":
		return "nil"
	case t == "Results<any>":
		return "Results"
	}
	return t
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }
