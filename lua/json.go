package lua

import (
	"encoding/json"
	"math"
	"strings"

	glua "github.com/yuin/gopher-lua"
)

func jsonModule() Module {
	return Module{Name: "json", Doc: "JSON.", Funcs: []Func{
		{
			Name: "encode", Doc: "Writes a value as JSON: a table that begins with item 1 as a list, one that json.decode or json.list made as well, any other as an object.",
			Returns: "string", Example: `print(json.encode{ok=true})`, Do: Held(jsonEncode),
		},
		{Name: "decode", Doc: "Reads JSON; null becomes nil.", Returns: "any", Example: `print(json.decode('[1]')[1])`, Do: Held(jsonDecode)},
		{Name: "list", Doc: "Marks a table as a list, so that it is written as [] when it is empty, and gives it back.", Returns: "table", Example: `print(json.encode{errors=json.list{}})`, Do: Held(jsonList)},
	}}
}

type jsonEncodeArgs struct {
	Value  Raw  `lua:"value,pos,optional" type:"any" doc:"nil, booleans, numbers, strings, tables"`
	Indent bool `lua:"indent" doc:"over several lines"`
}

func jsonEncode(c *Call, a jsonEncodeArgs) (any, error) {
	v, err := c.Host.jsonValue(a.Value.v, 0)
	if err != nil {
		return nil, err
	}
	var out strings.Builder
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	if a.Indent {
		e.SetIndent("", "  ")
	}
	if err := e.Encode(v); err != nil {
		return nil, usage("%s", err)
	}
	return strings.TrimSuffix(out.String(), "\n"), nil
}

// jsonValue turns Lua into what encoding/json takes. Usage for what JSON has not.
func (h *Host) jsonValue(v glua.LValue, depth int) (any, error) {
	switch v := v.(type) {
	case nil, *glua.LNilType:
		return nil, nil
	case glua.LNumber:
		if f := float64(v); math.IsNaN(f) || math.IsInf(f, 0) {
			return nil, usage("JSON has no %s", v.String())
		}
		if v == glua.LNumber(int64(v)) {
			return int64(v), nil
		}
		return float64(v), nil
	case *glua.LTable:
		if depth > 100 {
			return nil, usage("the table is nested too deep, or inside itself")
		}
		return h.jsonTable(v, depth)
	case *glua.LUserData:
		return h.objectText(v), nil
	case *glua.LFunction:
		return nil, usage("JSON has no functions")
	}
	return h.plain(v), nil
}

func (h *Host) jsonTable(t *glua.LTable, depth int) (any, error) {
	if n, list := items(t); list {
		list := make([]any, n)
		for i := range n {
			v, err := h.jsonValue(t.RawGetInt(i+1), depth+1)
			if err != nil {
				return nil, err
			}
			list[i] = v
		}
		return list, nil
	}
	m, bad := map[string]any{}, error(nil)
	t.ForEach(func(k, v glua.LValue) {
		one, err := h.jsonValue(v, depth+1)
		if err == nil {
			err = jsonKey(k, m)
		}
		if err != nil && bad == nil {
			bad = err
		}
		m[k.String()] = one
	})
	return m, bad
}

// jsonKey refuses a key that an object cannot have, or has already.
func jsonKey(k glua.LValue, taken map[string]any) error {
	if t := k.Type(); t != glua.LTString && t != glua.LTNumber {
		return usage("a key is a %s: JSON's are strings", luaType(k))
	}
	if _, is := taken[k.String()]; is {
		return usage("the keys %s and '%s' are one in JSON", k, k)
	}
	return nil
}

// items tells the largest position of a table, and whether it is a list: all keys
// are positions; and it is marked as one, or item 1 is there and at least half of
// those up to the largest are.
func items(t *glua.LTable) (largest int, list bool) {
	count, others := 0, false
	t.ForEach(func(k, _ glua.LValue) {
		n, ok := k.(glua.LNumber)
		at := int(n)
		if !ok || at < 1 || glua.LNumber(at) != n {
			others = true
			return
		}
		count++
		largest = max(largest, at)
	})
	dense := largest <= 2*count
	if isList(t) {
		return largest, !others && (dense || largest <= mostHoles)
	}
	return largest, !others && dense && t.RawGetInt(1) != glua.LNil
}

// mostHoles is how long a marked list may be, though most of it is empty.
const mostHoles = 1 << 16

// jsonType is the field of a metatable that marks a list; other libraries of Lua
// use the same.
const jsonType = "__jsontype"

func isList(t *glua.LTable) bool {
	mt, ok := t.Metatable.(*glua.LTable)
	return ok && mt.RawGetString(jsonType) == glua.LString("array")
}

// list makes an empty table that is known as a list.
func (h *Host) list() *glua.LTable {
	if h.listMeta == nil {
		h.listMeta = h.root.NewTable()
		h.listMeta.RawSetString(jsonType, glua.LString("array"))
	}
	t := h.root.NewTable()
	t.Metatable = h.listMeta
	return t
}

type jsonListArgs struct {
	Table Raw `lua:"table,pos" type:"table" doc:"a list"`
}

func jsonList(c *Call, a jsonListArgs) (any, error) {
	t, ok := a.Table.v.(*glua.LTable)
	if !ok {
		return nil, usage("expected a table, got %s", luaType(a.Table.v))
	}
	if _, own := t.Metatable.(*glua.LTable); own && !isList(t) {
		return nil, usage("the table has a metatable of its own")
	}
	t.Metatable = c.Host.list().Metatable
	return a.Table, nil
}

type jsonDecodeArgs struct {
	Text string `lua:"text,pos" doc:"JSON"`
}

func jsonDecode(_ *Call, a jsonDecodeArgs) (any, error) {
	var v any
	if err := json.Unmarshal([]byte(a.Text), &v); err != nil {
		return nil, failedf("not JSON: %s", err)
	}
	return v, nil
}
