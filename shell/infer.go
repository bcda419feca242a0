package shell

import (
	"slices"
	"strings"

	"github.com/rollsh/rollsh/lua"
)

// thing is what is known of an expression without running it.
type thing struct {
	module *lua.Module
	record *lua.Func // a function of ours
	class  string    // a class, or Lua's type
	global string    // the global it is, while it is one
}

// typeOf finds what the expression that ends the tokens is, by the records: the
// types of globals, what functions return, the fields of classes.
func (c *completer) typeOf(tokens []token) thing {
	start := beginOf(tokens)
	tokens = tokens[start:]
	if len(tokens) == 0 {
		return thing{}
	}
	v, i := c.rootOf(tokens[0]), 1
	if tokens[0].text == "(" {
		end := closing(tokens, 0)
		v, i = c.typeOf(tokens[1:end]), end+1
	}
	for i < len(tokens) {
		t := tokens[i]
		switch {
		case (t.text == "." || t.text == ":") && i+1 < len(tokens):
			v = c.member(v, tokens[i+1].text, t.text == ":")
			i += 2
		case t.kind == quoted:
			v = c.called(v)
			i++
		case t.text == "(" || t.text == "{":
			v = c.called(v)
			i = closing(tokens, i) + 1
		case t.text == "[":
			v = c.item(v)
			i = closing(tokens, i) + 1
		default:
			return thing{}
		}
	}
	return v
}

// beginOf walks back over one expression of names, calls and indexes.
func beginOf(tokens []token) int {
	i := len(tokens)
	for i > 0 {
		t := tokens[i-1]
		switch {
		case t.text == ")" || t.text == "]" || t.text == "}":
			i = opening(tokens, i-1)
			if i < 0 {
				return len(tokens)
			}
		case t.kind == quoted:
			i--
		case t.kind == word:
			if i < 2 || tokens[i-2].text != "." && tokens[i-2].text != ":" {
				return i - 1
			}
			i -= 2
		default:
			return i
		}
	}
	return 0
}

// opening is the index of the bracket that the one at i closes; -1: none.
func opening(tokens []token, i int) int {
	depth := 0
	for ; i >= 0; i-- {
		if tokens[i].kind != sign {
			continue
		}
		switch tokens[i].text {
		case ")", "]", "}":
			depth++
		case "(", "[", "{":
			depth--
			if depth == 0 {
				return i
			}
		}
	}
	return -1
}

// closing is the index of the bracket that closes the one at i, or the last.
func closing(tokens []token, i int) int {
	depth := 0
	for ; i < len(tokens); i++ {
		if tokens[i].kind != sign {
			continue
		}
		switch tokens[i].text {
		case "(", "[", "{":
			depth++
		case ")", "]", "}":
			depth--
			if depth == 0 {
				return i
			}
		}
	}
	return len(tokens) - 1
}

func (c *completer) rootOf(t token) thing {
	if t.kind == quoted {
		return thing{class: "string"}
	}
	if t.kind != word {
		return thing{}
	}
	v := thing{class: c.globals[t.text], global: t.text}
	for _, m := range c.host.Modules() {
		if m.Name == t.text {
			v.module = &m
		}
		if m.Name == "" {
			for _, f := range m.Funcs {
				if f.Name == t.text {
					v.record = &f
				}
			}
		}
	}
	return v
}

func (c *completer) member(v thing, name string, method bool) thing {
	funcs := []lua.Func{}
	if v.module != nil {
		funcs = v.module.Funcs
	}
	for _, f := range lua.FieldsOf(v.class) {
		if f.Name == name {
			return thing{class: firstType(f.Type)}
		}
	}
	if class := c.host.Class(className(v.class)); class != nil && v.module == nil {
		if class.Name == "Results" && method && name == "node" {
			return thing{record: &lua.Func{Returns: lua.OutcomeType(v.class)}}
		}
		for _, f := range class.Fields {
			if f.Name == name && !method {
				return thing{class: firstType(f.Type)}
			}
		}
		if !method && class.Name == "Results" {
			return thing{class: lua.OutcomeType(v.class)}
		}
		if slices.Contains(c.names[v.global], name) && v.class == "Set" {
			return thing{class: "Node"}
		}
		funcs = class.Funcs
	}
	for _, f := range funcs {
		if f.Name == name {
			return thing{record: &f}
		}
	}
	return thing{}
}

func (c *completer) called(v thing) thing {
	switch {
	case v.record != nil:
		return thing{class: firstType(v.record.Returns)}
	case v.module != nil && v.module.Call != nil:
		return thing{class: firstType(v.module.Call.Returns)}
	}
	return thing{}
}

func (c *completer) item(v thing) thing {
	switch {
	case v.class == "Set":
		return thing{class: "Node"}
	case v.class == "Changesets":
		return thing{class: "Changeset"}
	case className(v.class) == "Results":
		return thing{class: lua.OutcomeType(v.class)}
	case strings.HasSuffix(v.class, "[]"):
		return thing{class: strings.TrimSuffix(v.class, "[]")}
	}
	return thing{}
}

// className is the class of a type: Results<T> is Results.
func className(typ string) string {
	name, _, _ := strings.Cut(typ, "<")
	return name
}

// isName reports whether a chunk is nothing but a name or a path of names.
func isName(chunk string) bool {
	tokens := solid(lex(chunk))
	return len(tokens) > 0 && !slices.ContainsFunc(tokens, func(t token) bool { return t.kind != word && t.text != "." })
}

// firstType is the type that "Set?", "Node|nil" or "Set, table?" names first.
func firstType(t string) string {
	types := (lua.Func{Returns: t}).Types()
	if len(types) == 0 {
		return ""
	}
	t = types[0]
	if lua.FieldsOf(t) == nil {
		t, _, _ = strings.Cut(t, "|")
	}
	return strings.TrimSuffix(strings.TrimSpace(t), "?")
}
