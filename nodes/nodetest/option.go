package nodetest

import (
	"fmt"
	"slices"
)

// Option changes a bed before it starts. Where it takes indexes of nodes, none
// means every node.
type Option func(*Bed)

// Names gives the nodes their names; web1, web2, ... without it.
func Names(names ...string) Option {
	return func(b *Bed) {
		for i := range min(len(names), len(b.nodes)) {
			b.nodes[i].name = names[i]
		}
	}
}

// SFTPOnly makes nodes that allow SFTP and nothing else.
func SFTPOnly(which ...int) Option {
	return Config("ForceCommand internal-sftp\nAllowTcpForwarding no\nPermitTTY no", which...)
}

// Forced makes nodes that run command (a path with words) whatever is asked;
// the asked one is in SSH_ORIGINAL_COMMAND.
func Forced(command string, which ...int) Option {
	return Config("ForceCommand "+command, which...)
}

// NoSFTP makes nodes without the sftp subsystem.
func NoSFTP(which ...int) Option {
	return pick(which, func(n *node) { n.noSFTP = true })
}

// WrongHostKey makes nodes whose line in known_hosts holds another key.
func WrongHostKey(which ...int) Option {
	return pick(which, func(n *node) { n.wrongKey = true })
}

// RefusedKey makes nodes that do not accept the bed's key.
func RefusedKey(which ...int) Option {
	return pick(which, func(n *node) { n.refused = true })
}

// Config puts lines of sshd_config before the node's own; in sshd_config the
// first value of a keyword wins.
func Config(lines string, which ...int) Option {
	return pick(which, func(n *node) { n.extra += lines + "\n" })
}

// Env sets a variable in every session of the nodes.
func Env(name, value string, which ...int) Option {
	return pick(which, func(n *node) { n.env = append(n.env, fmt.Sprintf("%q", name+"="+value)) })
}

func pick(which []int, change func(*node)) Option {
	return func(b *Bed) {
		for i, n := range b.nodes {
			if len(which) == 0 || slices.Contains(which, i) {
				change(n)
			}
		}
	}
}
