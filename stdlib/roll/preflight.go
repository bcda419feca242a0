package roll

import (
	"context"
	"errors"
	"fmt"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/rollsh/rollsh/nodes"
)

const (
	preflightLimit = 30 * time.Second // for one node
	clockLimit     = time.Minute      // a clock that is off by more is warned of
)

// Preflight looks at every node of the roll at once and changes nothing: it
// can be reached, the tree's folder can be written, there is some space, its
// clock is right. It gives the nodes that can be rolled; the others are failed
// or unreachable: tolerated is their error where the budgets allow it, to be
// raised at the roll's end; where they do not, Preflight fails. Nodes that
// failed before, and that resume was not told to take, are tolerated so too.
func (r *Roll) Preflight(ctx context.Context, dir nodes.RemotePath) (good nodes.Set, tolerated, err error) {
	look := func(ctx context.Context, n *nodes.Node) (any, error) {
		dir := dir
		if dir == "" {
			dir = n.Path
		}
		ctx, cancel := context.WithTimeoutCause(ctx, preflightLimit,
			&nodes.Error{Kind: nodes.Timeout, Message: fmt.Sprintf("no answer within %v", preflightLimit)})
		defer cancel()
		return r.look(ctx, n, dir)
	}
	results := nodes.Each(ctx, r.set, nodes.EachOpts{Op: "preflight", AtOnce: nodes.AllAtOnce(), OnFailure: nodes.CarryOn}, look)
	if ctx.Err() != nil {
		return good, nil, nodes.Stopped(ctx)
	}
	if err := r.note(ctx, results); err != nil {
		return good, nil, err
	}
	r.warnOfAll(results.List, "", func(o nodes.Outcome) error {
		clock, _ := o.Value.(*clockOff)
		return clock.warning()
	})
	good = results.In(nodes.OK)
	good.Name = r.set.Name
	results.List = append(results.List, r.passed...)
	tolerated = results.Err()
	if tolerated != nil && (r.Spent() || len(good.Nodes) == 0) {
		return good, nil, tolerated
	}
	r.warnOfAll(results.List, "left out: ", func(o nodes.Outcome) error { return o.Err })
	return good, tolerated, results.Stop
}

// warnOfAll warns of what there is to say of nodes, the same of several at once.
func (r *Roll) warnOfAll(list []nodes.Outcome, head string, of func(nodes.Outcome) error) {
	var all []error
	for _, o := range list {
		if err := of(o); err != nil {
			all = append(all, nodes.At(err, "", o.Node.Name))
		}
	}
	for _, line := range nodes.FoldErrors(all) {
		r.warn(head + line)
	}
}

// note writes down the nodes that the preflight failed on. Why is told once for
// all of them, in the error or as what is left out.
func (r *Roll) note(ctx context.Context, results *nodes.Results) error {
	for _, o := range results.List {
		if o.Err == nil {
			continue
		}
		before, err := r.node(o.Node)
		if err != nil {
			return err
		}
		node, err := r.settle(ctx, o.Node, stateOf(o.State), before.Out, reason(o.Err))
		if err != nil {
			return err
		}
		node.Why = ""
		r.tell(node, 0)
	}
	return nil
}

func stateOf(s nodes.OutcomeState) State {
	if s == nodes.NotReached {
		return Unreachable
	}
	return Failed
}

// look is the preflight of one node; it gives how far its clock is off.
func (r *Roll) look(ctx context.Context, n *nodes.Node, dir nodes.RemotePath) (*clockOff, error) {
	conn, err := r.journal.session.Dialer.Dial(ctx, n)
	if err != nil {
		return nil, err
	}
	if dir == "" {
		return nil, &nodes.Error{Kind: nodes.Usage, Message: "no path: give path=, or path= in the nodes file"}
	}
	if err := lookAtFiles(ctx, conn, dir); err != nil {
		return nil, err
	}
	return lookAtShell(ctx, conn, dir)
}

// lookAtFiles sees that the tree's folder is one, or can be made, and that its
// disk is not full. How much the very change needs is known when it is staged.
func lookAtFiles(ctx context.Context, conn nodes.Conn, dir nodes.RemotePath) error {
	files, err := conn.Files(ctx)
	if nodes.KindOf(err) == nodes.Permission {
		return nil // no file access: the shell is asked
	}
	if err != nil {
		return err
	}
	defer func() { _ = files.Close() }() // nothing was written
	at := dir
	info, err := files.Stat(at)
	for nodes.KindOf(err) == nodes.NotFound && at != "/" {
		at = nodes.RemotePath(path.Dir(string(at)))
		info, err = files.Stat(at)
	}
	switch {
	case err != nil:
		return err
	case !info.Mode.IsDir():
		return &nodes.Error{Kind: nodes.Failed, Message: fmt.Sprintf("%s is not a folder", at)}
	}
	free, err := files.Free(at)
	if err == nil && (free.Bytes == 0 || free.Inodes == 0 && free.Bytes < 1<<20) {
		return &nodes.Error{Kind: nodes.Space, Message: fmt.Sprintf("no space left on the disk of %s", at)}
	}
	return nil // not every server tells what is free
}

// lookAtShell asks for the clock and whether the folder can be written. A node
// that lets nobody run commands is not asked.
func lookAtShell(ctx context.Context, conn nodes.Conn, dir nodes.RemotePath) (*clockOff, error) {
	script := `d=` + nodes.Quote(string(dir)) + `; while [ ! -e "$d" ] && [ "$d" != / ]; do d=$(dirname -- "$d"); done
if [ -w "$d" ]; then echo yes; else echo no; fi; date +%s; printf '%s\n' "$d"`
	before := time.Now()
	res, err := conn.Run(ctx, nodes.Cmd{Line: script, Quiet: true})
	var denied *nodes.Error
	if errors.As(err, &denied) && denied.Kind == nodes.Permission {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	lines := strings.SplitN(string(res.Stdout), "\n", 3)
	if !res.OK() || len(lines) != 3 {
		return nil, nil // a forced command answers in its own way
	}
	if lines[0] == "no" {
		return nil, &nodes.Error{
			Kind: nodes.Permission, Message: fmt.Sprintf("cannot write to %s", strings.TrimSpace(nodes.Clean(lines[2]))),
			Hint: "give the folder to the user that rolls",
		}
	}
	return lookAtClock(lines[1], before, time.Now()), nil
}

// clockOff is how far a clock is off by more than the limit: times of files,
// certificates and logs go by it.
type clockOff struct {
	by  time.Duration
	how string // fast or slow
}

// lookAtClock judges a node's clock by its answer; nil where it is right.
func lookAtClock(answer string, before, after time.Time) *clockOff {
	seconds, err := strconv.ParseInt(strings.TrimSpace(answer), 10, 64)
	if err != nil {
		return nil
	}
	there := time.Unix(seconds, 0)
	if off := there.Sub(after); off > clockLimit {
		return &clockOff{off.Round(time.Second), "fast"}
	}
	if off := before.Sub(there); off > clockLimit {
		return &clockOff{off.Round(time.Second), "slow"}
	}
	return nil
}

// warning says it; nil of a clock that is right.
func (c *clockOff) warning() error {
	if c == nil {
		return nil
	}
	off := c.by.String()
	return &nodes.Error{Kind: nodes.Failed, Message: fmt.Sprintf("its clock is %s %s", off, c.how), Own: []string{off}}
}

// Spent reports whether more nodes went wrong than the roll tolerates.
func (r *Roll) Spent() bool {
	failed, unreachable := r.Left()
	return failed < 0 || unreachable < 0
}

// Left tells how many nodes may still fail, and how many may still be
// unreachable; less than 0: a budget is spent.
func (r *Roll) Left() (failed, unreachable int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	failed, unreachable = r.budget.failed, r.budget.unreachable
	places, err := r.places(r.set)
	if err != nil {
		return failed, unreachable
	}
	for _, i := range places {
		switch r.entry.Nodes[i].State {
		case Failed, LeftDrained, Unknown:
			failed--
		case Unreachable:
			unreachable--
		}
	}
	return failed, unreachable
}

// Gate is what holds a roll up between batches: the zero value, nothing.
type Gate struct {
	Wait time.Duration
	Ask  bool
	Call func(ctx context.Context, done, left nodes.Set) (bool, error)
}

// Gate waits, asks or calls. No is Refused; it fails with Cancelled when a
// person asks to stop meanwhile.
func (r *Roll) Gate(ctx context.Context, g Gate, done, left nodes.Set) error {
	ok, err := true, r.pause(ctx, g.Wait)
	switch {
	case err != nil:
	case g.Ask:
		ok, err = r.journal.session.Person.Confirm(ctx, fmt.Sprintf("%s through; go on with %s?", done.Fold(), left.Fold()))
	case g.Call != nil:
		ok, err = g.Call(ctx, done, left)
	}
	if err == nil && !ok {
		err = &nodes.Error{Kind: nodes.Refused, Message: fmt.Sprintf("stopped after %s: the gate said no", done.Fold())}
	}
	return err
}

func (r *Roll) pause(ctx context.Context, d time.Duration) error {
	r.mu.Lock()
	soft := r.soft
	r.mu.Unlock()
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-soft:
		return r.GoOn()
	case <-ctx.Done():
		return nodes.Stopped(ctx)
	case <-t.C:
		return r.GoOn()
	}
}

// GoOn fails with Cancelled once a person asked the roll to stop.
func (r *Roll) GoOn() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.asked()
}

// StateOf tells the state of a node in the roll.
func (r *Roll) StateOf(n *nodes.Node) (State, error) {
	e, err := r.node(n)
	return e.State, err
}

func (r *Roll) node(n *nodes.Node) (NodeEntry, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range r.entry.Nodes {
		if e.Node == n.Name {
			return e, nil
		}
	}
	return NodeEntry{}, notInRoll(n, r.entry)
}

// Confirm asks the person whether to go on; no is Refused. A plan takes it for
// granted.
func (r *Roll) Confirm(ctx context.Context, text string) error {
	if r.plan {
		return nil
	}
	yes, err := r.journal.session.Person.Confirm(ctx, text)
	if err == nil && !yes {
		err = &nodes.Error{Kind: nodes.Refused, Message: "not confirmed: nothing was changed on any node"}
	}
	return err
}

// Look is what a tree would be at a revision. It is there until its roll ends.
type Look struct {
	nodes.Tree
	name string
}

// checkout is a tree that only one process may change at a time, and that may
// hold changes which no revision has.
type checkout interface {
	Hold(ctx context.Context, what string) (release func(), err error)
	Unclean(ctx context.Context) (why string, err error) // empty when it is exactly a revision
}

// At gives the tree at a revision without changing the checkout; an empty one
// means what it is at, and is what a plain folder has. Unless the roll is only
// planned, a checkout is held until the roll ends; Locked names who has it. One
// with changes of its own is Refused: nobody could tell later what was rolled.
func (r *Roll) At(ctx context.Context, t nodes.Tree, rev nodes.Revision) (*Look, error) {
	if c, ok := t.(checkout); ok {
		if err := r.hold(ctx, c, t.Root()); err != nil {
			return nil, err
		}
	}
	if err := nodes.CheckFolder(t, rev); err != nil {
		return nil, err
	}
	have, err := t.Revision(ctx)
	if err != nil {
		return nil, err
	}
	if have == "" {
		rev = ""
	}
	seen, end, err := t.At(ctx, rev)
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closers = append(r.closers, end)
	name := t.Root()
	if at, err := seen.Revision(ctx); err == nil && at != "" {
		name += " at r" + strings.TrimPrefix(string(at), "r")
	}
	return &Look{Tree: seen, name: name}, nil
}

// hold keeps others from a checkout until the roll ends.
func (r *Roll) hold(ctx context.Context, c checkout, root string) error {
	if !r.plan {
		release, err := c.Hold(ctx, "roll "+r.Entry().Name)
		if err != nil {
			return err
		}
		r.mu.Lock()
		r.closers = append(r.closers, release)
		r.mu.Unlock()
	}
	why, err := c.Unclean(ctx)
	if err == nil && why != "" {
		err = &nodes.Error{
			Kind: nodes.Refused, Message: root + " is not exactly a revision: " + why,
			Hint: "commit or revert what was changed there, or update it to one revision",
		}
	}
	return err
}

// String is the tree that was asked for and the revision, such as
// "/srv/www at r45": the folder of a look may be a shadow in the cache.
func (l *Look) String() string { return l.name }
