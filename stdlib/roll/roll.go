package roll

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/rollsh/rollsh/nodes"
)

// Request is what a roll begins with; Name and To must be given.
type Request struct {
	Name    string
	To      nodes.Set
	Source  string            // the local folder
	Digest  string            // of a plan made before
	Options map[string]string // as written, for people
	Recipe  nodes.Recipe

	MaxFailed      int // nodes that may fail before nothing more is begun
	MaxUnreachable int // the same for nodes that cannot be reached
}

// Roll is a roll under way. It holds the lock of its name and says every few
// seconds that it lives, until Finish. Its methods are safe from many
// goroutines.
type Roll struct {
	journal *Journal
	lock    Lock
	set     nodes.Set
	plan    bool // nothing is written and no lock is held
	mode    nodes.Mode
	stop    context.CancelFunc // ends the heartbeat
	beats   sync.WaitGroup

	interrupt *nodes.Interrupt // may be nil
	budget    budget

	mu    sync.Mutex
	entry Entry // as the journal has it
	open  bool
	// concluded: the end is written, and people are being told of it.
	concluded bool
	was       *Entry                // before this process took it up again; nil: it did not
	seq       int                   // of the last step
	begins    int                   // seq when this process began
	undo      string                // by what name the sync engine undoes what is switched now
	answers   map[nodes.Name]answer // of checks, since the switch
	begun     map[nodes.Name]bool   // drained or switched by this process
	cut       map[nodes.Name]bool   // a switch began, and did not end well so far
	past      map[nodes.Name]bool   // switched before this process took the roll up
	unsure    map[nodes.Name]bool   // nobody knows whether an earlier switch was made
	passed    []nodes.Outcome       // resume leaves these as they are
	soft      <-chan struct{}       // closed when a person asks to stop; nil until a node is touched
	release   func()
	closers   []func() // what ends with the roll
}

// budget is how many nodes may go wrong over the whole roll.
type budget struct{ failed, unreachable int }

// recordGrace is how long an outcome may take to be written after its roll was
// cancelled.
const recordGrace = 10 * time.Second

// Begin takes the lock and writes the record. It fails with Locked while
// another roll of the name runs or a person keeps it locked, and with Refused
// while one is unfinished.
func (j *Journal) Begin(ctx context.Context, q Request) (*Roll, error) {
	if err := checkRequest(q); err != nil {
		return nil, err
	}
	r := &Roll{journal: j, set: q.To, mode: q.Recipe.Mode, entry: j.newEntry(q), past: map[nodes.Name]bool{}, unsure: map[nodes.Name]bool{}, open: true, begun: map[nodes.Name]bool{}, answers: map[nodes.Name]answer{}, cut: map[nodes.Name]bool{}, interrupt: j.session.Interrupt, budget: budget{q.MaxFailed, q.MaxUnreachable}}
	if q.Recipe.Mode == nodes.ModePlan || q.Recipe.Mode == nodes.ModePending {
		return r.planned(ctx)
	}
	r.lock = j.newLock(q.Name, "roll", r.entry.ID)
	err := j.write(ctx, func(tx *sql.Tx) error {
		if err := j.admit(ctx, tx, q.Name); err != nil {
			return err
		}
		if err := j.take(ctx, tx, r.lock, q.Recipe.Takeover); err != nil {
			return err
		}
		if err := r.standOn(ctx, tx); err != nil {
			return err
		}
		return insert(ctx, tx, r.entry)
	})
	if err != nil {
		return nil, err
	}
	if !j.shared() {
		r.warn("the lock of " + q.Name + " is seen by " + j.session.User + " only: it is in " + j.session.State + "; `rollsh init --shared GROUP` makes it everybody's")
	}
	r.sayWhoIsOut()
	r.keepAlive()
	return r, nil
}

// standOn takes over how earlier rolls left the nodes: what they have, and who
// is out of service still. Of such a node nobody knows that its tree is good:
// only its check can put it back.
func (r *Roll) standOn(ctx context.Context, tx *sql.Tx) error {
	was, err := leftBy(ctx, tx, r.entry.Name, nil)
	if err != nil {
		return err
	}
	r.entry.From = oldest(was, r.set)
	for i := range r.entry.Nodes {
		n := &r.entry.Nodes[i]
		n.Out = was[n.Node].out
		r.past[n.Node] = n.Out
	}
	return nil
}

// sayWhoIsOut warns of nodes that an earlier roll left out of service.
func (r *Roll) sayWhoIsOut() {
	if out := r.entry.out(); len(out) > 0 {
		r.warn(nodes.FoldNames(out) + ": left drained by an earlier roll, so this one rolls and checks it whether or not it has changes, and puts it back when that goes well")
	}
}

// planned is a roll that writes nothing: it knows what the nodes have, and says
// when a real one would not begin.
func (r *Roll) planned(ctx context.Context) (*Roll, error) {
	r.plan, r.stop = true, func() {}
	err := r.journal.read(ctx, func(tx *sql.Tx) error { return r.standOn(ctx, tx) })
	if err != nil {
		return nil, err
	}
	r.sayWhoIsOut()
	if err := r.journal.Ready(ctx, r.entry.Name); err != nil {
		r.warn("a roll would not begin now: " + err.Error())
	}
	return r, nil
}

// write is the journal's, but for a plan, which writes nothing.
func (r *Roll) write(ctx context.Context, f func(*sql.Tx) error) error {
	if r.plan {
		return nil
	}
	return r.journal.write(ctx, f)
}

func (r *Roll) warn(text string) {
	r.journal.session.Events.Emit(nodes.Event{Time: time.Now(), Type: nodes.Warned, Op: "roll", Text: text})
}

// Ready fails as Begin would, and changes nothing.
func (j *Journal) Ready(ctx context.Context, name string) error {
	return j.read(ctx, func(tx *sql.Tx) error {
		if err := j.admit(ctx, tx, name); err != nil {
			return err
		}
		held, err := j.locksOf(ctx, tx, name)
		for _, l := range held {
			if !l.Person || l.Who != j.session.User {
				return l.locked(time.Now())
			}
		}
		return err
	})
}

// admit fails while a roll of the name is unfinished.
func (j *Journal) admit(ctx context.Context, tx *sql.Tx, name string) error {
	all, err := j.entries(ctx, tx, name, 1)
	if err != nil || len(all) == 0 || !all[0].Unfinished() {
		return err
	}
	e := all[0]
	return &nodes.Error{
		Kind: nodes.Refused, Message: fmt.Sprintf("the roll %s of %s on %s is unfinished: %s (%s)", e.ID, e.Who, e.Host, e.summary(), e.State),
		Hint: "`rollsh resume` goes on, `rollsh back` undoes it, `rollsh close " + e.ID + " REASON` leaves it as it is",
	}
}

// summary counts the nodes by state: "3 done, 1 left-drained, 4 untouched".
func (e Entry) summary() string {
	var order []State
	count := map[State]int{}
	for _, n := range e.Nodes {
		if count[n.State] == 0 {
			order = append(order, n.State)
		}
		count[n.State]++
	}
	var parts []string
	for _, s := range order {
		parts = append(parts, fmt.Sprintf("%d %s", count[s], s))
	}
	return strings.Join(parts, ", ")
}

func checkRequest(q Request) error {
	if err := checkName(q.Name); err != nil {
		return err
	}
	if len(q.To.Nodes) == 0 {
		return &nodes.Error{Kind: nodes.Usage, Message: "a roll needs at least one node: 'to' is empty"}
	}
	seen := map[nodes.Name]bool{}
	for _, n := range q.To.Nodes {
		if seen[n.Name] {
			return &nodes.Error{Kind: nodes.Usage, Message: fmt.Sprintf("'to' has two nodes named %s", n.Name)}
		}
		seen[n.Name] = true
	}
	return nil
}

func (j *Journal) newEntry(q Request) Entry {
	now := time.Now()
	e := Entry{
		ID: newID(now, q.Name), Name: q.Name, Who: j.session.User, Host: j.session.Host, Recipe: q.Recipe.Path,
		Args: q.Recipe.Args, Files: q.Recipe.Files, Source: q.Source, Digest: q.Digest, Options: q.Options, Started: now, State: Running,
	}
	for _, n := range q.To.Nodes {
		e.Nodes = append(e.Nodes, NodeEntry{Node: n.Name, State: Untouched, Since: now})
	}
	return e
}

func newID(at time.Time, name string) string {
	b := make([]byte, 2)
	_, _ = rand.Read(b) // never fails, see crypto/rand
	return at.UTC().Format("20060102-150405") + "-" + name + "-" + hex.EncodeToString(b)
}

func (r *Roll) keepAlive() {
	ctx, cancel := context.WithCancel(context.Background())
	r.stop = cancel
	r.beats.Go(func() { r.journal.heartbeat(ctx, r.lock) })
}

// Entry gives the roll as it stands.
func (r *Roll) Entry() Entry {
	r.mu.Lock()
	defer r.mu.Unlock()
	e := r.entry
	e.Nodes = slices.Clone(e.Nodes)
	e.Notices = slices.Clone(e.Notices)
	return e
}

func (r *Roll) over() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return !r.open
}

// Set gives the nodes that the roll goes to.
func (r *Roll) Set() nodes.Set { return r.set }

// Pin says what is rolled, as far as it is known by now; empty values leave
// what was pinned before.
type Pin struct {
	From       nodes.Revision
	To         nodes.Revision
	Changesets nodes.Changesets
	Digest     string // of a plan
	Undo       string // by what name the sync engine undoes what is switched from now on
}

// Pin writes what is rolled. A digest other than the one that was pinned
// before fails with Changed: what was confirmed is what runs.
func (r *Roll) Pin(ctx context.Context, p Pin) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	e := r.entry
	if p.Digest != "" && e.Digest != "" && p.Digest != e.Digest {
		return &nodes.Error{
			Kind: nodes.Changed, Message: "what is to be rolled is no longer what was planned: the tree or a node changed since",
			Hint: "roll again to see and confirm the new plan",
		}
	}
	if p.From != "" {
		e.From = p.From
	}
	if p.To != "" {
		e.To = p.To
	}
	if p.Changesets != nil {
		e.Changesets = p.Changesets
	}
	if p.Digest != "" {
		e.Digest = p.Digest
	}
	err := r.write(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `UPDATE rolls SET from_rev = $1, to_rev = $2, changesets = $3, digest = $4 WHERE id = $5`,
			string(e.From), string(e.To), encode(e.Changesets), e.Digest, e.ID)
		return err
	})
	if err != nil {
		return err
	}
	r.entry = e
	if p.Undo != "" {
		r.undo = p.Undo
	}
	return nil
}

// Notice keeps an announcement that reached nobody.
func (r *Roll) Notice(ctx context.Context, why string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordGrace)
	defer cancel()
	n := Notice{At: time.Now(), Why: why}
	err := r.write(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO notices (roll, at, why) VALUES ($1, $2, $3)`, r.entry.ID, stamp(n.At), n.Why)
		return err
	})
	if err == nil {
		r.mu.Lock()
		r.entry.Notices = append(r.entry.Notices, n)
		r.mu.Unlock()
	}
	return err
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return line
}
