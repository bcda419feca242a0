package nodes

import (
	"errors"
	"strings"
)

// FoldErrors puts errors with equal messages on different nodes into one line,
// "web[1-3,7]: message", in order of first appearance. Where and operation stay
// in front, the hint behind; errors that differ in any of these stay apart.
func FoldErrors(errs []error) []string {
	type line struct {
		e     Error
		nodes []string
	}
	var lines []*line
	at := map[string]*line{}
	for _, err := range errs {
		e := Error{Message: err.Error()}
		var known *Error
		if errors.As(err, &known) && known.Error() == err.Error() { // else something was wrapped around it
			e = Error{Where: known.Where, Op: known.Op, Node: known.Node, Message: known.Message, Hint: known.Hint}
		}
		node := e.Node
		e.Node = ""
		key := strings.Join([]string{e.Where, e.Op, e.Message, e.Hint}, "\x00")
		if at[key] == nil {
			at[key] = &line{e: e}
			lines = append(lines, at[key])
		}
		if node != "" {
			at[key].nodes = append(at[key].nodes, string(node))
		}
	}
	out := make([]string, len(lines))
	for i, l := range lines {
		l.e.Node = Name(FoldNames(l.nodes))
		out[i] = l.e.Error()
	}
	return out
}

// Group is the nodes that gave the same text.
type Group struct {
	Nodes Set
	Text  string
}

// Fold groups the outcomes whose text is equal, line ends at the end apart, in
// order of first appearance, as clush -b does. Nodes that were left untouched
// gave nothing and are in no group.
func (r *Results) Fold(text func(Outcome) string) []Group {
	var groups []Group
	at := map[string]int{}
	for _, o := range r.List {
		if o.State == NotAttempted {
			continue
		}
		t := strings.TrimRight(text(o), "\r\n")
		i, ok := at[t]
		if !ok {
			i = len(groups)
			at[t] = i
			groups = append(groups, Group{Text: t})
		}
		groups[i].Nodes.Nodes = append(groups[i].Nodes.Nodes, o.Node)
	}
	return groups
}
