// Package bin holds the agents that `make build` made, each for one operating
// system and CPU, compressed. A rollsh built without them has none here and
// serves as its own agent.
package bin

import (
	"embed"
	"strings"
)

// files has NAME.gz and NAME.sha256, of the program before compression, for
// each NAME such as linux-amd64; and this file, so that it is never empty.
//
//go:embed *
var files embed.FS

// Agent gives the agent for an operating system and CPU, in gzip's format, and
// the SHA-256 of the program in hexadecimal.
func Agent(goos, goarch string) (gz []byte, sum string, ok bool) {
	name := goos + "-" + goarch
	gz, err := files.ReadFile(name + ".gz")
	if err != nil {
		return nil, "", false
	}
	text, err := files.ReadFile(name + ".sha256")
	sum = strings.TrimSpace(string(text))
	return gz, sum, err == nil && len(sum) == 64
}
