package shell

import (
	"strings"

	"github.com/spf13/pflag"

	"github.com/rollsh/rollsh/nodes"
)

// options are the flags that every command takes.
type options struct {
	json          bool
	plain         bool
	color         string
	yes           bool
	verbose       bool
	project       string
	takeover      string
	audit         string // the socket of the system log, or machineLog; empty: no audit
	policy        string // a file of root; empty: no policy
	recipeChanged bool
	failed        bool

	eval    *string // -e CODE
	line    *string // -c LINE
	version bool
	help    bool
	failAt  string // of plan
}

// flags declares the flags that stand anywhere on the command line.
func (o *options) flags() *pflag.FlagSet {
	fs := pflag.NewFlagSet("rollsh", pflag.ContinueOnError)
	fs.BoolVar(&o.json, "json", false, "write one event a line, as JSON, on standard output")
	fs.BoolVar(&o.plain, "plain", false, "write plain lines, also in a terminal")
	o.color = "auto"
	fs.Var(flagWord{&o.color, "WHEN"}, "color", "colour: auto, always or never")
	fs.BoolVarP(&o.yes, "yes", "y", false, "answer yes to confirmations")
	fs.BoolVarP(&o.verbose, "verbose", "v", false, "add the Lua traceback to an error")
	fs.Var(flagWord{&o.project, "DIR"}, "project", "the project; else it is found upward from here")
	fs.Var(flagWord{&o.takeover, "REASON"}, "takeover", "take a stale lock, for this reason")
	fs.Var(flagWord{&o.audit, ""}, "audit", "write what is done to the system log, or do nothing")
	fs.Lookup("audit").NoOptDefVal = machineLog
	fs.Var(flagOnce{flagWord{&o.policy, "FILE"}}, "policy", "do only what this file of root allows")
	fs.BoolVar(&o.recipeChanged, "recipe-changed", false, "resume or go back although the recipe is not as it was")
	fs.BoolVar(&o.failed, "failed", false, "resume takes the failed nodes too")
	return fs
}

// flagWord is the value of a flag that takes a word; kind names it in help.
type flagWord struct {
	to   *string
	kind string
}

func (w flagWord) String() string {
	if w.to == nil {
		return ""
	}
	return *w.to
}

// Set takes any word.
func (w flagWord) Set(s string) error {
	*w.to = s
	return nil
}

// Type is the kind of word.
func (w flagWord) Type() string { return w.kind }

// flagOnce is the value of a flag that cannot be set again, nor to nothing.
type flagOnce struct{ flagWord }

// Set takes the first word.
func (w flagOnce) Set(s string) error {
	if s == "" || *w.to != "" {
		return usage("--policy is given once, with its file")
	}
	return w.flagWord.Set(s)
}

// parse takes the flags out of args, wherever they stand before "--", and gives
// the other words, with that "--" unless it is the first of them. Flags that are not ours are a recipe's or a command's, and
// an error before the first word. -e, -c, --version and --help are only ours
// before the first word.
func (o *options) parse(args []string) (rest []string, err error) {
	fs := o.flags()
	for len(args) > 0 {
		arg := args[0]
		args = args[1:]
		switch {
		case arg == "--" && len(rest) == 0:
			return args, o.check()
		case arg == "--":
			return append(append(rest, arg), args...), o.check()
		case !strings.HasPrefix(arg, "-") || arg == "-":
			rest = append(rest, arg)
		default:
			var taken bool
			if taken, args, err = o.one(fs, arg, args, len(rest) == 0); err != nil {
				return nil, err
			}
			if !taken {
				rest = append(rest, arg)
			}
		}
	}
	return rest, o.check()
}

// one reads the flag arg; args are the words after it.
func (o *options) one(fs *pflag.FlagSet, arg string, args []string, first bool) (taken bool, left []string, err error) {
	name, value, hasValue := strings.Cut(strings.TrimLeft(arg, "-"), "=")
	var f *pflag.Flag
	switch {
	case strings.HasPrefix(arg, "--"):
		f = fs.Lookup(name)
	case len(name) == 1:
		f = fs.ShorthandLookup(name)
	}
	switch {
	case f == nil && first:
		return o.leading(fs, arg, args)
	case f == nil:
		return false, args, nil
	case f.NoOptDefVal != "" && !hasValue:
		value = f.NoOptDefVal
	case !hasValue && len(args) == 0:
		return false, nil, usage("'%s' needs a value", arg)
	case !hasValue:
		value, args = args[0], args[1:]
	}
	if err := f.Value.Set(value); err != nil {
		if nodes.KindOf(err) == nodes.Usage {
			return false, nil, err
		}
		return false, nil, usage("'%s' is no value for --%s", value, f.Name)
	}
	return true, args, nil
}

// leading reads a flag that is only ours before the first word.
func (o *options) leading(fs *pflag.FlagSet, arg string, args []string) (bool, []string, error) {
	switch arg {
	case "--version":
		o.version = true
		return true, args, nil
	case "--help", "-h":
		o.help = true
		return true, args, nil
	case "-e", "-c":
		if len(args) == 0 {
			return false, nil, usage("'%s' needs a value", arg)
		}
		text := args[0]
		if arg == "-e" {
			o.eval = &text
		} else {
			o.line = &text
		}
		return true, args[1:], nil
	}
	known := []string{"--version", "--help"}
	fs.VisitAll(func(f *pflag.Flag) { known = append(known, "--"+f.Name) })
	e := usage("unknown flag '%s'", arg)
	e.Hint = "rollsh --help lists the flags"
	if near := nodes.Suggest(arg, known); near != "" {
		e.Hint = "did you mean '" + near + "'?"
	}
	return false, nil, e
}

func (o *options) check() error {
	switch o.color {
	case "auto", "always", "never":
	default:
		return usage("'%s' is no value for --color: auto, always or never", o.color)
	}
	if o.json && o.plain {
		return usage("--json and --plain exclude each other")
	}
	return nil
}
