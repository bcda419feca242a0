package ssh

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/rollsh/rollsh/nodes"
)

// nodeConn is the nodes.Conn of a node: a shared connection and the name under
// which it was asked for.
type nodeConn struct {
	*connection
	name nodes.Name
}

// Run runs a command on the node; see [nodes.Conn].
func (n *nodeConn) Run(ctx context.Context, c nodes.Cmd) (nodes.Result, error) {
	r := runner{n.pool.session.Events, n.pool.ids, n.name}
	var proc *remote
	res, err := r.run(ctx, c, func(ctx context.Context) (child, error) {
		var err error
		proc, err = n.spawn(ctx, c)
		return proc, err
	})
	if err != nil {
		return res, n.at(err)
	}
	return res, n.at(proc.denied(res))
}

// Start runs a command whose streams the caller drives; see [nodes.Conn].
func (n *nodeConn) Start(ctx context.Context, c nodes.Cmd) (nodes.Process, error) {
	proc, err := n.spawn(ctx, c)
	if err != nil {
		return nil, n.at(err)
	}
	return startProcess(ctx, proc), nil
}

// remote is a command under way on a node.
type remote struct {
	conn    *connection
	ctx     context.Context // it was started under; for what is said about it
	session *ssh.Session
	cmd     nodes.Cmd
	stdin   io.WriteCloser
	stdout  io.Reader
	stderr  io.Reader
	header  *header
	gate    *sudoGate // nil without sudo

	lending sync.Mutex
	lent    func() // ends the lending of the agent; nil where it is not lent
	taken   bool

	once  sync.Once
	ended chan struct{} // closed when the end is known
	err   error         // of session.Wait
}

// spawn starts a command on the node. One that the node did not start is started
// again.
func (c *connection) spawn(ctx context.Context, cmd nodes.Cmd) (*remote, error) {
	for try := 1; ; try++ {
		p, err := c.spawnOnce(ctx, cmd)
		if err == nil || !c.hasty(ctx, err, try) {
			return p, err
		}
	}
}

// hastyTries is how often a session is asked for.
const hastyTries = 5

// hasty reports whether a session that the node closed is worth another try. These
// two servers answer what they begin, so one that was closed without an answer was
// not begun; of others that is not known. Dropbear (2022.83) at times ends a session
// that begins while another one ends, before it looks at what is asked for; ssh with
// a ControlMaster sees the same: that is tried again after a pause. OpenSSH may have
// closed the one that was opened beforehand (ChannelTimeout in sshd_config).
func (c *connection) hasty(ctx context.Context, err error, try int) bool {
	if try == hastyTries || !errors.Is(err, io.EOF) || endsWithin(c.lost, 0) {
		return false
	}
	if !strings.Contains(string(c.client.ServerVersion()), "dropbear") {
		return try == 1 && c.isOpenSSH()
	}
	select {
	case <-ctx.Done():
	case <-c.lost:
	case <-time.After(time.Duration(try) * 20 * time.Millisecond):
		return true
	}
	return false
}

func (c *connection) spawnOnce(ctx context.Context, cmd nodes.Cmd) (*remote, error) {
	line, g, err := gate(cmd)
	if err != nil {
		return nil, err
	}
	s, err := c.sessionAhead(ctx)
	if err != nil {
		return nil, err
	}
	p := &remote{conn: c, ctx: ctx, session: s, cmd: cmd, header: newHeader(c.noteShell), gate: g, ended: make(chan struct{})}
	_, err = within(ctx, func() (struct{}, error) { return struct{}{}, p.start(ctx, line) }, func(struct{}) {})
	if err != nil {
		s.Close()
		p.takeAgent()
		c.release()
		if ctx.Err() != nil {
			return nil, nodes.Stopped(ctx)
		}
		return nil, p.notStarted(err)
	}
	forget := c.mayYield(p, cmd.Yield)
	go func() {
		p.err = s.Wait()
		forget()
		p.takeAgent()
		close(p.ended)
		c.release()
	}()
	return p, nil
}

func (p *remote) start(ctx context.Context, line string) error {
	s := p.session
	end, err := p.conn.lendAgent(s, p.cmd.Agent)
	if err != nil {
		return err
	}
	p.lend(end)
	if p.cmd.Pty {
		if err := s.RequestPty("xterm", 24, 80, ssh.TerminalModes{}); err != nil {
			return &nodes.Error{Kind: nodes.Permission, Message: p.conn.s.where() + " gives no terminal", Cause: err}
		}
	}
	if err := p.connect(ctx); err != nil {
		return err
	}
	return s.Start(p.header.wrap(line, p.conn.posix.Load()))
}

// lend keeps what ends the lending of the agent, or ends it where the command
// was given up meanwhile.
func (p *remote) lend(end func()) {
	p.lending.Lock()
	defer p.lending.Unlock()
	if p.taken {
		end()
	}
	p.lent = end
}

// takeAgent takes back the agent that was lent to the command.
func (p *remote) takeAgent() {
	p.lending.Lock()
	defer p.lending.Unlock()
	p.taken = true
	if p.lent != nil {
		p.lent()
	}
}

// connect makes the command's streams.
func (p *remote) connect(ctx context.Context) error {
	s := p.session
	var errs [3]error
	p.stdin, errs[0] = s.StdinPipe()
	p.stdout, errs[1] = s.StdoutPipe()
	p.stderr, errs[2] = s.StderrPipe()
	if err := errors.Join(errs[:]...); err != nil {
		return err
	}
	if p.cmd.Pty {
		p.header.from, p.stdout = p.stdout, p.header
		p.stdin = &heldBack{p.stdin, p.header}
	} else {
		p.header.from, p.stderr = p.stderr, p.header
	}
	if p.gate == nil {
		return nil
	}
	c := p.conn
	answer := c.pool.sudo.answerer(ctx, c.pool.session.Person, c.s.login(), c.s.alias)
	if p.cmd.Pty {
		p.stdout, p.stdin = p.gate.stand(p.stdout, p.stdin, answer)
	} else {
		p.stderr, p.stdin = p.gate.stand(p.stderr, p.stdin, answer)
	}
	return nil
}

// heldBack is the input of a terminal. It waits for the header, which the
// terminal's echo of the input would else precede.
type heldBack struct {
	io.WriteCloser
	h *header
}

func (w *heldBack) Write(p []byte) (int, error) {
	endsWithin(w.h.known, 2*time.Second)
	return w.WriteCloser.Write(p)
}

func (p *remote) notStarted(err error) error {
	var mine *nodes.Error
	if errors.As(err, &mine) {
		return mine
	}
	if strings.Contains(err.Error(), "command") && strings.Contains(err.Error(), "failed") { // the request was answered with no
		return &nodes.Error{Kind: nodes.Permission, Message: p.conn.s.where() + " runs no commands", Cause: err}
	}
	if p.conn.down() {
		return p.conn.gone(err)
	}
	return &nodes.Error{Kind: nodes.Lost, Message: p.conn.s.where() + " ended the session before it began '" + title(p.cmd) + "'", Cause: err}
}

// Stdin is the command's input.
func (p *remote) Stdin() io.WriteCloser { return p.stdin }

// Stdout is the command's output.
func (p *remote) Stdout() io.Reader { return p.stdout }

// Stderr is the command's error output.
func (p *remote) Stderr() io.Reader { return p.stderr }

func (p *remote) wait() (nodes.Result, error) {
	<-p.ended
	var exit *ssh.ExitError
	var missing *ssh.ExitMissingError
	switch {
	case p.err == nil:
		return nodes.Result{}, nil
	case errors.As(p.err, &exit) && exit.Signal() != "":
		return nodes.Result{Code: -1, Signal: exit.Signal()}, nil
	case errors.As(p.err, &exit):
		return nodes.Result{Code: exit.ExitStatus()}, nil
	case errors.As(p.err, &missing) && !p.conn.down():
		return nodes.Result{Code: -1}, &nodes.Error{
			Kind: nodes.Lost, Message: title(p.cmd) + ": ended without an exit status; its outcome is not known", Cause: p.err,
		}
	}
	e := nodes.AsError(p.conn.gone(p.err), nodes.Lost)
	e.Message += "; the outcome of '" + title(p.cmd) + "' is not known"
	return nodes.Result{Code: -1}, e
}

func (p *remote) abandon() { p.session.Close() }

// kill ends the command through a second session: first TERM, then KILL, for
// its process group and all that stand below it in the process table.
func (p *remote) kill() {
	p.once.Do(func() {
		done := make(chan struct{})
		p.conn.pool.chore(func() {
			defer close(done)
			p.end()
		})
		endsWithin(done, 5*time.Second)
	})
}

func (p *remote) end() {
	if endsWithin(p.ended, 0) {
		return
	}
	pid := p.process()
	if pid == 0 {
		p.session.Close()
		return
	}
	limited, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	ctx, done := p.conn.alive(limited)
	defer done()
	defer p.conn.mayYield(p, p.signaller())()
	r := &room{first: p.conn}
	defer r.leave()
	password, known := p.conn.pool.sudo.known(p.conn.s.login(), p.conn.s.alias)
	for _, words := range killWords(pid, p.cmd.Sudo, known) {
		if err := r.run(ctx, nodes.Quote(words...), password); err != nil {
			p.outlived(err)
			break
		}
	}
	p.session.Close()
}

// process is the process id of the command's shell; 0 where it does not come.
// Something else may run there, to which sshd may pass on a signal; or the line is
// long, or the node busy.
func (p *remote) process() int {
	go p.header.seen()
	if !endsWithin(p.header.known, 500*time.Millisecond) || p.header.process() == 0 {
		_ = p.session.Signal(ssh.SIGKILL)
		endsWithin(p.header.known, time.Second)
	}
	return p.header.process()
}

// outlived says that the command could not be ended, unless it ended all the same.
func (p *remote) outlived(err error) {
	if !endsWithin(p.ended, 0) {
		p.conn.pool.warn(p.ctx, fmt.Sprintf("'%s' was not ended on %s and may still run there: %s", title(p.cmd), p.conn.s.where(), nodes.AsError(err, nodes.Lost).Message))
	}
}

// signaller ends the command where there is no room for a second session, nor a
// second connection to be had: sshd passes a signal on to its process group, but
// not for root (9.2, session_signal_req). It is called again and again.
func (p *remote) signaller() func() {
	const patience = 5 // calls
	var calls atomic.Int64
	return func() {
		signal := ssh.SIGTERM
		if calls.Add(1) > patience {
			signal = ssh.SIGKILL
		}
		go func() { _ = p.session.Signal(signal) }() // may wait for the network
	}
}

// killWords are the commands that end a shell and what it started: first as the
// user that sudo made of the login, if any, then as the login.
func killWords(pid int, sudo string, password bool) [][]string {
	own := nodes.OneLine(fmt.Sprintf(killScript, pid))
	if sudo == "" {
		return [][]string{own}
	}
	how := []string{"sudo", "-n"}
	if password { // it comes as the first line of the input
		how = []string{"sudo", "-S", "-p", ""}
	}
	return [][]string{slices.Concat(how, []string{"-u", sudo, "--"}, own), own}
}

// killScript ends the process group of a shell, and what the shell started in
// groups of its own, in plain POSIX shell. It looks at the table first: a
// process whose parent died is found there no more.
const killScript = `p=%d
t=$(ps -A -o pid= -o ppid= 2>/dev/null || ps -o pid=,ppid= 2>/dev/null)
d=" $p "; more=1
while [ -n "$more" ]; do more=
while read -r a b; do
case $d in *" $a "*) ;; *) case $d in *" $b "*) d="$d$a "; more=1;; esac;; esac
done <<EOF
$t
EOF
done
kill -TERM -"$p" 2>/dev/null; kill -TERM $d 2>/dev/null
for i in 1 2 3 4 5; do
kill -0 -"$p" 2>/dev/null || kill -0 $d 2>/dev/null || exit 0
sleep 0.1 2>/dev/null || sleep 1
done
kill -KILL -"$p" 2>/dev/null; kill -KILL $d 2>/dev/null
exit 0`

// denied finds the endings that mean that the command never ran: sudo's refusal,
// a node that allows files only, and fish, which exits with 0 (3.6) where it could
// not read a command.
func (p *remote) denied(res nodes.Result) error {
	if e := sudoDenied(p.gate, p.cmd, res); e != nil {
		return e
	}
	if p.header.process() == 0 && res.OK() && bytes.HasPrefix(res.Stderr, []byte("fish: ")) {
		why, _, _ := strings.Cut(string(res.Stderr), "\n")
		return &nodes.Error{
			Kind: nodes.Exit, Message: "the login shell did not run the command: " + why, Stderr: string(res.Stderr),
			Hint: "write it as fish wants it, or as sh -c '...'",
		}
	}
	if p.header.process() == 0 && res.Code == 1 && strings.HasPrefix(string(res.Stdout), "This service allows sftp connections only") {
		return &nodes.Error{Kind: nodes.Permission, Message: p.conn.s.where() + " allows only sftp, no commands"}
	}
	return nil
}
