package shell

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/rollsh/rollsh/lua"
	"github.com/rollsh/rollsh/nodes"
)

// reference writes the reference pages into a folder: one for each module, one
// for the globals, one for the objects. The same records give help and types.
func (a *app) reference(dir string) error {
	if err := a.open(""); err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return &nodes.Error{Kind: nodes.Permission, Message: err.Error(), Cause: err}
	}
	pages := referencePages(a.host)
	pages["rollsh.1"] = a.manPage()
	for name, text := range pages {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			return &nodes.Error{Kind: nodes.Permission, Message: err.Error(), Cause: err}
		}
	}
	return nil
}

const written = "<!-- Written by `make docs` from the records in the code; changes are lost. -->\n\n"

// referencePages gives the pages by file name.
func referencePages(h *lua.Host) map[string]string {
	pages := map[string]string{}
	globals := "# Globals\n\n" + written
	for _, m := range h.Modules() {
		if m.Name == "" {
			if len(m.Funcs) > 0 {
				globals += "## " + firstSentence(m.Doc) + "\n\n" + functionSections("", m.Funcs)
			}
			continue
		}
		pages[m.Name+".md"] += moduleSection(m)
	}
	pages["globals.md"] = strings.TrimRight(globals, "\n") + "\n"
	objects := "# Objects\n\n" + written
	for _, name := range h.ClassNames() {
		c := h.Class(name)
		objects += "## " + name + "\n\n" + c.Doc + "\n\n"
		for _, f := range c.Fields {
			objects += "- `." + f.Name + "` " + f.Type + ": " + f.Doc + "\n"
		}
		if len(c.Fields) > 0 {
			objects += "\n"
		}
		objects += functionSections(lowerFirst(name)+":", c.Funcs)
	}
	pages["topics.md"] = topicsPage()
	pages["objects.md"] = strings.TrimRight(objects, "\n") + "\n"
	for name, text := range pages {
		pages[name] = strings.TrimRight(text, "\n") + "\n"
	}
	return pages
}

// topicsPage is the help pages that are no records, by title.
func topicsPage() string {
	text := "# Topics\n\n" + written
	for _, name := range slices.Sorted(maps.Keys(topics)) {
		title, _, _ := strings.Cut(topics[name], "\n")
		text += "## " + title + "\n\n`rollsh help " + name + "`\n\n```\n" + strings.TrimRight(belowTitle(topics[name]), "\n") + "\n```\n\n"
	}
	return text
}

func moduleSection(m lua.Module) string {
	text := "# " + m.Name + "\n\n" + written + strings.TrimSpace(m.Doc) + "\n\n"
	if m.Call != nil {
		text += functionSection(m.Name, *m.Call)
	}
	return text + functionSections(m.Name+".", m.Funcs)
}

func functionSections(prefix string, funcs []lua.Func) string {
	var b strings.Builder
	for _, f := range funcs {
		b.WriteString(functionSection(prefix+f.Name, f))
	}
	return b.String()
}

func functionSection(name string, f lua.Func) string {
	var b strings.Builder
	gives, fields := resultOf(f)
	b.WriteString("### " + name + "\n\n`" + signature(name, f) + "`" + gives)
	b.WriteString("\n\n" + strings.TrimSpace(f.Doc) + "\n\n")
	pos, opts := f.Args()
	if len(pos)+len(opts) > 0 {
		b.WriteString("| argument | what |\n|---|---|\n")
		for _, a := range pos {
			b.WriteString("| " + a.Name + " | " + cell(describe(a)) + " |\n")
		}
		for _, a := range opts {
			b.WriteString("| " + a.Name + "= | " + cell(describe(a)) + " |\n")
		}
		b.WriteString("\n")
	}
	if len(fields) > 0 {
		var names []string
		for _, field := range fields {
			names = append(names, "`"+field.Name+"` "+cell(field.Type))
		}
		b.WriteString(titleOf(f) + ": " + strings.Join(names, ", ") + ".\n\n")
	}
	if f.Example != "" {
		b.WriteString("```lua\n" + strings.TrimSpace(f.Example) + "\n```\n\n")
	}
	return b.String()
}

// cell makes text fit a Markdown table.
func cell(s string) string { return strings.ReplaceAll(oneLine(s), "|", `\|`) }
