package lua

import (
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/rollsh/rollsh/nodes"
)

// Types of results are written as LuaCATS writes them: string, Set, Changeset[],
// string?, and {code: integer, stdout: string} for a table of known fields. A
// record that says "table" gets its fields from the Go type of its result.

// TypeField is a field of a table whose fields are known.
type TypeField struct{ Name, Type string }

// FieldsOf gives the fields that a type spells out; nil for other types.
func FieldsOf(typ string) []TypeField {
	inner, ok := strings.CutPrefix(strings.TrimSuffix(typ, "?"), "{")
	if !ok || !strings.HasSuffix(inner, "}") {
		return nil
	}
	var out []TypeField
	for _, part := range splitType(strings.TrimSuffix(inner, "}"), ',') {
		name, typ, found := strings.Cut(part, ":")
		if !found {
			return nil
		}
		out = append(out, TypeField{strings.TrimSuffix(strings.TrimSpace(name), "?"), strings.TrimSpace(typ)})
	}
	return out
}

// splitType cuts a type at a sign that stands outside of brackets.
func splitType(typ string, sign byte) []string {
	var out []string
	depth, from := 0, 0
	for i := range len(typ) {
		switch c := typ[i]; {
		case c == '{' || c == '<' || c == '(':
			depth++
		case c == '}' || c == '>' || c == ')':
			depth--
		case c == sign && depth == 0:
			out = append(out, strings.TrimSpace(typ[from:i]))
			from = i + 1
		}
	}
	return append(out, strings.TrimSpace(typ[from:]))
}

// fieldType is the type of a field that a type spells out.
func fieldType(typ, name string) (string, bool) {
	for _, f := range FieldsOf(typ) {
		if f.Name == name {
			return f.Type, true
		}
	}
	return "", false
}

// spelt are the modules with what the Go results of their records tell: the
// fields of tables, and for methods of nodes what each outcome on a set holds.
func (h *Host) spelt() []Module {
	all := func(funcs []Func) []Func {
		out := make([]Func, len(funcs))
		for i, f := range funcs {
			out[i] = h.spellOut(f)
		}
		return out
	}
	out := slices.Clone(h.modules)
	for i := range out {
		m := &out[i]
		m.Funcs, m.NodeMethods, m.SetMethods = all(m.Funcs), all(m.NodeMethods), all(m.SetMethods)
		if m.Call != nil {
			call := h.spellOut(*m.Call)
			m.Call = &call
		}
		m.Classes = slices.Clone(m.Classes)
		for j := range m.Classes {
			m.Classes[j].Funcs = all(m.Classes[j].Funcs)
		}
	}
	return out
}

// spellOut writes into a record what its Go result tells.
func (h *Host) spellOut(f Func) Func {
	if one, set := strings.CutPrefix(f.Returns, resultsOf); set {
		f.Returns = strings.TrimSuffix(one, ">")
		f.Returns = resultsOf + strings.TrimSuffix(h.spellOut(f).Returns, "?") + ">"
		return f
	}
	if f.Outcome != nil && f.Returns == "Results" {
		f.Returns = resultsOf + h.resultType(reflect.TypeOf(f.Outcome)) + ">"
	}
	if f.Do.result == nil {
		return f
	}
	switch f.Returns {
	case "table", "table[]", "table?":
		typ := strings.TrimSuffix(h.resultType(f.Do.result), "?")
		if FieldsOf(strings.TrimSuffix(typ, "[]")) == nil {
			return f
		}
		if f.Returns == "table?" {
			typ += "?"
		}
		f.Returns = typ
	}
	return f
}

// resultsOf starts the type of Results whose outcomes hold one type.
const resultsOf = "Results<"

// resultType is the type of what push makes of a Go type.
func (h *Host) resultType(t reflect.Type) string {
	if c := h.classes[t]; c != nil {
		return c.Name
	}
	switch t {
	case reflect.TypeFor[time.Time](), reflect.TypeFor[[]byte]():
		return "string"
	case reflect.TypeFor[time.Duration]():
		return "number"
	case reflect.TypeFor[nodes.Secret]():
		return "Secret"
	case reflect.TypeFor[error](), reflect.TypeFor[*nodes.Error]():
		return "Error?"
	}
	switch t.Kind() {
	case reflect.String:
		return "string"
	case reflect.Bool:
		return "boolean"
	case reflect.Int, reflect.Int64, reflect.Int32, reflect.Uint64, reflect.Uint32, reflect.Uint16:
		return "integer"
	case reflect.Float64:
		return "number"
	case reflect.Slice, reflect.Array:
		return strings.TrimSuffix(h.resultType(t.Elem()), "?") + "[]"
	case reflect.Map:
		return "table<string, " + h.resultType(t.Elem()) + ">"
	case reflect.Pointer:
		return strings.TrimSuffix(h.resultType(t.Elem()), "?") + "?"
	case reflect.Struct:
		return "{" + strings.Join(h.structFields(t), ", ") + "}"
	}
	return "any"
}

func (h *Host) structFields(t reflect.Type) []string {
	var out []string
	for i := range t.NumField() {
		f := t.Field(i)
		tag, ok := f.Tag.Lookup("lua")
		switch {
		case ok:
			name, flag, _ := strings.Cut(tag, ",")
			typ := f.Tag.Get("type") // for what the Go type does not tell
			if typ == "" {
				typ = h.resultType(f.Type)
			}
			if flag == "optional" {
				typ = strings.TrimSuffix(typ, "?") + "?"
			}
			out = append(out, name+": "+typ)
		case f.Anonymous:
			out = append(out, h.structFields(f.Type)...)
		}
	}
	return out
}

// OutcomeOf is the type of the values in Results<T>; "any" where it is not
// known.
func OutcomeOf(results string) string {
	inner, ok := strings.CutPrefix(results, resultsOf)
	if !ok {
		return "any"
	}
	return strings.TrimSuffix(inner, ">")
}

// Types are the types of all values that a record gives.
func (f Func) Types() []string {
	if f.Returns == "" || f.Returns == "nil" {
		return nil
	}
	return splitType(f.Returns, ',')
}

// OutcomeType is the type of an outcome in Results<T>.
func OutcomeType(results string) string {
	return "{ok: boolean, state: string, value: " + OutcomeOf(results) + ", error: Error?, seconds: number, node: string}"
}
