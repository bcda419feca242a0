package lua

import glua "github.com/yuin/gopher-lua"

// plain turns a Lua value into Go values only; functions become Callbacks.
func (h *Host) plain(v glua.LValue) any { return h.plainDepth(v, 0) }

func (h *Host) plainDepth(v glua.LValue, depth int) any {
	switch v := v.(type) {
	case glua.LBool:
		return bool(v)
	case glua.LNumber:
		return float64(v)
	case glua.LString:
		return string(v)
	case *glua.LFunction:
		return Callback{h: h, fn: v}
	case *glua.LUserData:
		return v.Value
	case *glua.LTable:
		if depth > 64 { // a table inside itself
			return nil
		}
		return h.plainTable(v, depth)
	}
	return nil
}

func (h *Host) plainTable(t *glua.LTable, depth int) any {
	if n := t.Len(); n > 0 {
		list := make([]any, n)
		for i := range n {
			list[i] = h.plainDepth(t.RawGetInt(i+1), depth+1)
		}
		return list
	}
	m := map[string]any{}
	t.ForEach(func(k, v glua.LValue) { m[k.String()] = h.plainDepth(v, depth+1) })
	if len(m) == 0 {
		return []any{}
	}
	return m
}
