package nodes

import (
	"context"
	"time"
)

// Change is one path that differs between two revisions of a Tree.
type Change struct {
	Path   string // relative to the tree's root, slash-separated
	Action string // svn's letter: A M D R
}

// Tree is a local folder that can be sent to nodes.
type Tree interface {
	// Root is the absolute local path.
	Root() string
	// Revision is what the tree is at; empty for a plain folder.
	Revision(ctx context.Context) (Revision, error)
	// Files lists what differs between from (exclusive) and to; an empty to
	// means what the tree is at.
	Files(ctx context.Context, from, to Revision) ([]Change, error)
	// At gives the tree as it is at a revision of the repository without
	// changing the checkout: a plan looks at it before anything is updated. The
	// caller calls close when done with it.
	At(ctx context.Context, rev Revision) (t Tree, close func(), err error)
	// Dated is Revision, with modification times that do not depend on which
	// checkout is asked (svn's last-changed dates), by relative path; a path that is
	// absent has the file's own time. They are nil for a plain folder.
	Dated(ctx context.Context) (Revision, map[string]time.Time, error)
}

// Touched is a folder of which only some paths matter, such as a merge's
// working copy.
type Touched interface {
	Root() string
	// Touched lists the paths, relative to Root.
	Touched(ctx context.Context) ([]string, error)
}

// Earlier is a Tree or Touched that can tell what a file held before: at a
// revision, or, with an empty one, before it was changed in the folder.
type Earlier interface {
	// Earlier fails with NotFound where there was no such file.
	Earlier(ctx context.Context, path string, rev Revision) ([]byte, error)
}

// Balancer takes nodes out of service and puts them back.
type Balancer interface {
	Drain(ctx context.Context, n *Node) error
	Ready(ctx context.Context, n *Node) error
	State(ctx context.Context, n *Node) (BalancerState, error)
}

// BalancerState is how a balancer treats a node.
type BalancerState struct {
	Admin    string `lua:"admin"`    // ready, drain or maint
	Up       bool   `lua:"up"`       // its health check passes
	Sessions int    `lua:"sessions"` // open now
}

// Notifier tells people.
type Notifier interface {
	Send(ctx context.Context, text string) error
	// Rolled announces a roll: who, what, where, each changeset.
	Rolled(ctx context.Context, r Roll) error
}

// Tracker knows changesets and tickets by number.
type Tracker interface {
	Changesets(ctx context.Context, revs []Revision) (Changesets, error)
	// TicketURL and ChangesetURL are links for people.
	TicketURL(id string) string
	ChangesetURL(rev Revision) string
}

// Roll is a roll as it ended, or stands.
type Roll struct {
	ID         string
	Name       string
	Who        string
	Host       string // the deploy host
	From       Revision
	To         Revision
	State      string // done failed stopped interrupted running undone closed
	Nodes      []NodeState
	Changesets Changesets
	Started    time.Time
	Ended      time.Time
	Tracker    Tracker // for links; may be nil
	Mode       Mode    // ModeResume or ModeBack where it was taken up again
	By         string  // who took it up again
}

// Meaning says what a state in a roll means for the node, to who does not know the
// words; empty where the word says it.
func Meaning(state string) string {
	switch state {
	case "untouched":
		return "as before: not begun"
	case "staged":
		return "as before: not switched"
	case "unknown":
		return "it has to be asked"
	}
	return ""
}

// NodeState is a node's state in a roll.
type NodeState struct {
	Node  Name
	State string // untouched staged drained switched checked done failed left-drained undone unreachable unknown
	Why   string
	Since time.Time
}
