package shell

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
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

// deeper stands before what goes on below a line, for want of room.
const deeper = "        "

// room is how wide a line may be in a terminal of a width; 0 is no limit.
func room(width int) int { return max(0, width-1) }

// facts lays out what there is to tell, empty texts left out.
func facts(width int, list ...string) string {
	list = slices.DeleteFunc(list, func(s string) bool { return s == "" })
	return flowed(list, "  ", deeper, room(width))
}

// broken breaks a line at blanks where a terminal is too narrow for it.
func broken(line, indent string, width int) string {
	words := strings.Split(strings.TrimLeft(line, " "), " ")
	words[0] = line[:indentOf(line)] + words[0]
	return flowed(words, " ", indent, room(width))
}

// by is who rolled and where, dim.
func by(p *palette, m map[string]any) string {
	return p.as(dim, field(m, "who")+"@"+field(m, "host"))
}

// inState is a state in its look.
func inState(p *palette, m map[string]any) string {
	state := field(m, "state")
	return p.as(stateLook(state), state)
}

// pastRoll is a roll in a line, and below it its nodes by their states.
func pastRoll(p *palette, m map[string]any, width int) string {
	line := facts(width, p.as(dim, day(field(m, "started"))), p.as(strong, field(m, "name")), revisions(m), inState(p, m),
		by(p, m), p.as(dim, field(m, "id")))
	line = withReason(line, field(m, "reason"), width) + again(p, m, width)
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
		label := "    " + p.as(stateLook(s), pad(clean(s), 12)) + "  "
		names := splitNames(nodes.FoldNames(byState[s]))
		line += withReason(flowed(append([]string{label + names[0]}, names[1:]...), "", strings.Repeat(" ", cells(label)), room(width)), nodes.Meaning(s), width)
	}
	return line + untold(p, m, width)
}

// again says who resumed or undid a roll, and whether its process died while
// people were told of it.
func again(p *palette, m map[string]any, width int) string {
	text := ""
	if untold, _ := m["untold"].(bool); untold {
		text = p.as(warning, broken(deeper+"people may not have been told: its process died meanwhile", deeper, width)) + "\n"
	}
	list, _ := m["again"].([]any)
	for i, item := range list {
		take, _ := item.(map[string]any)
		what := "resumed by "
		switch {
		case field(take, "mode") != "back":
		case field(m, "state") == "undone" && i == len(list)-1:
			what = "undone by "
		default:
			what = "undo begun by "
		}
		text += facts(width, deeper+what+field(take, "who")+"@"+field(take, "host"), p.as(dim, day(field(take, "at")))) + "\n"
	}
	return text
}

// untold says who could not be told of a roll, and why.
func untold(p *palette, m map[string]any, width int) string {
	text := ""
	for _, why := range words(m, "notices") {
		label := "    " + p.as(warning, pad("not told", 12)) + "  "
		text += broken(label+why, strings.Repeat(" ", cells(label)), width) + "\n"
	}
	return text
}

// splitNames takes folded names apart behind their commas: "web[1-2,4]," "db".
func splitNames(folded string) []string {
	var parts []string
	begin, depth := 0, 0
	for i, r := range folded {
		switch {
		case r == '[':
			depth++
		case r == ']':
			depth--
		case r == ',' && depth == 0:
			parts, begin = append(parts, folded[begin:i+1]), i+1
		}
	}
	return append(parts, folded[begin:])
}

// standing is a name with its locks, its last roll, and what each node has.
func standing(p *palette, m map[string]any, width int) string {
	line := p.as(strong, field(m, "name"))
	if last, ok := m["last"].(map[string]any); ok {
		line = facts(width, line, revisions(last), inState(p, last), p.as(dim, day(field(last, "started"))), by(p, last), p.as(dim, field(last, "id")))
		line = withReason(line, field(last, "reason"), width) + again(p, last, width) + untold(p, last, width)
	} else {
		line += "\n"
	}
	for _, name := range []string{"lock", "frozen"} {
		lock, ok := m[name].(map[string]any)
		person, _ := lock["person"].(bool)
		if ok && person == (name == "frozen") { // a person's lock is given under both names
			line += locked(p, lock, width)
		}
	}
	views, _ := m["nodes"].(map[string]any)
	wide := 0
	for _, n := range words(m, "order") {
		wide = max(wide, cells(n))
	}
	for _, n := range words(m, "order") {
		v, _ := views[n].(map[string]any)
		list := []string{"    " + pad(n, wide), p.as(stateLook(field(v, "state")), pad(field(v, "state"), 12))}
		if rev := field(v, "rev"); rev != "" {
			list = append(list, "r"+rev)
		}
		if out, _ := v["drained"].(bool); out {
			list = append(list, p.as(warning, "drained"))
		}
		line += withReason(facts(width, list...), cmp.Or(field(v, "why"), nodes.Meaning(field(v, "state"))), width)
	}
	if unfinished, _ := m["unfinished"].(bool); unfinished {
		line += flowed(append([]string{"    " + p.as(warning, "unfinished") + ":"}, pieces(whatNext)...), " ", deeper, room(width)) + "\n"
	}
	return line
}

// whatNext is what can be done about a roll that did not come to its end.
const whatNext = "`rollsh resume` goes on, `rollsh back` undoes it, `rollsh close` leaves it so"

// locked says who keeps others from rolling a name, and why.
func locked(p *palette, lock map[string]any, width int) string {
	text := p.as(warning, "locked") + " by " + field(lock, "who") + " on " + field(lock, "host") + " since " + day(field(lock, "since"))
	if why := field(lock, "why"); why != "" {
		text += ": " + why
	}
	if stale, _ := lock["stale"].(bool); stale {
		text += p.as(bad, " (stale: its process is gone)")
	}
	return broken("    "+text, deeper, width) + "\n"
}

// withReason ends a line with the reason for what it says, or puts the reason
// below where the line has no room for it.
func withReason(line, why string, width int) string {
	line = strings.TrimRight(line, " ")
	last := line[strings.LastIndexByte(line, '\n')+1:]
	switch {
	case why == "":
		return line + "\n"
	case width == 0 || cells(last)+2+cells(why) < width:
		return line + "  " + why + "\n"
	}
	for _, part := range wrapped(why, room(width)-len(deeper)) {
		line += "\n" + deeper + part
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
