package roll

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/rollsh/rollsh/nodes"
)

// Entry is a roll as the journal has it.
type Entry struct {
	ID         string // 20261122-231501-www-ab12, in UTC
	Name       string
	Who        string
	Host       string // the deploy host
	Recipe     string // absolute path; empty when rolled from the prompt
	Args       []string
	Files      map[string]string // loaded files: path to SHA-256
	Source     string            // the local folder that is rolled
	From       nodes.Revision    // the oldest that a node had, as far as known
	To         nodes.Revision
	Digest     string            // of the plan that was confirmed
	Options    map[string]string // as written, for people
	Changesets nodes.Changesets
	Started    time.Time
	Again      time.Time // when this process took it up again; zero: it did not
	Ended      time.Time // zero while it runs, and when it was interrupted
	State      Phase
	Complete   bool // every node was tried, and the budgets were not spent
	Why        string
	Nodes      []NodeEntry
	Notices    []Notice
	Takes      []Take
	Untold     bool // its process died while people were told how it ended
}

// NodeEntry is how a node stands in a roll.
type NodeEntry struct {
	Node    nodes.Name
	State   State
	Why     string
	Since   time.Time
	Out     bool           // it is out of service
	Touched bool           // it was drained or switched, or a step to that began
	Rev     nodes.Revision // what this roll put there; empty: nothing
	Undo    string         // by what name the sync engine undoes it; empty: nothing to undo
}

// Step is one step on one node: what was meant, and what came of it.
type Step struct {
	Node    nodes.Name `lua:"node"`
	What    string     `lua:"what"`    // drain, switch, after, ...
	State   State      `lua:"state"`   // the node's, when it ends well
	Intent  time.Time  `lua:"intent"`  // when it began
	Ended   time.Time  `lua:"ended"`   // zero: nobody knows
	Outcome string     `lua:"outcome"` // ok, failed, unknown, skipped; empty: nobody knows
	Why     string     `lua:"why"`
}

// Notice is an announcement that reached nobody.
type Notice struct {
	At  time.Time
	Why string
}

// Unfinished reports whether the roll must be resumed, undone or closed before
// its name takes a new one.
func (e Entry) Unfinished() bool {
	switch e.State {
	case RollDone, RollUndone, Closed, Running:
		return false
	}
	for _, n := range e.Nodes {
		if n.Touched && (n.State == Unknown || !e.Complete) {
			return true
		}
	}
	return false
}

// out lists the nodes that are out of service.
func (e Entry) out() []string {
	var out []string
	for _, n := range e.Nodes {
		if n.Out {
			out = append(out, string(n.Node))
		}
	}
	return out
}

// reached reports whether the roll runs, or did anything to a node, be it undone
// since.
func (e Entry) reached() bool {
	return e.State == Running || slices.ContainsFunc(e.Nodes, func(n NodeEntry) bool { return n.Touched || n.Rev != "" || n.State == Undone })
}

// undoable reports whether there is anything of the roll to undo, or was before
// it was undone. A node that had everything already has nothing to undo.
func (e Entry) undoable() bool {
	return slices.ContainsFunc(e.Nodes, func(n NodeEntry) bool {
		return n.State == Undone || n.Touched && (n.Undo != "" || n.State != Done)
	})
}

// Seconds is how long the roll took, or has taken so far, since it was last
// taken up as far as that is known.
func (e Entry) Seconds() float64 {
	begin, end := e.Started, e.Ended
	if !e.Again.IsZero() {
		begin = e.Again
	}
	if end.IsZero() {
		end = time.Now()
	}
	return end.Sub(begin).Round(time.Millisecond).Seconds()
}

// Roll is what notices are told of.
func (e Entry) Roll(t nodes.Tracker) nodes.Roll {
	r := nodes.Roll{
		ID: e.ID, Name: e.Name, Who: e.Who, Host: e.Host, From: e.From, To: e.To, State: string(e.State),
		Changesets: e.Changesets, Started: e.Started, Ended: e.Ended, Tracker: t,
	}
	for _, n := range e.Nodes {
		r.Nodes = append(r.Nodes, nodes.NodeState{Node: n.Node, State: string(n.State), Why: n.Why, Since: n.Since})
	}
	return r
}

const rollColumns = `id, name, who, host, recipe, args, files, source, from_rev, to_rev, digest, options, changesets, started, ended, state, complete, why`

// insert writes a new roll and its nodes.
func insert(ctx context.Context, tx *sql.Tx, e Entry) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO rolls (`+rollColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)`,
		e.ID, e.Name, e.Who, e.Host, e.Recipe, encode(e.Args), encode(e.Files), e.Source, string(e.From), string(e.To), e.Digest,
		encode(e.Options), encode(e.Changesets), stamp(e.Started), stamp(e.Ended), string(e.State), flag(e.Complete), e.Why)
	if err != nil {
		return err
	}
	for i, n := range e.Nodes {
		_, err := tx.ExecContext(ctx, `INSERT INTO roll_nodes (roll, place, node, state, why, since, out, touched, rev, undo) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`,
			e.ID, i, string(n.Node), string(n.State), n.Why, stamp(n.Since), flag(n.Out), flag(n.Touched), string(n.Rev), n.Undo)
		if err != nil {
			return err
		}
	}
	return nil
}

// entries reads rolls, newest first: all for an empty name, all for limit 0.
func (j *Journal) entries(ctx context.Context, tx *sql.Tx, name string, limit int) ([]Entry, error) {
	query, args := `SELECT `+rollColumns+` FROM rolls WHERE name = $1 OR $1 = '' ORDER BY started DESC, id DESC`, []any{name}
	if limit > 0 {
		query, args = query+` LIMIT $2`, append(args, limit)
	}
	return j.scan(ctx, tx, query, args...)
}

// entry reads one roll; it fails with NotFound.
func (j *Journal) entry(ctx context.Context, tx *sql.Tx, id string) (Entry, error) {
	found, err := j.scan(ctx, tx, `SELECT `+rollColumns+` FROM rolls WHERE id = $1`, id)
	if err != nil {
		return Entry{}, err
	}
	if len(found) == 0 {
		return Entry{}, noSuchRoll(id)
	}
	return found[0], nil
}

func noSuchRoll(id string) error {
	return &nodes.Error{Kind: nodes.NotFound, Message: fmt.Sprintf("no roll '%.80s' in the journal", id), Hint: "`rollsh history` lists them"}
}

func (j *Journal) scan(ctx context.Context, tx *sql.Tx, query string, args ...any) ([]Entry, error) {
	out, err := scanRolls(ctx, tx, query, args...)
	if err != nil {
		return nil, err
	}
	live, err := j.liveRolls(ctx, tx)
	if err != nil {
		return nil, err
	}
	takes, err := takesOf(ctx, tx)
	if err != nil {
		return nil, err
	}
	telling, err := tellingOf(ctx, tx)
	if err != nil {
		return nil, err
	}
	for i := range out {
		e := &out[i]
		e.Takes = takes[e.ID]
		e.judge(live[e.ID], telling[e.ID])
		if e.Nodes, err = nodesOf(ctx, tx, *e); err != nil {
			return nil, err
		}
		if e.Notices, err = noticesOf(ctx, tx, e.ID); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// judge tells a roll under way from one whose process died. One whose end is
// written, and of which people are being told, runs as long as its process lives.
func (e *Entry) judge(live, telling bool) {
	switch {
	case e.State == Running && !live:
		e.State, e.Why, e.Untold = Interrupted, "its process died", telling
	case e.State != Running && live:
		e.State, e.Ended, e.Why = Running, time.Time{}, ""
	default:
		e.Untold = telling && !live
	}
}

func scanRolls(ctx context.Context, tx *sql.Tx, query string, args ...any) ([]Entry, error) {
	rows, err := tx.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }() // rows.Err tells
	var out []Entry
	for rows.Next() {
		var e Entry
		var recipeArgs, files, options, changesets, started, ended string
		err := rows.Scan(&e.ID, &e.Name, &e.Who, &e.Host, &e.Recipe, &recipeArgs, &files, &e.Source, &e.From, &e.To, &e.Digest,
			&options, &changesets, &started, &ended, &e.State, &e.Complete, &e.Why)
		if err != nil {
			return nil, err
		}
		e.Started, e.Ended = unstamp(started), unstamp(ended)
		for text, into := range map[*string]any{&recipeArgs: &e.Args, &files: &e.Files, &options: &e.Options, &changesets: &e.Changesets} {
			if err := json.Unmarshal([]byte(*text), into); err != nil {
				return nil, fmt.Errorf("roll %s: %w", e.ID, err)
			}
		}
		out = append(out, e)
	}
	return out, rows.Err()
}

// liveRolls are those whose lock is held by somebody who lives.
func (j *Journal) liveRolls(ctx context.Context, tx *sql.Tx) (map[string]bool, error) {
	held, err := j.locksOf(ctx, tx, "")
	if err != nil {
		return nil, err
	}
	live := map[string]bool{}
	for _, l := range held {
		if !l.Person && !l.Stale {
			live[l.Roll] = true
		}
	}
	return live, nil
}

// nodesOf reads the nodes of a roll in their order. Where the roll is not
// running, a step without an outcome makes its node unknown, unless it was done
// beside the tree.
func nodesOf(ctx context.Context, tx *sql.Tx, e Entry) ([]NodeEntry, error) {
	rows, err := tx.QueryContext(ctx, `SELECT n.node, n.state, n.why, n.since, out, touched, rev, undo,
		COALESCE(s.what, ''), COALESCE(s.state, ''), COALESCE(s.intent, '') FROM roll_nodes n
		LEFT JOIN (SELECT roll, node, max(seq) AS seq FROM steps WHERE roll = $1 AND outcome = '' GROUP BY roll, node) o ON o.roll = n.roll AND o.node = n.node
		LEFT JOIN steps s ON s.roll = o.roll AND s.seq = o.seq
		WHERE n.roll = $1 ORDER BY place`, e.ID)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }() // rows.Err tells
	var out []NodeEntry
	for rows.Next() {
		var n NodeEntry
		var since, meant, at string
		var to State
		if err := rows.Scan(&n.Node, &n.State, &n.Why, &since, &n.Out, &n.Touched, &n.Rev, &n.Undo, &meant, &to, &at); err != nil {
			return nil, err
		}
		n.Since = unstamp(since)
		switch {
		case meant == "":
		case e.State == Running:
			n.Why = meant + " is under way"
		default:
			n.Since, n.Why = unstamp(at), meant+" had begun when the roll ended"
			if to != Staged {
				n.State = Unknown
			}
		}
		out = append(out, n)
	}
	return out, rows.Err()
}

func noticesOf(ctx context.Context, tx *sql.Tx, id string) ([]Notice, error) {
	rows, err := tx.QueryContext(ctx, `SELECT at, why FROM notices WHERE roll = $1 ORDER BY at`, id)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }() // rows.Err tells
	var out []Notice
	for rows.Next() {
		var n Notice
		var at string
		if err := rows.Scan(&at, &n.Why); err != nil {
			return nil, err
		}
		n.At = unstamp(at)
		out = append(out, n)
	}
	return out, rows.Err()
}

// encode writes what Entry holds, which is texts and times, as JSON.
func encode(v any) string {
	b, err := json.Marshal(v)
	if err != nil { // a time outside the years 0 to 9999
		return "null"
	}
	return string(b)
}

func flag(b bool) int {
	if b {
		return 1
	}
	return 0
}
