package lua

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/yuin/gopher-lua/ast"

	"github.com/rollsh/rollsh/nodes"
)

// RecipeArg is one argument that a recipe declares with args{}.
type RecipeArg struct {
	Name       string
	Doc        string
	Positional bool
	Flag       bool // takes no value
	Required   bool
	List       bool // the value is a list
	Default    string
	HasDefault bool
	Type       string   // one of argTypes
	Choices    []string // empty: any value
}

// argTypes are the types of arguments, and what Lua gets for one.
var argTypes = []argType{
	{"string", "string"},
	{"number", "number"},
	{"integer", "number"},  // a whole number
	{"boolean", "boolean"}, // --key, --no-key, or --key=yes and the like
	{"file", "string"},     // one that is there; made absolute
	{"folder", "string"},   // the same
	{"path", "string"},     // made absolute, whether it is there or not
	{"node", "Node"},       // by its name
	{"nodes", "Set"},       // by the name of a nodes file
}

type argType struct{ name, lua string }

// luaType is the type of the value that Lua gets.
func (a *RecipeArg) luaType() string {
	typ := ""
	for _, t := range argTypes {
		if t.name == a.Type {
			typ = t.lua
		}
	}
	switch {
	case a.Flag:
		return "boolean"
	case a.List:
		return typ + "[]"
	}
	return typ
}

// RecipeArgs is what a recipe says of itself: read from its text, nothing is
// run.
type RecipeArgs struct {
	Doc  string // the comment at its top
	List []RecipeArg
	Line int // of the args{} call; 0: the recipe takes none
}

// ReadArgs finds args{...} in a recipe's text. It fails with Usage where the
// text does not parse, or the table is not constant.
func ReadArgs(src, name string) (RecipeArgs, error) {
	chunk, err := parseChunk(src, name)
	if err != nil {
		return RecipeArgs{}, err
	}
	out := RecipeArgs{Doc: topComment(src)}
	call := findArgs(chunk)
	if call == nil {
		return out, nil
	}
	out.Line = call.Line()
	bad := func(err error) error {
		return &nodes.Error{Kind: nodes.Usage, Where: name + ":" + itoa(out.Line), Op: "args", Message: err.Error()}
	}
	if len(call.Args) != 1 {
		return out, bad(fmt.Errorf("expected one table"))
	}
	table, ok := call.Args[0].(*ast.TableExpr)
	if !ok {
		return out, bad(fmt.Errorf("expected a table written out, so that --help can read it"))
	}
	for _, f := range table.Fields {
		a, err := declared(f)
		if err != nil {
			return out, bad(err)
		}
		out.List = append(out.List, a)
	}
	return out, nil
}

// topComment is the block of comments that a recipe starts with.
func topComment(src string) string {
	var lines []string
	for line := range strings.Lines(src) {
		text, ok := strings.CutPrefix(strings.TrimSpace(line), "--")
		switch {
		case strings.HasPrefix(line, "#!"):
			continue
		case !ok || strings.HasPrefix(text, "[["):
			return strings.Join(lines, "\n")
		}
		lines = append(lines, strings.TrimPrefix(text, " "))
	}
	return strings.Join(lines, "\n")
}

// findArgs finds the first call of args, wherever it stands.
func findArgs(chunk []ast.Stmt) (found *ast.FuncCallExpr) {
	eachCall(reflect.ValueOf(chunk), func(call *ast.FuncCallExpr) bool {
		if id, ok := call.Func.(*ast.IdentExpr); ok && id.Value == "args" {
			found = call
		}
		return found == nil
	})
	return found
}

// eachCall gives f the calls in a piece of a syntax tree until it says no, and
// reports whether it did not.
func eachCall(v reflect.Value, f func(*ast.FuncCallExpr) bool) bool {
	switch v.Kind() {
	case reflect.Interface, reflect.Pointer:
		if v.IsNil() {
			return true
		}
		if call, ok := v.Interface().(*ast.FuncCallExpr); ok && v.Kind() == reflect.Pointer && !f(call) {
			return false
		}
		return eachCall(v.Elem(), f)
	case reflect.Slice:
		for i := range v.Len() {
			if !eachCall(v.Index(i), f) {
				return false
			}
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() && !eachCall(v.Field(i), f) {
				return false
			}
		}
	}
	return true
}

// declared reads {"rev", "revision", default="HEAD"} or node={"...", flag=true}.
func declared(f *ast.Field) (RecipeArg, error) {
	a := RecipeArg{Positional: f.Key == nil, Type: "string"}
	table, ok := f.Value.(*ast.TableExpr)
	if !ok {
		return a, fmt.Errorf(`each argument is a table, such as {"rev", "revision", default="HEAD"}`)
	}
	var words []string
	for _, item := range table.Fields {
		if item.Key == nil {
			s, ok := item.Value.(*ast.StringExpr)
			if !ok {
				return a, fmt.Errorf("names and descriptions are strings")
			}
			words = append(words, s.Value)
			continue
		}
		if err := a.set(item); err != nil {
			return a, err
		}
	}
	if key, ok := f.Key.(*ast.StringExpr); ok {
		words = append([]string{key.Value}, words...)
	}
	if len(words) == 0 {
		return a, fmt.Errorf("an argument has no name")
	}
	a.Name = words[0]
	if len(words) > 1 {
		a.Doc = words[1]
	}
	a.Positional = a.Positional && !a.Flag
	return a, a.fits()
}

// fits checks that what is declared of an argument goes together.
func (a *RecipeArg) fits() error {
	switch {
	case a.Flag && (a.Type != "string" || a.List || len(a.Choices) > 0):
		return fmt.Errorf("'%s' is a flag, so it has no value: no type, list or choices", a.Name)
	case a.Flag || !a.HasDefault:
		return nil
	}
	for _, text := range a.items(a.Default) {
		if _, err := a.value(text); err != nil {
			return fmt.Errorf("its own default: %w", err)
		}
	}
	return nil
}

// set reads one key of an argument's table.
func (a *RecipeArg) set(item *ast.Field) error {
	key, ok := item.Key.(*ast.StringExpr)
	if !ok {
		return fmt.Errorf("keys of an argument are names")
	}
	known := []string{"default", "flag", "required", "type", "choices", "list"}
	switch key.Value {
	case "default":
		text, ok := constant(item.Value)
		if !ok {
			return fmt.Errorf("default of an argument is a constant")
		}
		a.Default, a.HasDefault = text, true
	case "flag":
		_, a.Flag = item.Value.(*ast.TrueExpr)
	case "required":
		_, a.Required = item.Value.(*ast.TrueExpr)
	case "type":
		a.Type, _ = constant(item.Value)
		var names []string
		for _, t := range argTypes {
			names = append(names, t.name)
		}
		if !slices.Contains(names, a.Type) {
			return fmt.Errorf("type of an argument is one of %s%s", strings.Join(names, ", "), didYouMean(a.Type, names))
		}
	case "list":
		_, a.List = item.Value.(*ast.TrueExpr)
	case "choices":
		table, ok := item.Value.(*ast.TableExpr)
		if !ok {
			return fmt.Errorf("choices of an argument are a list of strings")
		}
		for _, c := range table.Fields {
			text, ok := constant(c.Value)
			if !ok {
				return fmt.Errorf("choices of an argument are a list of strings")
			}
			a.Choices = append(a.Choices, text)
		}
	default:
		return fmt.Errorf("unknown key '%s'%s", key.Value, didYouMean(key.Value, known))
	}
	return nil
}

func constant(e ast.Expr) (string, bool) {
	switch e := e.(type) {
	case *ast.StringExpr:
		return e.Value, true
	case *ast.NumberExpr:
		return e.Value, true
	case *ast.TrueExpr:
		return "true", true
	case *ast.FalseExpr:
		return "false", true
	}
	return "", false
}
