package shell

import (
	"strings"

	"github.com/rollsh/rollsh/nodes"
)

// errorText writes an error for a person: one line, for several nodes one line
// for each different failure below it, then at most one hint, and with verbose
// the Lua traceback. The hint is wrapped at width; 0 is no limit.
func errorText(err error, p *palette, verbose bool, width int) string {
	e := *nodes.AsError(err, nodes.Failed)
	advice := hintOf(&e)
	e.Hint = ""
	e.Message = firstLine(&e)
	var b strings.Builder
	b.WriteString(p.as(bad, cleanLines(e.Error())) + "\n")
	for _, line := range foldedErrors(&e) {
		b.WriteString("  " + p.as(bad, clean(line)) + "\n")
	}
	if advice != "" {
		const label = "hint:"
		lines := wrapped(clean(advice), width-1-len(label)-1)
		b.WriteString(p.as(hint, label) + " " + strings.Join(lines, "\n"+strings.Repeat(" ", len(label)+1)) + "\n")
	}
	if verbose && e.Trace != "" {
		b.WriteString(p.as(dim, strings.TrimRight(cleanLines(e.Trace), "\n")) + "\n")
	}
	return b.String()
}

// hintOf is the error's own hint, or the first of those in it.
func hintOf(e *nodes.Error) string {
	if e.Hint != "" {
		return e.Hint
	}
	for _, sub := range e.Errors {
		if h := hintOf(nodes.AsError(sub, nodes.Failed)); h != "" {
			return h
		}
	}
	return ""
}

// foldedErrors gives a line for each different failure in e, without what e's
// own line says already.
func foldedErrors(e *nodes.Error) []string {
	var subs []error
	for _, err := range e.Errors {
		sub := *nodes.AsError(err, nodes.Failed)
		sub.Hint = ""
		sub.Message = firstLine(&sub)
		if sub.Where == e.Where {
			sub.Where = ""
		}
		if sub.Op == e.Op {
			sub.Op = ""
		}
		subs = append(subs, &sub)
		for _, deeper := range foldedErrors(nodes.AsError(err, nodes.Failed)) {
			subs = append(subs, &nodes.Error{Message: deeper})
		}
	}
	return nodes.FoldErrors(subs)
}
