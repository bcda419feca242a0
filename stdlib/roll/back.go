package roll

import (
	"context"
	"database/sql"
	"fmt"
	"strings"

	"github.com/rollsh/rollsh/nodes"
)

// Backwards says what it means to undo the roll on the nodes of set: whose roll
// that is, and the question, with the revisions that the nodes had before.
//
//	undoes the roll of www by anna@staging on 2026-11-30 19:14 (20261130-181402-www-ab12)
//	take www back from r45 to r43 on cdn[1-2] and to r42 on app1 (app2 had it all before)?
func (r *Roll) Backwards(ctx context.Context, set nodes.Set) (whose, question string, err error) {
	e := r.Entry()
	var had map[nodes.Name]left
	err = r.journal.read(ctx, func(tx *sql.Tx) error {
		had, err = leftBy(ctx, tx, e.Name, &e)
		return err
	})
	if err != nil {
		return "", "", err
	}
	var order []string
	groups := map[string][]string{}
	for _, n := range set.Nodes {
		entry, err := r.node(n)
		if err != nil {
			return "", "", err
		}
		to := entry.before(had[n.Name].rev, e.To)
		if groups[to] == nil {
			order = append(order, to)
		}
		groups[to] = append(groups[to], string(n.Name))
	}
	whose = fmt.Sprintf("undoes the roll of %s by %s@%s on %s (%s)", e.Name, e.Who, e.Host, e.Started.Local().Format("2006-01-02 15:04"), e.ID)
	return whose, "take " + e.Name + " back" + backTo(e.To, order, groups) + "?", nil
}

// before names what the node goes back to, of which it had this revision before
// the roll; empty where the roll changed nothing.
func (n NodeEntry) before(had, rolled nodes.Revision) string {
	switch {
	case had != "" && had != rolled:
		return "r" + string(had)
	case had != "" && n.Undo == "":
		return ""
	}
	return "what was there before"
}

// backTo is " from r45 to r43 on cdn[1-2] and to r42 on app1 (app2 had it all before)".
func backTo(from nodes.Revision, order []string, groups map[string][]string) string {
	text, same := "", ""
	if from != "" {
		text = " from r" + string(from)
	}
	var parts []string
	for _, to := range order {
		if to == "" {
			same = " (" + nodes.FoldNames(groups[to]) + " had it all before)"
			continue
		}
		parts = append(parts, " to "+to+" on "+nodes.FoldNames(groups[to]))
	}
	return text + strings.Join(parts, " and") + same
}
