package lua

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"

	"github.com/rollsh/rollsh/nodes"
)

// spec is what the argument struct of a record says about its arguments.
type spec struct {
	pos  []param // positional, in order
	keys []param // of the options table
}

// param is one argument: a positional one or a key of the options table.
type param struct {
	name     string
	doc      string
	def      string // default, as written in the tag; empty: the zero value
	enum     []string
	min      string // the least that a number may be; empty: any
	typ      string // Lua type for people: string, number, Set, Checkout|string
	shape    string // the same with the fields of tables: string|{files: string?, dirs: string?}
	calls    string // of a function: the parameters it is called with, as LuaCATS writes them: "n: Node"
	required bool
	rest     bool  // takes all that are left
	onNode   bool  // a path of what is changed on the nodes
	here     bool  // names a file of this machine that must be there
	index    []int // path of the field in the struct
	goType   reflect.Type
}

var specs sync.Map // reflect.Type -> *spec

// specOf reads the tags of an argument struct, when they are first asked for. A
// record with bad tags is a defect of rollsh and panics.
func specOf(t reflect.Type) *spec {
	if t == nil || t == reflect.TypeFor[None]() {
		return &spec{}
	}
	if s, ok := specs.Load(t); ok {
		return s.(*spec)
	}
	s := &spec{}
	s.add(t, nil)
	specs.Store(t, s)
	return s
}

func (s *spec) add(t reflect.Type, path []int) {
	if t.Kind() != reflect.Struct {
		panic(fmt.Sprintf("lua: arguments of a record are a struct, not %s", t))
	}
	for i := range t.NumField() {
		f := t.Field(i)
		at := append(slices.Clone(path), i)
		tag, ok := f.Tag.Lookup("lua")
		if !ok {
			if f.Anonymous {
				s.add(f.Type, at)
			}
			continue
		}
		s.addField(f, tag, at)
	}
}

func (s *spec) addField(f reflect.StructField, tag string, at []int) {
	words := strings.Split(tag, ",")
	p := param{
		name: words[0], doc: f.Tag.Get("doc"), def: f.Tag.Get("default"), typ: f.Tag.Get("type"), calls: f.Tag.Get("calls"), min: f.Tag.Get("min"),
		index: at, goType: f.Type,
	}
	if e := f.Tag.Get("enum"); e != "" {
		p.enum = strings.Split(e, "|")
	}
	if p.typ == "" {
		p.typ = typeName(f.Type)
	}
	p.shape, p.typ = p.typ, inShort(p.typ)
	flags := words[1:] // a key may be called as one of them
	p.rest = slices.Contains(flags, "rest")
	p.onNode = f.Type == reflect.TypeFor[nodes.RemotePath]() || slices.Contains(flags, "on_node")
	p.here = slices.Contains(flags, "here")
	positional, optional := p.rest || slices.Contains(flags, "pos"), p.rest || slices.Contains(flags, "optional")
	p.required = slices.Contains(flags, "required") || positional && !optional && p.def == ""
	if positional {
		s.pos = append(s.pos, p)
	} else {
		s.keys = append(s.keys, p)
	}
}

// inShort is a type without the fields of its tables.
func inShort(typ string) string {
	words := splitType(typ, '|')
	for i, word := range words {
		if strings.HasPrefix(word, "{") {
			words[i] = "table" + word[strings.LastIndexByte(word, '}')+1:]
		}
	}
	return strings.Join(words, "|")
}

// fieldsIn are what a table may hold that is given for an argument, and whether the
// argument is a list of such tables; nil where any table may be given, or none.
func fieldsIn(shape string) (known []string, list bool) {
	for _, word := range splitType(shape, '|') {
		one, isList := strings.CutSuffix(word, "[]")
		for _, f := range FieldsOf(one) {
			known, list = append(known, f.Name), isList
		}
		if one == "table" || one == "any" {
			return nil, false
		}
	}
	return known, list
}

// endsInFunction reports whether the last positional argument is a function, so
// that the options table comes before it.
func (s *spec) endsInFunction() bool {
	return len(s.pos) > 0 && s.pos[len(s.pos)-1].goType == reflect.TypeFor[Callback]()
}

func (s *spec) key(name string) *param {
	for i := range s.keys {
		if s.keys[i].name == name {
			return &s.keys[i]
		}
	}
	return nil
}

func (s *spec) keyNames() []string {
	out := make([]string, len(s.keys))
	for i, k := range s.keys {
		out[i] = k.name
	}
	return out
}

// typeName is what people call a Go argument type in Lua.
func typeName(t reflect.Type) string {
	switch t {
	case reflect.TypeFor[Callback]():
		return "function"
	case reflect.TypeFor[Raw]():
		return "any"
	}
	if named, ok := typeNames[t.String()]; ok {
		return named
	}
	switch t.Kind() {
	case reflect.String:
		return "string"
	case reflect.Bool:
		return "boolean"
	case reflect.Int, reflect.Int64, reflect.Float64:
		return "number"
	case reflect.Slice:
		return typeName(t.Elem()) + "[]"
	case reflect.Map:
		return "table"
	case reflect.Pointer:
		return t.Elem().Name()
	case reflect.Struct:
		if hasKeys(t) {
			return specOf(t).table()
		}
	}
	return t.Name()
}

// hasKeys reports whether a struct is written as a table in Lua: its fields have
// tags.
func hasKeys(t reflect.Type) bool {
	for i := range t.NumField() {
		f := t.Field(i)
		if _, ok := f.Tag.Lookup("lua"); ok || f.Anonymous && f.Type.Kind() == reflect.Struct && hasKeys(f.Type) {
			return true
		}
	}
	return false
}

// table is the type of a table with the keys, as LuaCATS writes it.
func (s *spec) table() string {
	fields := make([]string, len(s.keys))
	for i, k := range s.keys {
		typ := k.shape
		switch {
		case k.required:
		case strings.Contains(typ, "|"):
			typ += "|nil"
		default:
			typ += "?"
		}
		fields[i] = k.name + ": " + typ
	}
	return "{" + strings.Join(fields, ", ") + "}"
}

// typeNames are the Go types whose Lua name is not their kind's.
var typeNames = map[string]string{
	"time.Duration":    "number",
	"nodes.Secret":     "string|Secret",
	"nodes.Set":        "Set|Node",
	"nodes.Tree":       "Checkout|string",
	"nodes.AtOnce":     "number|string|table",
	"nodes.Changesets": "Changesets",
	"nodes.Notifier":   "Channel",
	"nodes.Balancer":   "Backend",
}
