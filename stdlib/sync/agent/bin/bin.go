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

	"golang.org/x/crypto/blake2b"
)

// files has NAME.gz, NAME.sums, of the program before compression, and NAME.from,
// the sum of the sources it was made of, for each NAME such as linux-amd64; and
// this file, so that it is never empty.
//
//go:embed *
var files embed.FS

// Sums name a program, in hexadecimal.
type Sums struct {
	SHA256  string
	BLAKE2b string // of 256 bits: b2sum takes a third of the time of sha256sum, where a node has it
}

// SumsOf sums up a program.
func SumsOf(program []byte) Sums {
	return Sums{fmt.Sprintf("%x", sha256.Sum256(program)), fmt.Sprintf("%x", blake2b.Sum256(program))}
}

// Agent gives the sums of the agent for an operating system and CPU, and what
// reads it, in gzip's format. One that was made of other sources than from is not
// given: it would not understand this rollsh.
func Agent(goos, goarch, from string) (gz func() ([]byte, error), sums Sums, ok bool) {
	name := goos + "-" + goarch
	if made, err := files.ReadFile(name + ".from"); err != nil || strings.TrimSpace(string(made)) != from {
		return nil, Sums{}, false
	}
	text, err := files.ReadFile(name + ".sums")
	words := strings.Fields(string(text))
	if _, missing := fs.Stat(files, name+".gz"); missing != nil || err != nil || len(words) != 2 || len(words[0]) != 64 || len(words[1]) != 64 {
		return nil, Sums{}, false
	}
	return func() ([]byte, error) { return files.ReadFile(name + ".gz") }, Sums{words[0], words[1]}, true
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
