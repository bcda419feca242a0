package ssh

import (
	"io"
	"net"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/rollsh/rollsh/nodes"
)

// proxyConn is a connection over the standard streams of a ProxyCommand.
type proxyConn struct {
	io.Reader
	io.WriteCloser
	cmd    *exec.Cmd
	errors *tail
	once   sync.Once
	ended  chan struct{}
}

// startProxy runs a ProxyCommand by the shell, in a process group of its own.
func startProxy(line string) (net.Conn, error) {
	cmd := exec.Command("/bin/sh", "-c", "exec "+line)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	p := &proxyConn{cmd: cmd, errors: newTail(4096), ended: make(chan struct{})}
	cmd.Stderr = p.errors
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, &nodes.Error{Kind: nodes.Unreachable, Message: "cannot run the ProxyCommand: " + err.Error(), Cause: err}
	}
	p.Reader, p.WriteCloser = out, in
	return p, nil
}

// Close ends the command: it may end by itself when its input ends, and say why
// it failed; else it and what it started are killed.
func (p *proxyConn) Close() error {
	p.once.Do(func() {
		p.WriteCloser.Close()
		group := -p.cmd.Process.Pid
		term := time.AfterFunc(300*time.Millisecond, func() { _ = syscall.Kill(group, syscall.SIGTERM) })
		kill := time.AfterFunc(time.Second, func() { _ = syscall.Kill(group, syscall.SIGKILL) })
		go func() {
			defer close(p.ended)
			_ = p.cmd.Wait()
			term.Stop()
			kill.Stop()
		}()
	})
	return nil
}

// said ends the command and gives what it wrote to its standard error, in one
// line; empty when that is nothing.
func (p *proxyConn) said() string {
	p.Close()
	endsWithin(p.ended, 500*time.Millisecond)
	if len(p.errors.bytes()) == 0 {
		return ""
	}
	return "the ProxyCommand said: " + strings.Join(strings.Fields(string(p.errors.bytes())), " ")
}

func (*proxyConn) LocalAddr() net.Addr              { return proxyAddr{} }
func (*proxyConn) RemoteAddr() net.Addr             { return proxyAddr{} }
func (*proxyConn) SetDeadline(time.Time) error      { return nil }
func (*proxyConn) SetReadDeadline(time.Time) error  { return nil }
func (*proxyConn) SetWriteDeadline(time.Time) error { return nil }

type proxyAddr struct{}

func (proxyAddr) Network() string { return "proxy" }
func (proxyAddr) String() string  { return "0.0.0.0:0" }
