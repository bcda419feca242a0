package svn

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/rollsh/rollsh/nodes"
)

// interruptGrace is how long svn may take to leave its working copy in order
// after an interrupt, before its process group is killed.
const interruptGrace = 600 * time.Millisecond

// maxAnswer bounds what is read from one svn process.
const maxAnswer = 1 << 30

// keptOutput bounds what is kept of a stream that nobody reads as it comes.
const keptOutput = 64 << 10

// Svn is Subversion as one session of rollsh uses it.
type Svn struct {
	session  *nodes.Session
	program  string
	holds    *holds
	metadata *metadataCache
	lint     []Linter
}

// New makes the svn primitive of a session. It contacts nothing. lint checks
// what a merge changed before it is committed.
func New(s *nodes.Session, lint ...Linter) *Svn {
	return &Svn{session: s, program: "svn", holds: newHolds(), metadata: newMetadataCache(s.Cache), lint: lint}
}

// credentials are given to svn only when a recipe names them; else svn uses its
// own stores.
type credentials struct {
	user     string
	password nodes.Secret
}

// client runs the svn program with one set of credentials.
type client struct {
	svn  *Svn
	cred credentials
}

// call is one run of the svn program.
type call struct {
	args    []string
	dir     string
	locals  bool                    // works on the working copy alone: no credentials
	read    func(r io.Reader) error // takes standard output as it comes; nil: it is kept
	lines   func(line string)       // told each line of standard output; not with read
	env     []string                // besides ours
	inherit *os.File                // kept open by the process, so that a lock outlives us
}

// answer is what a run of svn gave. Exit code 0 alone does not mean success.
type answer struct {
	stdout string // the last part
	stderr string // the last part
	failed bool   // exit code other than 0
	byHand string // a command that asks the same repository, for a person to type
}

// run runs svn to its end. The error is set when svn could not be run, was
// ended by a signal or the context, or when reading its answer failed; svn's own
// failures are in the answer, see answer.err.
func (c *client) run(ctx context.Context, k call) (answer, error) {
	if ctx.Err() != nil {
		return answer{}, nodes.Stopped(ctx)
	}
	cmd := exec.Command(c.svn.program, c.args(k)...)
	cmd.Env = environment(os.Environ())
	if c.cred.password.Reveal() != "" && !k.locals {
		cmd.Stdin = strings.NewReader(c.cred.password.Reveal() + "\n")
	}
	a, err := k.run(ctx, cmd)
	a.byHand = k.byHand()
	return a, err
}

// byHand is a command that asks the repository of a call; of a commit one that
// commits, for what may be read by anybody asks for no login.
func (k call) byHand() string {
	if k.args[0] == "commit" {
		return "svn commit " + nodes.Quote(firstNonEmpty(k.dir, "."))
	}
	for _, arg := range slices.Backward(k.args) {
		if strings.Contains(arg, "://") {
			if url, pegged := strings.CutSuffix(strings.TrimRight(arg, "0123456789"), "@"); pegged {
				arg = url
			}
			return "svn info " + nodes.Quote(arg)
		}
	}
	return "svn log -l 1 " + nodes.Quote(firstNonEmpty(k.dir, "."))
}

// run starts a program in a session of its own and reads what it says.
func (k call) run(ctx context.Context, cmd *exec.Cmd) (answer, error) {
	cmd.Dir = k.dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if k.inherit != nil {
		cmd.ExtraFiles = []*os.File{k.inherit}
	}
	stderr := &tail{limit: keptOutput}
	cmd.Stderr = stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return answer{}, &nodes.Error{Kind: nodes.Internal, Message: err.Error(), Cause: err}
	}
	if err := cmd.Start(); err != nil {
		return answer{}, startError(filepath.Base(cmd.Path), k.dir, err)
	}
	cmd.WaitDelay = interruptGrace
	ended := killOnEnd(ctx, cmd, out)
	stdout := &tail{limit: keptOutput}
	readErr := consume(k, io.LimitReader(out, maxAnswer), stdout)
	if readErr != nil {
		killGroup(cmd, syscall.SIGTERM)
	}
	_, _ = io.Copy(io.Discard, out)
	err = cmd.Wait()
	ended()
	return outcome(ctx, cmd, answer{stdout: stdout.String(), stderr: stderr.String()}, readErr, err)
}

// outcome judges how the process ended.
func outcome(ctx context.Context, cmd *exec.Cmd, a answer, readErr, waitErr error) (answer, error) {
	if ctx.Err() != nil {
		return a, nodes.Stopped(ctx)
	}
	status, _ := cmd.ProcessState.Sys().(syscall.WaitStatus)
	if readErr != nil {
		if status.ExitStatus() > 0 && !errors.Is(readErr, errEnough) {
			a.failed = true
			return a, nil // svn says why on standard error
		}
		return a, readErr
	}
	if status.Signaled() {
		sig := status.Signal()
		return a, &nodes.Error{
			Kind: nodes.Exit, Code: "-1", Signal: strings.TrimPrefix(signalName(sig), "SIG"),
			Message: filepath.Base(cmd.Path) + " was ended by " + signalName(sig), Stderr: a.stderr,
		}
	}
	a.failed = status.ExitStatus() != 0
	var exit *exec.ExitError
	if waitErr != nil && !errors.As(waitErr, &exit) && !errors.Is(waitErr, exec.ErrWaitDelay) {
		return a, &nodes.Error{Kind: nodes.Internal, Message: filepath.Base(cmd.Path) + ": " + waitErr.Error(), Cause: waitErr}
	}
	return a, nil
}

// must runs svn and turns svn's own failures into an error.
func (c *client) must(ctx context.Context, k call) (answer, error) {
	a, err := c.run(ctx, k)
	if err != nil {
		return a, err
	}
	return a, a.err()
}

func (c *client) args(k call) []string {
	args := append([]string{}, k.args...)
	args = append(args[:1:1], append([]string{"--non-interactive"}, args[1:]...)...)
	if k.locals {
		return args
	}
	var auth []string
	if c.cred.user != "" {
		auth = append(auth, "--username", c.cred.user)
	}
	if c.cred.password.Reveal() != "" {
		auth = append(auth, "--password-from-stdin", "--no-auth-cache")
	}
	return append(args[:2:2], append(auth, args[2:]...)...)
}

// environment is ours with svn's language and encoding made certain.
func environment(env []string) []string {
	out := make([]string, 0, len(env)+2)
	for _, kv := range env {
		name, _, _ := strings.Cut(kv, "=")
		if name != "LANG" && name != "LANGUAGE" && !strings.HasPrefix(name, "LC_") {
			out = append(out, kv)
		}
	}
	return append(out, "LC_ALL=C.UTF-8", "LANGUAGE=C")
}

// killOnEnd interrupts the process group when ctx ends and kills it when the
// interrupt does not help. The function it returns ends the watch.
func killOnEnd(ctx context.Context, cmd *exec.Cmd, out io.Closer) func() {
	done := make(chan struct{})
	var watch sync.WaitGroup
	watch.Go(func() {
		select {
		case <-done:
			return
		case <-ctx.Done():
		}
		killGroup(cmd, syscall.SIGINT)
		select {
		case <-done:
		case <-time.After(interruptGrace):
			killGroup(cmd, syscall.SIGKILL)
			_ = out.Close()
		}
	})
	return func() { close(done); watch.Wait() }
}

// killGroup signals the process group of which cmd is the leader.
func killGroup(cmd *exec.Cmd, sig syscall.Signal) { _ = syscall.Kill(-cmd.Process.Pid, sig) }

// errEnough ends the reading of an answer of which no more is wanted.
var errEnough = errors.New("enough")

func consume(k call, r io.Reader, kept *tail) error {
	if k.read != nil {
		return k.read(r)
	}
	if k.lines == nil {
		_, err := io.Copy(kept, r)
		return ignoreClosed(err)
	}
	lines := &lineWriter{line: k.lines}
	_, err := io.Copy(io.MultiWriter(kept, lines), r)
	lines.flush()
	return ignoreClosed(err)
}

func ignoreClosed(err error) error {
	if errors.Is(err, os.ErrClosed) {
		return nil
	}
	return err
}

func startError(program, dir string, err error) error {
	if errors.Is(err, exec.ErrNotFound) {
		return &nodes.Error{Kind: nodes.NotFound, Message: "there is no program " + program + " on this machine", Hint: "apt-get install " + packageOf(program), Cause: err}
	}
	if _, statErr := os.Stat(dir); dir != "" && statErr != nil {
		return &nodes.Error{Kind: nodes.NotFound, Message: "there is no folder " + dir, Cause: err}
	}
	return &nodes.Error{Kind: nodes.Permission, Message: "cannot start " + program + ": " + err.Error(), Cause: err}
}

// tail keeps the last part of what is written to it.
type tail struct {
	limit int
	buf   bytes.Buffer
}

func (t *tail) Write(p []byte) (int, error) {
	t.buf.Write(p)
	if over := t.buf.Len() - 2*t.limit; over > 0 {
		t.buf.Next(over + t.limit)
	}
	return len(p), nil
}

func (t *tail) String() string {
	b := t.buf.Bytes()
	if len(b) > t.limit {
		b = b[len(b)-t.limit:]
	}
	return strings.ToValidUTF8(string(b), "\uFFFD")
}

// lineWriter cuts what is written to it into lines of bounded length.
type lineWriter struct {
	line func(string)
	part []byte
}

func (w *lineWriter) Write(p []byte) (int, error) {
	n := len(p)
	for {
		i := bytes.IndexByte(p, '\n')
		if i < 0 {
			if len(w.part) < keptOutput {
				w.part = append(w.part, p...)
			}
			return n, nil
		}
		w.part = append(w.part, p[:i]...)
		w.flush()
		p = p[i+1:]
	}
}

func (w *lineWriter) flush() {
	if len(w.part) > 0 {
		w.line(string(w.part))
		w.part = w.part[:0]
	}
}

func signalName(s syscall.Signal) string {
	names := map[syscall.Signal]string{
		syscall.SIGKILL: "SIGKILL", syscall.SIGTERM: "SIGTERM", syscall.SIGINT: "SIGINT",
		syscall.SIGSEGV: "SIGSEGV", syscall.SIGABRT: "SIGABRT", syscall.SIGPIPE: "SIGPIPE", syscall.SIGHUP: "SIGHUP", syscall.SIGBUS: "SIGBUS",
	}
	if n, ok := names[s]; ok {
		return n
	}
	return s.String()
}

// packageOf is the Debian package of a program.
func packageOf(program string) string {
	if program == "svn" {
		return "subversion"
	}
	return program
}
