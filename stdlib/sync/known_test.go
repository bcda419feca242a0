package sync_test

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	gosync "sync"
	"testing"
	"time"

	"github.com/rollsh/rollsh/nodes"
	"github.com/rollsh/rollsh/nodes/nodetest"
)

// What a node is asked that had the agent when it was last met is sent before the
// agent has said anything.
func TestKnownAgentIsNotWaitedFor(t *testing.T) {
	b := newBench(t)
	b.revision(1)
	b.push()
	s := *b.s
	s.Here = shyConn{b.s.Here}
	b.s = &s
	b.renew()
	b.revision(2)
	b.push()
	if d := difference(t, b.src, b.live); d != "" {
		t.Error(d)
	}
}

// shyConn runs commands of which nothing is heard until they are sent something.
type shyConn struct{ nodes.Conn }

// Start gives a process whose output waits for the input.
func (c shyConn) Start(ctx context.Context, cmd nodes.Cmd) (nodes.Process, error) {
	p, err := c.Conn.Start(ctx, cmd)
	if err != nil {
		return p, err
	}
	asked := make(chan struct{})
	return shyProcess{p, &shyInput{p.Stdin(), gosync.OnceFunc(func() { close(asked) })}, &shyOutput{p.Stdout(), asked}}, nil
}

type shyProcess struct {
	nodes.Process
	in  *shyInput
	out *shyOutput
}

func (p shyProcess) Stdin() io.WriteCloser { return p.in }
func (p shyProcess) Stdout() io.Reader     { return p.out }

type shyInput struct {
	io.WriteCloser
	asked func()
}

// Write lets the output go.
func (i *shyInput) Write(b []byte) (int, error) {
	i.asked()
	return i.WriteCloser.Write(b)
}

// Close lets it go, too.
func (i *shyInput) Close() error {
	i.asked()
	return i.WriteCloser.Close()
}

type shyOutput struct {
	io.Reader
	asked <-chan struct{}
}

// Read waits for the input.
func (o *shyOutput) Read(b []byte) (int, error) {
	<-o.asked
	return o.Reader.Read(b)
}

// An agent that is gone from a node that had it is put there again, whatever was
// sent to it meanwhile.
func TestKnownAgentIsGone(t *testing.T) {
	for _, size := range []int{1, 3_000_000} {
		t.Run(strconv.Itoa(size), func(t *testing.T) {
			r := newBareRig(t, 1)
			r.file("a", "1")
			r.push()
			cache := filepath.Join(r.bed.NodeHome(0), ".cache/rollsh")
			for n := range 2 {
				must(t, os.RemoveAll(cache))
				r.disconnect()
				r.connect()
				r.file("a", noise(size, int64(n)))
				r.push()
				r.equal(0)
			}
			if got, err := os.ReadDir(cache); err != nil || len(got) != 1 {
				t.Errorf("%v, %v", got, err)
			}
			if warned := r.events.Text(nodes.Warned); warned != "" {
				t.Error(warned)
			}
		})
	}
}

// A node that had the agent and whose login shell takes for itself what was sent to
// the agent is asked once more, when the first words were heard.
func TestKnownAgentIsNotReached(t *testing.T) {
	r := newRig(t, 1)
	r.file("a", "1")
	r.push()
	r.disconnect()
	r.connect()
	must(t, r.bed.AtLogin(0, "read -t 1 eaten\n"))
	r.file("a", "2")
	r.push()
	r.equal(0)
}

// Where the login shell hangs instead, that is told in its time, whatever is being
// sent, and though no other session is to be had.
func TestKnownAgentIsNotStarted(t *testing.T) {
	r := newRig(t, 1, nodetest.Config("MaxSessions 1"))
	r.file("a", "1")
	r.push()
	r.disconnect()
	r.connect()
	must(t, r.bed.AtLogin(0, "sleep 1000\n"))
	r.file("a", noise(8_000_000, 1)) // more than a channel takes
	_, err := r.try()
	wantKind(t, err, nodes.Timeout, "went silent")
	must(t, r.bed.AtLogin(0, ""))
	r.disconnect()
	r.connect()
	r.push()
	r.equal(0)
}

// Where SFTP answers though the login shell hangs, that serves.
func TestKnownAgentIsNotStartedWhereSFTPIs(t *testing.T) {
	r := newRig(t, 1)
	r.file("a", "1")
	r.wholeSeconds()
	r.push()
	r.disconnect()
	r.connect()
	r.engine.Impatient(4 * time.Second)
	must(t, r.bed.AtLogin(0, "sleep 1000\n"))
	r.file("a", "22")
	r.wholeSeconds()
	r.push()
	r.equal(0)
	if warned := r.events.Text(nodes.Warned); !strings.Contains(warned, "say nothing for 4s") {
		t.Errorf("%q", warned)
	}
}

// An undo that was done when it was cancelled, and of which nothing was heard, is
// not told as one that was not: one more would be one too many.
func TestUndoUnheard(t *testing.T) {
	r := newRig(t, 1)
	line := r.farAway(0)
	for _, text := range []string{"1", "22"} {
		r.file("a", text)
		r.push()
	}
	line.takes(3 * time.Second)
	ctx, cancel := context.WithCancel(r.ctx())
	undone := make(chan error, 1)
	go func() {
		_, err := r.engine.Undo(ctx, r.set, "", "", false)
		undone <- err
	}()
	waitFor(t, func() bool {
		b, err := os.ReadFile(filepath.Join(r.live(0), "a"))
		return err == nil && string(b) == "1"
	})
	cancel()
	wantKind(t, <-undone, nodes.Cancelled, "whether it was undone is not known", "roll=")
}
