package shell

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/rollsh/rollsh/lua"
	"github.com/rollsh/rollsh/nodes"
)

// failFlag is plan's own: the call that is assumed to fail.
const failFlag = "--fail"

// plan runs a recipe with every change recorded instead of made.
func (a *app) plan(c *cobra.Command, args []string) error {
	fail, args, err := takeFail(args)
	switch {
	case err != nil:
		return err
	case len(args) == 0:
		return between(1, 99)(c, args)
	case args[0] == "--help" || args[0] == "-h":
		return c.Help()
	case strings.HasPrefix(args[0], "-"):
		return withHint(usage("plan has no flag '%s'", args[0]), "write "+c.UseLine())
	}
	a.opts.failAt = fail
	err = a.recipe(args[0], args[1:], nodes.ModePlan)
	if fail == "" || a.session == nil || a.seen.recorded(fail) {
		return err
	}
	if err != nil { // it ended for another reason
		a.complain(err)
	}
	return a.noSuchCall(fail)
}

// takeFail takes --fail=NODE:CALL off the words before the recipe and off its
// end.
func takeFail(args []string) (fail string, rest []string, err error) {
	for len(args) > 0 {
		name, value, hasValue := strings.Cut(args[0], "=")
		if name != failFlag {
			break
		}
		args = args[1:]
		if !hasValue {
			if len(args) == 0 {
				return "", nil, usage("'%s' needs a value", failFlag)
			}
			value, args = args[0], args[1:]
		}
		fail = value
	}
	if len(args) > 0 && args[0] == "--" {
		args = args[1:]
	}
	if n := len(args); n > 1 && fail == "" && strings.HasPrefix(args[n-1], failFlag+"=") && !declares(args[0], failFlag[2:]) {
		fail, args = strings.TrimPrefix(args[n-1], failFlag+"="), args[:n-1]
	}
	if node, call, ok := strings.Cut(fail, ":"); fail != "" && (!ok || node == "" || call == "") {
		return "", nil, withHint(usage("'%s' is no value for %s", fail, failFlag), "write "+failFlag+"=NODE:CALL, such as "+failFlag+"=web2:sync")
	}
	return fail, args, nil
}

// declares reports whether a recipe has an argument of that name itself.
func declares(recipe, name string) bool {
	declared, err := readArgs(recipe)
	return err == nil && slices.ContainsFunc(declared.List, func(a lua.RecipeArg) bool { return a.Name == name })
}

// recorded reports whether a plan came to a call that --fail names.
func (s *seen) recorded(fail string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := nodes.Recipe{FailAt: fail}
	return slices.ContainsFunc(s.calls, func(e nodes.Event) bool { return r.FailsAt(e.Node, e.Op) })
}

// noSuchCall says that the call which was to fail was never come to.
func (a *app) noSuchCall(fail string) error {
	a.seen.mu.Lock()
	defer a.seen.mu.Unlock()
	var known []string
	for _, e := range a.seen.calls {
		node := string(e.Node)
		if node == "" {
			node = "here"
		}
		known = append(known, node+":"+e.Op[strings.LastIndexAny(e.Op, ".:")+1:])
		if module, _, ok := strings.Cut(e.Op, "."); ok {
			known = append(known, node+":"+module)
		}
	}
	hint := "calls are named as the plan shows them"
	if len(known) == 0 {
		hint = "this plan recorded no calls"
	}
	if near := nodes.Suggest(fail, known); near != "" {
		hint = "did you mean '" + near + "'?"
	}
	return withHint(usage("the plan came to no call '%s', so nothing was assumed to fail", fail), hint)
}

const (
	plannedName  = 8   // the least width of the names' column
	plannedLines = 200 // of one call that are shown; --json gives all
)

// showPlanned puts a call that a plan recorded on standard output: a plan is a
// result.
func (a *app) showPlanned(e nodes.Event) {
	who := clean(string(e.Node))
	if who == "" {
		who = "here"
	}
	p := a.outPaint
	text := p.node(e.Node, pad(who, plannedName)) + "  " + p.as(strong, clean(e.Op))
	if e.Text != "" {
		text += "  " + clean(e.Text)
	}
	if e.Where != "" {
		text += p.as(dim, "  ("+clean(e.Where)+")")
	}
	for i, line := range e.Lines {
		if i == plannedLines {
			text += "\n" + strings.Repeat(" ", plannedName+4) + p.as(dim, "and "+nodes.Count(len(e.Lines)-i, "more line"))
			break
		}
		text += "\n" + strings.Repeat(" ", plannedName+4) + p.as(lookOf(line), clean(line))
	}
	a.show(strings.TrimRight(text, " "))
}

// lookOf colours what is added, changed, deleted and warned of.
func lookOf(line string) string {
	for sign, look := range map[string]string{"+ ": good, "~ ": number, "- ": bad, "! ": warning} {
		if strings.HasPrefix(line, sign) {
			return look
		}
	}
	return dim
}
