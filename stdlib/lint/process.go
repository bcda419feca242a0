package lint

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/rollsh/rollsh/nodes"
)

// Bounds of one run of a tool.
const (
	fileTime  = 30 * time.Second
	maxOutput = 256 << 10
	// limits are set by sh before it becomes the tool: memory in KiB, CPU in
	// seconds, no core files.
	limits = `ulimit -c 0; ulimit -v 4194304; ulimit -t 120; exec "$@"`
)

// tool is a program that a rule needs.
type tool struct {
	names   []string // the first that is found counts
	install string   // the Debian package
}

// find gives the absolute path of the program.
func (t tool) find() (string, error) {
	for _, name := range t.names {
		if path, err := exec.LookPath(name); err == nil {
			return filepath.Abs(path)
		}
		for _, dir := range []string{"/usr/local/sbin", "/usr/sbin", "/sbin"} { // not in everyone's PATH
			if path, err := exec.LookPath(filepath.Join(dir, name)); err == nil {
				return path, nil
			}
		}
	}
	return "", &nodes.Error{Kind: nodes.NotFound, Message: t.names[0] + " is not installed", Hint: "apt-get install " + t.install, Cause: errMissing}
}

// version identifies the program as it is on disk.
func (t tool) version(context.Context) (string, error) {
	path, err := t.find()
	if err != nil {
		return "", err
	}
	return identity(path)
}

// identity is the real path of a file with its size and times.
func identity(path string) (string, error) {
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return "", err
	}
	info, err := os.Stat(real)
	if err != nil {
		return "", err
	}
	s := stampOf(info)
	return fmt.Sprintf("%s %d %d %d", real, s.size, s.mtime.UnixNano(), s.inode), nil
}

// ending is how a tool ended and what it said, on both streams, to a limit.
type ending struct {
	code   int
	signal string
	output string
}

// how puts an ending into words, with what it said, if it said something.
func (e ending) how(said string) string {
	how := fmt.Sprintf("ended with exit code %d", e.code)
	if e.signal != "" {
		how = "was ended by signal " + e.signal
	}
	if said = strings.TrimSpace(said); said != "" {
		how += ": " + said
	}
	return how
}

// environment is what tools get: nothing that is secret, and no file that a
// shell would run.
func environment(more ...string) []string {
	env := []string{"LC_ALL=C.UTF-8"}
	for _, name := range []string{"PATH", "HOME", "TMPDIR", "PHPRC", "PHP_INI_SCAN_DIR"} {
		if v, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+v)
		}
	}
	return append(env, more...)
}

// command makes a process in a group of its own, with limits, that is killed
// when ctx ends.
func command(ctx context.Context, dir string, argv []string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "/bin/sh", append([]string{"-c", limits, "sh"}, argv...)...)
	cmd.Dir, cmd.Env = dir, environment()
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 500 * time.Millisecond
	return cmd
}

// invoke runs a tool to its end. Its time running out is an ending by signal
// KILL; the error is ctx's, or that it could not be started.
func invoke(ctx context.Context, dir string, argv ...string) (ending, error) {
	return invokeWith(ctx, dir, nil, argv...)
}

// invokeWith is invoke with more variables in the environment.
func invokeWith(ctx context.Context, dir string, env []string, argv ...string) (ending, error) {
	limited, cancel := context.WithTimeout(ctx, fileTime)
	defer cancel()
	cmd := command(limited, dir, argv)
	cmd.Env = append(cmd.Env, env...)
	out := &head{}
	cmd.Stdout, cmd.Stderr = out, out
	err := cmd.Run()
	if ctx.Err() != nil {
		return ending{}, nodes.Stopped(ctx)
	}
	e := ending{output: out.String()}
	var exit *exec.ExitError
	switch {
	case err == nil:
	case limited.Err() != nil:
		e.code, e.signal = -1, "KILL after "+fileTime.String()
	case errors.As(err, &exit):
		e.code = exit.ExitCode()
		if ws, ok := exit.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
			e.signal = strings.TrimPrefix(unix.SignalName(ws.Signal()), "SIG")
		}
	case errors.Is(err, exec.ErrWaitDelay): // it ended well, a child holds its output
	default:
		return ending{}, &nodes.Error{Kind: nodes.Failed, Message: "cannot start " + argv[0] + ": " + err.Error(), Cause: err}
	}
	return e, nil
}

// head keeps the first part of what is written to it.
type head struct{ bytes.Buffer }

func (h *head) Write(p []byte) (int, error) {
	if room := maxOutput - h.Len(); room > 0 {
		h.Buffer.Write(p[:min(room, len(p))])
	}
	return len(p), nil
}

// optionLike reports, as a problem, a file whose bare name a tool would take for
// an option.
func optionLike(j *job) bool {
	if !strings.HasPrefix(filepath.Base(j.path), "-") {
		return false
	}
	j.report(0, "not checked: the name begins with '-', which a tool takes for an option")
	return true
}
