package shell

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/rollsh/rollsh/lua"
	"github.com/rollsh/rollsh/nodes"
)

// run does what the words of the command line, flags apart, ask for.
func (a *app) run(words []string) error {
	switch {
	case a.opts.version:
		a.person.Show("rollsh " + a.version)
		return nil
	case a.opts.help:
		return a.command(append([]string{"help"}, words...))
	case a.opts.eval != nil && len(words) > 0:
		return withHint(usage("-e takes its code alone, and '%s' is left over", clean(words[0])), "quote the code: rollsh -e 'print(1 + 1)'")
	case a.opts.eval != nil:
		if err := a.enter(); err != nil {
			return err
		}
		return a.eval(*a.opts.eval)
	case a.opts.line != nil:
		return a.loginLine(*a.opts.line)
	case len(words) == 0:
		return a.interactive()
	case isRecipe(words[0]):
		return a.recipe(words[0], words[1:], nodes.ModeRun)
	}
	return a.command(words)
}

// isRecipe reports whether a word names a Lua file rather than a command.
func isRecipe(word string) bool {
	return strings.HasSuffix(word, ".lua") || strings.ContainsRune(word, filepath.Separator)
}

// recipe runs a recipe file, or prints its help.
func (a *app) recipe(path string, args []string, mode nodes.Mode) error {
	abs, err := filepath.Abs(path)
	if err != nil {
		return err
	}
	if err := a.policy.running(abs); err != nil {
		return err
	}
	if slices.ContainsFunc(args, func(s string) bool { return s == "--help" || s == "-h" }) {
		return a.recipeHelp(path)
	}
	if _, err := os.Stat(abs); errors.Is(err, fs.ErrNotExist) {
		return a.noRecipe(path)
	}
	if err := a.open(abs); err != nil {
		return err
	}
	a.session.Recipe.Args, a.session.Recipe.Mode, a.session.Recipe.FailAt = args, mode, a.opts.failAt
	if mode == nodes.ModeRun {
		a.sayCutShort()
	}
	if err := a.refuse(abs); err != nil {
		return err
	}
	if err := unread(path, args); err != nil {
		return err
	}
	return a.during(a.host.RunFile)
}

// unread refuses words for a recipe that has no args{} to read them: it would run
// as if they had not been given, on every node where one was meant.
func unread(path string, args []string) error {
	declared, err := readArgs(path)
	if err != nil || declared.Line > 0 {
		return err
	}
	if _, err = declared.Parse(args); err == nil {
		return nil
	}
	e := *nodes.AsError(err, nodes.Usage)
	e.Where, e.Hint = filepath.ToSlash(path), "args{} in a recipe declares what it takes"
	return &e
}

// enter opens the project for what is typed.
func (a *app) enter() error {
	err := a.policy.typing()
	if err == nil {
		err = a.open("")
	}
	if err == nil {
		a.sayCutShort()
	}
	return err
}

// sayCutShort warns first of rolls whose process died: nodes may be drained.
func (a *app) sayCutShort() {
	if a.session.Project == "" {
		return
	}
	for _, text := range a.library.CutShort(context.Background()) {
		a.note(text)
	}
}

// noRecipe says that a file is not there, and which one is near.
func (a *app) noRecipe(path string) error {
	e := usage("%s: no such file", path)
	names, _ := filepath.Glob(filepath.Join(filepath.Dir(path), "*.lua")) // the pattern is ours, or a folder with odd letters: no names
	more, _ := filepath.Glob("recipes/*.lua")
	if near := nodes.Suggest(path, append(names, more...)); near != "" {
		e.Hint = "did you mean '" + near + "'?"
	}
	return e
}

// eval runs Lua and shows the value of an expression.
func (a *app) eval(src string) error {
	values, err := a.evaluate(src)
	if err != nil {
		return err
	}
	for _, v := range values {
		a.showValue(v)
	}
	return nil
}

func (a *app) showValue(v lua.Raw) {
	if text, some := a.display(v); some {
		a.person.Show(text)
	}
}

// showAnswer is showValue that says so where there is nothing to list; words are
// those of the command, the first the name that was asked about.
func (a *app) showAnswer(v lua.Raw, words []string) {
	switch value := a.host.Value(v).(type) {
	case nil: // as of unlock
		return
	case []any:
		if len(value) == 0 {
			of := ""
			if len(words) > 0 {
				of = " of " + clean(words[0])
			}
			a.screen.line("no roll" + of + " is in the journal yet\n")
			return
		}
	case nodes.Changesets:
		if len(value) == 0 {
			a.screen.line("nothing is pending\n")
			return
		}
	}
	a.showValue(v)
}

func (a *app) evaluate(src string) (values []lua.Raw, err error) {
	return a.evaluated(src, (*lua.Host).Eval)
}

// commanded is evaluate for a line that rollsh makes of a command.
func (a *app) commanded(src string) (values []lua.Raw, err error) {
	return a.evaluated(src, (*lua.Host).EvalOwn)
}

func (a *app) evaluated(src string, eval func(*lua.Host, context.Context, string) ([]lua.Raw, error)) (values []lua.Raw, err error) {
	if err := a.open(""); err != nil {
		return nil, err
	}
	if err := a.keep("runs: " + a.secrets.Hide(src)); err != nil {
		return nil, err
	}
	a.seen.begin()
	err = a.during(func(ctx context.Context) (err error) {
		values, err = eval(a.host, ctx, src)
		return err
	})
	a.sink.flush()
	return values, err
}

// answer shows what a verb of roll answers; with --json as one JSON value.
func (a *app) answer(src string, words []string) error {
	values, err := a.commanded(src)
	for _, v := range values {
		if a.json == nil {
			a.showAnswer(v, words)
		} else if err := a.showJSON(a.host.Value(v)); err != nil {
			return err
		}
	}
	return err
}

// loginLine runs a line as a login shell gets it with -c: a command of rollsh,
// or what could be typed at the prompt.
func (a *app) loginLine(line string) error {
	words, err := splitWords(line)
	if err == nil && len(words) > 0 && (isRecipe(words[0]) || a.isCommand(words[0])) {
		rest, err := a.opts.parse(words)
		if err != nil {
			return err
		}
		a.opts.line = nil
		return a.run(rest)
	}
	if err := a.enter(); err != nil {
		return err
	}
	src, err := desugar(a.session.Project, line)
	if err != nil {
		return err
	}
	return a.eval(src)
}

// interactive is the REPL in a terminal; otherwise standard input is run.
func (a *app) interactive() error {
	if isTerminal(a.stdin) && isTerminal(a.stdout) && a.json == nil {
		return a.repl()
	}
	src, err := io.ReadAll(a.stdin)
	if err != nil {
		return &nodes.Error{Kind: nodes.Failed, Message: "standard input: " + err.Error(), Cause: err}
	}
	if strings.TrimSpace(string(src)) == "" {
		return nil
	}
	if err := a.enter(); err != nil {
		return err
	}
	return a.eval(string(src))
}

func (a *app) isCommand(word string) bool {
	return slices.ContainsFunc(a.commands().Commands(), func(c *cobra.Command) bool { return c.Name() == word })
}

// command runs a subcommand.
func (a *app) command(words []string) error {
	root := a.commands()
	if !strings.HasPrefix(words[0], "__complete") && !a.isCommand(words[0]) {
		return a.unknownCommand(root, words[0])
	}
	if err := a.policy.command(words[0]); err != nil {
		return err
	}
	root.SetArgs(words)
	return root.Execute()
}

func (a *app) unknownCommand(root *cobra.Command, word string) error {
	var known []string
	for _, c := range root.Commands() {
		known = append(known, c.Name())
	}
	e := usage("unknown command '%s'", word)
	e.Hint = "`rollsh help` lists the commands; a recipe is named with its .lua"
	if near := nodes.Suggest(word, known); near != "" {
		e.Hint = "did you mean 'rollsh " + near + "'?"
	} else if _, err := os.Stat(filepath.Join("recipes", word+".lua")); err == nil {
		e.Hint = "did you mean 'rollsh recipes/" + word + ".lua'?"
	}
	return e
}
