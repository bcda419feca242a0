package ssh_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	xssh "golang.org/x/crypto/ssh"

	"github.com/rollsh/rollsh/nodes"
	"github.com/rollsh/rollsh/nodes/nodetest"
)

// cancelled starts a command that says "ready", cancels it and waits for its end
// on node i, of whatever kind it is.
func (b *bench) cancelled(t *testing.T, c nodes.Conn, i int, line string) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var began time.Time
	go func() {
		await(t, "the command runs", func() bool { return b.Sessions(i, "714") > 0 })
		began = time.Now()
		cancel()
	}()
	_, err := c.Run(ctx, nodes.Cmd{Line: line})
	fails(t, err, nodes.Cancelled)
	if d := time.Since(began); d > 1400*time.Millisecond {
		t.Errorf("%q: took %s to give up", line, d)
	}
	await(t, line+" is gone", func() bool { return b.Sessions(i, "714") == 0 })
	if d := time.Since(began); d > 2*time.Second {
		t.Errorf("%q: ended on the node after %s", line, d)
	}
}

// Where a node allows no second session, a command that is cancelled is ended over
// a second connection, which is closed afterwards. It is not told to sshd alone,
// which signals nothing for root (9.2, session_signal_req).
func TestCancelKillsWithOneSession(t *testing.T) {
	b := start(t, 2, nodetest.Names("jump", "web1"), nodetest.Config("MaxSessions 1"))
	b.config(t, "Host web1\n  ProxyJump jump\nHost *")
	c, err := b.pool.Dial(t.Context(), &nodes.Node{Name: "web1"})
	if err != nil {
		t.Fatal(err)
	}
	for i, line := range []string{"sleep 714; :", "trap '' TERM; sleep 714; sleep 714", "setsid sleep 714 & wait"} {
		b.cancelled(t, c, 1, line)
		await(t, "the second connection is closed", func() bool { return strings.Count(b.Log(1), "Closing connection to") == i+1 })
	}
	if n := strings.Count(b.Log(1), "Accepted publickey"); n != 4 {
		t.Errorf("%d logins, want one and one for each command", n)
	}
	if n := strings.Count(b.Log(0), "Accepted publickey"); n != 1 {
		t.Errorf("%d logins on the jump host, want 1", n)
	}
	run(t, c, nodes.Cmd{Line: "true"}) // the first connection has its session back
}

// The second connection is checked as the first was: here its host key is known no
// more. Then sshd is asked to end the command; where that is in vain, that is said.
func TestNoSecondConnection(t *testing.T) {
	t.Parallel()
	b := start(t, 1, nodetest.Config("MaxSessions 1"))
	c := b.dial(t, 0)
	b.known(t, "")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() {
		await(t, "the command runs", func() bool { return b.Sessions(0, "715") > 0 })
		cancel()
	}()
	_, err := c.Run(ctx, nodes.Cmd{Line: "sleep 715; :"})
	fails(t, err, nodes.Cancelled)
	if os.Geteuid() != 0 {
		await(t, "sleep is gone", func() bool { return b.Sessions(0, "715") == 0 })
		return
	}
	await(t, "a warning", func() bool { return strings.Contains(b.events.Text(nodes.Warned), "'sleep 715; :' was not ended on ") })
	if n := strings.Count(b.Log(0), "Accepted publickey"); n != 1 {
		t.Errorf("%d logins", n)
	}
}

// A password that was typed for the first connection serves the second.
func TestSecondConnectionWithPassword(t *testing.T) {
	b := start(t, 0)
	b.known(t, "")
	b.config(t, "StrictHostKeyChecking accept-new")
	person := &nodetest.Person{Answers: []string{"wrong", "right"}}
	b.session.Person = person
	n := &nodes.Node{Name: "tight", Host: "127.0.0.1", Port: tightServer(t, byPassword())}
	c, err := b.pool.Dial(within(t, 20*time.Second), n)
	if err != nil {
		t.Fatal(err)
	}
	line := fmt.Sprintf("sleep 719.%d", os.Getpid()) // of this run alone
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() {
		await(t, "the command runs", func() bool { return running(t, line) != "" })
		cancel()
	}()
	_, err = c.Run(ctx, nodes.Cmd{Line: line + "; :"})
	fails(t, err, nodes.Cancelled)
	await(t, "sleep is gone", func() bool { return running(t, line) == "" })
	if len(person.Asked) != 2 {
		t.Errorf("asked %q", person.Asked)
	}
}

// byPassword is a server that takes a password.
func byPassword() *xssh.ServerConfig {
	return &xssh.ServerConfig{
		PasswordCallback: func(_ xssh.ConnMetadata, pass []byte) (*xssh.Permissions, error) { return nil, allow(string(pass)) },
	}
}

// tightServer runs commands, one session a connection.
func tightServer(t *testing.T, config *xssh.ServerConfig) (port int) {
	t.Helper()
	l := listenSSH(t, config)
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go serveTight(t.Context(), conn, config)
		}
	}()
	return l.Addr().(*net.TCPAddr).Port
}

func serveTight(ctx context.Context, conn net.Conn, config *xssh.ServerConfig) {
	_, channels, requests, err := xssh.NewServerConn(conn, config)
	if err != nil {
		return
	}
	go xssh.DiscardRequests(requests)
	room := make(chan struct{}, 1)
	for ch := range channels {
		select {
		case room <- struct{}{}:
			go func() { runTight(ctx, ch); <-room }()
		default:
			ch.Reject(xssh.ResourceShortage, "no more sessions")
		}
	}
}

// runTight runs the command of a session, in a process group of its own that ends
// with ctx.
func runTight(ctx context.Context, ch xssh.NewChannel) {
	c, asked, err := ch.Accept()
	if err != nil {
		return
	}
	defer c.Close()
	for r := range asked {
		var line struct{ Text string }
		if r.Type != "exec" || xssh.Unmarshal(r.Payload, &line) != nil {
			r.Reply(strings.HasPrefix(r.Type, "auth-agent-req"), nil)
			continue
		}
		r.Reply(true, nil)
		cmd := exec.CommandContext(ctx, "sh", "-c", line.Text)
		cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
		cmd.Stdout, cmd.Stderr = c, c.Stderr()
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		code := uint32(0)
		if cmd.Run() != nil {
			code = 1
		}
		c.SendRequest("exit-status", false, xssh.Marshal(struct{ Code uint32 }{code}))
		return
	}
}
