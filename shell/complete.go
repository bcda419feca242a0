package shell

import (
	"slices"
	"strings"

	"github.com/rollsh/rollsh/lua"
)

// completer knows what can be typed next. It works on a snapshot taken between
// two chunks: Tab runs no Lua, and reads no more than folders and ssh's files.
// Everything in it is read only.
type completer struct {
	host    *lua.Host           // for records, which never change
	globals map[string]string   // name and type
	names   map[string][]string // of global objects and tables: their own names
	files   []string            // nodes files
	nodes   []string
	tiers   []string
	paths   []string // recipes
	revs    []string // revisions that were shown, the latest first: r123
	help    []string
	// hosts lists what ssh's files know beside the nodes files, when it is asked.
	hosts func() []string
	// local lists what a folder holds, folders with a slash at the end; a relative
	// one belongs to the project. Empty where it does not answer at once.
	local func(folder string) []string
}

// complete gives what the text before the cursor may go on with: the word that
// is being typed, and what it can become, sorted.
func (c *completer) complete(before string) (typed string, candidates []string) {
	switch {
	case strings.HasPrefix(before, "@@") && !strings.Contains(before, " "):
		return matching(before[2:], c.tiers)
	case strings.HasPrefix(before, "@") && !strings.Contains(before, " "):
		return c.nodeNamed(before[1:], c.files...)
	case strings.HasPrefix(before, "?"):
		return matching(before[1:], c.help)
	case strings.HasPrefix(before, ":save "):
		return c.path(strings.TrimLeft(before[len(":save "):], " "))
	case strings.HasPrefix(before, ":"):
		return matching(before[1:], []string{"edit", "save "})
	case strings.HasPrefix(before, "!"):
		return c.path(before[1+strings.LastIndexAny(before[1:], " \t=<>|;&(")+1:])
	}
	tokens := lex(before)
	if len(tokens) == 0 {
		return matching("", c.globalNames())
	}
	last := tokens[len(tokens)-1]
	switch {
	case last.kind == comment && last.open:
		return "", nil
	case last.kind == quoted && last.open:
		return c.inString(tokens[:len(tokens)-1], strings.TrimLeft(last.text, `"'[=`))
	}
	prefix := ""
	if last.kind == word || last.kind == reserved {
		prefix = last.text
		tokens = tokens[:len(tokens)-1]
	}
	return c.name(solid(tokens), prefix)
}

// name completes a name after the tokens before it.
func (c *completer) name(tokens []token, prefix string) (string, []string) {
	if n := len(tokens); n > 0 {
		switch before := tokens[n-1].text; before {
		case ".", ":":
			return matching(prefix, c.members(tokens[:n-1], before == ":"))
		case "{", ",":
			if typed, keys := matching(prefix, c.optionKeys(tokens)); len(keys) > 0 {
				return typed, keys
			}
		}
	}
	if prefix == "" {
		return "", nil
	}
	return matching(prefix, append(c.globalNames(), lua.Keywords()...))
}

// solid drops blanks and comments.
func solid(tokens []token) []token {
	return slices.DeleteFunc(slices.Clone(tokens), func(t token) bool { return t.kind == blank || t.kind == comment })
}

func (c *completer) globalNames() []string {
	out := make([]string, 0, len(c.globals))
	for name := range c.globals {
		if !strings.HasPrefix(name, "_") {
			out = append(out, name)
		}
	}
	return out
}

func matching(prefix string, names []string) (string, []string) {
	var out []string
	for _, n := range names {
		if strings.HasPrefix(n, prefix) {
			out = append(out, n)
		}
	}
	slices.Sort(out)
	return prefix, slices.Compact(out)
}

// members are the names that follow "." or ":" after an expression.
func (c *completer) members(tokens []token, method bool) []string {
	v := c.typeOf(tokens)
	var out []string
	switch {
	case v.module != nil:
		for _, f := range v.module.Funcs {
			out = append(out, f.Name)
		}
	case lua.FieldsOf(v.class) != nil:
		for _, f := range lua.FieldsOf(v.class) {
			out = append(out, f.Name)
		}
		return out
	case v.class == "string":
		return []string{"byte", "find", "format", "gmatch", "gsub", "len", "lower", "match", "rep", "reverse", "sub", "upper"}
	case v.class == "table" || v.class == "":
		return c.names[v.global]
	}
	class := c.host.Class(className(v.class))
	if class == nil {
		return out
	}
	for _, f := range class.Funcs {
		if method {
			out = append(out, f.Name)
		}
	}
	if !method {
		for _, f := range class.Fields {
			out = append(out, f.Name)
		}
		out = append(out, c.names[v.global]...)
	}
	return out
}

// optionKeys are the keys that the table being typed may still have; nil where
// it is no table of ours.
func (c *completer) optionKeys(tokens []token) []string {
	open, used := openTable(tokens)
	if open < 0 {
		return nil
	}
	known := c.keysOf(tokens, open)
	if known == nil {
		return nil
	}
	keys := []string{}
	for _, name := range known {
		if !used[name] {
			keys = append(keys, name+"=")
		}
	}
	return keys
}

// openTable is where the table begins that the text ends in, -1 for none, and the
// keys that it has already.
func openTable(tokens []token) (open int, used map[string]bool) {
	depth := 0
	used = map[string]bool{}
	for i := len(tokens) - 1; i >= 0; i-- {
		t := tokens[i]
		switch {
		case t.kind != sign:
		case t.text == ")" || t.text == "]" || t.text == "}":
			depth++
		case depth > 0 && (t.text == "(" || t.text == "[" || t.text == "{"):
			depth--
		case t.text == "{":
			return i, used
		case t.text == "(" || t.text == "[":
			return -1, nil
		case t.text == "=" && depth == 0 && i > 0:
			used[tokens[i-1].text] = true
		}
	}
	return -1, nil
}

// keysOf are the keys of a table: options of the function that it is given to, or
// what the argument or option holds that it is.
func (c *completer) keysOf(tokens []token, open int) []string {
	if f := c.recordBefore(tokens, open); f != nil {
		pos, opts := f.Args()
		names := make([]string, len(opts))
		for i, o := range opts {
			names[i] = o.Name
		}
		if len(opts) == 0 && len(pos) == 1 {
			if fields, list := pos[0].Fields(); !list {
				return fields
			}
		}
		return names
	}
	outer, _ := openTable(tokens[:open])
	f := c.recordBefore(tokens, outer)
	if f == nil {
		return nil
	}
	pos, opts := f.Args()
	if open > 1 && tokens[open-1].text == "=" {
		for _, o := range opts {
			if o.Name == tokens[open-2].text {
				fields, _ := o.Fields()
				return fields
			}
		}
	} else if len(opts) == 0 && len(pos) == 1 {
		if fields, list := pos[0].Fields(); list {
			return fields
		}
	}
	return nil
}

// recordBefore is the function whose argument begins at open: f{, f(x, {.
func (c *completer) recordBefore(tokens []token, open int) *lua.Func {
	if open <= 0 {
		return nil
	}
	callee := open
	if text := tokens[open-1].text; tokens[open-1].kind == sign && (text == "(" || text == ",") {
		depth := 0
		for callee = open - 1; callee >= 0; callee-- {
			if tokens[callee].kind != sign {
				continue
			}
			switch tokens[callee].text {
			case ")", "]", "}":
				depth++
			case "[", "{":
				depth--
			case "(":
				depth--
			}
			if depth < 0 {
				break
			}
		}
		if callee < 0 || tokens[callee].text != "(" {
			return nil
		}
	}
	v := c.typeOf(tokens[:callee])
	if v.record == nil && v.module != nil {
		return v.module.Call
	}
	return v.record
}

// revisionKeys are the options that take revisions, and revisionVerbs the
// methods that do.
var (
	revisionKeys  = []string{"rev", "changes"}
	revisionVerbs = []string{"take", "block", "unblock", "preview", "rollback"}
)

// inString completes inside a string by the function that it is given to.
func (c *completer) inString(before []token, typed string) (string, []string) {
	tokens := solid(before)
	if n := len(tokens); n > 1 && tokens[n-1].text == "=" {
		switch key := tokens[n-2].text; {
		case slices.Contains(revisionKeys, key):
			return matching(lastOf(typed), c.revs)
		case key == "path" || key == "remote": // on the nodes
			return "", nil
		}
	}
	if n := len(tokens); n > 0 && tokens[n-1].text == "(" {
		tokens = tokens[:n-1]
	}
	if n := len(tokens); n > 1 && tokens[n-2].text == ":" && slices.Contains(revisionVerbs, tokens[n-1].text) {
		return matching(lastOf(typed), append([]string{"all"}, c.revs...))
	}
	if n := len(tokens); n > 0 && (tokens[n-1].kind == word) {
		switch tokens[n-1].text {
		case "nodes":
			return matching(typed, c.files)
		case "node":
			return c.nodeNamed(typed)
		case "only", "except": // a list of patterns: its last piece
			return matching(lastOf(typed), slices.Concat(c.nodes, c.revs))
		case "tier":
			return matching(typed, c.tiers)
		case "help":
			return matching(typed, c.help)
		}
	}
	if strings.Contains(typed, "/") || len(c.paths) == 0 {
		return c.path(typed)
	}
	_, files := c.path(typed)
	return matching(typed, slices.Concat(c.paths, files))
}

// nodeNamed completes what node takes: the nodes of the nodes files, and more
// names, then the hosts that ssh knows.
func (c *completer) nodeNamed(typed string, more ...string) (string, []string) {
	_, names := matching(typed, slices.Concat(c.nodes, more))
	if c.hosts == nil {
		return typed, names
	}
	seen := map[string]bool{}
	for _, name := range names {
		seen[name] = true
	}
	for _, host := range c.hosts() {
		if strings.HasPrefix(host, typed) && !seen[host] {
			seen[host] = true
			names = append(names, host)
		}
	}
	return typed, names
}

// lastOf is the last piece of a list that is being typed: r12,r14.
func lastOf(typed string) string { return typed[strings.LastIndexAny(typed, ",-")+1:] }

// path completes a file of this machine.
func (c *completer) path(typed string) (string, []string) {
	if c.local == nil {
		return matching(typed, c.paths)
	}
	folder := typed[:strings.LastIndexByte(typed, '/')+1]
	var names []string
	for _, name := range c.local(folder) {
		if hidden := strings.HasPrefix(name, "."); !hidden || strings.HasPrefix(typed[len(folder):], ".") {
			names = append(names, folder+name)
		}
	}
	return matching(typed, names)
}
