package shell

import (
	"slices"
	"strings"
	"time"

	"github.com/rollsh/rollsh/nodes"
)

// longestHeld is how long a warning waits for the same one of other nodes.
const longestHeld = time.Second

// shared reports whether a warning is of a node on which, or on others, that
// operation is under way, so that others may warn of the same.
func (l *lines) shared(e nodes.Event) bool {
	if e.Node == "" {
		return false
	}
	for _, op := range l.ops {
		if op.Op == e.Op && op.Where == e.Where && op.Node != "" {
			return true
		}
	}
	return false
}

// overdue reports whether what is held need not wait any longer.
func (l *lines) overdue(now time.Time) bool {
	if len(l.held) == 0 {
		return false
	}
	for _, e := range l.held {
		if l.shared(e) {
			return now.Sub(l.held[0].Time) > longestHeld
		}
	}
	return true
}

// release gives the text of what is held, node by node.
func (l *lines) release() string {
	held := l.held
	l.held = nil
	slices.SortStableFunc(held, func(a, b nodes.Event) int { return naturally(string(a.Node), string(b.Node)) })
	return l.warned(held)
}

// warned gives the lines of warnings, with the same one of several nodes as one.
func (l *lines) warned(events []nodes.Event) string {
	var same []error
	seen := map[string]bool{}
	for _, e := range events {
		w := &nodes.Error{Where: clean(e.Where), Node: nodes.Name(clean(string(e.Node))), Message: cleanLines(e.Text), Own: e.Own}
		if !seen[w.Error()] {
			seen[w.Error()] = true
			same = append(same, w)
		}
	}
	const label = "warning:"
	var out strings.Builder
	for _, text := range nodes.FoldErrors(same) {
		if width := l.width(); width > 0 {
			var fitted []string
			for line := range strings.SplitSeq(text, "\n") {
				fitted = append(fitted, wrappedHint(line, width-len(label)-2)...)
			}
			text = strings.Join(fitted, "\n"+strings.Repeat(" ", len(label)+1))
		}
		out.WriteString(l.paint.as(warning, label) + " " + text + "\n")
	}
	return out.String()
}
