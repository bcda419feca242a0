package lua

import (
	"path/filepath"
	"reflect"
	"slices"

	"github.com/rollsh/rollsh/nodes"
)

// keepToStand refuses, in a test, to change files of this machine by way of a test
// node: the nodes of a test are processes on this machine, and only what is below the
// test's folder is theirs. What a command does is its own.
func (h *Host) keepToStand(do Impl, mutates bool, receiver, args any) error {
	stand := h.Session.Stand
	if stand == "" || h.planning() || !mutates && do.script == "" || do.args == nil {
		return nil
	}
	fields, sp := reflect.ValueOf(args), specOf(do.args)
	params := slices.Concat(sp.pos, sp.keys)
	if onlyHere(receiver, fields, params) {
		return nil
	}
	for _, p := range params {
		if path := fields.FieldByIndex(p.index); p.onNode && filepath.IsAbs(path.String()) && !inside(stand, path.String()) {
			return &nodes.Error{
				Kind:    nodes.Refused,
				Message: "'" + p.name + "': " + nodes.Clean(path.String()) + " is this machine's own: a test node has what is below its home",
				Hint:    "say path= in test.nodes, and node.path, or no path, in the recipe",
			}
		}
	}
	return nil
}

// onlyHere reports whether a call is for this machine, by its receiver or all nodes
// among its arguments.
func onlyHere(receiver any, args reflect.Value, params []param) bool {
	var all []*nodes.Node
	add := func(v any) {
		switch v := v.(type) {
		case *nodes.Node:
			all = append(all, v)
		case nodes.Set:
			all = append(all, v.Nodes...)
		}
	}
	add(receiver)
	for _, p := range params {
		add(args.FieldByIndex(p.index).Interface())
	}
	return len(all) > 0 && !slices.ContainsFunc(all, func(n *nodes.Node) bool { return !n.Local })
}
