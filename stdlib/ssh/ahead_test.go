package ssh_test

import (
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
	if n := strings.Count(b.Log(0), execLine); n != 2 {
		t.Errorf("%d commands", n)
	}
	if res := run(t, c, nodes.Cmd{Line: "echo $ROLLSH_AHEAD"}); string(res.Stdout) != "there\n" {
		t.Errorf("%q", res.Stdout)
	}
	b.opened(t, 4)
	log := b.Log(0)
	for range 3 {
		_, log, _ = strings.Cut(log, execLine)
	}
	if n := strings.Count(log, openLine); n != 1 {
		t.Errorf("%d sessions were opened after the third command had begun, want 1", n)
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
	b := start(t, 0)
	b.known(t, "")
	b.config(t, "StrictHostKeyChecking accept-new")
	port, sessions := closingServer(t, 3)
	c, err := b.pool.Dial(within(t, 20*time.Second), &nodes.Node{Name: "closing", Host: "127.0.0.1", Port: port})
	if err != nil {
		t.Fatal(err)
	}
	run(t, c, nodes.Cmd{Line: "true"})
	run(t, c, nodes.Cmd{Line: "true"})
	await(t, "the third session is closed", func() bool { return sessions.Load() == 3 })
	if res := run(t, c, nodes.Cmd{Line: "echo once"}); string(res.Stdout) != "once\n" {
		t.Errorf("%q", res.Stdout)
	}
}

// closingServer takes one connection and runs commands, but closes session number
// n at once. It counts the sessions.
func closingServer(t *testing.T, n int32) (port int, sessions *atomic.Int32) {
	t.Helper()
	config := &xssh.ServerConfig{NoClientAuth: true, ServerVersion: "SSH-2.0-OpenSSH_9.9"}
	l := listenSSH(t, config)
	sessions = &atomic.Int32{}
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
			if sessions.Load() != n-1 {
				sessions.Add(1)
				go runTight(t.Context(), ch)
				continue
			}
			if c, _, err := ch.Accept(); err == nil {
				c.Close()
			}
			sessions.Add(1)
		}
	}()
	return l.Addr().(*net.TCPAddr).Port, sessions
}
