package shell

import (
	"cmp"
	_ "embed"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/rollsh/rollsh/lua"
	"github.com/rollsh/rollsh/nodes"
)

// bashCompletion is ours: cobra's needs a package besides bash.
//
//go:embed complete.bash
var bashCompletion string

// completionCommand prints the scripts; what they ask is answered by the
// commands' ValidArgsFunctions.
func completionCommand() *cobra.Command {
	shells := []string{"bash", "zsh", "fish"}
	return &cobra.Command{
		Use: "completion bash|zsh|fish", Short: "Print what lets a shell complete rollsh's words", Args: exactly(1), ValidArgs: shells,
		RunE: func(c *cobra.Command, args []string) error {
			var b strings.Builder
			var err error
			switch args[0] {
			case "bash":
				b.WriteString(bashCompletion)
			case "zsh":
				err = c.Root().GenZshCompletion(&b)
			case "fish":
				err = c.Root().GenFishCompletion(&b, true)
			default:
				return withHint(usage("no completion for '%s'", args[0]), "there is one for "+strings.Join(shells, ", "))
			}
			// A candidate such as --node= is no option of fish's own string.
			script := strings.ReplaceAll(b.String(), `string split --max 1 \t $`, `string split --max 1 -- \t $`)
			c.Print(script)
			return err
		},
	}
}

// completeRecipe completes a recipe, its arguments and the flags, for the
// scripts of `rollsh completion`. Nothing is run.
func (a *app) completeRecipe(c *cobra.Command, words []string, typed string) ([]string, cobra.ShellCompDirective) {
	if c.Name() == "plan" && strings.HasPrefix(typed, failFlag+"=") {
		var calls []string
		_, names := a.projectNodes()
		for _, n := range names {
			calls = append(calls, n+":")
		}
		return calls, cobra.ShellCompDirectiveNoSpace | cobra.ShellCompDirectiveNoFileComp
	}
	if len(words) == 0 {
		if strings.HasPrefix(typed, "-") {
			return nil, cobra.ShellCompDirectiveNoFileComp // cobra adds the flags
		}
		return recipeFiles(typed)
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
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	key, value, hasValue := strings.Cut(typed, "=")
	var out []string
	directive := cobra.ShellCompDirectiveNoFileComp
	for _, arg := range declared.List {
		switch {
		case hasValue && key == "--"+arg.Name: // without the key, as cobra's scripts want it
			out = append(out, a.valuesOf(arg, value)...)
		case arg.Positional && (position == 0 || arg.List && position > 0) && !strings.HasPrefix(typed, "-"):
			out = append(out, a.valuesOf(arg, typed)...)
			position = -1
		case arg.Positional:
			position--
		case !hasValue && (arg.Flag || arg.Type == "boolean"):
			out = append(out, "--"+arg.Name+"\t"+clean(arg.Doc))
		case !hasValue:
			out = append(out, "--"+arg.Name+"=\t"+clean(arg.Doc))
		}
	}
	if slices.ContainsFunc(out, func(s string) bool { return strings.Contains(s, "=\t") || strings.HasSuffix(s, "/") }) {
		directive |= cobra.ShellCompDirectiveNoSpace
	}
	return out, directive
}

// recipeFiles completes a Lua file. Folders go on, and at the begin the recipes
// of recipes/ are at hand.
func recipeFiles(typed string) ([]string, cobra.ShellCompDirective) {
	folder := typed[:strings.LastIndexByte(typed, '/')+1]
	out := luaFiles(folder)
	if folder == "" {
		out = append(luaFiles("recipes/"), out...)
	}
	out = slices.DeleteFunc(out, func(name string) bool {
		return !strings.HasPrefix(name, typed) || strings.HasPrefix(name[len(folder):], ".") && !strings.HasPrefix(typed[len(folder):], ".")
	})
	directive := cobra.ShellCompDirectiveNoFileComp
	if len(out) == 1 && strings.HasSuffix(out[0], "/") {
		directive |= cobra.ShellCompDirectiveNoSpace
	}
	return out, directive
}

// luaFiles lists the Lua files and the folders of a folder; one that is not
// readable has none.
func luaFiles(folder string) []string {
	entries, _ := os.ReadDir(cmp.Or(folder, "."))
	var out []string
	for _, e := range entries {
		switch {
		case e.IsDir():
			out = append(out, folder+e.Name()+"/")
		case strings.HasSuffix(e.Name(), ".lua") && e.Name() != typesFile:
			out = append(out, folder+e.Name())
		}
	}
	return out
}

// valuesOf are the values an argument may have: its choices, what its type names,
// or nodes for one that is called node.
func (a *app) valuesOf(arg lua.RecipeArg, typed string) []string {
	switch {
	case len(arg.Choices) > 0:
		return arg.Choices
	case arg.Type == "nodes":
		names, _ := a.projectNodes() // mistakes are told where they are used
		return names
	case arg.Type == "node" || arg.Type == "string" && (arg.Name == "node" || arg.Name == "nodes"):
		_, names := a.projectNodes()
		return append(names, a.hostsKnown()...)
	case arg.Type == "file" || arg.Type == "folder" || arg.Type == "path":
		return localPaths(typed, arg.Type == "folder")
	}
	return nil
}

// localPaths completes a path; folders go on.
func localPaths(typed string, onlyFolders bool) []string {
	folder := typed[:strings.LastIndexByte(typed, '/')+1]
	entries, _ := os.ReadDir(cmp.Or(folder, ".")) // one that is not readable has none
	var out []string
	for _, e := range entries {
		switch hidden := strings.HasPrefix(e.Name(), "."); {
		case hidden && !strings.HasPrefix(typed[len(folder):], "."):
		case e.IsDir():
			out = append(out, folder+e.Name()+"/")
		case !onlyFolders:
			out = append(out, folder+e.Name())
		}
	}
	return out
}

// projectNodes lists the nodes files of the project and the nodes in them.
func (a *app) projectNodes() (files, names []string) {
	project, err := projectOf(a.opts.project, "")
	if err != nil {
		return nil, nil
	}
	if files, err = nodeFiles(project); err != nil {
		return nil, nil
	}
	for _, file := range files {
		if set, err := nodes.Load(nodes.Folder(project), file); err == nil {
			names = append(names, set.Names()...)
		}
	}
	return files, names
}

// hostsKnown lists the names that ssh's files know and node takes.
func (a *app) hostsKnown() []string {
	if err := a.open(""); err != nil {
		return nil
	}
	return sshNames(a.session)
}
