package lua

import (
	"reflect"
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

// spellOut writes into the records what their Go results tell: the fields of
// tables, and for methods of nodes what each outcome on a set holds.
func spellOut(modules []Module) []Module {
	names := map[reflect.Type]string{}
	for _, m := range modules {
		for _, c := range m.Classes {
			names[reflect.TypeOf(c.Of)] = c.Name
		}
	}
	spelt := func(funcs []Func) []Func {
		out := make([]Func, len(funcs))
		for i, f := range funcs {
			out[i] = f.spellOut(names)
		}
		return out
	}
	out := make([]Module, len(modules))
	for i, m := range modules {
		m.Funcs, m.NodeMethods, m.SetMethods = spelt(m.Funcs), spelt(m.NodeMethods), spelt(m.SetMethods)
		if m.Call != nil {
			call := m.Call.spellOut(names)
			m.Call = &call
		}
		classes := make([]Class, len(m.Classes))
		for j, c := range m.Classes {
			c.Funcs = spelt(c.Funcs)
			classes[j] = c
		}
		m.Classes = classes
		out[i] = m
	}
	return out
}

func (f Func) spellOut(names map[reflect.Type]string) Func {
	if f.Outcome != nil && f.Returns == "Results" {
		f.Returns = "Results<" + resultType(reflect.TypeOf(f.Outcome), names) + ">"
	}
	if f.Do.result == nil {
		return f
	}
	switch f.Returns {
	case "table", "table[]", "table?":
		typ := strings.TrimSuffix(resultType(f.Do.result, names), "?")
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

// resultType is the type of what push makes of a Go type.
func resultType(t reflect.Type, names map[reflect.Type]string) string {
	if name, ok := names[t]; ok {
		return name
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
		return strings.TrimSuffix(resultType(t.Elem(), names), "?") + "[]"
	case reflect.Map:
		return "table<string, " + resultType(t.Elem(), names) + ">"
	case reflect.Pointer:
		return strings.TrimSuffix(resultType(t.Elem(), names), "?") + "?"
	case reflect.Struct:
		return "{" + strings.Join(structFields(t, names), ", ") + "}"
	}
	return "any"
}

func structFields(t reflect.Type, names map[reflect.Type]string) []string {
	var out []string
	for i := range t.NumField() {
		f := t.Field(i)
		tag, ok := f.Tag.Lookup("lua")
		switch {
		case ok:
			name, flag, _ := strings.Cut(tag, ",")
			typ := f.Tag.Get("type") // for what the Go type does not tell
			if typ == "" {
				typ = resultType(f.Type, names)
			}
			if flag == "optional" {
				typ = strings.TrimSuffix(typ, "?") + "?"
			}
			out = append(out, name+": "+typ)
		case f.Anonymous:
			out = append(out, structFields(f.Type, names)...)
		}
	}
	return out
}

// OutcomeOf is the type of the values in Results<T>; "any" where it is not
// known.
func OutcomeOf(results string) string {
	inner, ok := strings.CutPrefix(results, "Results<")
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
	return "{ok: boolean, state: string, value: " + OutcomeOf(results) + ", error: Error?, seconds: number}"
}
