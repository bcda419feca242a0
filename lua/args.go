package lua

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	glua "github.com/yuin/gopher-lua"
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
	Default    string
	HasDefault bool
	Type       string   // string (default), number, or node
	Choices    []string // empty: any value
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

// findArgs finds the first top-level call of args.
func findArgs(chunk []ast.Stmt) *ast.FuncCallExpr {
	for _, s := range chunk {
		var exprs []ast.Expr
		switch s := s.(type) {
		case *ast.LocalAssignStmt:
			exprs = s.Exprs
		case *ast.AssignStmt:
			exprs = s.Rhs
		case *ast.FuncCallStmt:
			exprs = []ast.Expr{s.Expr}
		}
		for _, e := range exprs {
			if call, ok := e.(*ast.FuncCallExpr); ok {
				if id, ok := call.Func.(*ast.IdentExpr); ok && id.Value == "args" {
					return call
				}
			}
		}
	}
	return nil
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
	return a, nil
}

// set reads one key of an argument's table.
func (a *RecipeArg) set(item *ast.Field) error {
	key, ok := item.Key.(*ast.StringExpr)
	if !ok {
		return fmt.Errorf("keys of an argument are names")
	}
	known := []string{"default", "flag", "required", "type", "choices"}
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
		if !slices.Contains([]string{"string", "number"}, a.Type) {
			return fmt.Errorf("type of an argument is \"string\" or \"number\"")
		}
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

// Parse reads a command line against the declaration: positional words in
// order, --key=value or --key value, --flag. It fails with Usage.
func (r RecipeArgs) Parse(argv []string) (map[string]any, error) {
	values := map[string]any{}
	words := argv
	position := 0
	for len(words) > 0 {
		word := words[0]
		words = words[1:]
		name, isKey := strings.CutPrefix(word, "--")
		if !isKey || word == "--" {
			if word == "--" {
				continue
			}
			a := r.positional(position)
			if a == nil {
				return nil, usage("unexpected argument '%s'%s", word, r.hintTaken())
			}
			position++
			if err := a.put(values, word); err != nil {
				return nil, err
			}
			continue
		}
		var err error
		if words, err = r.parseKey(values, name, words); err != nil {
			return nil, err
		}
	}
	return values, r.fill(values)
}

func (r RecipeArgs) hintTaken() string {
	if len(r.List) == 0 {
		return ": this recipe takes none"
	}
	return ""
}

// parseKey reads --name, --name=value or --name value.
func (r RecipeArgs) parseKey(values map[string]any, name string, rest []string) ([]string, error) {
	name, value, hasValue := strings.Cut(name, "=")
	a := r.key(name)
	switch {
	case a == nil:
		known := []string{"help"}
		for _, k := range r.List {
			known = append(known, k.Name)
		}
		return nil, usage("unknown argument '--%s'%s", name, didYouMean(name, known))
	case a.Flag && hasValue:
		return nil, usage("'--%s' is a flag and takes no value", name)
	case a.Flag:
		values[a.Name] = true
		return rest, nil
	case !hasValue && len(rest) == 0:
		return nil, usage("'--%s' needs a value: --%s=...", name, name)
	case !hasValue:
		value, rest = rest[0], rest[1:]
	}
	return rest, a.put(values, value)
}

func (r RecipeArgs) positional(i int) *RecipeArg {
	for j := range r.List {
		if r.List[j].Positional {
			if i == 0 {
				return &r.List[j]
			}
			i--
		}
	}
	return nil
}

func (r RecipeArgs) key(name string) *RecipeArg {
	for i := range r.List {
		if r.List[i].Name == name {
			return &r.List[i]
		}
	}
	return nil
}

// put converts one value and keeps it.
func (a *RecipeArg) put(values map[string]any, text string) error {
	if len(a.Choices) > 0 && !slices.Contains(a.Choices, text) {
		return usage("'%s' is one of %s, not %s%s", a.Name, strings.Join(a.Choices, ", "), text, didYouMean(text, a.Choices))
	}
	if a.Type == "number" {
		n, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return usage("'%s' is a number, not '%s'", a.Name, text)
		}
		values[a.Name] = n
		return nil
	}
	values[a.Name] = text
	return nil
}

// fill puts in the defaults and looks for what is required.
func (r RecipeArgs) fill(values map[string]any) error {
	for i := range r.List {
		a := &r.List[i]
		if _, ok := values[a.Name]; ok {
			continue
		}
		switch {
		case a.Required:
			return usage("missing argument '%s'%s", a.Name, docSuffix(a.Doc))
		case a.HasDefault:
			if err := a.put(values, a.Default); err != nil {
				return err
			}
		}
	}
	return nil
}

func docSuffix(doc string) string {
	if doc == "" {
		return ""
	}
	return " (" + doc + ")"
}

// Usage writes the help of a recipe.
func (r RecipeArgs) Usage(command string) string {
	var b strings.Builder
	line := command
	var rows [][2]string
	for _, a := range r.List {
		form := "--" + a.Name + "=..."
		switch {
		case a.Positional:
			form = strings.ToUpper(a.Name)
		case a.Flag:
			form = "--" + a.Name
		}
		doc := a.Doc
		if len(a.Choices) > 0 {
			doc += " (" + strings.Join(a.Choices, ", ") + ")"
		}
		if a.HasDefault {
			doc += " (default " + a.Default + ")"
		}
		rows = append(rows, [2]string{form, strings.TrimSpace(doc)})
		if !a.Required {
			form = "[" + form + "]"
		}
		line += " " + form
	}
	if r.Doc != "" {
		b.WriteString(r.Doc + "\n\n")
	}
	b.WriteString("usage: rollsh " + line + "\n")
	for _, row := range rows {
		fmt.Fprintf(&b, "  %-16s %s\n", row[0], row[1])
	}
	return b.String()
}

type argsArgs struct {
	Declared Raw `lua:"declared,pos" type:"table" doc:"what the recipe takes"`
}

// recipeArgs is args{}: the values of the command line. The table given must be
// the one that ReadArgs reads, so it is read again from the file's text.
func recipeArgs(c *Call, _ argsArgs) (any, error) {
	h := c.Host
	src, err := h.files.read(h.Session.Recipe.Path)
	if h.Session.Recipe.Path == "" {
		return nil, usage("only a recipe has arguments")
	}
	if err != nil {
		return nil, err
	}
	r, err := ReadArgs(src, h.shown(h.Session.Recipe.Path))
	if err != nil {
		return nil, err
	}
	values, err := r.Parse(h.Session.Recipe.Args)
	if err != nil {
		return nil, err
	}
	return Raw{h.argsTable(r, values)}, nil
}

// argsTable refuses to read a key that the recipe did not declare.
func (h *Host) argsTable(r RecipeArgs, values map[string]any) *glua.LTable {
	t, mt := h.root.NewTable(), h.root.NewTable()
	var names []string
	for _, a := range r.List {
		names = append(names, a.Name)
		if v, ok := values[a.Name]; ok {
			t.RawSetString(a.Name, h.push(v))
		}
	}
	mt.RawSetString("__index", h.root.NewFunction(func(L *glua.LState) int {
		name := L.Get(2).String()
		if !slices.Contains(names, name) {
			h.raise(L, "args", usage("the recipe declares no argument '%s'%s", name, didYouMean(name, names)))
		}
		L.Push(glua.LNil)
		return 1
	}))
	mt.RawSetString("__metatable", glua.LString("locked"))
	t.Metatable = mt
	return t
}
