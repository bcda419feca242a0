package shell

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/rollsh/rollsh/lua"
	"github.com/rollsh/rollsh/nodes"
	"github.com/rollsh/rollsh/stdlib"
)

// display writes a value as the shell, -e and -c show it. Some is false where there is
// nothing to show: what was put out live in this run is not written again.
func (a *app) display(v lua.Raw) (text string, some bool) {
	if v.Type() == "nil" {
		return a.outPaint.as(dim, "nil"), true
	}
	if value, ok := a.host.Value(v).(string); ok {
		return value, true
	}
	text = a.displayed(v)
	return text, text != ""
}

// displayed is display of what is neither nil nor a string.
func (a *app) displayed(v lua.Raw) string {
	if name := a.host.NameOf(v); name != "" && name != "errors" && (v.Type() == "function" || v.Type() == "table") {
		return a.outPaint.as(dim, name+": ?"+name+" is its help")
	}
	streamed := a.seen.streamed()
	switch value := a.host.Value(v).(type) {
	case nodes.Secret:
		return a.outPaint.as(dim, "[secret]")
	case *nodes.Results:
		return strings.TrimRight(a.results(value, streamed), "\n")
	case nodes.Set:
		return strings.TrimRight(a.nodeSet(value), "\n")
	case *nodes.Node:
		return strings.TrimRight(a.oneNode(value), "\n")
	case nodes.Changesets:
		return strings.TrimRight(changesets(a.outPaint, value, a.width()), "\n")
	case *nodes.Error:
		return strings.TrimRight(errorText(value, a.outPaint, a.opts.verbose, a.width()), "\n")
	case []any:
		if text, ok := rolls(a.outPaint, value, a.width()); ok {
			return strings.TrimRight(text, "\n")
		}
	case map[string]any:
		if text, ok := commandResult(value, streamed); ok {
			return text
		}
	}
	return a.host.Inspect(v)
}

// commandResult shows what a command put out, and how it ended where that was
// not well.
func commandResult(m map[string]any, streamed bool) (string, bool) {
	out, ok1 := m["stdout"].(string)
	errs, ok2 := m["stderr"].(string)
	code, ok3 := m["code"].(float64)
	if !ok1 || !ok2 || !ok3 {
		return "", false
	}
	text := ""
	if !streamed {
		text = out + errs
	}
	return ended(text, m, code), true
}

// ended adds to the output of a command how it ended where that was not well.
func ended(text string, m map[string]any, code float64) string {
	text = strings.TrimRight(text, "\n")
	switch signal, _ := m["signal"].(string); {
	case signal != "":
		text += "\n(signal " + signal + ")"
	case code != 0:
		text += "\n(exit " + strconv.Itoa(int(code)) + ")"
	}
	return strings.TrimPrefix(text, "\n")
}

// results folds equal outcomes, as clush does: nodes, then what they gave.
func (a *app) results(r *nodes.Results, streamed bool) string {
	type fold struct {
		state nodes.OutcomeState
		text  string
		who   []string
	}
	var folds []*fold
	for _, o := range r.List {
		text := ""
		switch {
		case o.Err != nil:
			e := *nodes.AsError(o.Err, nodes.Failed)
			e.Node, e.Op, e.Where, e.Hint = "", "", "", ""
			text = e.Error()
		case o.State == nodes.OK:
			text = a.outcome(o, streamed)
		}
		var into *fold
		for _, f := range folds {
			if f.state == o.State && f.text == text {
				into = f
			}
		}
		if into == nil {
			into = &fold{state: o.State, text: text}
			folds = append(folds, into)
		}
		into.who = append(into.who, string(o.Node.Name))
	}
	var b strings.Builder
	for _, f := range folds {
		b.WriteString(a.folded(nodes.FoldNames(f.who), f.state, f.text))
	}
	return b.String()
}

// outcome is what an operation gave on one node, without what differs on every
// node anyhow, such as its seconds, so that equal ones fold.
func (a *app) outcome(o nodes.Outcome, streamed bool) string {
	m, _ := a.host.Plain(o.Value).(map[string]any)
	_, isCommand := m["stdout"]
	code, _ := m["code"].(float64)
	added, ok1 := m["added"].(float64)
	changed, ok2 := m["changed"].(float64)
	deleted, ok3 := m["deleted"].(float64)
	switch {
	case ok1 && ok2 && ok3 && added+changed+deleted == 0:
		return "unchanged"
	case ok1 && ok2 && ok3:
		text := fmt.Sprintf("%.0f added, %.0f changed, %.0f deleted", added, changed, deleted)
		if bytes, ok := m["bytes"].(float64); ok {
			text += ", " + amount(int64(bytes), "bytes")
		}
		return text
	case isCommand && streamed:
		return ended("", m, code)
	case isCommand:
		return ended(a.host.FoldedText(o), m, code)
	}
	return strings.TrimRight(a.host.FoldedText(o), "\n")
}

func (a *app) folded(who string, state nodes.OutcomeState, text string) string {
	p := a.outPaint
	head := p.as(strong, clean(who)) + ": "
	text = cleanLines(text)
	switch {
	case state == nodes.FailedState || state == nodes.NotReached:
		head += p.as(bad, string(state)) + ": "
	case state == nodes.NotAttempted:
		return head + p.as(dim, string(state)) + "\n"
	case text == "" || text == "nil":
		return head + p.as(good, "ok") + "\n"
	}
	if !strings.Contains(text, "\n") {
		return head + text + "\n"
	}
	return strings.TrimRight(head, " ") + "\n" + text + "\n"
}

// nodeSet shows a set by its tiers.
func (a *app) nodeSet(s nodes.Set) string {
	tiers := s.Tiers()
	if len(s.Nodes) == 0 {
		return a.outPaint.as(dim, "(no nodes)")
	}
	if len(tiers) == 1 && tiers[0].Name == "" {
		return clean(s.Fold()) + a.outPaint.as(dim, countOf(s))
	}
	wide := 0
	for _, t := range tiers {
		wide = max(wide, cells(clean(t.Name)))
	}
	var b strings.Builder
	for _, t := range tiers {
		b.WriteString(a.outPaint.as(strong, pad(clean(t.Name), wide)) + "  " + clean(t.Fold()) + a.outPaint.as(dim, countOf(t)) + "\n")
	}
	return b.String()
}

func countOf(s nodes.Set) string {
	return "  (" + nodes.Count(len(s.Nodes), "node") + ")"
}

func (a *app) oneNode(n *nodes.Node) string {
	rows := [][2]string{{"name", string(n.Name)}, {"at", n.Endpoint()}}
	for _, r := range [][2]string{{"tier", n.Tier}, {"tags", strings.Join(n.Tags, " ")}, {"path", string(n.Path)}, {"declared", n.Source}} {
		if r[1] != "" {
			rows = append(rows, r)
		}
	}
	for i := range rows {
		rows[i][1] = clean(rows[i][1])
	}
	return columns(rows, 0, 0)
}

// changesets is the table that c:print() writes, in colours.
func changesets(p *palette, cs nodes.Changesets, width int) string {
	if len(cs) == 0 {
		return p.as(dim, "(no changesets)")
	}
	return stdlib.ChangesTable(cs, width, func(column int, text string) string {
		if column == 4 {
			return text
		}
		return p.as([]string{number, dim, strong, keyword, "", dim}[column], text)
	})
}
