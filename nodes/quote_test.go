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

// A script of several lines arrives as it is through every login shell, those
// among them to which "!" means something and a line end in quotes nothing.
func TestOneLine(t *testing.T) {
	words := "a!b ! !! 'q' \"d\" `x` $y \\n \\\\ % %s é\xff\ttab\n\nlines\n end"
	script := "say() {\nprintf '%s' \"$1\"\n}\nif ! false; then\nsay " + nodes.Quote(words) + "\nfi"
	line := nodes.Quote(nodes.OneLine(script)...)
	if strings.ContainsAny(line, "\n!") {
		t.Errorf("not for every shell: %q", line)
	}
	for _, shell := range []string{"sh", "bash", "zsh", "fish", "tcsh", "bsd-csh", "mksh"} {
		if _, err := exec.LookPath(shell); err != nil {
			t.Logf("%s is not installed", shell)
			continue
		}
		out, err := exec.CommandContext(t.Context(), shell, "-c", line).CombinedOutput()
		if err != nil || string(out) != words {
			t.Errorf("%s: %q, %v", shell, out, err)
		}
	}
}
