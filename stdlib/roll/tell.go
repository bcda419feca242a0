package roll

import (
	"fmt"
	"time"

	"github.com/rollsh/rollsh/nodes"
)

// tell lets the screen know of a node's state, and for how long its readers may
// have seen two revisions.
func (r *Roll) tell(n NodeEntry, burst time.Duration) {
	if r.plan {
		if n.Why != "" {
			r.journal.session.Events.Emit(nodes.Event{Time: n.Since, Type: nodes.Planned, Op: "roll", Node: n.Node, Text: "then " + string(n.State) + ": " + n.Why})
		}
		return
	}
	text := n.Why
	if burst > 0 {
		text = fmt.Sprintf("%.1f ms", burst.Seconds()*1000)
		if n.Why != "" {
			text = n.Why + "; switched in " + text
		}
	}
	r.journal.session.Events.Emit(nodes.Event{Time: n.Since, Type: nodes.State, Op: "roll", Node: n.Node, State: string(n.State), Text: text})
}
