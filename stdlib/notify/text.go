package notify

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rollsh/rollsh/nodes"
)

// How much of a roll a notice tells; what is left out is counted and named.
const (
	mostChangesets = 15
	mostMerged     = 20 // changesets that came with merges, besides
	deepest        = 6  // columns of indentation, of merges of merges
	mostTickets    = 10
	mostSubject    = 100 // characters
	mostWhy        = 160
	mostNodes      = 200 // characters of folded names
)

// RollNotice writes a roll as people want to read it: who rolled what where and
// how it ended, what each node that is not well says, each changeset with its
// author, its tickets and its link, and below a merge those that it brought.
func RollNotice(r nodes.Roll) Notice { return told{Roll: r}.notice() }

// told is a roll with what the result of roll{} says besides.
type told struct {
	nodes.Roll
	reason  string   // what ended it early
	drained []string // nodes that are still out of service
}

func (r told) notice() Notice {
	lines := []string{headline(r.Roll)}
	if r.reason != "" {
		lines = append(lines, "  "+short(line(r.reason), mostWhy))
	}
	lines = append(lines, nodeLines(r.Roll)...)
	if len(r.drained) > 0 {
		lines = append(lines, "  STILL DRAINED: "+foldedNames(r.drained))
	}
	lines = append(lines, changesetLines(r.Roll)...)
	lines = append(lines, ticketLines(r.Roll)...)
	return Notice{Text: strings.Join(lines, "\n"), Roll: &r.Roll}
}

// endings say how a roll ended, by its state.
var endings = map[string]string{
	"done": "done", "failed": "FAILED", "stopped": "stopped", "interrupted": "INTERRUPTED",
	"running": "has begun", "undone": "undone", "closed": "closed as it is",
}

func headline(r nodes.Roll) string {
	who, of := line(r.Who), ""
	if r.By != "" && r.By != r.Who {
		who, of = line(r.By), " ("+who+"'s roll)"
	}
	if r.Host != "" {
		who += " on " + line(r.Host)
	}
	did, to := "rolled", "to"
	switch r.Mode {
	case nodes.ModeResume:
		did = "resumed"
	case nodes.ModeBack:
		did, to = "undid", "on"
	}
	text := fmt.Sprintf("%s %s %s%s", who, did, line(r.Name), revisions(r.From, r.To))
	if len(r.Nodes) > 0 {
		text += " " + to + " " + folded(r.Nodes)
	}
	text += of + ": " + ending(r)
	if took := r.Ended.Sub(r.Started); r.State != "running" && !r.Started.IsZero() && took > 0 {
		text += " after " + duration(took)
	}
	return text
}

// ending says how it ended; an undo that went through is done.
func ending(r nodes.Roll) string {
	if r.Mode == nodes.ModeBack && r.State == "undone" {
		return "done"
	}
	if text := endings[r.State]; text != "" {
		return text
	}
	return line(r.State)
}

func revisions(from, to nodes.Revision) string {
	switch {
	case to == "":
		return ""
	case from == "" || from == to:
		return " " + revision(to)
	}
	return " " + revision(from) + " -> " + revision(to)
}

// revision writes a number as svn's people do.
func revision(r nodes.Revision) string {
	s := line(string(r))
	if s != "" && strings.Trim(s, "0123456789") == "" {
		return "r" + s
	}
	return s
}

// nodeLines lists the nodes by state and reason, folded. When all are done, or
// undone by an undo, the headline has said it.
func nodeLines(r nodes.Roll) []string {
	type group struct{ state, why string }
	var order []group
	members := map[group][]nodes.NodeState{}
	good, allDone := "done", true
	if r.Mode == nodes.ModeBack {
		good = "undone"
	}
	for _, n := range r.Nodes {
		g := group{n.State, n.Why}
		if members[g] == nil {
			order = append(order, g)
		}
		members[g] = append(members[g], n)
		allDone = allDone && n.State == good
	}
	if allDone {
		return nil
	}
	var lines []string
	for _, g := range order {
		text := "  " + line(g.state) + ": " + folded(members[g])
		if why := cmp.Or(short(line(g.why), mostWhy), nodes.Meaning(g.state)); why != "" {
			text += " (" + why + ")"
		}
		lines = append(lines, text)
	}
	return lines
}

func folded(states []nodes.NodeState) string {
	names := make([]string, len(states))
	for i, s := range states {
		names[i] = string(s.Node)
	}
	return foldedNames(names)
}

func foldedNames(names []string) string {
	cleaned := make([]string, len(names))
	for i, n := range names {
		cleaned[i] = line(n)
	}
	text := nodes.FoldNames(cleaned)
	if len([]rune(text)) > mostNodes {
		text = fmt.Sprintf("%s (%d nodes)", short(text, mostNodes), len(names))
	}
	return text
}

// changesetLines lists what went out.
func changesetLines(r nodes.Roll) []string {
	l := changesetList{tracker: r.Tracker, room: mostMerged}
	if text := takenBack(r); text != "" && len(r.Changesets) > 0 {
		l.lines = append(l.lines, "  "+text+":")
	}
	l.add(r.Changesets, "  ", mostChangesets)
	return l.lines
}

// takenBack says what became of changesets that did not go out: an undo takes
// them back, and so does a roll of an older revision, whose undo returns them.
func takenBack(r nodes.Roll) string {
	down, back := older(r.To, r.From), r.Mode == nodes.ModeBack
	text := "taken back"
	switch {
	case !down && !back:
		return ""
	case down && back:
		text = "there again"
	}
	if ending(r) != "done" {
		return "not " + text + " everywhere"
	}
	return text
}

// older reports whether a revision is a number less than another.
func older(a, b nodes.Revision) bool {
	this, err := strconv.Atoi(string(a))
	that, none := strconv.Atoi(string(b))
	return err == nil && none == nil && this < that
}

// changesetList tells of changesets, and of those that merges among them brought.
type changesetList struct {
	tracker nodes.Tracker
	lines   []string
	room    int // for lines about what was merged
}

// add tells of so many changesets, and counts the others.
func (l *changesetList) add(cs nodes.Changesets, indent string, most int) {
	for i, c := range cs {
		if i >= most && len(cs) > most+1 {
			l.lines = append(l.lines, indent+cs[i:].More(func(list string) string { return short(line(list), mostNodes) }))
			return
		}
		l.lines = append(l.lines, indent+l.text(c))
		if merged := c.Merged(); len(merged) > 0 && len(indent) <= deepest {
			room := l.room
			l.room -= min(room, len(merged))
			l.add(merged, indent+"  ", room)
		}
	}
}

func (l *changesetList) text(c nodes.Changeset) string {
	text := fmt.Sprintf("r%d %s: %s", c.Rev, line(c.Author), subject(c))
	if l.tracker == nil {
		return text
	}
	if url := line(l.tracker.ChangesetURL(nodes.Revision(fmt.Sprint(c.Rev)))); url != "" {
		text += " " + url
	}
	return text
}

// subject is the message's first line, with the tickets that only the rest of
// the message names.
func subject(c nodes.Changeset) string {
	s := short(line(c.Subject()), mostSubject)
	if s == "" {
		s = "(no message)"
	}
	var missing []string
	for _, t := range c.Tickets() {
		if !slices.Contains((nodes.Changeset{Message: s}).Tickets(), t) {
			missing = append(missing, "#"+t)
		}
	}
	if len(missing) > 0 {
		s += " (" + short(strings.Join(missing, ", "), mostSubject) + ")"
	}
	return s
}

// ticketLines gives the links of the tickets, where a tracker has links.
func ticketLines(r nodes.Roll) []string {
	if r.Tracker == nil {
		return nil
	}
	var lines []string
	tickets := r.Changesets.Tickets()
	for i, id := range tickets {
		if i == mostTickets && len(tickets) > mostTickets+1 {
			lines = append(lines, fmt.Sprintf("  and %d more tickets: #%s", len(tickets)-i, short(strings.Join(tickets[i:], ", #"), mostNodes)))
			break
		}
		if url := line(r.Tracker.TicketURL(id)); url != "" {
			lines = append(lines, "  #"+id+" "+url)
		}
	}
	return lines
}

// line makes one clean line of a text.
func line(s string) string { return strings.Join(strings.Fields(nodes.Clean(s)), " ") }

// short cuts s after most characters and shows that it did.
func short(s string, most int) string {
	if r := []rune(s); len(r) > most {
		return strings.TrimSpace(string(r[:most-1])) + "…"
	}
	return s
}

func duration(d time.Duration) string {
	switch {
	case d < 10*time.Second:
		return fmt.Sprintf("%.1f s", d.Seconds())
	case d < 2*time.Minute:
		return fmt.Sprintf("%.0f s", d.Seconds())
	}
	return fmt.Sprintf("%d min %d s", int(d.Minutes()), int(d.Seconds())%60)
}
