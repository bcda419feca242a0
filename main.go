// Command rollsh is a deploy shell: it brings code from a repository to servers
// by recipes in Lua.
package main

import (
	"os"

	"github.com/rollsh/rollsh/shell"
)

var version = "unknown" // set by make build

func main() {
	os.Exit(shell.Main(version, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}
