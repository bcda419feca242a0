//go:build linux

package agent

import (
	"fmt"
	"os"
	"os/signal"

	"golang.org/x/sys/unix"
)

// Flag is the first argument that makes a program the agent.
const Flag = "--agent"

// Main runs the agent when args, the whole command line, asks for it with
// "--agent" as the first argument. Then handled is true and the program is to
// exit with code.
func Main(args []string) (handled bool, code int) {
	if len(args) < 2 || args[1] != Flag {
		return false, 0
	}
	if len(args) > 2 && args[2] == "probe" {
		return true, 0
	}
	if len(args) > 4 && args[2] == "way" {
		return true, exit(relay(os.Stdin, os.Stdout, args[3], args[4]))
	}
	unix.Umask(0)
	easy()
	// A connection that goes away must not end a burst half way: the end of the
	// input ends the agent when it next looks for a request.
	signal.Ignore(unix.SIGHUP, unix.SIGINT, unix.SIGTERM, unix.SIGPIPE)
	return true, exit(Serve(os.Stdin, os.Stdout))
}

func exit(err error) (code int) {
	if err == nil {
		return 0
	}
	fmt.Fprintln(os.Stderr, "rollsh agent:", err)
	return 1
}
