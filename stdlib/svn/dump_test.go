package svn

import (
	"fmt"
	"maps"
	"os/exec"
	"slices"
	"strings"

	"github.com/rollsh/rollsh/nodes/nodetest"
)

// Loaded is one revision that Load brings: texts of files by their path, which
// are there already or, where the path begins with +, are new.
type Loaded struct {
	Author, Message string
	Files           map[string]string
}

// Load appends many revisions to a repository in one step: a commit of each would
// take longer.
func Load(repository string, list ...Loaded) error {
	var d strings.Builder
	d.WriteString("SVN-fs-dump-format-version: 2\n\n")
	for i, l := range list {
		props := fmt.Sprintf("K 7\nsvn:log\nV %d\n%s\nK 10\nsvn:author\nV %d\n%s\nK 8\nsvn:date\nV 27\n2026-11-01T00:00:%02d.000000Z\nPROPS-END\n",
			len(l.Message), l.Message, len(l.Author), l.Author, i%60)
		fmt.Fprintf(&d, "Revision-number: %d\nProp-content-length: %d\nContent-length: %d\n\n%s\n", i+1, len(props), len(props), props)
		for _, name := range slices.Sorted(maps.Keys(l.Files)) {
			text, action := l.Files[name], "change"
			if name[0] == '+' {
				name, action = name[1:], "add"
			}
			fmt.Fprintf(&d, "Node-path: %s\nNode-kind: file\nNode-action: %s\nText-content-length: %d\nContent-length: %d\n\n%s\n\n", name, action, len(text), len(text), text)
		}
	}
	cmd := exec.Command(nodetest.Program("svnadmin"), "load", "-q", "--no-flush-to-disk", repository)
	cmd.Stdin = strings.NewReader(d.String())
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("svnadmin load: %w: %s", err, out)
	}
	return nil
}
