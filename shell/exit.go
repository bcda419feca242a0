package shell

import (
	"slices"
	"syscall"

	"github.com/rollsh/rollsh/nodes"
)

// The exit codes, as docs and `rollsh help exit-codes` give them.
const (
	exitDone    = 0
	exitFailed  = 1
	exitUsage   = 2
	exitNodes   = 3
	exitRefused = 4
	exitSignal  = 128
)

// signals are those that end a run, by the name that nodes.Interrupt notes.
var signals = map[string]syscall.Signal{"INT": syscall.SIGINT, "TERM": syscall.SIGTERM, "HUP": syscall.SIGHUP, "QUIT": syscall.SIGQUIT, "PIPE": syscall.SIGPIPE}

// ExitCode is the code that rollsh ends with after err: 0 done, 1 a local step
// or the recipe failed, 2 usage, 3 nodes failed, 4 refused (on all nodes that failed, by a policy), 128+n signal n.
func ExitCode(err error) int {
	if err == nil {
		return exitDone
	}
	e := nodes.AsError(err, nodes.Failed)
	switch e.Kind {
	case nodes.Cancelled:
		return signalCode(e.Signal)
	case nodes.Usage:
		return exitUsage
	case nodes.Locked, nodes.Lint, nodes.Conflict, nodes.Policy, nodes.Changed, nodes.Refused:
		return exitRefused
	}
	if len(e.Errors) > 0 && !slices.ContainsFunc(e.Errors, func(sub error) bool { return nodes.KindOf(sub) != nodes.Policy }) {
		return exitRefused
	}
	if hasNode(e) {
		return exitNodes
	}
	return exitFailed
}

func signalCode(name string) int {
	if s, ok := signals[name]; ok {
		return exitSignal + int(s)
	}
	return exitSignal + int(syscall.SIGINT)
}

// hasNode reports whether the failure is a node's, or has a node's in it.
func hasNode(e *nodes.Error) bool {
	if e.Node != "" {
		return true
	}
	for _, sub := range e.Errors {
		if hasNode(nodes.AsError(sub, nodes.Failed)) {
			return true
		}
	}
	return false
}
