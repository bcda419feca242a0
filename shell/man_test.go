package shell_test

import (
	"bytes"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/rollsh/rollsh/nodes/nodetest"
	"github.com/rollsh/rollsh/shell"
)

// TestManPageIsRead has mandoc read the manual page: no error, and what is shown
// is what was written.
func TestManPageIsRead(t *testing.T) {
	t.Parallel()
	nodetest.Need(t, "mandoc")
	show := func(args ...string) string {
		cmd := exec.CommandContext(t.Context(), "mandoc", args...)
		cmd.Stdin = strings.NewReader(shell.ManPage())
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("mandoc %q: %v\n%s", args, err, out)
		}
		return string(regexp.MustCompile(`.\x08`).ReplaceAll(bytes.TrimSpace(out), nil)) // bold and underlined
	}
	show("-T", "lint", "-W", "error")
	page := show("-T", "utf8", "-O", "width=78")
	for _, want := range []string{
		"rollsh - a deploy shell in Lua", "--json\n           write one event a line", "--color=WHEN\n",
		"rollsh plan [--fail=NODE:CALL] RECIPE [ARGS]\n", "  128+n  ended by signal n", "ROLLSH_SECRET_NAME\n",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("%q is not in\n%s", want, page)
		}
	}
	for line := range strings.Lines(page) {
		if shell.Cells(strings.TrimRight(line, "\n")) > 80 {
			t.Errorf("too wide: %s", line)
		}
	}
}
