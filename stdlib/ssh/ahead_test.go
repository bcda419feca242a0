package ssh_test

import (
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	xssh "golang.org/x/crypto/ssh"

	"github.com/rollsh/rollsh/nodes"
	"github.com/rollsh/rollsh/nodes/nodetest"
)

const (
	openLine = "debug1: session_open: channel" // of sshd, for each session that is opened
	execLine = "Starting session: command"
)

// opened waits until sshd has opened n sessions.
func (b *bench) opened(t *testing.T, n int) {
	t.Helper()
	await(t, "a session is opened", func() bool { return strings.Count(b.Log(0), openLine) >= n })
}

// The session of the third command is there before the command is.
func TestSessionIsOpenedAhead(t *testing.T) {
	b := start(t, 1, nodetest.Config("LogLevel DEBUG1\nAcceptEnv ROLLSH_*"))
	b.config(t, "SetEnv ROLLSH_AHEAD=there")
	c := b.dial(t, 0)
	run(t, c, nodes.Cmd{Line: "true"})
	run(t, c, nodes.Cmd{Line: "true"})
	b.opened(t, 3)
	if commands, sessions := strings.Count(b.Log(0), execLine), strings.Count(b.Log(0), openLine); commands != 2 || sessions != 3 {
		t.Errorf("%d commands in %d sessions", commands, sessions)
	}
	if res := run(t, c, nodes.Cmd{Line: "echo $ROLLSH_AHEAD"}); string(res.Stdout) != "there\n" {
		t.Errorf("%q", res.Stdout)
	}
	b.opened(t, 4) // on a busy machine before sshd notes that the third command has begun
	if n := strings.Count(b.Log(0), openLine); n != 4 {
		t.Errorf("%d sessions were opened for three commands, want one more than those", n)
	}
}

// The session that was opened ahead is in nobody's way where the node allows one.
func TestSessionAheadGivesRoom(t *testing.T) {
	b := start(t, 1, nodetest.Config("LogLevel DEBUG1\nMaxSessions 1"))
	c := b.dial(t, 0)
	run(t, c, nodes.Cmd{Line: "true"})
	run(t, c, nodes.Cmd{Line: "true"})
	b.opened(t, 3)
	f, err := c.Files(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Stat("/"); err != nil {
		t.Error(err)
	}
	f.Close()
	run(t, c, nodes.Cmd{Line: "true"})
	b.opened(t, 5)
	b.cancelled(t, c, 0, "sleep 714; :")
}

// A node may close a session that nothing is done with.
func TestSessionAheadThatWasClosed(t *testing.T) {
	for _, lent := range []bool{false, true} {
		t.Run(fmt.Sprint(lent), func(t *testing.T) { sessionAheadThatWasClosed(t, lent) })
	}
}

func sessionAheadThatWasClosed(t *testing.T, lent bool) {
	t.Helper()
	b := start(t, 0)
	b.known(t, "")
	b.config(t, "StrictHostKeyChecking accept-new\nIdentityAgent "+agentWith(t))
	port, sessions := closingServer(t, 3)
	c, err := b.pool.Dial(within(t, 20*time.Second), &nodes.Node{Name: "closing", Host: "127.0.0.1", Port: port})
	if err != nil {
		t.Fatal(err)
	}
	run(t, c, nodes.Cmd{Line: "true"})
	run(t, c, nodes.Cmd{Line: "true"})
	await(t, "the third session is closed", func() bool { return sessions.Load() == 3 })
	if res := run(t, c, nodes.Cmd{Line: "echo once", Agent: lent}); string(res.Stdout) != "once\n" {
		t.Errorf("%q", res.Stdout)
	}
}

// A command that another server may have begun is not run again.
func TestCommandWithoutAnAnswer(t *testing.T) {
	b := start(t, 0)
	b.known(t, "")
	b.config(t, "StrictHostKeyChecking accept-new")
	var runs atomic.Int32
	port := servingSSH(t, &xssh.ServerConfig{NoClientAuth: true, ServerVersion: "SSH-2.0-Other"}, func(ch xssh.NewChannel) {
		c, asked, err := ch.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		for r := range asked {
			if r.Type == "exec" {
				runs.Add(1)
				return
			}
		}
	})
	c, err := b.pool.Dial(within(t, 20*time.Second), &nodes.Node{Name: "other", Host: "127.0.0.1", Port: port})
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.Run(within(t, 20*time.Second), nodes.Cmd{Line: "date >> /var/log/deploys"})
	fails(t, err, nodes.Lost, "ended the session before it began")
	if n := runs.Load(); n != 1 {
		t.Errorf("it was run %d times", n)
	}
}

// closingServer takes one connection and runs commands, but closes session number
// n at once. It counts the sessions.
func closingServer(t *testing.T, n int32) (port int, sessions *atomic.Int32) {
	t.Helper()
	sessions = &atomic.Int32{}
	port = servingSSH(t, &xssh.ServerConfig{NoClientAuth: true, ServerVersion: "SSH-2.0-OpenSSH_9.9"}, func(ch xssh.NewChannel) {
		if sessions.Load() != n-1 {
			sessions.Add(1)
			runTight(t.Context(), ch)
			return
		}
		if c, _, err := ch.Accept(); err == nil {
			c.Close()
		}
		sessions.Add(1)
	})
	return port, sessions
}

// servingSSH takes one connection, and serves each session on it in a goroutine.
func servingSSH(t *testing.T, config *xssh.ServerConfig, serve func(xssh.NewChannel)) (port int) {
	t.Helper()
	l := listenSSH(t, config)
	go func() {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		_, channels, requests, err := xssh.NewServerConn(conn, config)
		if err != nil {
			return
		}
		go xssh.DiscardRequests(requests)
		for ch := range channels {
			go serve(ch)
		}
	}()
	return l.Addr().(*net.TCPAddr).Port
}
