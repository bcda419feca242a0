package nodes_test

import (
	"bytes"
	"os/exec"
	"strings"
	"testing"

	"github.com/rollsh/rollsh/nodes"
)

// FuzzQuote holds that the words which arrive at a program through a real shell
// are the words that were quoted, whatever they are.
func FuzzQuote(f *testing.F) {
	sh, err := exec.LookPath("sh")
	if err != nil {
		f.Fatal("no sh: ", err)
	}
	for _, s := range []string{"a b", "'", "", "$(id)", "`id`", "a\nb", "-n", "*", "~", "\\", "é\xff", "!x", "a'b\"c", "#", "%s", "a=b", "'\\''"} {
		f.Add(s, "second")
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		if strings.ContainsRune(a+b, 0) {
			if _, err := (nodes.Cmd{Argv: []string{"echo", a, b}}).Shell(); nodes.KindOf(err) != nodes.Usage {
				t.Fatalf("a NUL byte was let through: %v", err)
			}
			return
		}
		line, err := nodes.Cmd{Argv: []string{"printf", `%s\0`, a, b, "end"}}.Shell()
		if err != nil {
			t.Fatal(err)
		}
		out, err := exec.CommandContext(t.Context(), sh, "-c", line).Output()
		if err != nil || !bytes.Equal(out, []byte(a+"\x00"+b+"\x00end\x00")) {
			t.Fatalf("%q, %q arrived as %q, %v, through %s", a, b, out, err, line)
		}
	})
}
