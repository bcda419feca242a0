package shell

import (
	"errors"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/rollsh/rollsh/lua"
	"github.com/rollsh/rollsh/nodes"
)

const about = `rollsh is a deploy shell: a person types Lua at it, or runs Lua recipes with it.

  rollsh                          the shell, in the project found upward
  rollsh recipes/prod.lua [ARGS]  run a recipe; --help prints its ARGS
  rollsh -e 'CODE'                run Lua and print the value of an expression
  rollsh -c 'LINE'                run a line as a login shell gets it
  rollsh help [NAME]              of a command, function, module or object`

// commands is the command line below rollsh. Recipes, -e, -c and the flags
// everywhere are read before it; see app.run and options.
func (a *app) commands() *cobra.Command {
	root := &cobra.Command{
		Use: "rollsh", Long: about, SilenceErrors: true, SilenceUsage: true, DisableFlagParsing: true,
		ValidArgsFunction: a.completeRecipe,
		Args:              cobra.ArbitraryArgs,
		RunE:              func(*cobra.Command, []string) error { return nil },
	}
	root.PersistentFlags().AddFlagSet((&options{}).flags())
	root.SetOut(shown{a})
	root.SetErr(told{a}) // what __complete says there is no candidate
	root.SetUsageTemplate(usageTemplate)
	root.SetFlagErrorFunc(wrongFlag)
	root.SetHelpCommand(a.helpCommand())
	root.AddCommand(
		&cobra.Command{
			Use: "plan [--fail=NODE:CALL] RECIPE [ARGS]", Short: "Show what a recipe would do, or would do if a call failed; nothing anywhere is changed",
			DisableFlagParsing: true, ValidArgsFunction: a.completeRecipe, RunE: a.plan,
		},
		&cobra.Command{Use: "check [FILES]", Short: "Find mistakes in recipes and nodes files without running them", RunE: a.check},
		a.lintCommand(),
		&cobra.Command{Use: "test [FILES]", Short: "Try recipes on nodes that rollsh starts itself", RunE: a.test},
		a.initCommand(),
		&cobra.Command{Use: "types", Short: "Print editor types (LuaCATS)", Args: none, RunE: func(*cobra.Command, []string) error {
			return a.withHost(func() { a.person.Show(strings.TrimRight(typesText(a.host), "\n")) })
		}},
		&cobra.Command{Use: "man", Short: "Print the manual page; read it with rollsh man | man -l -", Args: none, RunE: func(*cobra.Command, []string) error {
			a.person.Show(strings.TrimRight(a.manPage(), "\n"))
			return nil
		}},
		&cobra.Command{
			Use: "reference DIR", Short: "Write the reference pages", Args: exactly(1), Hidden: true,
			RunE: func(_ *cobra.Command, args []string) error { return a.reference(args[0]) },
		},
		a.replayCommand(),
	)
	for _, v := range verbs {
		root.AddCommand(a.rollCommand(v))
	}
	root.CompletionOptions.DisableDefaultCmd = true
	root.AddCommand(completionCommand())
	root.InitDefaultHelpCmd()
	for _, c := range root.Commands() {
		c.DisableFlagsInUseLine = true
	}
	return root
}

// usageTemplate is cobra's without what we have none of.
const usageTemplate = `{{if .HasAvailableSubCommands}}Commands:{{range .Commands}}{{if .IsAvailableCommand}}
  {{rpad .Name 12}} {{.Short}}{{end}}{{end}}
{{else}}  {{.UseLine}}
{{end}}{{if .HasAvailableLocalFlags}}
Flags:
{{.LocalFlags.FlagUsages}}{{else if .HasAvailableInheritedFlags}}
Flags everywhere: rollsh --help
{{end}}`

// wrongFlag tells what is wrong with a flag of a command.
func wrongFlag(c *cobra.Command, err error) error {
	var unknown *pflag.NotExistError
	if !errors.As(err, &unknown) {
		return withHint(usage("%s: %s", c.Name(), err), "write "+c.UseLine())
	}
	var known []string
	c.Flags().VisitAll(func(f *pflag.Flag) { known = append(known, "--"+f.Name) })
	e := withHint(usage("%s: unknown flag '--%s'", c.Name(), unknown.GetSpecifiedName()), "`rollsh "+c.Name()+" --help` lists its flags")
	if near := nodes.Suggest("--"+unknown.GetSpecifiedName(), known); near != "" {
		e.Hint = "did you mean '" + near + "'?"
	}
	return e
}

// shown writes cobra's help and completion scripts as results.
type shown struct{ a *app }

func (s shown) Write(p []byte) (int, error) {
	s.a.screen.result(string(p))
	return len(p), nil
}

// told writes what cobra says beside a result.
type told struct{ a *app }

func (s told) Write(p []byte) (int, error) {
	s.a.screen.line(string(p))
	return len(p), nil
}

func none(c *cobra.Command, args []string) error { return exactly(0)(c, args) }

func exactly(n int) cobra.PositionalArgs { return between(n, n) }

func between(low, high int) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) < low || len(args) > high {
			e := usage("%s: %s given", c.Name(), nodes.Count(len(args), "argument"))
			e.Hint = "write " + c.UseLine()
			return e
		}
		return nil
	}
}

// verb is a function of roll that is a command too.
type verb struct {
	use, short string
	low, high  int
	code       func(args []string) string // Lua
	words      func(*app) cobra.CompletionFunc
}

func names(a *app) cobra.CompletionFunc      { return a.completeNames }
func ids(a *app) cobra.CompletionFunc        { return a.completeIDs(false) }
func unfinished(a *app) cobra.CompletionFunc { return a.completeIDs(true) }

// verbs are `rollsh VERB`, the same as roll.VERB.
var verbs = []verb{
	{"pending [NAME]", "Show what waits to be rolled", 0, 1, byName("pending"), names},
	{"status [NAME]", "Show locks, and what each node has", 0, 1, byName("status"), names},
	{"history [NAME]", "Show the rolls of the past", 0, 1, byName("history"), names},
	{"resume [ID]", "Go on with an unfinished roll", 0, 1, byWords("resume"), unfinished},
	{"back [ID]", "Undo what the last roll switched", 0, 1, byWords("back"), ids},
	{"close ID REASON", "Close an unfinished roll as it stands", 2, 99, byWords("close"), unfinished},
	{"lock NAME REASON", "Take a name's lock, so that nobody rolls it", 2, 99, byWords("lock"), names},
	{"unlock NAME", "Give a name's lock back", 1, 1, byWords("unlock"), names},
}

func byName(name string) func([]string) string {
	return func(args []string) string {
		if len(args) == 0 {
			return "roll." + name + "{}"
		}
		return "roll." + name + "{name=" + lua.Quote(args[0]) + "}"
	}
}

// byWords passes at most two strings; a reason may be several words.
func byWords(name string) func([]string) string {
	return func(args []string) string {
		if len(args) > 2 {
			args = []string{args[0], strings.Join(args[1:], " ")}
		}
		quoted := make([]string, len(args))
		for i, s := range args {
			quoted[i] = lua.Quote(s)
		}
		return "roll." + name + "(" + strings.Join(quoted, ", ") + ")"
	}
}

func (a *app) rollCommand(v verb) *cobra.Command {
	return &cobra.Command{
		Use: v.use, Short: v.short, Args: between(v.low, v.high), ValidArgsFunction: v.words(a),
		RunE: func(_ *cobra.Command, args []string) error { return a.answer(v.code(args), args) },
	}
}

func (a *app) withHost(f func()) error {
	if err := a.open(""); err != nil {
		return err
	}
	f()
	return nil
}

// recipeHelp prints what a recipe says of itself and its arguments; nothing is
// run.
func (a *app) recipeHelp(path string) error {
	r, err := readArgs(path)
	if err != nil {
		return err
	}
	var b strings.Builder
	if r.Doc != "" {
		b.WriteString(strings.TrimSpace(cleanLines(r.Doc)) + "\n\n")
	}
	b.WriteString("rollsh " + path)
	rows := [][2]string{}
	for _, arg := range r.List {
		name := argName(arg)
		if arg.Required {
			b.WriteString(" " + name)
		} else {
			b.WriteString(" [" + name + "]")
		}
		rows = append(rows, [2]string{name, argDoc(arg)})
	}
	if len(rows) == 0 {
		b.WriteString("\n\nThis recipe takes no arguments.")
	} else {
		b.WriteString("\n\n" + strings.TrimRight(columns(rows, 2, a.width()), "\n"))
	}
	a.person.Show(b.String())
	return nil
}

func readArgs(path string) (lua.RecipeArgs, error) {
	src, err := os.ReadFile(path)
	if err != nil {
		return lua.RecipeArgs{}, usage("%s", strings.TrimPrefix(err.Error(), "open "))
	}
	return lua.ReadArgs(string(src), filepath.ToSlash(path))
}

// argName is how an argument is written on the command line.
func argName(a lua.RecipeArg) string {
	switch {
	case a.Positional && a.List:
		return strings.ToUpper(a.Name) + "..."
	case a.Positional:
		return strings.ToUpper(a.Name)
	case a.Flag:
		return "--" + a.Name
	case a.Type == "boolean":
		return "--[no-]" + a.Name
	}
	value := strings.ToUpper(a.Type)
	if len(a.Choices) > 0 {
		value = strings.Join(a.Choices, "|")
	}
	if a.List {
		value += ",..."
	}
	return "--" + a.Name + "=" + value
}

func argDoc(a lua.RecipeArg) string {
	doc := clean(a.Doc)
	if a.HasDefault {
		doc += " (default " + clean(a.Default) + ")"
	}
	if a.Required {
		doc += " (required)"
	}
	return strings.TrimSpace(doc)
}

// columns lays two columns out, the first as wide as its widest; the second is
// wrapped at the width, 0 for none.
func columns(rows [][2]string, indent, width int) string {
	wide := 0
	for _, r := range rows {
		wide = max(wide, cells(r[0]))
	}
	room := width - 1 - indent - wide - 2
	var b strings.Builder
	for _, r := range rows {
		first := pad(r[0], wide)
		for _, line := range wrapped(r[1], room) {
			b.WriteString(strings.TrimRight(strings.Repeat(" ", indent)+first+"  "+line, " ") + "\n")
			first = strings.Repeat(" ", wide)
		}
	}
	return b.String()
}

// narrowest is the least width that text is wrapped at; in less it runs on.
const narrowest = 16

// wrapped breaks text at blanks into lines of a width.
func wrapped(text string, width int) []string {
	if width < narrowest || cells(text) <= width {
		return []string{text}
	}
	return filled(strings.Fields(text), width)
}

// filled puts words into lines of a width.
func filled(words []string, width int) []string {
	return strings.Split(flowed(words, " ", "", width), "\n")
}

// flowed puts parts into lines of a width, with a gap between them; 0 is one
// line. What does not fit goes on below, after an indent; a part stays whole.
func flowed(parts []string, gap, indent string, width int) string {
	var b strings.Builder
	at := 0
	for i, part := range parts {
		wide := cells(part)
		switch {
		case i == 0:
		case width > 0 && at+cells(gap)+wide > width:
			b.WriteString("\n" + indent)
			at = cells(indent)
		default:
			b.WriteString(gap)
			at += cells(gap)
		}
		b.WriteString(part)
		at += wide
	}
	return b.String()
}

// wrappedHint is wrapped for a hint: a command in backquotes stays in one piece,
// for the terminal to wrap, so that it can be copied.
func wrappedHint(text string, width int) []string {
	if width < narrowest || cells(text) <= width {
		return []string{text}
	}
	return filled(pieces(text), width)
}

// pieces are the words of a text; what is in backquotes is one.
func pieces(text string) []string {
	var out []string
	open := false
	for word := range strings.FieldsSeq(text) {
		if open {
			out[len(out)-1] += " " + word
		} else {
			out = append(out, word)
		}
		open = open != (strings.Count(word, "`")%2 == 1)
	}
	return out
}
