package lua

import (
	"slices"
	"strings"

	glua "github.com/yuin/gopher-lua"
	"github.com/yuin/gopher-lua/ast"
)

// nested checks the keys of a table that is written out for an argument, also
// where some of its values are not constant. It reports whether it found
// something.
func (c *checker) nested(b *binding, p *param, e ast.Expr) bool {
	t, ok := e.(*ast.TableExpr)
	if !ok {
		return false
	}
	known, list := fieldsIn(p.shape)
	if p.name == "plan" && p.typ == "table" { // what the call would give
		known = c.given(b)
	}
	if known == nil {
		return false
	}
	if !list {
		return c.keysOf(b, p, t, known)
	}
	found := false
	for _, f := range t.Fields {
		if item, ok := f.Value.(*ast.TableExpr); ok && c.keysOf(b, p, item, known) {
			found = true
		}
	}
	return found
}

// keysOf checks the keys of one table.
func (c *checker) keysOf(b *binding, p *param, t *ast.TableExpr, known []string) bool {
	found := false
	for _, f := range t.Fields {
		key, ok := f.Key.(*ast.StringExpr)
		// A node may have keys of one's own.
		if !ok || slices.Contains(known, key.Value) || strings.HasPrefix(key.Value, "x-") {
			continue
		}
		more := didYouMean(key.Value, known)
		if more == "" {
			more = ": " + strings.Join(known, ", ") + " are known"
		}
		c.find(f.Value.Line(), key.Value, "%s: '%s': unknown key '%s'%s", b.full, p.name, key.Value, more)
		found = true
	}
	return found
}

// given are the fields of what a record gives, on one node.
func (c *checker) given(b *binding) []string {
	typ := c.h.spellOut(b.Func).Returns
	if one := OutcomeOf(typ); one != "any" {
		typ = one
	}
	var names []string
	for _, f := range FieldsOf(typ) {
		names = append(names, f.Name)
	}
	return names
}

func constantValue(e ast.Expr) (glua.LValue, bool) {
	switch e := e.(type) {
	case *ast.StringExpr:
		return glua.LString(e.Value), true
	case *ast.NumberExpr:
		n, ok := parseNumber(e.Value)
		return glua.LNumber(n), ok
	case *ast.TrueExpr:
		return glua.LTrue, true
	case *ast.FalseExpr:
		return glua.LFalse, true
	case *ast.NilExpr:
		return glua.LNil, true
	case *ast.TableExpr:
		return constantTable(e)
	}
	return nil, false
}

// constantTable is a table whose keys and values are all constants.
func constantTable(e *ast.TableExpr) (glua.LValue, bool) {
	t := &glua.LTable{Metatable: glua.LNil}
	for _, f := range e.Fields {
		v, ok := constantValue(f.Value)
		if !ok {
			return nil, false
		}
		if f.Key == nil {
			t.Append(v)
			continue
		}
		key, ok := constantValue(f.Key)
		if !ok {
			return nil, false
		}
		t.RawSet(key, v)
	}
	return t, true
}
