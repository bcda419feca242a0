package ssh

import (
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/rollsh/rollsh/nodes"
)

// Local is the [nodes.Conn] of the machine that rollsh runs on.
type Local struct {
	session *nodes.Session
	ids     *counter
	sudo    *passwords
}

// NewLocal makes it for a session; events go to the session's Events. Commands
// are run by /bin/sh, whatever the person's own shell: a recipe does the same
// from a terminal and from cron.
func NewLocal(s *nodes.Session) *Local { return &Local{s, newCounter(fromLocal), &passwords{}} }

// Run runs a command here; see [nodes.Conn].
func (l *Local) Run(ctx context.Context, c nodes.Cmd) (nodes.Result, error) {
	r := runner{l.session.Events, l.ids, ""}
	var p *localChild
	res, err := r.run(ctx, c, func(ctx context.Context) (child, error) {
		var err error
		p, err = l.spawn(ctx, c)
		return p, err
	})
	if err != nil {
		return res, err
	}
	return res, sudoDenied(p.gate, c, res)
}

// Start runs a command here whose streams the caller drives.
func (l *Local) Start(ctx context.Context, c nodes.Cmd) (nodes.Process, error) {
	p, err := l.spawn(ctx, c)
	if err != nil {
		return nil, err
	}
	return startProcess(ctx, p), nil
}

// Files gives the files of this machine.
func (l *Local) Files(ctx context.Context) (nodes.Files, error) {
	if ctx.Err() != nil {
		return nil, nodes.Stopped(ctx)
	}
	return &localFiles{ctx}, nil
}

// localChild is a command under way here, in a process group of its own.
type localChild struct {
	cmd    *exec.Cmd
	sudo   string
	gate   *sudoGate // nil without sudo
	from   *Local
	input  io.Closer // stdin itself, where a gate is before it
	stdin  io.WriteCloser
	stdout io.ReadCloser
	stderr io.ReadCloser
	killed sync.Once
	ended  chan struct{}
	err    error
}

// behindSudo puts the gate between the streams and the caller. Their ends stay
// in our hands: what is let go of is let go of at once.
func (p *localChild) behindSudo(ctx context.Context, pty bool) {
	answer := p.from.sudo.answerer(ctx, p.from.session.Person, p.from.session.User, "here")
	said := &p.stderr
	if pty {
		said = &p.stdout
	}
	raw, input := *said, p.stdin
	reader, writer := p.gate.stand(raw, input, answer)
	*said = readCloser{reader, raw}
	p.stdin, p.input = writer, input
}

// readCloser reads here and closes there.
type readCloser struct {
	io.Reader
	io.Closer
}

func (l *Local) spawn(ctx context.Context, c nodes.Cmd) (*localChild, error) {
	if ctx.Err() != nil {
		return nil, nodes.Stopped(ctx)
	}
	c, env, err := c.Apart()
	if err != nil {
		return nil, err
	}
	line, g, err := gate(c)
	if err != nil {
		return nil, err
	}
	p := &localChild{cmd: exec.Command("/bin/sh", "-c", line), sudo: c.Sudo, gate: g, from: l, ended: make(chan struct{})}
	p.cmd.Env = append(os.Environ(), env...)
	if l.session.Project != "" {
		p.cmd.Dir = l.session.Project
	}
	theirs, err := p.connect(c.Pty)
	if err == nil && g != nil {
		p.behindSudo(ctx, c.Pty)
	}
	if err == nil {
		err = p.cmd.Start()
	}
	for _, f := range theirs {
		f.Close()
	}
	if err != nil {
		p.abandon()
		return nil, localError("run", title(c), err)
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.ended)
	}()
	return p, nil
}

// connect makes the streams. They are pipes of our own, so that the command's
// end and the streams' end are seen apart. It gives the command's ends of them.
func (p *localChild) connect(pty bool) ([]*os.File, error) {
	if pty {
		return p.terminal()
	}
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	var theirs []*os.File
	for i := range 3 {
		r, w, err := os.Pipe()
		if err != nil {
			return theirs, err
		}
		switch i {
		case 0:
			p.stdin, p.cmd.Stdin = w, r
			theirs = append(theirs, r)
		case 1:
			p.stdout, p.cmd.Stdout = r, w
			theirs = append(theirs, w)
		case 2:
			p.stderr, p.cmd.Stderr = r, w
			theirs = append(theirs, w)
		}
	}
	return theirs, nil
}

// terminal makes the command's streams one pseudo-terminal. Source: pts(4).
func (p *localChild) terminal() ([]*os.File, error) {
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		return nil, err
	}
	p.stdin, p.stdout, p.stderr = keepOpen{master}, terminalReader{master}, io.NopCloser(eofReader{})
	if err := unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		return nil, err
	}
	n, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	if err != nil {
		return nil, err
	}
	slave, err := os.OpenFile("/dev/pts/"+itoa(n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		return nil, err
	}
	p.cmd.Stdin, p.cmd.Stdout, p.cmd.Stderr = slave, slave, slave
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	return []*os.File{slave}, nil
}

// keepOpen is a terminal's input side: its end does not close the output side.
type keepOpen struct{ *os.File }

func (keepOpen) Close() error { return nil }

// terminalReader reads a terminal: EIO is its end, when all who had it open are
// gone.
type terminalReader struct{ *os.File }

func (t terminalReader) Read(p []byte) (int, error) {
	n, err := t.File.Read(p)
	if errors.Is(err, syscall.EIO) {
		err = io.EOF
	}
	return n, err
}

type eofReader struct{}

func (eofReader) Read([]byte) (int, error) { return 0, io.EOF }

// Stdin is the command's input.
func (p *localChild) Stdin() io.WriteCloser { return p.stdin }

// Stdout is the command's output.
func (p *localChild) Stdout() io.Reader { return p.stdout }

// Stderr is the command's error output.
func (p *localChild) Stderr() io.Reader { return p.stderr }

func (p *localChild) wait() (nodes.Result, error) {
	<-p.ended
	p.abandon()
	var exit *exec.ExitError
	switch {
	case p.err == nil:
		return nodes.Result{}, nil
	case errors.As(p.err, &exit):
		if status, ok := exit.Sys().(syscall.WaitStatus); ok && status.Signaled() {
			return nodes.Result{Code: -1, Signal: signalName(status.Signal())}, nil
		}
		return nodes.Result{Code: exit.ExitCode()}, nil
	}
	return nodes.Result{Code: -1}, &nodes.Error{Kind: nodes.Lost, Message: "the command's end is not known: " + p.err.Error(), Cause: p.err}
}

// kill ends the process group and what stands below it in the process table:
// TERM, then KILL.
func (p *localChild) kill() {
	p.killed.Do(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		password, known := p.from.sudo.known(p.from.session.User, "here")
		for _, words := range killWords(p.cmd.Process.Pid, p.sudo, known) {
			cmd := exec.CommandContext(ctx, words[0], words[1:]...)
			cmd.Stdin = strings.NewReader(password + "\n")
			cmd.WaitDelay = 100 * time.Millisecond
			_ = cmd.Run() // what is gone cannot be killed
		}
	})
}

func (p *localChild) abandon() {
	input := p.input
	if input == nil {
		input = p.stdin
	}
	for _, c := range []io.Closer{input, p.stdout, p.stderr} {
		if c != nil {
			c.Close()
		}
	}
}
