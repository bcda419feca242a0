package lua

import (
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"
	"time"

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

// decode sets dst from v; its error reads "expected X, got Y".
func (h *Host) decode(dst reflect.Value, v glua.LValue, typ string) error {
	wrong := func() error { return fmt.Errorf("expected %s, got %s", typ, luaType(v)) }
	if done, err := h.decodeSpecial(dst, v, typ); done {
		return err
	}
	switch dst.Kind() {
	case reflect.String:
		s, ok := v.(glua.LString)
		if !ok {
			return wrong()
		}
		dst.SetString(string(s))
	case reflect.Bool:
		b, ok := v.(glua.LBool)
		if !ok {
			return wrong()
		}
		dst.SetBool(bool(b))
	case reflect.Int, reflect.Int64:
		n, ok := v.(glua.LNumber)
		if !ok {
			return wrong()
		}
		if float64(n) != math.Trunc(float64(n)) || math.Abs(float64(n)) > 1<<53 {
			return fmt.Errorf("expected a whole number, got %s", luaText(v))
		}
		dst.SetInt(int64(n))
	case reflect.Float64:
		n, ok := v.(glua.LNumber)
		if !ok {
			return wrong()
		}
		dst.SetFloat(float64(n))
	case reflect.Slice:
		return h.decodeSlice(dst, v, typ)
	case reflect.Map:
		return h.decodeMap(dst, v, wrong)
	case reflect.Pointer:
		if to := dst.Type().Elem(); to.Kind() != reflect.Struct { // nil says that it was not given
			dst.Set(reflect.New(to))
			return h.decode(dst.Elem(), v, typ)
		}
		return h.decodeObject(dst, v, wrong)
	case reflect.Struct:
		return h.decodeStruct(dst, v, wrong)
	default:
		return h.decodeObject(dst, v, wrong)
	}
	return nil
}

// decodeStruct takes a table with the keys that the tags of the struct name, as
// the options of a record are taken; or an object of that type.
func (h *Host) decodeStruct(dst reflect.Value, v glua.LValue, wrong func() error) error {
	t, ok := v.(*glua.LTable)
	if !ok || !hasKeys(dst.Type()) {
		return h.decodeObject(dst, v, wrong)
	}
	return h.unpackKeys(dst, specOf(dst.Type()), t, "key")
}

// decodeSpecial handles the types whose Lua form is not that of their kind.
func (h *Host) decodeSpecial(dst reflect.Value, v glua.LValue, typ string) (bool, error) {
	wrong := func() error { return fmt.Errorf("expected %s, got %s", typ, luaType(v)) }
	if ud, ok := v.(*glua.LUserData); ok && ud.Value != nil && reflect.TypeOf(ud.Value) == dst.Type() {
		dst.Set(reflect.ValueOf(ud.Value)) // an object of that very type, a list such as Changesets included
		return true, nil
	}
	if dst.CanAddr() {
		if u, ok := dst.Addr().Interface().(Unpacker); ok {
			return true, u.UnpackLua(h.plain(v))
		}
	}
	switch dst.Interface().(type) {
	case Raw:
		if !rawFits(typ, luaType(v)) {
			return true, wrong()
		}
		dst.Set(reflect.ValueOf(Raw{v}))
	case Callback:
		fn, ok := v.(*glua.LFunction)
		if !ok {
			return true, wrong()
		}
		dst.Set(reflect.ValueOf(Callback{h: h, fn: fn}))
	case time.Duration:
		n, ok := v.(glua.LNumber)
		if !ok {
			return true, wrong()
		}
		if n < 0 || float64(n) > math.MaxInt64/float64(time.Second) || math.IsNaN(float64(n)) {
			return true, fmt.Errorf("expected seconds, got %s", luaText(v))
		}
		dst.SetInt(int64(float64(n) * float64(time.Second)))
	case nodes.Secret:
		if s, ok := v.(glua.LString); ok {
			dst.Set(reflect.ValueOf(nodes.NewSecret(string(s))))
			return true, nil
		}
		return true, h.decodeObject(dst, v, wrong)
	case nodes.Set:
		set, ok := asSet(v)
		if !ok {
			return true, wrong()
		}
		dst.Set(reflect.ValueOf(set))
	default:
		return h.decodeTree(dst, v)
	}
	return true, nil
}

// rawFits reports whether a value of the Lua type kind is one of those that typ
// names; "any" takes all.
func rawFits(typ, kind string) bool {
	for want := range strings.SplitSeq(typ, "|") {
		want = strings.TrimSuffix(want, "?")
		if want == "any" || want == kind || strings.HasSuffix(want, "[]") && kind == "table" || want == "false" && kind == "boolean" {
			return true
		}
	}
	return false
}

// decodeTree takes a path where a nodes.Tree is wanted.
func (h *Host) decodeTree(dst reflect.Value, v glua.LValue) (bool, error) {
	if dst.Type() != reflect.TypeFor[nodes.Tree]() {
		return false, nil
	}
	s, ok := v.(glua.LString)
	if !ok {
		return false, nil
	}
	dst.Set(reflect.ValueOf(nodes.Dir(h.Session.Path(string(s)))))
	return true, nil
}

func (h *Host) decodeSlice(dst reflect.Value, v glua.LValue, typ string) error {
	t, ok := v.(*glua.LTable)
	if !ok { // one value stands for a list of one
		one := reflect.New(dst.Type().Elem()).Elem()
		if err := h.decode(one, v, typ); err != nil {
			return err
		}
		dst.Set(reflect.Append(reflect.MakeSlice(dst.Type(), 0, 1), one))
		return nil
	}
	n := t.Len()
	list := reflect.MakeSlice(dst.Type(), n, n)
	count := 0
	t.ForEach(func(_, _ glua.LValue) { count++ })
	if count != n {
		return fmt.Errorf("expected a list, got a table with named keys or holes")
	}
	elem := strings.TrimSuffix(typ, "[]")
	for i := range n {
		if err := h.decode(list.Index(i), t.RawGetInt(i+1), elem); err != nil {
			return fmt.Errorf("item %d: %w", i+1, err)
		}
	}
	dst.Set(list)
	return nil
}

func (h *Host) decodeMap(dst reflect.Value, v glua.LValue, wrong func() error) error {
	t, ok := v.(*glua.LTable)
	if !ok {
		return wrong()
	}
	m := reflect.MakeMap(dst.Type())
	var bad error
	t.ForEach(func(k, v glua.LValue) {
		name, ok := k.(glua.LString)
		if !ok {
			bad = fmt.Errorf("expected named keys, got %s", luaText(k))
		}
		if bad != nil {
			return
		}
		val := reflect.New(dst.Type().Elem()).Elem()
		if dst.Type().Elem().Kind() == reflect.String && v.Type() == glua.LTNumber {
			v = glua.LString(v.String())
		}
		if err := h.decode(val, v, typeName(dst.Type().Elem())); err != nil {
			bad = fmt.Errorf("key '%s': %w", string(name), err)
			return
		}
		m.SetMapIndex(reflect.ValueOf(string(name)).Convert(dst.Type().Key()), val)
	})
	dst.Set(m)
	return bad
}

// decodeObject takes an object whose Go value fits, by type or by interface.
func (h *Host) decodeObject(dst reflect.Value, v glua.LValue, wrong func() error) error {
	if dst.Kind() == reflect.Interface && dst.NumMethod() == 0 {
		if p := h.plain(v); p != nil {
			dst.Set(reflect.ValueOf(p))
		}
		return nil
	}
	ud, ok := v.(*glua.LUserData)
	if !ok || ud.Value == nil {
		return wrong()
	}
	val := reflect.ValueOf(ud.Value)
	if !val.Type().AssignableTo(dst.Type()) {
		return wrong()
	}
	dst.Set(val)
	return nil
}
