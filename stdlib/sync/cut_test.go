package sync_test

import (
	"context"
	"errors"
	"io"
	"os"
	"strings"
	gosync "sync"
	"sync/atomic"
	"testing"

	"github.com/rollsh/rollsh/nodes"
	"github.com/rollsh/rollsh/stdlib/ssh"
)

// cutConn is a connection that breaks after so many frames.
type cutConn struct {
	nodes.Conn
	oneWay bool         // only what goes to the node counts
	frames atomic.Int64 // that pass over a process, in both directions together; below 0: all
}

// Start gives a process whose streams end together.
func (c *cutConn) Start(ctx context.Context, cmd nodes.Cmd) (nodes.Process, error) {
	p, err := c.Conn.Start(ctx, cmd)
	frames := c.frames.Load()
	if err != nil || frames < 0 {
		return p, err
	}
	return &cutProcess{Process: p, left: int(frames), input: p.Stdin(), oneWay: c.oneWay}, nil
}

type cutProcess struct {
	nodes.Process
	input io.WriteCloser
	mu    gosync.Mutex
	left  int

	oneWay bool
}

var errCut = errors.New("the connection was cut")

// pass counts a frame; it fails from the moment of the cut on. What is given
// is sent before the cut.
func (p *cutProcess) pass(half []byte) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.left--; p.left >= 0 {
		return nil
	}
	if p.left == -1 {
		_, _ = p.input.Write(half)
		_ = p.input.Close()
	}
	return errCut
}

func (p *cutProcess) Stdin() io.WriteCloser { return cutInput{p.input, p} }
func (p *cutProcess) Stdout() io.Reader     { return &cutOutput{r: p.Process.Stdout(), p: p} }

type cutInput struct {
	io.WriteCloser
	p *cutProcess
}

// Write is called once a frame; of the one that is cut, half arrives.
func (c cutInput) Write(b []byte) (int, error) {
	if err := c.p.pass(b[:len(b)/2]); err != nil {
		return 0, err
	}
	return c.WriteCloser.Write(b)
}

type cutOutput struct {
	r io.Reader
	p *cutProcess
}

// Read counts what comes as one frame; the agent writes one at a time.
func (c *cutOutput) Read(b []byte) (int, error) {
	n, err := c.r.Read(b)
	if n > 0 && !c.p.oneWay && !strings.Contains(string(b[:n]), "ROLLSH-") && c.p.pass(nil) != nil {
		return 0, errCut
	}
	return n, err
}

// The connection is cut at each frame of a push in turn, in the middle of it
// where it goes to the node. The tree is wholly old or wholly new, a success is
// never told falsely, and the next push makes it new.
func TestCutAtEachFrame(t *testing.T) {
	b := newBench(t)
	conn := &cutConn{Conn: ssh.NewLocal(b.s)}
	b.s.Here = conn
	for _, known := range []bool{true, false} { // whether this side knows what is there
		for frames := 0; ; frames++ {
			conn.frames.Store(-1)
			b.renew()
			b.revision(1)
			b.push()
			old := snapshot(t, b.live)
			b.revision(2)
			if !known {
				must(t, os.RemoveAll(b.s.Cache))
			}
			conn.frames.Store(int64(frames))
			b.renew()
			err := b.try()
			state := b.mixed(old, snapshot(t, b.src))
			if state == "between" || err == nil && state != "new" {
				t.Fatalf("frame %d: the tree is %s, %v", frames, state, err)
			}
			conn.frames.Store(-1)
			b.renew()
			b.push()
			if d := difference(t, b.src, b.live); d != "" {
				t.Fatalf("frame %d (%s): the next push gave:\n%s", frames, state, d)
			}
			b.tidy(frames)
			if err == nil {
				t.Logf("%d frames", frames)
				break
			}
			wantKind(t, err, nodes.Lost)
		}
	}
}

// countConn counts what is sent to processes.
type countConn struct {
	nodes.Conn
	sent atomic.Int64
}

// Start gives a process whose input is counted.
func (c *countConn) Start(ctx context.Context, cmd nodes.Cmd) (nodes.Process, error) {
	p, err := c.Conn.Start(ctx, cmd)
	if err != nil {
		return p, err
	}
	return &countProcess{p, countInput{p.Stdin(), c}}, nil
}

type countProcess struct {
	nodes.Process
	in countInput
}

func (p *countProcess) Stdin() io.WriteCloser { return p.in }

type countInput struct {
	io.WriteCloser
	c *countConn
}

// Write counts.
func (i countInput) Write(b []byte) (int, error) {
	i.c.sent.Add(int64(len(b)))
	return i.WriteCloser.Write(b)
}
