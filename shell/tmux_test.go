package shell_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/rollsh/rollsh/nodes/nodetest"
)

// screen is a real terminal emulator, tmux, with rollsh in it.
type screen struct {
	t      *testing.T
	socket string
	dir    string
}

// newScreen starts rollsh in a terminal of a size; environment is added to its
// own. Its home is in dir, so that history can be looked at.
func newScreen(t *testing.T, dir string, width, height int, environment ...string) *screen {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(filepath.Join(dir, "ended")); err != nil {
		t.Fatal(err)
	}
	// tmux itself sometimes has no exit status of a program that ended.
	argv := []string{"sh", "-c", `trap : INT; "$@"; echo $? >"$HOME/ended"`, "sh", program, "--project=" + dir}
	return newTerminal(t, dir, width, height, environment, argv...)
}

// newTerminal starts a program in a terminal; dir is its home and its folder.
func newTerminal(t *testing.T, dir string, width, height int, environment []string, argv ...string) *screen {
	t.Helper()
	nodetest.Need(t, "tmux")
	s := &screen{t: t, socket: filepath.Join(t.TempDir(), "tmux"), dir: dir}
	args := []string{"-f", "/dev/null", "new-session", "-d", "-x", strconv.Itoa(width), "-y", strconv.Itoa(height), "-c", dir, "env", "-u", "TMUX", "HOME=" + dir, "ROLLSH_TEST_AS_PROGRAM=1"}
	s.tmux(slices.Concat(args, environment, argv)...)
	t.Cleanup(func() { nodetest.EndTmux(s.socket) })
	s.tmux("set", "-g", "remain-on-exit", "on")
	s.tmux("set", "-g", "status", "off")
	return s
}

func (s *screen) tmux(args ...string) string {
	s.t.Helper()
	out, err := exec.CommandContext(s.t.Context(), "tmux", append([]string{"-S", s.socket}, args...)...).CombinedOutput()
	if err != nil {
		s.t.Fatalf("tmux %q: %v\n%s", args, err, out)
	}
	return string(out)
}

// press sends keys by tmux's names; other words are typed.
func (s *screen) press(keys ...string) {
	s.t.Helper()
	s.tmux(append([]string{"send-keys"}, keys...)...)
}

// enter types a line literally.
func (s *screen) enter(line string) {
	s.t.Helper()
	s.tmux("send-keys", "-l", line)
	s.press("Enter")
}

func (s *screen) text() string {
	s.t.Helper()
	return strings.TrimRight(s.tmux("capture-pane", "-p"), "\n")
}

// sees waits for text on the screen.
func (s *screen) sees(what string) {
	s.t.Helper()
	var last string
	defer func() {
		if s.t.Failed() {
			s.t.Logf("the screen:\n%s", last)
		}
	}()
	eventually(s.t, what, func() bool {
		last = s.text()
		return strings.Contains(last, what)
	})
}

// ends waits until the program is gone and gives how it ended.
func (s *screen) ends(want string) {
	s.t.Helper()
	got := ""
	eventually(s.t, "the end of rollsh", func() bool {
		text, err := os.ReadFile(filepath.Join(s.dir, "ended"))
		got = strings.TrimSpace(string(text))
		return err == nil && got != ""
	})
	if got != want {
		s.t.Errorf("ended with %s, want %s\n%s", got, want, s.text())
	}
}

func TestShellValuesAndContinuation(t *testing.T) {
	t.Parallel()
	s := newScreen(t, t.TempDir(), 80, 24)
	s.sees("001>")
	s.enter("x = {1, {a = 2}}")
	s.enter("x")
	s.sees("{ 1, { a = 2 } }")
	s.enter("for i = 40, 41 do")
	s.sees("...")
	s.enter("print(i + 2)")
	s.enter("end")
	s.sees("42\n43")
	s.enter("nodes.new{ {name='web1'}, {name='web2'} }")
	s.sees("web[1-2]  (2 nodes)")
	s.enter("#_")
	s.sees("\n2\n")
	s.enter("slep")
	s.sees("\nnil\n")
	s.enter("slep(1)")
	s.sees("shell:1: ")
	s.enter("exit")
	s.ends("0")
}

func TestShellCtrlC(t *testing.T) {
	t.Parallel()
	s := newScreen(t, t.TempDir(), 80, 24)
	s.sees("001>")
	s.press("x = 1", "C-c") // a half-typed line
	s.sees("x = 1^C")
	s.prompted("001>")
	s.enter("f = function(")
	s.prompted("...")
	s.press("C-c") // a chunk that is not whole
	s.prompted("001>")
	s.enter("sleep(30)")
	s.running("sleep(30)")
	s.press("C-c")
	s.sees("shell:1: sleep: interrupted")
	s.prompted("001>")
	s.enter("while true do pcall(sleep, 30) end")
	s.running("pcall(sleep, 30) end")
	s.press("C-c")
	s.sees("shell:1: interrupted")
	s.prompted("001>")
	s.enter("print(x, 'alive')")
	s.sees("nil     alive")
	s.prompted("001>")
	s.press("C-d")
	s.ends("0")
}

// prompted waits until the last line is a prompt with nothing typed.
func (s *screen) prompted(prompt string) {
	s.t.Helper()
	eventually(s.t, "the prompt "+prompt, func() bool {
		text := strings.TrimRight(s.text(), "\n ")
		last := strings.TrimSpace(text[strings.LastIndexByte(text, '\n')+1:])
		return last == prompt && s.cursorColumn() != "0"
	})
}

// running waits until a line was taken: no prompt follows it.
func (s *screen) running(line string) {
	s.t.Helper()
	eventually(s.t, "the run of "+line, func() bool {
		text := strings.TrimRight(s.text(), "\n ")
		return strings.HasSuffix(text, line) && s.cursorColumn() == "0"
	})
}

func (s *screen) cursorColumn() string {
	return strings.TrimSpace(s.tmux("display", "-p", "#{cursor_x}"))
}

func TestShellCompletion(t *testing.T) {
	t.Parallel()
	s := newScreen(t, t.TempDir(), 60, 20)
	s.sees("001>")
	s.press("json.", "Tab")
	s.sees("decode  encode")
	s.press("Tab", "Tab", "BSpace", "BSpace", "C-u") // readline's own list would die here
	s.press("sle", "Tab")
	s.sees("001> sleep")
	s.press("C-u", "help 'exi", "Tab")
	s.sees("001> help 'exit-codes'")
	s.press("C-u", "sleep")
	s.tmux("send-keys", "-l", "(0)")
	s.press("Enter")
	s.enter("print(6 * 7)")
	s.sees("\n42")
}

// The last chunk is edited in the person's editor and run again; what is nothing
// is told.
func TestShellEditsAndAdvises(t *testing.T) {
	t.Parallel()
	s := newScreen(t, t.TempDir(), 80, 24, "VISUAL=sed -i s/20/40/")
	s.sees("001>")
	s.enter("for i = 1, 2 do")
	s.sees("...")
	s.enter("print(i + 20)")
	s.enter("end")
	s.sees("21\n22")
	s.enter(":edit")
	s.sees("print(i + 40)")
	s.sees("41\n42")
	s.prompted("001>")
	s.enter("slep")
	s.sees("nil\nhint: did you mean 'sleep'?")
	s.enter("uptime")
	s.sees("hint: there is no 'uptime'; !uptime runs it")
	s.enter("help")
	s.sees("help \"NAME\" has more")
	s.enter("1 +")
	s.sees("...")
	s.enter("41")
	s.sees("\n42")
	s.enter("1 + * 2")
	s.sees("syntax error near '*'")
	s.enter("slep(3)")
	s.sees("non-function object\nhint: did you mean 'sleep'?")
	s.enter("svn status")
	s.sees("syntax error near 'status'\nhint: !svn status runs it on this machine, @NODE svn status on a node")
	s.enter("nodes prod")
	s.sees("hint: a text wants quotes: nodes \"prod\"")
	s.enter("nodez 'prod'")
	s.sees("hint: did you mean 'nodes'?")
	s.enter("sync.push")
	s.sees("sync.push: ?sync.push is its help")
	s.enter("return 5")
	s.sees("\n5")
	s.enter(":save typed")
	s.sees("wrote ")
	s.enter(":save typed")
	s.sees("typed.lua is there already")
	s.enter(":sve x")
	s.sees("unknown command ':sve x'")
}

func TestShellPaste(t *testing.T) {
	t.Parallel()
	s := newScreen(t, t.TempDir(), 80, 24)
	s.sees("001>")
	s.tmux("set-buffer", "local a = 20\nlocal b = 22\nif a then\n\tprint(a + b)\nend\n")
	s.tmux("paste-buffer", "-p")
	s.sees("001> local a = 20\n...  local b = 22\n...  if a then\n...    print(a + b)\n...  end")
	if strings.Contains(s.text(), "\n42") {
		t.Error("the paste ran before Enter")
	}
	s.press("Enter")
	s.sees("\n42")
	s.press("Home", "print('", "End", "x", "')", "Enter") // Home and End are known
	s.sees("\nx")
	long := filepath.Join(t.TempDir(), "long")
	if err := os.WriteFile(long, []byte(strings.Repeat("local größe = 'a line of some length'\n", 1000)+"print('all of ' .. 1000)"), 0o600); err != nil {
		t.Fatal(err)
	}
	s.tmux("load-buffer", long)
	s.tmux("paste-buffer", "-p")
	s.sees("...  print('all of ' .. 1000)") // drawn anew with each rune, it took minutes
	s.press("C-c")
	s.prompted("001>")
	s.press("C-r")
	s.tmux("set-buffer", "print(a")
	s.tmux("paste-buffer", "-p")
	s.sees("bck-i-search: print(a")
}

func TestShellHistoryAfterRestart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := newScreen(t, dir, 80, 24)
	s.sees("001>")
	s.enter("print('fir' .. 'st')")
	s.sees("\nfirst")
	s.prompted("001>")
	s.enter("token = 'hidden'")
	s.prompted("001>")
	s.enter(" spaced = 1")
	s.prompted("001>")
	s.enter("exit")
	s.ends("0")
	s = newScreen(t, dir, 80, 24)
	s.sees("001>")
	s.press("Up")
	s.sees("001> print('fir' .. 'st')")
	s.press("C-c")
	s.prompted("001>")
	s.press("C-r")
	s.sees("bck-i-search:")
	s.press("fir")
	s.sees("bck-i-search: fir")
	s.press("Enter")
	s.sees("\nfirst")
	text, err := os.ReadFile(filepath.Join(dir, ".local/state/rollsh/history"))
	if err != nil || strings.Contains(string(text), "hidden") || strings.Contains(string(text), "spaced") {
		t.Errorf("history %q, %v", text, err)
	}
}

func TestShellStaysWhileNodesAreDrained(t *testing.T) {
	t.Parallel()
	s := newScreen(t, t.TempDir(), 80, 24)
	s.sees("001>")
	s.enter(`n = node{name="web7", host="127.0.0.1", drain="local: true", undrain="local: true"}`)
	s.enter("n:drain()")
	s.sees("drained web7)>")
	s.enter("exit")
	s.sees("web7 is still drained")
	s.enter("n:undrain()")
	s.enter("exit")
	s.ends("0")
}

func TestShellInTinyAndWideTerminals(t *testing.T) {
	t.Parallel()
	s := newScreen(t, t.TempDir(), 12, 4)
	s.sees("001>")
	s.enter("print('größe 漢字')")
	s.sees("größe 漢字")
	s.press("string.", "Tab", "Tab", "C-u")
	s.tmux("resize-window", "-x", "60", "-y", "15")
	s.enter("print(6 * 7)")
	s.sees("\n42")
	s.tmux("resize-window", "-x", "3", "-y", "2")
	s.tmux("resize-window", "-x", "70", "-y", "15")
	s.enter("print('still' .. ' here')")
	s.sees("still here")
}

func TestShellWithoutCursor(t *testing.T) {
	t.Parallel()
	s := newScreen(t, t.TempDir(), 80, 24, "TERM=dumb")
	s.sees("001>")
	s.press("abc", "C-c")
	s.sees("^C\n001>")
	s.prompted("001>")
	s.enter("for i = 1, 2 do")
	s.prompted("...")
	s.press("C-c")
	s.prompted("001>")
	s.enter("print(6 * 7)")
	s.sees("\n42")
	s.enter("exit")
	s.ends("0")
}
