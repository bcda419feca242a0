package nodes

import (
	"net"
	"slices"
	"strconv"
)

// Name is the name of a node in a nodes file; it is what a person types.
type Name string

// RemotePath is an absolute, slash-separated path on a node.
type RemotePath string

// Revision names a state of a repository, such as "123"; empty means none.
type Revision string

// Node is one machine. A Node is never changed after it was made: sets share
// the pointers, and goroutines read them without a lock.
type Node struct {
	Name    Name
	Host    string // address or name to connect to; empty means Name, as ssh would take it
	User    string // login; empty means what ssh_config or the current user says
	Port    int    // 0 means what ssh_config says, else 22
	Key     string // path of a private key file; empty means agent and ssh_config
	Jump    string // ProxyJump value; empty means what ssh_config says
	Proxy   string // ProxyCommand value; empty means what ssh_config says
	Path    RemotePath
	Tier    string
	Tags    []string
	AtOnce  string            // the tier's at_once, as written; empty means the caller's
	Drain   string            // command that takes the node out of service
	Undrain string            // command that puts it back
	Check   string            // command that tells whether it is healthy
	Vars    map[string]string // x-NAME keys of the nodes file, by NAME

	Balancer Balancer // set by Set.Balance; nil means Drain and Undrain

	// Source is "nodes/prod:12", where the node was declared; empty for nodes
	// made by a recipe.
	Source string
	// Local marks the machine that rollsh runs on.
	Local bool
}

// HasTag reports whether the node carries the tag.
func (n *Node) HasTag(tag string) bool { return slices.Contains(n.Tags, tag) }

// Address is the host to connect to: Host, or the name where none was given.
func (n *Node) Address() string {
	if n.Host != "" {
		return n.Host
	}
	return string(n.Name)
}

// String is the node's name.
func (n *Node) String() string { return string(n.Name) }

// Endpoint is "user@host:port" as far as it is known, for messages.
func (n *Node) Endpoint() string {
	s := n.Address()
	if n.Port != 0 {
		s = net.JoinHostPort(s, strconv.Itoa(n.Port))
	}
	if n.User != "" {
		s = n.User + "@" + s
	}
	return s
}
