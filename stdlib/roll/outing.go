package roll

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/rollsh/rollsh/nodes"
)

// Hook does something for a node, such as draining or checking it.
type Hook func(ctx context.Context, n *nodes.Node) error

// Rotation is how a node is taken out of service and put back, and how it is
// told whether it may be. A nil Drain means that it stays in service.
type Rotation struct {
	Drain   Hook
	Undrain Hook
	Check   Hook   // nil: nothing can vouch for a node whose tree was switched
	Words   string // what Drain does, for a plan: "no drain"
	// Ask tells whether the node is in service; nil where only commands know.
	Ask func(ctx context.Context, n *nodes.Node) (nodes.BalancerState, error)
}

// through takes nodes out of service at a balancer.
func (r *Rotation) through(b nodes.Balancer) {
	r.Drain, r.Undrain, r.Ask, r.Words = b.Drain, b.Ready, b.State, "drain through its balancer"
}

// cleanGrace is how long putting a node back into service may take after its
// roll was cancelled.
const cleanGrace = 60 * time.Second

// Command is a Hook that runs a command of a recipe or nodes file: on the node,
// or after "local:" on the deploy host, where ROLLSH_NODE and ROLLSH_HOST name
// the node. An exit code other than 0 is an error.
func Command(s *nodes.Session, line string) Hook {
	return func(ctx context.Context, n *nodes.Node) error {
		cmd := nodes.Cmd{Line: line}
		conn := s.Here
		if local, ok := strings.CutPrefix(line, "local:"); ok {
			cmd.Line = strings.TrimSpace(local)
			cmd.Env = map[string]string{"ROLLSH_NODE": string(n.Name), "ROLLSH_HOST": n.Address()}
		} else {
			var err error
			if conn, err = s.Dialer.Dial(ctx, n); err != nil {
				return nodes.At(err, "", n.Name)
			}
		}
		r, err := conn.Run(ctx, cmd)
		if err == nil && !r.OK() {
			err = exitError(line, r)
		}
		return nodes.At(err, "", n.Name)
	}
}

func exitError(line string, r nodes.Result) error {
	e := &nodes.Error{Kind: nodes.Exit, Code: fmt.Sprint(r.Code), Signal: r.Signal, Stdout: string(r.Stdout), Stderr: string(r.Stderr)}
	how := "exit code " + e.Code
	if r.Signal != "" {
		how = "ended by signal " + r.Signal
	}
	e.Message = fmt.Sprintf("'%s': %s", line, how)
	if said := lastLine(e.Stderr); said != "" {
		e.Message += ": " + said
	}
	return e
}

// lastLine is the last line that says something, for a message.
func lastLine(s string) string {
	lines := strings.Split(strings.TrimSpace(nodes.Clean(s)), "\n")
	return strings.TrimSpace(lines[len(lines)-1])
}

// Own is the rotation that the node was given: by Set.Balance, or by the drain,
// undrain and check of its nodes file.
func Own(s *nodes.Session, n *nodes.Node) (Rotation, error) {
	r := Rotation{Words: "no drain"}
	if n.Check != "" {
		r.Check = Command(s, n.Check)
	}
	switch {
	case n.Balancer != nil:
		r.through(n.Balancer)
	case n.Drain != "" && n.Undrain != "":
		r.Drain, r.Undrain, r.Words = Command(s, n.Drain), Command(s, n.Undrain), "drain: "+n.Drain
	case n.Drain != "" || n.Undrain != "":
		return r, &nodes.Error{Kind: nodes.Usage, Node: n.Name, Where: n.Source, Message: "drain and undrain go together: only one of them is given"}
	}
	return r, nil
}

// noDrain is the error for a node that was to be taken out of service.
func noDrain(n *nodes.Node) error {
	return &nodes.Error{
		Kind: nodes.Usage, Node: n.Name, Message: "nothing says how to take it out of service",
		Hint: "give drain= and undrain= in the nodes file, or set:balance(backend)",
	}
}

// TakeOut takes the node out of service.
func TakeOut(ctx context.Context, s *nodes.Session, n *nodes.Node) error {
	r, err := Own(s, n)
	if err != nil {
		return err
	}
	if r.Drain == nil {
		return noDrain(n)
	}
	s.Service.Drained(n.Name) // before: a drain that was cut off may have worked
	return r.Drain(ctx, n)
}

// PutBack puts the node back into service.
func PutBack(ctx context.Context, s *nodes.Session, n *nodes.Node) error {
	r, err := Own(s, n)
	if err != nil {
		return err
	}
	if r.Undrain == nil {
		return noDrain(n)
	}
	if err := r.Undrain(ctx, n); err != nil {
		return err
	}
	s.Service.Undrained(n.Name)
	return nil
}

// WhileOut takes the node out of service, calls act, and puts it back. When act
// fails or is cancelled, the node goes back if none of its trees was switched
// meanwhile; if one was, only if the check passes; else it stays out, and a
// warning says so.
func WhileOut(ctx context.Context, s *nodes.Session, n *nodes.Node, act Act) error {
	r, err := Own(s, n)
	if err != nil {
		return err
	}
	if r.Drain == nil {
		return noDrain(n)
	}
	return outing{session: s, node: n, Rotation: r, track: untracked{s}, final: Done}.run(ctx, act)
}

// outing is one node's time out of service.
type outing struct {
	Rotation
	session *nodes.Session
	node    *nodes.Node
	track   track
	final   State // when all went well
}

// track writes down what an outing does and decides.
type track interface {
	do(ctx context.Context, set nodes.Set, m move, act Act) error
	Settle(ctx context.Context, n *nodes.Node, state State, out bool, failed, decision string) error
	// whole is false when a switch of the node began and did not end well.
	whole(n *nodes.Node) bool
	// checked tells what its check said last, since the switch.
	checked(n *nodes.Node) answer
	// earlier is true when the tree may have been switched before the outing.
	earlier(n *nodes.Node) bool
}

// answer is what a check said.
type answer int

const (
	unasked answer = iota
	yes
	no
)

// untracked is an outing outside a roll.
type untracked struct{ session *nodes.Session }

func (untracked) do(ctx context.Context, _ nodes.Set, _ move, act Act) error { return act(ctx) }

// Settle says what a roll says at its end.
func (u untracked) Settle(_ context.Context, n *nodes.Node, state State, out bool, failed, decision string) error {
	what := "left drained"
	switch {
	case state == Unknown:
		what = "drained or not, it is unknown"
	case !out:
		return nil
	}
	u.session.Events.Emit(nodes.Event{Time: time.Now(), Type: nodes.Warned, Op: "node:drained", Text: fmt.Sprintf("%s: %s: %s; %s", what, n.Name, failed, decision)})
	return nil
}

func (untracked) checked(*nodes.Node) answer { return unasked }

func (untracked) whole(*nodes.Node) bool { return true }

func (untracked) earlier(*nodes.Node) bool { return false }

func (o outing) run(ctx context.Context, act Act) error {
	before := o.session.Service.Switches(o.node.Name)
	began, err := o.takeOut(ctx)
	if err != nil && !began {
		return err
	}
	if err == nil {
		err = act(ctx)
	}
	if err == nil {
		err = o.putBack(ctx, o.final)
	}
	if err == nil {
		return nil
	}
	clean, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanGrace)
	defer cancel()
	switched := o.session.Service.Switches(o.node.Name) != before || o.track.earlier(o.node)
	return o.recover(clean, err, switched)
}

func (o outing) set() nodes.Set { return nodes.Set{Nodes: []*nodes.Node{o.node}} }

// takeOut drains the node; began is false when it was not even tried.
func (o outing) takeOut(ctx context.Context) (began bool, err error) {
	if o.Drain == nil {
		return true, nil
	}
	err = o.track.do(ctx, o.set(), move{state: Drained, what: "drain", out: new(true)}, func(ctx context.Context) error {
		began = true
		o.session.Service.Drained(o.node.Name) // before: a drain that was cut off may have worked
		return o.Drain(ctx, o.node)
	})
	return began, err
}

// putBack puts the node into service again; to is its state then.
func (o outing) putBack(ctx context.Context, to State) error {
	return o.track.do(ctx, o.set(), o.backTo(to), o.undrain)
}

func (o outing) backTo(to State) move {
	m := move{state: to, what: "undrain", out: new(false)}
	if o.Drain == nil {
		m.what = "in service"
	}
	return m
}

func (o outing) undrain(ctx context.Context) error {
	if o.Drain == nil {
		return nil
	}
	if err := o.Undrain(ctx, o.node); err != nil {
		return err
	}
	o.session.Service.Undrained(o.node.Name)
	return nil
}

// recover decides what becomes of a node on which something failed, and gives
// the failure on.
func (o outing) recover(ctx context.Context, failed error, switched bool) error {
	cancelled := nodes.KindOf(failed) == nodes.Cancelled
	switch {
	case nodes.KindOf(failed) == nodes.Locked:
		return failed // the roll is somebody else's now, and so is the decision
	case !switched:
		return o.recoverOld(ctx, failed, cancelled)
	case !o.track.whole(o.node):
		return o.settle(ctx, failed, Unknown, o.Drain != nil, "its switch was cut off")
	case o.Check == nil:
		return o.leave(ctx, failed, "its tree was switched, and it has no check")
	case !cancelled && o.track.checked(o.node) == no:
		return o.leave(ctx, failed, "its tree was switched, and its check fails")
	}
	err := o.track.do(ctx, o.set(), move{state: Checked, what: words[Checked]}, func(ctx context.Context) error { return o.Check(ctx, o.node) })
	if err != nil {
		return o.leave(ctx, failed, "its tree was switched, and its check fails: "+reason(err))
	}
	if err := o.putBack(ctx, Checked); err != nil {
		return o.leave(ctx, failed, "it cannot be put back: "+reason(err))
	}
	state := Failed
	if cancelled {
		state = Checked
	}
	return o.settle(ctx, failed, state, false, "its tree was switched, its check passes")
}

// recoverOld puts a node back that still has what it had.
func (o outing) recoverOld(ctx context.Context, failed error, cancelled bool) error {
	began := o.Drain == nil
	err := o.track.do(ctx, o.set(), o.backTo(Staged), func(ctx context.Context) error {
		began = true
		return o.undrain(ctx)
	})
	if err != nil && !began && nodes.KindOf(err) != nodes.Locked {
		// The journal cannot be written. The node has what it had, so it goes
		// back all the same; that it was drained stands in the journal.
		failed = errors.Join(failed, err)
		err = o.undrain(ctx)
	}
	if err != nil {
		return o.leave(ctx, failed, "it cannot be put back: "+reason(err))
	}
	state := Failed
	if s := stateAfter(failed); s == Unreachable {
		state = s
	}
	if cancelled {
		state = Staged
	}
	return o.settle(ctx, failed, state, false, "its tree was not switched")
}

// leave keeps the node out of service. One that has no drain is in service,
// whatever we think of it; so may be one that was to be put back in vain: its
// balancer is asked once more, with time of its own.
func (o outing) leave(ctx context.Context, failed error, decision string) error {
	switch {
	case o.Drain == nil:
		return o.settle(ctx, failed, Failed, false, decision+"; it stays in service, for it has no drain")
	case o.Ask == nil:
		return o.settle(ctx, failed, LeftDrained, true, decision)
	}
	fresh, cancel := context.WithTimeout(context.WithoutCancel(ctx), askGrace)
	defer cancel()
	is, err := o.Ask(fresh, o.node)
	switch {
	case err != nil:
		return o.settle(ctx, failed, Unknown, true, decision+"; its balancer cannot be asked: "+reason(err))
	case is.Admin != "ready":
		return o.settle(ctx, failed, LeftDrained, true, decision)
	}
	o.session.Service.Undrained(o.node.Name)
	decision += "; its balancer has it in service"
	if !is.Up {
		decision += ", but its health check does not pass"
	}
	return o.settle(ctx, failed, Failed, false, decision)
}

// askGrace is how long a balancer may take to tell of a node.
const askGrace = 10 * time.Second

func reason(err error) string { return firstLine(nodes.AsError(err, nodes.Internal).Message) }

func (o outing) settle(ctx context.Context, failed error, state State, out bool, decision string) error {
	if err := o.track.Settle(ctx, o.node, state, out, reason(failed), decision); err != nil {
		return errors.Join(failed, err)
	}
	return failed
}

// WhileOut is WhileOut for a node of the roll: each step and the decision are
// in its journal. A node that has no drain stays in service.
func (r *Roll) WhileOut(ctx context.Context, n *nodes.Node, by Rotation, act Act) error {
	final := Done
	if r.mode == nodes.ModeBack {
		final = Undone
	}
	return outing{session: r.journal.session, node: n, Rotation: by, track: r, final: final}.run(ctx, act)
}
