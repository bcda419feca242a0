package notify

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/rollsh/rollsh/nodes"
)

// formats write a notice as each service wants it.
//
// Sources: docs.slack.dev, "Formatting message text" and incoming webhooks;
// discord.com developers, "Execute Webhook"; learn.microsoft.com, Adaptive
// Cards (RichTextBlock) and the Workflows webhook of Teams.
var formats = map[string]func(Notice) any{"slack": slack, "teams": teams, "discord": discord, "json": plainJSON}

// How many characters each service takes.
const (
	mostSlack   = 12_000
	mostDiscord = 2000
	mostTeams   = 12_000
)

var slackEscapes = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")

// slack turns off markup and unfurling: a commit message must not call
// everybody (<!channel>) or load what it links to.
func slack(n Notice) any {
	return map[string]any{"text": slackEscapes.Replace(cut(n.Text, mostSlack)), "mrkdwn": false, "unfurl_links": false, "unfurl_media": false}
}

// discord lets nobody be called by what a message holds.
func discord(n Notice) any {
	return map[string]any{"content": cut(n.Text, mostDiscord), "allowed_mentions": map[string]any{"parse": []string{}}, "flags": 4}
}

var links = nodes.Pattern(`https?://[^\s<>"]+`)

// teams writes an Adaptive Card of text runs, which know no markup; links
// become actions.
func teams(n Notice) any {
	var body []any
	for l := range strings.SplitSeq(cut(n.Text, mostTeams), "\n") {
		body = append(body, map[string]any{"type": "RichTextBlock", "spacing": "None", "inlines": runs(l)})
	}
	card := map[string]any{"type": "AdaptiveCard", "$schema": "http://adaptivecards.io/schemas/adaptive-card.json", "version": "1.4", "body": body}
	return map[string]any{"type": "message", "attachments": []any{
		map[string]any{"contentType": "application/vnd.microsoft.card.adaptive", "content": card},
	}}
}

// runs cuts a line into text and links.
func runs(l string) []any {
	var out []any
	text := func(s string) map[string]any { return map[string]any{"type": "TextRun", "text": s} }
	rest := 0
	for _, at := range links().FindAllStringIndex(l, -1) {
		if at[0] > rest {
			out = append(out, text(l[rest:at[0]]))
		}
		link := text(l[at[0]:at[1]])
		link["selectAction"] = map[string]any{"type": "Action.OpenUrl", "url": l[at[0]:at[1]]}
		out = append(out, link)
		rest = at[1]
	}
	if rest < len(l) || len(out) == 0 {
		out = append(out, text(l[rest:]))
	}
	return out
}

// plainJSON is {"text": ...} and, about a roll, "roll" with all that is known,
// nothing shortened.
func plainJSON(n Notice) any {
	out := map[string]any{"text": n.Text}
	if n.Roll != nil {
		out["roll"] = rollJSON(*n.Roll)
	}
	return out
}

func rollJSON(r nodes.Roll) map[string]any {
	states := make([]any, 0, len(r.Nodes))
	for _, n := range r.Nodes {
		states = append(states, map[string]any{"node": n.Node, "state": n.State, "why": nodes.Clean(n.Why)})
	}
	changesets := make([]any, 0, len(r.Changesets))
	for _, c := range r.Changesets {
		m := map[string]any{"rev": c.Rev, "author": nodes.Clean(c.Author), "date": c.Date.UTC().Format(time.RFC3339), "message": nodes.Clean(c.Message), "tickets": append([]string{}, c.Tickets()...)}
		if r.Tracker != nil {
			m["url"] = r.Tracker.ChangesetURL(nodes.Revision(fmt.Sprint(c.Rev)))
		}
		changesets = append(changesets, m)
	}
	out := map[string]any{
		"id": r.ID, "name": r.Name, "who": r.Who, "host": r.Host, "from": revisionJSON(r.From), "to": revisionJSON(r.To), "state": r.State,
		"started": r.Started.UTC().Format(time.RFC3339), "ended": r.Ended.UTC().Format(time.RFC3339), "nodes": states, "changesets": changesets,
	}
	if r.By != "" {
		out["mode"], out["by"] = r.Mode, r.By
	}
	return out
}

// revisionJSON is a number where the revision is one, as in history --json.
func revisionJSON(r nodes.Revision) any {
	if n, err := strconv.Atoi(string(r)); err == nil {
		return n
	}
	return r
}

// cut shortens a notice to what a service takes and says how much is missing.
func cut(s string, most int) string {
	r := []rune(s)
	if len(r) <= most {
		return s
	}
	const room = 40 // for the note
	return fmt.Sprintf("%s\n… (%d characters more)", string(r[:most-room]), len(r)-most+room)
}
