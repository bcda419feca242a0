package shell

import (
	"strings"

	"github.com/spf13/cobra"

	"github.com/rollsh/rollsh/nodes"
)

// completeRecipe completes a recipe, its arguments and the flags, for the
// scripts of `rollsh completion`. Nothing is run.
func (a *app) completeRecipe(c *cobra.Command, words []string, typed string) ([]string, cobra.ShellCompDirective) {
	if len(words) == 0 {
		if strings.HasPrefix(typed, "-") {
			return a.flagNames(), cobra.ShellCompDirectiveNoFileComp
		}
		return []string{"lua"}, cobra.ShellCompDirectiveFilterFileExt
	}
	recipe := ""
	position := 0
	for _, w := range words {
		switch {
		case recipe == "" && isRecipe(w):
			recipe = w
		case recipe != "" && !strings.HasPrefix(w, "-"):
			position++
		}
	}
	declared, err := readArgs(recipe)
	if err != nil {
		return a.flagNames(), cobra.ShellCompDirectiveNoFileComp
	}
	key, _, hasValue := strings.Cut(typed, "=")
	var out []string
	for _, arg := range declared.List {
		switch {
		case hasValue && key == "--"+arg.Name:
			out = append(out, prefixed(key+"=", a.valuesOf(arg.Name, arg.Choices))...)
		case arg.Positional && position == 0 && !strings.HasPrefix(typed, "-"):
			out = append(out, a.valuesOf(arg.Name, arg.Choices)...)
			position--
		case arg.Positional:
			position--
		case !hasValue && arg.Flag:
			out = append(out, "--"+arg.Name+"\t"+clean(arg.Doc))
		case !hasValue:
			out = append(out, "--"+arg.Name+"=\t"+clean(arg.Doc))
		}
	}
	return append(out, a.flagNames()...), cobra.ShellCompDirectiveNoSpace | cobra.ShellCompDirectiveNoFileComp
}

func prefixed(prefix string, values []string) []string {
	out := make([]string, len(values))
	for i, v := range values {
		out[i] = prefix + v
	}
	return out
}

// valuesOf are the values an argument may have: its choices, or node names for
// one that is called node.
func (a *app) valuesOf(name string, choices []string) []string {
	if len(choices) > 0 || name != "node" && name != "nodes" {
		return choices
	}
	project, err := projectOf(a.opts.project, "")
	if err != nil {
		return nil
	}
	files, err := nodeFiles(project)
	if err != nil {
		return nil
	}
	var out []string
	for _, file := range files {
		if set, err := nodes.Load(nodes.Folder(project), file); err == nil {
			out = append(out, set.Names()...)
		}
	}
	return out
}

func (a *app) flagNames() []string {
	return []string{"--json", "--plain", "--color=", "--yes", "--verbose", "--project=", "--takeover=", "--recipe-changed", "--failed"}
}
