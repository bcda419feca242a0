package shell

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/rollsh/rollsh/nodes"
	"github.com/rollsh/rollsh/nodes/nodetest"
	"github.com/rollsh/rollsh/stdlib"
)

// testGrace is how long a test file may take to end its nodes after a cancel.
const testGrace = 20 * time.Second

// testStand is the environment variable that names the folder of a test, with all that
// belongs to its nodes, to every rollsh that runs in it.
const testStand = "ROLLSH_TEST_STAND"

// test runs test files, those named or all of the project, each in a rollsh of
// its own with an empty home and a journal of its own. It fails when any case
// did.
func (a *app) test(_ *cobra.Command, files []string) error {
	project, err := projectOf(a.opts.project, "")
	if err != nil {
		return err
	}
	if len(files) == 0 {
		if files = testFiles(project); len(files) == 0 {
			e := usage("there are no tests here")
			e.Hint = "tests are recipes/*_test.lua and tests/*.lua of a project; rollsh help test"
			return e
		}
	}
	passed, failed := 0, 0
	for _, file := range files {
		if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) {
			return a.noRecipe(file)
		}
		err := a.during(func(ctx context.Context) error {
			good, bad, err := a.testFile(ctx, project, file)
			passed, failed = passed+good, failed+bad
			return err
		})
		if err != nil {
			return err
		}
	}
	a.person.Show(fmt.Sprintf("%d passed, %d failed", passed, failed))
	if failed > 0 {
		return &nodes.Error{Kind: nodes.Failed, Message: fmt.Sprintf("%d of %s failed", failed, nodes.Count(passed+failed, "case"))}
	}
	return nil
}

// testFiles are the tests of a project, by their paths from here where that is
// shorter.
func testFiles(project string) []string {
	if project == "" {
		return nil
	}
	var out []string
	for _, pattern := range []string{"recipes/*_test.lua", "tests/*.lua"} {
		found, _ := fs.Glob(os.DirFS(project), pattern) // the patterns are right
		for _, f := range found {
			path := filepath.Join(project, f)
			if here, err := os.Getwd(); err == nil {
				if rel, err := filepath.Rel(here, path); err == nil && filepath.IsLocal(rel) {
					path = rel
				}
			}
			out = append(out, path)
		}
	}
	return out
}

// testFile runs one file and counts its cases. A file that fails outside a case,
// or has none, counts as a case of its own.
func (a *app) testFile(ctx context.Context, project, file string) (passed, failed int, err error) {
	scratch, err := os.MkdirTemp("", "rollsh-test-")
	if err == nil {
		scratch, err = filepath.EvalSymlinks(scratch) // as a node sees its own paths
	}
	if err != nil {
		return 0, 0, err
	}
	defer func() {
		nodetest.Sweep(scratch)   // when it was killed, its nodes are still there
		_ = os.RemoveAll(scratch) // in the system's folder for temporary files
	}()
	cmd, err := a.testCommand(ctx, scratch, project, file)
	if err != nil {
		return 0, 0, err
	}
	a.person.Show(a.outPaint.as(strong, file))
	a.sink.flush()
	a.writer.flush()
	ran := cmd.Run()
	if ctx.Err() != nil {
		return 0, 0, nodes.Stopped(ctx)
	}
	report, err := os.ReadFile(filepath.Join(scratch, "report"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return 0, 0, err
	}
	lines := bufio.NewScanner(bytes.NewReader(report))
	lines.Buffer(nil, len(report)+1)
	for lines.Scan() {
		var r stdlib.TestResult
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			return 0, 0, err
		}
		if r.OK {
			passed++
		} else {
			failed++
		}
	}
	switch {
	case ran != nil:
		failed++
		a.person.Show("FAIL  " + file + ": " + ran.Error())
	case passed+failed == 0:
		passed++
	}
	return passed, failed, nil
}

// testCommand is the rollsh that runs a test file.
func (a *app) testCommand(ctx context.Context, scratch, project, file string) (*exec.Cmd, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	home := filepath.Join(scratch, "home")
	if err := os.Mkdir(home, 0o700); err != nil {
		return nil, err
	}
	args := []string{"--yes", "--color=" + a.opts.color}
	if a.opts.json {
		args = append(args, "--json")
	}
	if a.opts.plain {
		args = append(args, "--plain")
	}
	if project != "" {
		args = append(args, "--project", project)
	}
	cmd := exec.CommandContext(ctx, self, append(args, file)...)
	cmd.Stdout, cmd.Stderr = a.stdout, a.stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C comes from here, once
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = testGrace
	for _, v := range os.Environ() {
		switch name, _, _ := strings.Cut(v, "="); name {
		case "HOME", "TMPDIR", "SSH_AUTH_SOCK", "ROLLSH_STATE", "ROLLSH_JOURNAL", "XDG_STATE_HOME", stdlib.TestReport, testStand:
		default:
			cmd.Env = append(cmd.Env, v)
		}
	}
	cmd.Env = append(cmd.Env, "HOME="+home, "TMPDIR="+scratch, testStand+"="+scratch, "ROLLSH_STATE="+filepath.Join(scratch, "state"), stdlib.TestReport+"="+filepath.Join(scratch, "report"))
	for name, value := range a.secrets.Environment() {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	return cmd, nil
}
