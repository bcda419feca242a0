package lua

import (
	"reflect"
	"strings"

	glua "github.com/yuin/gopher-lua"
	"github.com/yuin/gopher-lua/ast"
)

// joinName is the global by which compiled code finds join; none that a recipe
// can write, and _G does not list it.
const joinName = "(join)"

// mendConcats makes a .. b .. c a call of join: the VM writes numbers in its own way.
func mendConcats(chunk []ast.Stmt) {
	mendExprs(reflect.ValueOf(chunk))
}

// mendExprs puts calls in place of the concatenations in a syntax tree.
func mendExprs(v reflect.Value) {
	switch v.Kind() {
	case reflect.Slice:
		for i := range v.Len() {
			mendExprs(v.Index(i))
		}
	case reflect.Interface:
		if c, ok := v.Interface().(*ast.StringConcatOpExpr); ok {
			v.Set(reflect.ValueOf(joined(c)))
		}
		mendExprs(v.Elem())
	case reflect.Pointer:
		if v.IsNil() {
			return
		}
		for i := range v.Elem().NumField() {
			if field := v.Elem().Field(i); field.CanInterface() {
				mendExprs(field)
			}
		}
	}
}

// joined is the call that stands for a .. b .. c. Of a call, or of ..., at its end
// one value is taken, as everywhere in it.
func joined(c *ast.StringConcatOpExpr) ast.Expr {
	name := &ast.IdentExpr{Value: joinName}
	name.SetLine(c.Line())
	call := &ast.FuncCallExpr{Func: name, Args: []ast.Expr{c.Lhs}, AdjustRet: true}
	call.SetLine(c.Line())
	call.SetLastLine(c.LastLine())
	last := c.Rhs
	for next, ok := last.(*ast.StringConcatOpExpr); ok; next, ok = last.(*ast.StringConcatOpExpr) {
		call.Args = append(call.Args, next.Lhs)
		last = next.Rhs
	}
	switch e := last.(type) {
	case *ast.FuncCallExpr:
		e.AdjustRet = true
	case *ast.Comma3Expr:
		e.AdjustRet = true
	}
	call.Args = append(call.Args, last)
	return call
}

// join is Lua's .. over all its arguments, from the right.
func join(L *glua.LState) int {
	n := L.GetTop()
	right := L.Get(n)
	for n--; n > 0; {
		first := n + 1
		for first > 1 && isText(right) && isText(L.Get(first-1)) {
			first--
		}
		if first > n {
			right = joinObjects(L, L.Get(n), right)
			n--
			continue
		}
		parts := make([]string, 0, n-first+2)
		for i := first; i <= n; i++ {
			parts = append(parts, textOf(L.Get(i)))
		}
		right = glua.LString(strings.Join(append(parts, textOf(right)), ""))
		n = first - 1
	}
	L.Push(right)
	return 1
}

func isText(v glua.LValue) bool {
	t := v.Type()
	return t == glua.LTString || t == glua.LTNumber
}

// joinObjects is a .. b where one of the two is neither a string nor a number.
func joinObjects(L *glua.LState, a, b glua.LValue) glua.LValue {
	op := L.GetMetaField(a, "__concat")
	if op == glua.LNil {
		op = L.GetMetaField(b, "__concat")
	}
	if op == glua.LNil {
		if isText(a) {
			a = b
		}
		L.RaiseError("attempt to concatenate a %s value", luaType(a))
	}
	L.Push(op)
	L.Push(a)
	L.Push(b)
	L.Call(2, 1)
	result := L.Get(-1)
	L.Pop(1)
	return result
}

// texts is how many of the first arguments of a function of the string library
// are texts; the rest are positions and counts.
var texts = map[string]int{
	"byte": 1, "len": 1, "lower": 1, "upper": 1, "sub": 1, "reverse": 1, "rep": 1, "format": 1,
	"find": 2, "match": 2, "gmatch": 2, "gsub": 3,
}

// mendNumbers makes numbers that are taken for texts read as Lua 5.1 writes them.
func (h *Host) mendNumbers(str *glua.LTable) {
	for name, n := range texts {
		of := goFunction(str, name)
		str.RawSetString(name, h.root.NewFunction(func(L *glua.LState) int {
			for i := range min(n, L.GetTop()) {
				if v, ok := L.Get(i + 1).(glua.LNumber); ok {
					L.Replace(i+1, glua.LString(numberText(v)))
				}
			}
			return of(L)
		}))
	}
}
