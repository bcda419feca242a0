package lua

import (
	"reflect"
	"slices"

	glua "github.com/yuin/gopher-lua"
	"github.com/yuin/gopher-lua/ast"

	"github.com/rollsh/rollsh/nodes"
)

// optionsOfAny checks option keys where the type of x in x:name{...} is not
// known: a key that is near an option of a method of that name, and is an
// option of none, is misspelt.
func (c *checker) optionsOfAny(e *ast.FuncCallExpr) {
	var known []string
	for _, cl := range c.h.byName {
		if b := cl.methods[e.Method]; b != nil {
			known = append(known, b.optionNames()...)
		}
	}
	for _, a := range e.Args {
		t, ok := a.(*ast.TableExpr)
		if !ok || c.run.own[e.Method] {
			continue
		}
		for _, f := range t.Fields {
			key, ok := f.Key.(*ast.StringExpr)
			if !ok || slices.Contains(known, key.Value) {
				continue
			}
			if near := nodes.Suggest(key.Value, known); near != "" {
				c.findUnlessOwn(e.Method, f.Value.Line(), key.Value, "%s: no option '%s' (did you mean '%s'?)", e.Method, key.Value, near)
			}
		}
	}
}

// argument looks at an argument; functions among the options get what they are
// called with.
func (c *checker) argument(a ast.Expr, b *binding) {
	t, ok := a.(*ast.TableExpr)
	if !ok || b == nil {
		c.expr(a)
		return
	}
	for _, f := range t.Fields {
		if f.Key != nil {
			c.expr(f.Key)
		}
		fn, isFunction := f.Value.(*ast.FunctionExpr)
		key, isName := f.Key.(*ast.StringExpr)
		if !isFunction || !isName {
			c.expr(f.Value)
			continue
		}
		var types []string
		for _, s := range []*spec{b.spec(), b.fleetSpec()} {
			if p := s.key(key.Value); p != nil {
				types = p.passes()
			}
		}
		c.function(fn, types...)
	}
}

// fleetSpec has the options that a method of sets takes besides its own.
func (b *binding) fleetSpec() *spec {
	if !b.Do.fleet {
		return &spec{}
	}
	return specOf(typeOfFleet)
}

// called are the types of what a record passes to the function that it is given
// last.
func (b *binding) called() []string {
	if len(b.spec().pos) == 0 {
		return nil
	}
	return b.spec().pos[len(b.spec().pos)-1].passes()
}

// passes are the types that a function is called with.
func (p *param) passes() []string {
	var out []string
	for _, f := range FieldsOf("{" + p.calls + "}") {
		out = append(out, f.Type)
	}
	return out
}

// arguments checks a call against its record as far as the text tells: how
// many there are, the keys of a table that is written out, and constants.
func (c *checker) arguments(e *ast.FuncCallExpr, b *binding) {
	if openEnded(e.Args) {
		return
	}
	s := b.spec()
	if s.optionsBehind(e.Args) {
		c.find(e.Line(), b.Name, "%s: %s", b.full, optionsFirst)
		return
	}
	pos, table := s.splitExprs(e.Args, len(s.keys)+len(b.fleetSpec().keys) > 0)
	if len(pos) > len(s.pos) && (len(s.pos) == 0 || !s.pos[len(s.pos)-1].rest) {
		c.find(e.Line(), b.Name, "%s: takes at most %s, got %d", b.full, nodes.Count(len(s.pos), "argument"), len(pos))
		return
	}
	scratch := reflect.New(orEmpty(b.Do.args)).Elem()
	for i := range s.pos {
		switch {
		case i >= len(pos) && s.pos[i].required:
			c.find(e.Line(), b.Name, "%s: missing '%s' (%s)", b.full, s.pos[i].name, s.pos[i].typ)
			return
		case i < len(pos) && !s.pos[i].rest:
			c.constantFits(scratch, b, &s.pos[i], pos[i])
		}
	}
	c.options(e, b, scratch, table)
}

func orEmpty(t reflect.Type) reflect.Type {
	if t == nil {
		return reflect.TypeFor[None]()
	}
	return t
}

// openEnded reports whether the last argument may stand for several.
func openEnded(args []ast.Expr) bool {
	if len(args) == 0 {
		return false
	}
	switch last := args[len(args)-1].(type) {
	case *ast.Comma3Expr:
		return true
	case *ast.FuncCallExpr:
		return !last.AdjustRet
	}
	return false
}

// optionsBehind reports whether the options are written behind the function that
// they stand before.
func (s *spec) optionsBehind(args []ast.Expr) bool {
	if !s.endsInFunction() || len(args) != len(s.pos)+1 {
		return false
	}
	_, fn := args[len(args)-2].(*ast.FunctionExpr)
	_, table := args[len(args)-1].(*ast.TableExpr)
	return fn && table
}

// splitExprs is split for the text of a call; takes says whether there are any
// options.
func (s *spec) splitExprs(args []ast.Expr, takes bool) (pos []ast.Expr, table ast.Expr) {
	if !takes || len(args) == 0 {
		return args, nil
	}
	at := len(args) - 1
	if s.endsInFunction() {
		at--
	}
	if at < 0 || len(args) <= len(s.pos) && !s.optionsAt(at) {
		return args, nil
	}
	if _, ok := args[at].(*ast.TableExpr); ok || len(args) > len(s.pos) {
		return slices.Delete(slices.Clone(args), at, at+1), args[at]
	}
	return args, nil
}

// options checks the table of options where it is written out. Where some of its
// keys are not constant, it may hold what is required.
func (c *checker) options(e *ast.FuncCallExpr, b *binding, scratch reflect.Value, table ast.Expr) {
	t, ok := table.(*ast.TableExpr)
	if table != nil && !ok {
		return
	}
	given, open := map[string]bool{}, false
	known := b.optionNames()
	if t != nil {
		for _, f := range t.Fields {
			key, ok := f.Key.(*ast.StringExpr)
			switch {
			case f.Key == nil:
				c.find(e.Line(), b.Name, "%s: options are written key = value", b.full)
				open = true
			case !ok:
				open = true
			case !slices.Contains(known, key.Value):
				c.find(f.Value.Line(), key.Value, "%s: unknown option '%s'%s", b.full, key.Value, didYouMean(key.Value, known))
			default:
				if p := b.spec().key(key.Value); p != nil {
					c.constantFits(scratch, b, p, f.Value)
				}
			}
			if ok {
				given[key.Value] = true
			}
		}
	}
	for i := range b.spec().keys {
		if p := &b.spec().keys[i]; p.required && !given[p.name] && !open {
			c.find(e.Line(), b.Name, "%s: missing '%s' (%s)", b.full, p.name, p.typ)
		}
	}
}

func (b *binding) optionNames() []string {
	names := b.spec().keyNames()
	if b.Do.fleet {
		names = append(names, specOf(typeOfFleet).keyNames()...)
	}
	return names
}

// constantFits checks a constant against what the record wants, with the very
// code that the call would run.
func (c *checker) constantFits(scratch reflect.Value, b *binding, p *param, e ast.Expr) {
	if c.nested(b, p, e) {
		return
	}
	v, ok := constantValue(e)
	if !ok || v == glua.LNil {
		return
	}
	if err := c.h.assign(scratch, p, v); err != nil {
		c.find(e.Line(), c.placeOf(e, p.name, b.Name), "%s: %s", b.full, nodes.AsError(err, nodes.Usage).Message)
	}
}

// placeOf is the word by which a constant is found on its line: the constant
// itself, or else the first of the words that is there.
func (c *checker) placeOf(e ast.Expr, words ...string) string {
	switch e := e.(type) {
	case *ast.StringExpr:
		words = append([]string{e.Value}, words...)
	case *ast.NumberExpr:
		words = append([]string{e.Value}, words...)
	}
	for _, w := range words {
		if c.column(e.Line(), w) > 0 {
			return w
		}
	}
	return ""
}
