package shell

import (
	"regexp"
	"slices"
	"strings"

	"github.com/rollsh/rollsh/lua"
)

// typesFile is where `rollsh init` puts the editor types.
const typesFile = "rollsh.types.lua"

// typesText writes the records as LuaCATS, the annotations that
// lua-language-server reads (luals.github.io/wiki/annotations).
func typesText(h *lua.Host) string {
	t := &typesWriter{}
	t.line("---@meta rollsh")
	t.line("-- Editor types of rollsh. Written by `rollsh types`; changes are lost.")
	for _, name := range h.ClassNames() {
		t.class(*h.Class(name))
	}
	t.errorClass()
	for _, m := range h.Modules() {
		t.module(m)
	}
	return t.b.String()
}

type typesWriter struct{ b strings.Builder }

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
	if c.Name == "Set" {
		t.line("---@field [string] Node")
		t.line("---@operator add(Set|Node): Set")
		t.line("---@operator sub(Set|Node): Set")
	}
	t.line("local " + c.Name + " = {}")
	for _, f := range c.Funcs {
		t.function(c.Name+":"+f.Name, c.Name+"."+f.Name, f)
	}
}

func itemOf(class string) string {
	switch class {
	case "Set", "Node":
		return "Node"
	case "Changesets":
		return "Changeset"
	}
	return "any"
}

// errorClass is what pcall gives; it is a table and no class of the records.
func (t *typesWriter) errorClass() {
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
	}
	if m.Call != nil {
		t.options(m.Name, *m.Call)
	}
	prefix := ""
	if m.Name != "" {
		prefix = m.Name + "."
		t.line("")
		t.doc(m.Doc)
		t.line("---@class " + m.Name + "lib")
		if m.Call != nil {
			t.line("---@overload fun(" + strings.Join(parameters(m.Name, *m.Call), ", ") + "): " + catsType(m.Call.Returns))
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
	pos, opts := f.Args()
	t.line("")
	t.doc(f.Doc)
	var names []string
	param := func(name, typ, doc string, required bool) {
		if !required {
			name += "?"
		}
		t.line(strings.TrimRight("---@param "+name+" "+typ+" "+oneLine(doc), " "))
		names = append(names, strings.TrimSuffix(name, "?"))
	}
	optional := len(opts) > 0 && !slices.ContainsFunc(opts, func(o lua.Arg) bool { return o.Required })
	for i, a := range pos {
		if len(opts) > 0 && f.OptionsBeforeFunction() && i == len(pos)-1 {
			param("opts", options+".options", "", !optional)
		}
		param(paramName(a.Name), argType(a), a.Doc+defaultText(a), a.Required)
	}
	if len(opts) > 0 && !f.OptionsBeforeFunction() {
		param("opts", options+".options", "", !optional)
	}
	if r := catsType(f.Returns); r != "nil" && r != "" {
		t.line("---@return " + r)
	}
	t.line("function " + name + "(" + strings.Join(names, ", ") + ") end")
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
	if len(a.Enum) == 0 {
		return catsType(a.Type)
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

// plainType is a type as LuaCATS writes it, without blanks.
var plainType = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.]*(\[\])*\??(\|[A-Za-z_][A-Za-z0-9_.]*(\[\])*\??)*$`)

// catsType writes a record's type; what LuaCATS would not read becomes any.
func catsType(t string) string {
	t = strings.TrimSpace(t)
	if t == "" {
		return "nil"
	}
	if rest, ok := strings.CutSuffix(t, " ..."); ok {
		t = rest
	}
	if plainType.MatchString(t) {
		return t
	}
	return "any"
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }
