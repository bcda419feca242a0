package shell

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/rollsh/rollsh/nodes"
)

// rolls shows what roll.history and roll.status give; ok is false for any other
// list. What does not fit the width goes below; 0 is no limit.
func rolls(p *palette, list []any, width int) (text string, ok bool) {
	if len(list) == 0 {
		return "", false
	}
	var b strings.Builder
	for _, item := range list {
		m, isTable := item.(map[string]any)
		switch {
		case isTable && m["started"] != nil && m["id"] != nil && m["state"] != nil:
			b.WriteString(pastRoll(p, m, width))
		case isTable && m["name"] != nil && m["unfinished"] != nil && m["order"] != nil:
			b.WriteString(standing(p, m, width))
		default:
			return "", false
		}
	}
	return b.String(), true
}

// field is a string or a number of a table, cleaned; empty when it is not there.
func field(m map[string]any, name string) string {
	switch v := m[name].(type) {
	case string:
		return clean(v)
	case float64:
		return fmt.Sprintf("%.0f", v)
	}
	return ""
}

func words(m map[string]any, name string) []string {
	var out []string
	list, _ := m[name].([]any)
	for _, item := range list {
		if s, ok := item.(string); ok {
			out = append(out, clean(s))
		}
	}
	return out
}

// day writes an ISO time as this machine's clock would.
func day(iso string) string {
	t, err := time.Parse(time.RFC3339, iso)
	if err != nil {
		return iso
	}
	return t.Local().Format("2006-01-02 15:04")
}

func revisions(m map[string]any) string {
	from, to := field(m, "from"), field(m, "to")
	switch {
	case to == "":
		return ""
	case from == "":
		return "r" + to
	}
	return "r" + from + " to r" + to
}

// stateLook is the look of a state of a roll or of a node in it.
func stateLook(state string) string {
	switch state {
	case "done":
		return good
	case "failed", "left-drained", "unreachable", "unknown":
		return bad
	case "stopped", "interrupted", "running", "drained", "switched":
		return warning
	}
	return dim
}

// pastRoll is a roll in a line, and below it the nodes that are not done.
func pastRoll(p *palette, m map[string]any, width int) string {
	state := field(m, "state")
	line := p.as(dim, day(field(m, "started"))) + "  " + p.as(strong, field(m, "name")) + "  "
	if r := revisions(m); r != "" {
		line += r + "  "
	}
	line += p.as(stateLook(state), state)
	line += p.as(dim, "  "+field(m, "who")+"@"+field(m, "host")+"  "+field(m, "id"))
	line = withReason(line, field(m, "reason"), width)
	byState := map[string][]string{}
	var order []string
	states, _ := m["nodes"].(map[string]any)
	for _, n := range words(m, "order") {
		s, _ := states[n].(string)
		if byState[s] == nil {
			order = append(order, s)
		}
		byState[s] = append(byState[s], n)
	}
	for _, s := range order {
		line += "    " + p.as(stateLook(s), pad(clean(s), 12)) + "  " + nodes.FoldNames(byState[s]) + "\n"
	}
	return line
}

// standing is a name with its locks, its last roll, and what each node has.
func standing(p *palette, m map[string]any, width int) string {
	line := p.as(strong, field(m, "name"))
	if last, ok := m["last"].(map[string]any); ok {
		line += "  " + revisions(last) + "  " + p.as(stateLook(field(last, "state")), field(last, "state")) +
			p.as(dim, "  "+day(field(last, "started"))+"  "+field(last, "who")+"@"+field(last, "host")+"  "+field(last, "id"))
	}
	line += "\n"
	for _, name := range []string{"lock", "frozen"} {
		lock, ok := m[name].(map[string]any)
		person, _ := lock["person"].(bool)
		if ok && person == (name == "frozen") { // a person's lock is given under both names
			line += "    " + p.as(warning, "locked") + " by " + field(lock, "who") + " on " + field(lock, "host") + " since " + day(field(lock, "since"))
			if why := field(lock, "why"); why != "" {
				line += ": " + why
			}
			if stale, _ := lock["stale"].(bool); stale {
				line += p.as(bad, " (stale: its process is gone)")
			}
			line += "\n"
		}
	}
	views, _ := m["nodes"].(map[string]any)
	wide := 0
	for _, n := range words(m, "order") {
		wide = max(wide, cells(n))
	}
	for _, n := range words(m, "order") {
		v, _ := views[n].(map[string]any)
		state := field(v, "state")
		text := "    " + pad(n, wide) + "  " + p.as(stateLook(state), pad(state, 12)) + "  "
		if rev := field(v, "rev"); rev != "" {
			text += "r" + rev
		}
		if out, _ := v["drained"].(bool); out {
			text += p.as(warning, "  drained")
		}
		line += withReason(text, field(v, "why"), width)
	}
	return line
}

// withReason ends a line with the reason for what it says, or puts the reason
// below where the line has no room for it.
func withReason(line, why string, width int) string {
	line = strings.TrimRight(line, " ")
	const indent = 8
	switch {
	case why == "":
		return line + "\n"
	case width == 0 || cells(line)+2+cells(why) < width:
		return line + "  " + why + "\n"
	}
	for _, part := range wrapped(why, width-1-indent) {
		line += "\n" + strings.Repeat(" ", indent) + part
	}
	return line + "\n"
}

// asJSON turns a result into what encoding/json writes for programs: changesets
// and times as the Lua API names them.
func asJSON(v any) any {
	switch v := v.(type) {
	case nodes.Changesets:
		out := make([]any, len(v))
		for i, c := range v {
			paths := make([]any, len(c.Paths))
			for k, path := range c.Paths {
				paths[k] = map[string]any{"path": path.Path, "action": path.Action}
			}
			out[i] = map[string]any{
				"rev": c.Rev, "author": c.Author, "date": c.Date.UTC().Format("2006-01-02T15:04:05Z"), "message": c.Message, "paths": paths,
				"tickets": append([]string{}, c.Tickets()...),
			}
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = asJSON(v[i])
		}
		return out
	case map[string]any:
		out := map[string]any{}
		for key, value := range v {
			if list, ok := value.([]any); ok && len(list) == 0 && (key == "nodes" || key == "why") {
				out[key] = map[string]any{} // an empty table may be either
				continue
			}
			out[key] = asJSON(value)
		}
		return out
	case bool, string, float64, nil:
		return v
	case fmt.Stringer:
		return v.String()
	}
	return nil
}

// showJSON puts one JSON value on standard output.
func (a *app) showJSON(v any) error {
	text, err := json.MarshalIndent(asJSON(v), "", "  ")
	if err != nil {
		return &nodes.Error{Kind: nodes.Internal, Message: err.Error(), Cause: err}
	}
	a.screen.result(escapeControls(string(text)) + "\n")
	return nil
}
