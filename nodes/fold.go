package nodes

import (
	"errors"
	"fmt"
	"strings"
)

// FoldErrors puts errors with equal messages on different nodes into one line,
// "web[1-3,7]: message", in order of first appearance. Where and operation stay
// in front, the hint behind; errors that differ in any of these stay apart. What
// is a node's own, such as its address, sets nothing apart: the line has that of
// the first node, "root@192.0.2.1 (and 3 more)".
func FoldErrors(errs []error) []string {
	var lines []*foldedLine
	at := map[string]*foldedLine{}
	for _, err := range errs {
		e := Error{Message: err.Error()}
		var known *Error
		if errors.As(err, &known) && known.Error() == err.Error() { // else something was wrapped around it
			e = Error{Where: known.Where, Op: known.Op, Node: known.Node, Message: known.Message, Hint: known.Hint, Own: known.Own}
		}
		message, hint := e.Alike()
		key := strings.Join([]string{e.Where, e.Op, message, hint}, "\x00\x00")
		if at[key] == nil {
			at[key] = &foldedLine{e: e}
			lines = append(lines, at[key])
		}
		at[key].add(e)
	}
	out := make([]string, len(lines))
	for i, l := range lines {
		out[i] = l.text()
	}
	return out
}

// foldedLine is the errors of several nodes that are alike.
type foldedLine struct {
	e      Error // the first
	nodes  []string
	differ bool // in words that are the nodes' own
}

func (l *foldedLine) add(e Error) {
	if e.Node != "" {
		l.nodes = append(l.nodes, string(e.Node))
	}
	l.differ = l.differ || e.Message != l.e.Message
}

func (l *foldedLine) text() string {
	e := l.e
	e.Node = Name(FoldNames(l.nodes))
	if l.differ {
		for _, word := range e.Own {
			if before, after, found := strings.Cut(e.Message, word); found && word != "" {
				e.Message = fmt.Sprintf("%s%s (and %d more)%s", before, word, len(l.nodes)-1, after)
				break
			}
		}
	}
	return e.Error()
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
