// Command rollsh-agent is the agent alone, small enough to be sent to nodes.
package main

import (
	"fmt"
	"os"

	"github.com/rollsh/rollsh/stdlib/sync/agent"
)

func main() {
	handled, code := agent.Main(os.Args)
	if !handled {
		fmt.Fprintln(os.Stderr, "rollsh-agent is started by rollsh; see `rollsh help sync`")
		code = 2
	}
	os.Exit(code)
}
