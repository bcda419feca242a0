package lua

import (
	"fmt"
	"math"
	"reflect"
	"strings"
	"time"

	glua "github.com/yuin/gopher-lua"

	"github.com/rollsh/rollsh/nodes"
)

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
