package lint

import (
	"path/filepath"
	"strconv"
	"strings"

	"github.com/rollsh/rollsh/nodes"
)

// placed are the ways in which tools say where: FILE:LINE:[COLUMN:] text, and
// FILE: line LINE: text.
var (
	placed = nodes.Pattern(`^(?:[\w ]+: )?(\S.*?): ?(?:line )?(\d+):(?:\d+:)? *(.*)$`)
	onLine = nodes.Pattern(`(?i)\bline (\d+)\b`)
)

// reportOutput makes problems of what a tool said about one file: the lines that
// name the file and a line, or else all that it said as one problem.
func reportOutput(j *job, e ending, toolName string) {
	e.output = j.unnamed(e.output) // a path may have line breaks
	for line := range strings.Lines(e.output) {
		m := placed().FindStringSubmatch(strings.TrimSpace(line))
		if m == nil || m[1] != placeholder && filepath.Base(m[1]) != filepath.Base(j.path) {
			continue
		}
		n, err := strconv.Atoi(m[2])
		if err == nil && m[3] != "" && len(j.problems) < maxPerFile {
			j.report(n, m[3])
		}
	}
	if len(j.problems) > 0 {
		return
	}
	line := 0
	if m := onLine().FindStringSubmatch(e.output); m != nil {
		line, _ = strconv.Atoi(m[1]) // digits; 0 when there are too many
	}
	said := e.output
	if strings.TrimSpace(said) == "" && e.signal == "" {
		said = "it said nothing"
	}
	j.report(line, toolName+" "+e.how(said))
	j.open = j.open || e.signal != ""
}

// maxPerFile is how many problems of one file a tool's output gives.
const maxPerFile = 100
