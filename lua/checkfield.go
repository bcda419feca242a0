package lua

import (
	"maps"
	"slices"
	"strings"

	glua "github.com/yuin/gopher-lua"
	"github.com/yuin/gopher-lua/ast"

	"github.com/rollsh/rollsh/nodes"
)

// attribute checks x.name.
func (c *checker) attribute(e *ast.AttrGetExpr) {
	c.expr(e.Object)
	key, ok := e.Key.(*ast.StringExpr)
	if !ok {
		c.expr(e.Key)
		return
	}
	typ := c.typeOf(e.Object)
	if module, ok := strings.CutPrefix(typ, modulePrefix); ok {
		if known := c.moduleNames(module); !slices.Contains(known, key.Value) {
			c.find(e.Line(), key.Value, "%s has no function '%s'%s", module, key.Value, didYouMean(key.Value, known))
		}
		return
	}
	cl := c.class(typ)
	if cl == nil {
		c.spelt(e, typ, key.Value)
		return
	}
	if cl.fields[key.Value] != nil || cl.methods[key.Value] != nil {
		return
	}
	if set := c.constantSet(e.Object); set != nil {
		if _, err := set.Lookup(nodes.Name(key.Value)); err != nil {
			c.find(e.Line(), key.Value, "no node, field or method '%s' in %s%s", key.Value, set.Name, didYouMean(key.Value, cl.names(*set)))
		}
		return
	}
	if cl.Lookup == nil {
		c.find(e.Line(), key.Value, "a %s has no field or method '%s'%s", cl.Name, key.Value, didYouMean(key.Value, cl.staticNames()))
	}
}

// spelt checks a field of a table whose fields are known. One that some file
// adds to a table itself is not judged.
func (c *checker) spelt(e *ast.AttrGetExpr, typ, name string) {
	var known []string
	switch {
	case typ == argsTable && c.args.key(name) == nil:
		for _, a := range c.args.List {
			known = append(known, a.Name)
		}
		c.findUnlessOwn(name, e.Line(), name, "the recipe declares no argument '%s'%s", name, didYouMean(name, known))
	case typ == "Error":
		if near := nodes.Suggest(name, ErrorFields()); near != "" && !slices.Contains(ErrorFields(), name) {
			c.findUnlessOwn(name, e.Line(), name, "an error has no field '%s' (did you mean '%s'?)", name, near)
		}
	case FieldsOf(typ) != nil:
		for _, f := range FieldsOf(typ) {
			known = append(known, f.Name)
		}
		if !slices.Contains(known, name) {
			c.findUnlessOwn(name, e.Line(), name, "no field '%s' in {%s}%s", name, strings.Join(known, ", "), didYouMean(name, known))
		}
	}
}

func (cl *class) staticNames() []string {
	return slices.Concat(slices.Sorted(maps.Keys(cl.methods)), slices.Sorted(maps.Keys(cl.fields)))
}

// moduleNames lists what a module or a library of Lua holds.
func (c *checker) moduleNames(module string) []string {
	var out []string
	for name := range c.h.bindings {
		if fn, ok := strings.CutPrefix(name, module+"."); ok {
			out = append(out, fn)
		}
	}
	if t, ok := c.h.root.G.Global.RawGetString(module).(*glua.LTable); ok {
		t.ForEach(func(k, _ glua.LValue) { out = append(out, k.String()) })
	}
	slices.Sort(out)
	return out
}
