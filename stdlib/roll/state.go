package roll

import "github.com/rollsh/rollsh/nodes"

// State is a node's state in a roll.
type State string

// The states of a node.
const (
	Untouched   State = "untouched"    // nothing was done to it
	Staged      State = "staged"       // the files are on its disk, beside the tree
	Drained     State = "drained"      // out of service for the roll
	Switched    State = "switched"     // the new tree is in place
	Checked     State = "checked"      // and its check passed
	Done        State = "done"         // and it is back in service
	Failed      State = "failed"       // a step failed; it is in service as far as it ever was
	LeftDrained State = "left-drained" // it stays out of service: nothing vouches for it
	Undone      State = "undone"       // it has what it had before the roll
	Unreachable State = "unreachable"  // no connection could be made
	Unknown     State = "unknown"      // a step began and nobody knows how it ended
)

// touches reports whether a step to this state changes more than the node's
// stage, so that a roll that ends there is unfinished.
func (s State) touches() bool {
	return s == Drained || s == Switched || s == Checked || s == Done
}

// stateAfter gives the state of a node on which a step failed.
func stateAfter(err error) State {
	switch nodes.KindOf(err) {
	case nodes.Unreachable, nodes.Auth, nodes.HostKey:
		return Unreachable
	case nodes.Lost, nodes.Timeout, nodes.Cancelled:
		return Unknown
	}
	return Failed
}

// Phase is how a roll as a whole stands.
type Phase string

// The states of a roll.
const (
	Running     Phase = "running"
	RollDone    Phase = "done"
	RollFailed  Phase = "failed"      // nodes failed
	Stopped     Phase = "stopped"     // by a person or a rule, in a written state
	Interrupted Phase = "interrupted" // its process died
	RollUndone  Phase = "undone"
	Closed      Phase = "closed" // by roll.close
)
