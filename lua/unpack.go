package lua

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	glua "github.com/yuin/gopher-lua"

	"github.com/rollsh/rollsh/nodes"
)

// Unpacker is an argument type that reads itself from a plain Go value: nil,
// bool, float64, string, []any, map[string]any, or an object's Go value. Its
// error says what was expected; the host adds the function and the key.
type Unpacker interface {
	UnpackLua(v any) error
}

// Raw is a Lua value that a record takes or gives untouched.
type Raw struct{ v glua.LValue }

// IsNil reports whether nothing, or nil, was given.
func (r Raw) IsNil() bool { return r.v == nil || r.v == glua.LNil }

func usage(format string, args ...any) *nodes.Error {
	return &nodes.Error{Kind: nodes.Usage, Message: fmt.Sprintf(format, args...)}
}

// unpack fills the argument struct of a record from the values of a call.
// Every argument error is made here; nothing was contacted yet.
func (h *Host) unpack(s *spec, t reflect.Type, args []glua.LValue) (any, error) {
	out := reflect.New(t).Elem()
	pos, opts, err := s.split(args)
	if err != nil {
		return nil, err
	}
	for i := range s.pos {
		if s.pos[i].rest {
			if err := h.assignRest(out, &s.pos[i], pos[min(i, len(pos)):]); err != nil {
				return nil, err
			}
			break
		}
		v := glua.LValue(glua.LNil)
		if i < len(pos) {
			v = pos[i]
		}
		if err := h.assign(out, &s.pos[i], v); err != nil {
			return nil, err
		}
	}
	if err := h.unpackKeys(out, s, opts, "option"); err != nil {
		return nil, err
	}
	return out.Interface(), nil
}

// assignRest puts all that are left into a slice, one value for each.
func (h *Host) assignRest(out reflect.Value, p *param, values []glua.LValue) error {
	field := out.FieldByIndex(p.index)
	list := reflect.MakeSlice(field.Type(), len(values), len(values))
	for i, v := range values {
		if err := h.decode(list.Index(i), v, strings.TrimSuffix(p.typ, "[]")); err != nil {
			return usage("argument %d: %s", i+1, err.Error())
		}
	}
	field.Set(list)
	return nil
}

// unpackKeys fills a struct from a table, which may be nil; called is what its keys
// are called.
func (h *Host) unpackKeys(out reflect.Value, s *spec, opts *glua.LTable, called string) error {
	if opts != nil {
		if err := s.checkKeys(opts, called); err != nil {
			return err
		}
	}
	for i := range s.keys {
		v := glua.LValue(glua.LNil)
		if opts != nil {
			v = opts.RawGetString(s.keys[i].name)
		}
		if err := h.assign(out, &s.keys[i], v); err != nil {
			return err
		}
	}
	return nil
}

// split tells positional arguments from the options table, which is last, or
// before a last function.
func (s *spec) split(args []glua.LValue) (pos []glua.LValue, opts *glua.LTable, err error) {
	for len(args) > 0 && args[len(args)-1] == glua.LNil {
		args = args[:len(args)-1]
	}
	if len(s.keys) == 0 {
		return args, nil, s.checkCount(len(args))
	}
	at := len(args) - 1
	if s.endsInFunction() {
		if at == len(s.pos) && args[at].Type() == glua.LTTable && args[at-1].Type() == glua.LTFunction {
			return nil, nil, usage(optionsFirst)
		}
		at = len(args) - 2
	}
	if at >= 0 && at < len(args) && (s.isOptions(args[at], at, len(args)) || args[at] == glua.LNil && len(args) > len(s.pos)) {
		opts, _ = args[at].(*glua.LTable) // nil: none
		args = slices.Delete(slices.Clone(args), at, at+1)
	} else if len(s.pos) == 0 && len(args) > 0 {
		return nil, nil, usage("expected a table of options, got %s", luaType(args[0]))
	}
	return args, opts, s.checkCount(len(args))
}

// optionsFirst is told where the options are given after the function.
const optionsFirst = "the options come before the function"

// isOptions reports whether the table at position at can only be the options.
func (s *spec) isOptions(v glua.LValue, at, n int) bool {
	return v.Type() == glua.LTTable && (n > len(s.pos) || s.optionsAt(at))
}

// optionsAt reports whether a table at position at is the options, although
// fewer arguments are given than there could be.
func (s *spec) optionsAt(at int) bool {
	if at >= len(s.pos) {
		return true
	}
	p := s.pos[at]
	return !p.required && !strings.Contains(p.typ, "table") && !strings.Contains(p.typ, "[]") && p.typ != "any"
}

func (s *spec) checkCount(got int) error {
	most := len(s.pos)
	if got > most && (most == 0 || !s.pos[most-1].rest) {
		return usage("takes at most %s, got %d", nodes.Count(most, "argument"), got)
	}
	return nil
}

func (s *spec) checkKeys(opts *glua.LTable, called string) error {
	var bad error
	opts.ForEach(func(k, _ glua.LValue) {
		name, ok := k.(glua.LString)
		switch {
		case bad != nil:
		case !ok:
			bad = usage("unknown %s %s: %ss are written key = value", called, luaText(k), called)
		case s.key(string(name)) == nil:
			bad = usage("unknown %s '%s'%s", called, string(name), didYouMean(string(name), s.keyNames()))
		}
	})
	return bad
}

// assign converts one value and puts it into its field.
func (h *Host) assign(out reflect.Value, p *param, v glua.LValue) error {
	field := out.FieldByIndex(p.index)
	if v == glua.LNil {
		switch {
		case p.required:
			return usage("missing '%s' (%s)", p.name, p.typ)
		case p.def == "":
			return nil
		}
		v = defaultValue(p)
	}
	if len(p.enum) > 0 {
		word := luaText(v)
		if !slices.Contains(p.enum, word) {
			return usage("'%s' is one of %s, not %s%s", p.name, strings.Join(p.enum, ", "), word, didYouMean(word, p.enum))
		}
		if field.Kind() == reflect.String {
			field.SetString(word)
			return nil
		}
	}
	if err := h.decode(field, v, p.typ); err != nil {
		return usage("'%s': %s", p.name, err.Error())
	}
	if least, ok := parseNumber(p.min); ok && v.Type() == glua.LTNumber && float64(v.(glua.LNumber)) < least {
		return usage("'%s' is %s or more, not %s", p.name, p.min, luaText(v))
	}
	return nil
}

// defaultValue turns a default tag into the Lua value that a person would have
// written.
func defaultValue(p *param) glua.LValue {
	switch {
	case p.def == "true" || p.def == "false":
		return glua.LBool(p.def == "true")
	case p.goType.Kind() == reflect.String:
		return glua.LString(p.def)
	}
	if n, ok := parseNumber(p.def); ok {
		return glua.LNumber(n)
	}
	return glua.LString(p.def)
}
