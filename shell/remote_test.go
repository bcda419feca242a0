package shell_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rollsh/rollsh/nodes/nodetest"
)

// The shell with two real nodes: Ctrl-C in a run and in a sync leaves the
// connections open, the grid follows the terminal's size, a lost connection
// shows in the prompt until the node answers again.
func TestShellWithNodes(t *testing.T) {
	t.Parallel()
	nodetest.Need(t, "sshd", "tmux")
	bed := nodetest.Start(t, 2)
	dir := bed.Home
	for name, text := range map[string]string{"nodes/prod": bed.NodesFile(), "src/a": strings.Repeat("x", 100_000)} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	s := newScreen(t, dir, 80, 16)
	s.sees("home:prod>")
	s.enter(`w = nodes "prod"`)
	s.enter(`w:run("echo up; sleep 60")`)
	s.sees("web1 | up")
	s.sees("2 running")
	s.tmux("resize-window", "-x", "40", "-y", "10")
	s.sees("set:run up\nweb2")
	for line := range strings.Lines(s.text()) {
		if n := len(strings.TrimRight(line, "\n")); n > 40 {
			t.Errorf("%d columns: %s", n, line)
		}
	}
	s.press("C-c")
	s.sees("shell:1: set:run: interrupted")
	s.tmux("resize-window", "-x", "80", "-y", "24")
	s.press("C-l")
	s.sees("home:prod (2 live)>")
	bed.Freeze(1)
	s.enter(`w:sync("src", "` + bed.Dir(0) + `/tree")`)
	s.sees("staging")
	s.press("C-c")
	s.sees("set:sync: interrupted")
	bed.Thaw(1)
	s.enter(`w:run("echo same", {stream=false})`)
	s.sees("web[1-2]: same")
	s.enter(`w:run("echo bad; exit 3", {stream=false, check=false})`)
	s.sees("web[1-2]:\nbad\n(exit 3)")
	s.enter(`w:run("exit 4", {check=false})`)
	s.sees("web[1-2]: (exit 4)")
	s.enter("@web1 sleep 60")
	s.sees("node:run sleep 60")
	bed.Cut(0)
	s.sees("lost web1)>")
	s.enter("@web1 echo back")
	s.sees("web1 | back")
	s.sees("(2 live)>")
	s.loses(bed)
	s.enter("exit")
	s.ends("0")
}

// loses has a connection go away over a half-typed line, which stays as it is.
func (s *screen) loses(bed *nodetest.Bed) {
	s.t.Helper()
	s.press("print('half')", "Left", "Left")
	eventually(s.t, "the cursor", func() bool { return s.cursorColumn() == "31" })
	bed.Cut(1)
	s.sees("warning: the connection to web2 is gone\nhome:prod (2 live)> print('half')")
	s.press("X")
	s.sees("> print('halfX')")
	if at := s.cursorColumn(); at != "32" {
		s.t.Errorf("the cursor is at %s", at)
	}
	s.press("C-c")
	s.prompted("home:prod (1 live, lost web2)>")
}
