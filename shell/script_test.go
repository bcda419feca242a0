package shell_test

import (
	"errors"
	"os"
	"os/exec"
	"strconv"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/rollsh/rollsh/nodes/nodetest"
	"github.com/rollsh/rollsh/shell"
)

func rollsh() { os.Exit(shell.Main("test", os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) }

func TestMain(m *testing.M) {
	if os.Getenv("ROLLSH_TEST_AS_PROGRAM") != "" {
		rollsh()
	}
	testscript.Main(m, map[string]func(){"rollsh": rollsh})
}

func TestScripts(t *testing.T) { scripts(t, "testdata/script") }

// Scripts that need sshd.
func TestScriptsOnOwnNodes(t *testing.T) {
	nodetest.Need(t, "sshd")
	scripts(t, "testdata/nodes")
}

func scripts(t *testing.T, dir string) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir:                 dir,
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Cmds:                map[string]func(*testscript.TestScript, bool, []string){"ends": ends},
		Setup: func(e *testscript.Env) error {
			e.Setenv("HOME", e.WorkDir)
			e.Setenv("TERM", "xterm")
			return nil
		},
	})
}

// ends is the script command `ends CODE PROGRAM ARGS...`: it runs a program and
// insists on its exit code.
func ends(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: ends CODE PROGRAM ARGS...")
	}
	got := 0
	err := ts.Exec(args[1], args[2:]...)
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		got = exit.ExitCode()
	} else if err != nil {
		ts.Fatalf("%v", err)
	}
	if strconv.Itoa(got) != args[0] {
		ts.Fatalf("exit code %d, want %s", got, args[0])
	}
}
