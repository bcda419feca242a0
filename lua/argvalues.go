package lua

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	glua "github.com/yuin/gopher-lua"

	"github.com/rollsh/rollsh/nodes"
)

// Parse reads a command line against the declaration: positional words in order,
// --key=value or --key value, --flag, --no-key for what is yes or no. A list takes
// the words that are left, or its key several times, or commas. A first "--" ends
// rollsh's own flags, a second one the keys too. It fails with Usage. Names of files
// and nodes are left as they are.
func (r RecipeArgs) Parse(argv []string) (map[string]any, error) {
	values := map[string]any{}
	words := argv
	position, ends := 0, 0
	for len(words) > 0 {
		word := words[0]
		words = words[1:]
		name, isKey := strings.CutPrefix(word, "--")
		if word == "--" && ends < 2 {
			ends++
			continue
		}
		if !isKey || ends == 2 {
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
	if not, ok := strings.CutPrefix(name, "no-"); ok && a == nil && !hasValue {
		if a = r.key(not); a != nil && a.Type == "boolean" {
			values[a.Name] = false
			return rest, nil
		}
		a = nil
	}
	switch {
	case a == nil:
		known := []string{"--help"}
		for _, k := range r.List {
			known = append(known, "--"+k.Name)
		}
		return nil, usage("unknown argument '--%s'%s", name, didYouMean("--"+name, known))
	case a.Flag && hasValue:
		return nil, usage("'--%s' is a flag and takes no value", name)
	case a.Flag, a.Type == "boolean" && !hasValue:
		values[a.Name] = true
		return rest, nil
	case !hasValue && len(rest) == 0:
		return nil, usage("'--%s' needs a value: --%s=...", name, name)
	case !hasValue:
		value, rest = rest[0], rest[1:]
	}
	return rest, a.put(values, value)
}

// positional is the argument that the word with the number i is for.
func (r RecipeArgs) positional(i int) *RecipeArg {
	for j := range r.List {
		if r.List[j].Positional {
			if i == 0 || r.List[j].List {
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
	for _, item := range a.items(text) {
		v, err := a.value(item)
		if err != nil {
			return err
		}
		if !a.List {
			values[a.Name] = v
			continue
		}
		list, _ := values[a.Name].([]any)
		values[a.Name] = append(list, v)
	}
	return nil
}

// items are the values in a text.
func (a *RecipeArg) items(text string) []string {
	if !a.List {
		return []string{text}
	}
	return slices.DeleteFunc(strings.Split(text, ","), func(s string) bool { return s == "" })
}

// value converts a text by the argument's type.
func (a *RecipeArg) value(text string) (any, error) {
	if len(a.Choices) > 0 && !slices.Contains(a.Choices, text) {
		return nil, usage("'%s' is one of %s, not %s%s", a.Name, strings.Join(a.Choices, ", "), text, didYouMean(text, a.Choices))
	}
	switch a.Type {
	case "number", "integer":
		n, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return nil, usage("'%s' is a number, not '%s'", a.Name, text)
		}
		if a.Type == "integer" && n != float64(int64(n)) {
			return nil, usage("'%s' is a whole number, not %s", a.Name, text)
		}
		return n, nil
	case "boolean":
		switch strings.ToLower(text) {
		case "true", "yes", "on", "1":
			return true, nil
		case "false", "no", "off", "0":
			return false, nil
		}
		return nil, usage("'%s' is yes or no, not '%s'", a.Name, text)
	}
	return text, nil
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
	for i := range r.List {
		a := &r.List[i]
		if v, ok := values[a.Name]; ok {
			if values[a.Name], err = h.found(a, v); err != nil {
				return nil, err
			}
		}
	}
	return Raw{h.argsTable(r, values)}, nil
}

// found turns names of files and nodes into what they name.
func (h *Host) found(a *RecipeArg, v any) (any, error) {
	if list, ok := v.([]any); ok {
		for i := range list {
			var err error
			if list[i], err = h.found(a, list[i]); err != nil {
				return nil, err
			}
		}
		return list, nil
	}
	name, ok := v.(string)
	if !ok {
		return v, nil
	}
	var err error
	switch a.Type {
	case "node":
		v, err = h.nodeNamed(name)
	case "nodes":
		v, err = h.loadNodes(name)
	case "path", "file", "folder":
		v, err = a.onDisk(name)
	}
	if nodes.KindOf(err) == nodes.NotFound { // what was typed is wrong
		e := *nodes.AsError(err, nodes.Usage)
		e.Kind, e.Message = nodes.Usage, "'"+a.Name+"': "+e.Message
		return nil, &e
	}
	return v, err
}

// onDisk makes a path absolute, from the folder in which rollsh was called, and
// looks whether it is what it shall be.
func (a *RecipeArg) onDisk(name string) (string, error) {
	path, err := filepath.Abs(name)
	if err != nil || a.Type == "path" {
		return path, err
	}
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return "", usage("'%s': no such %s: %s", a.Name, a.Type, name)
	case info.IsDir() != (a.Type == "folder"):
		return "", usage("'%s': %s is no %s", a.Name, name, a.Type)
	}
	return path, nil
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
