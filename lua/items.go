package lua

import (
	glua "github.com/yuin/gopher-lua"

	"github.com/rollsh/rollsh/nodes"
)

// Text is what tostring gives for a value.
func (h *Host) Text(v Raw) string {
	if v.v == nil {
		return "nil"
	}
	return h.tostring(h.root, v.v)
}

// Items lists what a table or a sequence holds, with the text of each.
func (h *Host) Items(list Raw) (items []Raw, texts []string) {
	add := func(v glua.LValue) {
		items = append(items, Raw{v})
		texts = append(texts, nodes.Clean(h.tostring(h.root, v)))
	}
	switch v := list.v.(type) {
	case *glua.LTable:
		for i := range v.Len() {
			add(v.RawGetInt(i + 1))
		}
	case *glua.LUserData:
		cl := h.classOf(v)
		if cl == nil || cl.Seq == nil {
			break
		}
		for i := range cl.Seq.length(v.Value) {
			add(h.push(cl.Seq.at(v.Value, i)))
		}
	}
	return items, texts
}

// Pick gives some items of a list as a list of the same kind: a Set of a Set,
// Changesets of Changesets, a table of a table.
func (h *Host) Pick(list Raw, indexes []int) any {
	if ud, ok := list.v.(*glua.LUserData); ok {
		switch v := ud.Value.(type) {
		case nodes.Set:
			out := nodes.Set{Name: v.Name}
			for _, i := range indexes {
				out.Nodes = append(out.Nodes, v.Nodes[i])
			}
			return out
		case nodes.Changesets:
			out := nodes.Changesets{}
			for _, i := range indexes {
				out = append(out, v[i])
			}
			return out
		}
	}
	items, _ := h.Items(list)
	out := make([]Raw, len(indexes))
	for i, index := range indexes {
		out[i] = items[index]
	}
	return out
}
