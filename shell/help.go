package shell

import (
	"context"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/rollsh/rollsh/lua"
	"github.com/rollsh/rollsh/nodes"
)

// pageStyle is how pages are written: colours, and the width, 0 for none.
type pageStyle struct {
	*palette
	width int
}

func (a *app) style() pageStyle { return pageStyle{a.outPaint, a.width()} }

// width is the terminal's where results go to one; elsewhere text is not
// wrapped.
func (a *app) width() int { return a.widthOf(a.stdout) }

func (a *app) widthOf(stream io.Writer) int {
	if !isTerminal(stream) {
		return 0
	}
	width, _ := a.screen.size()
	return width
}

// helpText is the page for a name; found is false when there is none.
func helpText(h *lua.Host, p pageStyle, name string) (text string, found bool) {
	if f, ok := h.Record(name); ok {
		page := functionPage(p, name, f)
		if m := moduleNamed(h, name); m != nil { // roll is called, and has functions
			page += "\n" + modulePage(p, *m)
		}
		return page, true
	}
	if m := moduleNamed(h, name); m != nil {
		return modulePage(p, *m), true
	}
	if c := classNamed(h, name); c != nil {
		return classPage(p, *c), true
	}
	if t, ok := topics[name]; ok {
		return t + "\n", true
	}
	return "", false
}

func moduleNamed(h *lua.Host, name string) *lua.Module {
	for _, m := range h.Modules() {
		if m.Name == name && name != "" {
			return &m
		}
	}
	return nil
}

// classNamed finds a class, letter case apart: help "set" is help "Set".
func classNamed(h *lua.Host, name string) *lua.Class {
	for _, known := range h.ClassNames() {
		if strings.EqualFold(known, name) {
			return h.Class(known)
		}
	}
	return nil
}

// helpNames are all names that have a page.
func helpNames(h *lua.Host) []string {
	var out []string
	for _, m := range h.Modules() {
		if m.Name != "" {
			out = append(out, m.Name)
		}
		for _, f := range m.Funcs {
			out = append(out, strings.TrimPrefix(m.Name+"."+f.Name, "."))
		}
	}
	for _, name := range h.ClassNames() {
		out = append(out, name)
		for _, f := range h.Class(name).Funcs {
			out = append(out, lowerFirst(name)+":"+f.Name)
		}
	}
	for name := range topics {
		out = append(out, name)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func lowerFirst(s string) string { return strings.ToLower(s[:min(1, len(s))]) + s[min(1, len(s)):] }

// signature is a function as it is called: sync.push{from=, to=, path=, ...}.
func signature(name string, f lua.Func) string {
	pos, opts := f.Args()
	var words []string
	for _, a := range pos {
		if a.Required {
			words = append(words, a.Name)
		} else {
			words = append(words, "["+a.Name+"]")
		}
	}
	if len(opts) == 0 {
		return name + "(" + strings.Join(words, ", ") + ")"
	}
	var keys []string
	for _, o := range opts {
		if o.Required {
			keys = append(keys, o.Name+"=")
		}
	}
	if len(keys) < len(opts) {
		keys = append(keys, "...")
	}
	table := "{" + strings.Join(keys, ", ") + "}"
	switch {
	case len(pos) == 0:
		return name + table
	case f.OptionsBeforeFunction():
		words = slices.Insert(words, len(words)-1, table)
	default:
		words = append(words, table)
	}
	return name + "(" + strings.Join(words, ", ") + ")"
}

func functionPage(p pageStyle, name string, f lua.Func) string {
	var b strings.Builder
	gives, fields := resultOf(f)
	b.WriteString(p.as(strong, signature(name, f)) + gives)
	b.WriteString("\n\n" + p.paragraphs(f.Doc) + "\n")
	pos, opts := f.Args()
	for _, part := range []struct {
		title string
		args  []lua.Arg
	}{{"Arguments", pos}, {"Options", opts}} {
		if len(part.args) == 0 {
			continue
		}
		b.WriteString("\n" + part.title + "\n")
		var rows [][2]string
		for _, a := range part.args {
			rows = append(rows, [2]string{a.Name, describe(a)})
		}
		b.WriteString(columns(rows, 2, p.width))
	}
	if len(fields) > 0 {
		b.WriteString("\n" + titleOf(f) + "\n")
		var rows [][2]string
		for _, field := range fields {
			rows = append(rows, [2]string{field.Name, field.Type})
		}
		b.WriteString(columns(rows, 2, p.width))
	}
	if f.Example != "" {
		b.WriteString("\nExample\n" + paintLua(p.palette, indent(f.Example)) + "\n")
	}
	return b.String()
}

// resultOf is what a function gives, as it stands behind its signature: a table
// is just called so, and its fields are given apart, as are those of the values
// that Results hold.
func resultOf(f lua.Func) (arrow string, fields []lua.TypeField) {
	var types []string
	for _, typ := range f.Types() {
		whole := strings.TrimSuffix(strings.TrimSuffix(typ, "?"), "[]")
		value := strings.TrimSuffix(lua.OutcomeOf(typ), "?")
		switch {
		case value != "any":
			typ, fields = "Results", lua.FieldsOf(value)
			if fields == nil && value != "nil" {
				fields = []lua.TypeField{{Name: "value", Type: value}}
			}
		case strings.HasPrefix(typ, "Results<"):
			typ = "Results"
		case lua.FieldsOf(whole) != nil:
			fields = lua.FieldsOf(whole)
			typ = "table" + typ[len(whole):]
		}
		types = append(types, typ)
	}
	if len(types) == 0 {
		return "", nil
	}
	return " -> " + strings.Join(types, ", "), fields
}

// titleOf is what stands above the fields that a function gives.
func titleOf(f lua.Func) string {
	switch {
	case strings.HasPrefix(f.Returns, "Results"):
		return "On each node"
	case strings.HasSuffix(f.Returns, "[]"):
		return "In each"
	}
	return "Gives"
}

// describe is what an argument is, in a line.
func describe(a lua.Arg) string {
	text := a.Type
	if len(a.Enum) > 0 {
		text = strings.Join(a.Enum, "|")
	}
	if a.Doc != "" {
		text += ": " + a.Doc
	}
	switch {
	case a.Default != "":
		text += " (default " + a.Default + ")"
	case a.Required:
		text += " (required)"
	}
	return text
}

// paragraphs is text, wrapped and indented.
func (p pageStyle) paragraphs(text string) string {
	var lines []string
	for line := range strings.SplitSeq(strings.TrimSpace(text), "\n") {
		if strings.HasPrefix(line, " ") { // laid out by hand
			lines = append(lines, line)
			continue
		}
		lines = append(lines, wrapped(line, p.width-3)...)
	}
	return indent(strings.Join(lines, "\n"))
}

func indent(s string) string { return "  " + strings.ReplaceAll(s, "\n", "\n  ") }

func modulePage(p pageStyle, m lua.Module) string {
	var b strings.Builder
	b.WriteString(p.as(strong, m.Name) + "\n\n" + p.paragraphs(m.Doc) + "\n")
	if len(m.Funcs) > 0 {
		b.WriteString("\n" + summary(p, m.Name+".", m.Funcs))
	}
	return b.String()
}

func classPage(p pageStyle, c lua.Class) string {
	var b strings.Builder
	b.WriteString(p.as(strong, c.Name) + "\n\n" + p.paragraphs(c.Doc) + "\n")
	if len(c.Fields) > 0 {
		b.WriteString("\nFields\n")
		var rows [][2]string
		for _, f := range c.Fields {
			rows = append(rows, [2]string{"." + f.Name, f.Type + ": " + f.Doc})
		}
		b.WriteString(columns(rows, 2, p.width))
	}
	if len(c.Funcs) > 0 {
		b.WriteString("\nMethods\n" + summary(p, ":", c.Funcs))
	}
	return b.String()
}

// summary lists functions with the first sentence of each.
func summary(p pageStyle, prefix string, funcs []lua.Func) string {
	var rows [][2]string
	for _, f := range funcs {
		rows = append(rows, [2]string{prefix + f.Name, firstSentence(f.Doc)})
	}
	return columns(rows, 2, p.width)
}

func firstSentence(doc string) string {
	doc, _, _ = strings.Cut(strings.TrimSpace(doc), "\n")
	if i := strings.Index(doc, ". "); i >= 0 {
		return doc[:i]
	}
	return strings.TrimSuffix(doc, ".")
}

// overview is help without a name: every module, and the globals.
func overview(h *lua.Host, p pageStyle) string {
	var b strings.Builder
	var rows [][2]string
	for _, m := range h.Modules() {
		if m.Name != "" {
			rows = append(rows, [2]string{m.Name, firstSentence(m.Doc)})
		}
	}
	b.WriteString(p.as(strong, "Modules") + "\n" + columns(rows, 2, p.width))
	for _, m := range h.Modules() {
		if m.Name == "" && len(m.Funcs) > 0 {
			b.WriteString("\n" + p.as(strong, strings.TrimSuffix(firstSentence(m.Doc), ".")) + "\n" + summary(p, "", m.Funcs))
		}
	}
	b.WriteString("\n" + p.as(strong, "Objects") + "\n" + p.paragraphs(strings.Join(h.ClassNames(), " ")) + "\n")
	names := []string{}
	for name := range topics {
		names = append(names, name)
	}
	slices.Sort(names)
	more := "help \"NAME\" has more: help \"sync.push\", help \"Set\"; and " + strings.Join(names, ", ") + "."
	b.WriteString("\n" + strings.Join(wrapped(more, p.width-1), "\n") + "\n")
	return b.String()
}

type helpArgs struct {
	What lua.Raw `lua:"what,pos,optional" type:"any" doc:"a name, or a value"`
}

// module has the records of the shell itself.
func (a *app) module() lua.Module {
	return lua.Module{Doc: "Help.", Funcs: []lua.Func{{
		Name: "help", Doc: "Shows help on a name or a value.", Returns: "nil", Example: `help "sleep"`,
		Do: lua.Go(func(_ context.Context, w helpArgs) (lua.None, error) {
			name, isText := a.host.Value(w.What).(string)
			if !isText && !w.What.IsNil() {
				name = a.host.NameOf(w.What)
				if name == "" {
					return lua.None{}, &nodes.Error{Kind: nodes.NotFound, Message: "no help on this " + w.What.Type()}
				}
			}
			text, err := a.page(name)
			if err == nil {
				a.person.Show(strings.TrimRight(text, "\n"))
			}
			return lua.None{}, err
		}),
	}}}
}

// helpCommand is `rollsh help [NAME]`: a command, or a page.
func (a *app) helpCommand() *cobra.Command {
	return &cobra.Command{
		Use: "help [NAME]", Short: "Help on a command, or on a name of Lua such as sync.push", Args: between(0, 1),
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			if a.open("") != nil {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			return helpNames(a.host), cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(c *cobra.Command, args []string) error {
			root := c.Root()
			if len(args) == 0 {
				return root.Help()
			}
			var commands []string
			for _, sub := range root.Commands() {
				if sub.Name() == args[0] {
					return sub.Help()
				}
				if sub.IsAvailableCommand() {
					commands = append(commands, sub.Name())
				}
			}
			if err := a.open(""); err != nil {
				return err
			}
			text, err := a.page(args[0])
			if err == nil {
				a.person.Show(strings.TrimRight(text, "\n"))
				return nil
			}
			e := nodes.AsError(err, nodes.Internal)
			if near := nearName(args[0], append(commands, helpNames(a.host)...)); near != "" {
				return withHint(e, "did you mean '"+near+"'?")
			}
			return withHint(e, "`rollsh help` lists the commands, `rollsh -e 'help()'` the names of Lua")
		},
	}
}
