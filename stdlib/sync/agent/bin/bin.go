// Package bin holds the agents that `make build` made, each for one operating
// system and CPU, compressed. A rollsh built without them has none here and
// serves as its own agent.
package bin

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"strings"
)

// files has NAME.gz, NAME.sha256, of the program before compression, and
// NAME.from, the sum of the sources it was made of, for each NAME such as
// linux-amd64; and this file, so that it is never empty.
//
//go:embed *
var files embed.FS

// Agent gives the agent for an operating system and CPU, in gzip's format, and
// the SHA-256 of the program in hexadecimal. One that was made of other sources
// than from is not given: it would not understand this rollsh.
func Agent(goos, goarch, from string) (gz []byte, sum string, ok bool) {
	name := goos + "-" + goarch
	if made, err := files.ReadFile(name + ".from"); err != nil || strings.TrimSpace(string(made)) != from {
		return nil, "", false
	}
	gz, err := files.ReadFile(name + ".gz")
	if err != nil {
		return nil, "", false
	}
	text, err := files.ReadFile(name + ".sha256")
	sum = strings.TrimSpace(string(text))
	return gz, sum, err == nil && len(sum) == 64
}

// Parts are the folders below stdlib/sync whose Go files are in the agent.
var Parts = []string{"agent", "agent/cmd/rollsh-agent", "beneath", "delta", "manifest", "wire"}

// Sources gives the sum of all that an agent is made of, tests left out; sync
// is the folder stdlib/sync.
func Sources(sync fs.FS) (string, error) {
	h := sha256.New()
	for _, part := range Parts {
		list, err := fs.Glob(sync, part+"/*.go")
		if err != nil {
			return "", err
		}
		for _, name := range list {
			if strings.HasSuffix(name, "_test.go") {
				continue
			}
			b, err := fs.ReadFile(sync, name)
			if err != nil {
				return "", err
			}
			fmt.Fprintf(h, "%s %d\n%s", name, len(b), b)
		}
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}
