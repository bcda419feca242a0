package shell

import (
	"slices"
	"strings"

	"github.com/rollsh/rollsh/nodes"
)

// errorText writes an error for a person: one line, for several nodes one line
// for each different failure below it, then at most one hint, and with verbose
// the Lua traceback. Failures that want different things done about them have
// their hints behind them. Lines are wrapped at width; 0 is no limit.
func errorText(err error, p *palette, verbose bool, width int) string {
	e := *nodes.AsError(err, nodes.Failed)
	advice, each := e.Hint, false
	if all := hints(&e); advice == "" && len(all) == 1 {
		advice = all[0]
	} else {
		each = len(all) > 1
	}
	e.Hint = ""
	e.Message = firstLine(&e)
	var b strings.Builder
	for line := range strings.SplitSeq(cleanLines(e.Error()), "\n") {
		b.WriteString(p.as(bad, hanging(line, width-1)) + "\n")
	}
	for _, line := range foldedErrors(&e, each) {
		b.WriteString(p.as(bad, hanging("  "+clean(line), width-1)) + "\n")
	}
	if advice != "" {
		const label = "hint:"
		lines := wrappedHint(clean(advice), width-1-len(label)-1)
		b.WriteString(p.as(hint, label) + " " + strings.Join(lines, "\n"+strings.Repeat(" ", len(label)+1)) + "\n")
	}
	if verbose && e.Trace != "" {
		b.WriteString(p.as(dim, strings.TrimRight(cleanLines(e.Trace), "\n")) + "\n")
	}
	return b.String()
}

// hanging wraps a line at a width; what goes on is indented two more.
func hanging(line string, width int) string {
	indent := strings.Repeat(" ", indentOf(line))
	return indent + strings.Join(wrappedHint(line[len(indent):], width-len(indent)-2), "\n  "+indent)
}

// hints lists what the errors in e advise, each once: what names a node's own
// address stands for that of the others.
func hints(e *nodes.Error) []string {
	var out, seen []string
	var from func(e *nodes.Error)
	from = func(e *nodes.Error) {
		for _, err := range e.Errors {
			sub := nodes.AsError(err, nodes.Failed)
			if _, common := sub.Alike(); common != "" && !slices.Contains(seen, common) {
				out, seen = append(out, sub.Hint), append(seen, common)
			}
			from(sub)
		}
	}
	from(e)
	return out
}

// foldedErrors gives a line for each different failure in e, without what e's
// own line says already, with or without its hint.
func foldedErrors(e *nodes.Error, hinted bool) []string {
	var subs []error
	for _, err := range e.Errors {
		sub := *nodes.AsError(err, nodes.Failed)
		if !hinted {
			sub.Hint = ""
		}
		sub.Message = firstLine(&sub)
		if sub.Where == e.Where {
			sub.Where = ""
		}
		if sub.Op == e.Op {
			sub.Op = ""
		}
		subs = append(subs, &sub)
		for _, deeper := range foldedErrors(nodes.AsError(err, nodes.Failed), hinted) {
			subs = append(subs, &nodes.Error{Message: "  " + deeper})
		}
	}
	return nodes.FoldErrors(subs)
}
