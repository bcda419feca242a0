package nodes

import (
	"fmt"
	"time"
)

// OutcomeState says how an operation ended on one node.
type OutcomeState string

// The states of an outcome.
const (
	OK           OutcomeState = "ok"
	FailedState  OutcomeState = "failed"
	NotReached   OutcomeState = "unreachable"
	NotAttempted OutcomeState = "untouched"
)

// Outcome is how an operation ended on one node.
type Outcome struct {
	Node    *Node
	State   OutcomeState
	Value   any // what the operation returned
	Err     error
	Elapsed time.Duration
}

// Results are the outcomes of one operation on a set, in the set's order, one
// for each node, whatever happened.
type Results struct {
	Op     string
	RollID string // for sync.push and set:sync: the roll that undo takes
	List   []Outcome
	// Stop is why nodes were left untouched, when it was not that too many
	// failed: the call was cancelled, or a gate said no.
	Stop error
}

// Fail makes a node's outcome a failure; r may be nil.
func (r *Results) Fail(n *Node, err error) {
	if r == nil {
		return
	}
	for i := range r.List {
		if r.List[i].Node == n {
			r.List[i].Err, r.List[i].State, r.List[i].Value = err, StateOf(err), nil
		}
	}
}

// In gives the nodes whose outcome has one of the states.
func (r *Results) In(states ...OutcomeState) Set {
	var s Set
	for _, o := range r.List {
		for _, want := range states {
			if o.State == want {
				s.Nodes = append(s.Nodes, o.Node)
			}
		}
	}
	return s
}

// Err is nil when no node failed and nothing stopped the call; Stop when only
// that happened; else a Tasks error with the failures in the set's order.
func (r *Results) Err() error {
	var errs []error
	for _, o := range r.List {
		if o.Err != nil {
			errs = append(errs, failureOf(o.Node.Name, At(o.Err, r.Op, o.Node.Name)))
		}
	}
	if len(errs) == 0 {
		return r.Stop
	}
	untouched := len(r.In(NotAttempted).Nodes)
	msg := fmt.Sprintf("%d of %d failed", len(errs), len(r.List))
	if untouched > 0 {
		msg += fmt.Sprintf(", %d untouched", untouched)
	}
	if r.Stop != nil {
		msg += ": " + AsError(r.Stop, Internal).Message
	}
	for _, line := range FoldErrors(errs) {
		msg += "\n  " + line
	}
	return &Error{Kind: Tasks, Op: r.Op, Message: msg, Errors: errs, Cause: r.Stop}
}

// failureOf is an error as that of the node whose turn it was, where it came from
// another one, such as the node's balancer, or from several: the message says so.
func failureOf(node Name, err error) error {
	e := AsError(err, Internal)
	if e.Node == node {
		return err
	}
	own := *e
	own.Node, own.Cause = node, e
	if e.Node != "" {
		own.Message = string(e.Node) + ": " + e.Message
	}
	return &own
}

// stateAt is StateOf for a node: that another one could not be reached is a
// failure.
func stateAt(n *Node, err error) OutcomeState {
	if s := StateOf(err); s != NotReached || n == nil {
		return s
	}
	if at := AsError(err, Internal).Node; at != "" && at != n.Name {
		return FailedState
	}
	return NotReached
}

// StateOf gives the outcome state that an error stands for.
func StateOf(err error) OutcomeState {
	switch KindOf(err) {
	case "":
		return OK
	case Unreachable, Auth, HostKey:
		return NotReached
	}
	return FailedState
}
