package shell_test

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// program is rollsh as a process of its own.
type program struct {
	cmd *exec.Cmd
	mu  sync.Mutex
	err bytes.Buffer
}

func (p *program) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.err.Write(b)
}

func (p *program) stderr() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.err.String()
}

// start runs code that says "ready" in a home of its own.
func start(t *testing.T, code string) *program {
	t.Helper()
	return startIn(t, t.TempDir(), code)
}

// startIn does the same in a project, which is its home too.
func startIn(t *testing.T, dir, code string) *program {
	t.Helper()
	p := &program{cmd: rollshIn(t, dir, code)}
	p.cmd.Stderr = p
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "its first word", func() bool { return strings.Contains(p.stderr(), "ready") })
	return p
}

func rollshIn(t *testing.T, dir, code string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self, "-e", code)
	cmd.Env = append(os.Environ(), "ROLLSH_TEST_AS_PROGRAM=1", "HOME="+dir, "ROLLSH_STATE="+dir+"/state")
	cmd.Dir = dir
	return cmd
}

// What a rollsh that was killed left is the first thing that the next one says.
func TestNextRollshSaysWhatWasCutShort(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.Mkdir(dir+"/recipes", 0o755); err != nil {
		t.Fatal(err)
	}
	p := startIn(t, dir, `R = roll.begin{ name="www", to=nodes.new{ {name="web1", host="127.0.0.1", port=1} } } say "ready" sleep(60)`)
	if err := p.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	p.code(t)
	out, err := rollshIn(t, dir, `say "next"`).CombinedOutput()
	first, rest, _ := strings.Cut(string(out), "\n")
	if err != nil || !strings.Contains(first, "was cut short: 1 untouched") || !strings.Contains(rest, "next") {
		t.Errorf("%v\n%s", err, out)
	}
}

// code waits for the end.
func (p *program) code(t *testing.T) int {
	t.Helper()
	err := p.cmd.Wait()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return p.cmd.ProcessState.ExitCode()
}

func TestSignalsEndARunAfterItsCleanup(t *testing.T) {
	t.Parallel()
	for signal, want := range map[syscall.Signal]int{syscall.SIGINT: 130, syscall.SIGTERM: 143, syscall.SIGHUP: 129, syscall.SIGQUIT: 131} {
		p := start(t, `defer(function() sleep(0.2) say "cleaned" end) say "ready" sleep(60)`)
		began := time.Now()
		if err := p.cmd.Process.Signal(signal); err != nil {
			t.Fatal(err)
		}
		if got := p.code(t); got != want {
			t.Errorf("%v: exit code %d, want %d\n%s", signal, got, want, p.stderr())
		}
		if !strings.Contains(p.stderr(), "cleaned") || !strings.Contains(p.stderr(), "interrupted") {
			t.Errorf("%v: %s", signal, p.stderr())
		}
		if took := time.Since(began); took > 20*time.Second {
			t.Errorf("%v: it took %v", signal, took)
		}
	}
}

// A recipe that comes through a fifo makes the beginning as slow as one likes.
func TestASignalWhileARecipeIsReadEndsTheRun(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	recipe := dir + "/slow.lua"
	if err := syscall.Mkfifo(recipe, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := rollshIn(t, dir, "")
	cmd.Args = []string{cmd.Path, recipe}
	p := &program{cmd: cmd}
	cmd.Stdout, cmd.Stderr = p, p
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	w, err := os.OpenFile(recipe, os.O_WRONLY, 0) // until it reads
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	const code = `sleep(5) print "it ran"`
	if err := errors.Join(os.Remove(recipe), os.WriteFile(recipe, []byte(code), 0o600), cmd.Process.Signal(syscall.SIGTERM)); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the signal to arrive", func() bool { return !pendingSignal(t, cmd.Process.Pid) })
	if _, err := w.WriteString(code); err != nil {
		t.Fatal(err)
	}
	w.Close()
	if got := p.code(t); got != 143 || strings.Contains(p.stderr(), "it ran") || !strings.Contains(p.stderr(), "interrupted") {
		t.Errorf("exit code %d: %s", got, p.stderr())
	}
}

// pendingSignal reports whether a process has not taken a signal yet.
func pendingSignal(t *testing.T, pid int) bool {
	t.Helper()
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(line, "ShdPnd:"); ok {
			return strings.Trim(rest, " \t\n0") != ""
		}
	}
	return false
}

// Outside a roll, too, the second Ctrl-C leaves the cleanup its time, and the
// third does not.
func TestThirdCtrlCLeavesAtOnceAndNamesDrainedNodes(t *testing.T) {
	t.Parallel()
	p := start(t, `local n = node{name="web7", host="127.0.0.1", drain="local: true", undrain="local: true"}
		n:drain() defer(function() say "cleaning" sleep(60) end) say "ready" sleep(60)`)
	if err := p.cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the cleanup", func() bool { return strings.Contains(p.stderr(), "cleaning\n") })
	for _, said := range []string{"twice more leaves at once", "Ctrl-C again leaves at once"} {
		eventually(t, said, func() bool { return strings.Contains(p.stderr(), said) })
		if err := p.cmd.Process.Signal(syscall.SIGINT); err != nil {
			t.Fatal(err)
		}
	}
	if got := p.code(t); got != 130 || !strings.Contains(p.stderr(), "left at once: web7 still drained") {
		t.Errorf("exit code %d: %s", got, p.stderr())
	}
	if n := strings.Count(p.stderr(), "leaves at once"); n != 2 {
		t.Errorf("told %d times what leaves at once: %s", n, p.stderr())
	}
}

// Results that a full disk does not take are no success.
func TestLostResultsAreAFailure(t *testing.T) {
	t.Parallel()
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer full.Close()
	for _, code := range []string{`print "x"`, `return 1`} {
		cmd := rollshIn(t, t.TempDir(), code)
		var said bytes.Buffer
		cmd.Stdout, cmd.Stderr = full, &said
		_ = cmd.Run() // the exit code tells
		if got := cmd.ProcessState.ExitCode(); got != 1 || !strings.Contains(said.String(), "cannot write to standard output: no space left on device") {
			t.Errorf("%s: exit code %d: %s", code, got, said.String())
		}
	}
}

// A pattern that would take ages hears a cancel.
func TestCtrlCEndsAPattern(t *testing.T) {
	t.Parallel()
	p := start(t, `defer(function() say "cleaned" end) say "ready" string.find(string.rep("a", 30), string.rep("a*", 30) .. "b")`)
	if err := p.cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	if got := p.code(t); got != 130 || !strings.Contains(p.stderr(), "string.find: interrupted") || !strings.Contains(p.stderr(), "cleaned") {
		t.Errorf("exit code %d: %s", got, p.stderr())
	}
}

func TestStuckLuaIsLeft(t *testing.T) {
	t.Parallel()
	p := start(t, `local s, t = {}, {} for i = 1, 8 do s[i] = ("x"):rep(4e6) .. i end for i = 1, 9000 do t[i] = s[i * 7 % 8 + 1] end say "ready" table.sort(t)`)
	if err := p.cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	if got := p.code(t); got != 130 || !strings.Contains(p.stderr(), "Lua does not end") {
		t.Errorf("exit code %d: %s", got, p.stderr())
	}
}

func TestAClosedPipeEndsARun(t *testing.T) {
	t.Parallel()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self, "-e", `while true do print "y" end`)
	cmd.Env = append(os.Environ(), "ROLLSH_TEST_AS_PROGRAM=1", "HOME="+t.TempDir())
	cmd.Stdout = w
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	w.Close()
	if _, err := r.Read(make([]byte, 10)); err != nil {
		t.Fatal(err)
	}
	r.Close()
	_ = cmd.Wait() // the exit code tells
	if got := cmd.ProcessState.ExitCode(); got != 128+int(syscall.SIGPIPE) {
		t.Errorf("exit code %d", got)
	}
}

func TestADeadTerminalDoesNotEndARun(t *testing.T) {
	t.Parallel()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	r.Close()
	dir := t.TempDir()
	cmd := exec.CommandContext(t.Context(), self, "-e", `for i = 1, 200 do say(i) end here:write("`+dir+`/done", "x")`)
	cmd.Env = append(os.Environ(), "ROLLSH_TEST_AS_PROGRAM=1", "HOME="+dir)
	cmd.Stderr = w
	if err := cmd.Run(); err != nil {
		t.Errorf("it ended: %v", err)
	}
	w.Close()
	if _, err := os.Stat(dir + "/done"); err != nil {
		t.Error(err)
	}
}
