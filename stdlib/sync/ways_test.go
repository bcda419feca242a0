package sync_test

import (
	"context"
	"io"
	"path/filepath"
	"strings"
	gosync "sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rollsh/rollsh/nodes"
	"github.com/rollsh/rollsh/nodes/nodetest"
	"github.com/rollsh/rollsh/stdlib/sync/wire"
)

// wayConn holds the contents back on an agent's own channel until so many ways
// are open, and counts what goes over these.
type wayConn struct {
	nodes.Conn
	open chan struct{} // closed when three ways are open
	ways atomic.Int64  // that were opened
	sent atomic.Int64  // over all ways
	kill int64         // a way is killed when it got as much; 0: none is

	agent nodes.Process
	stuck chan struct{} // nil, or closed when a way takes nothing any more
	once  gosync.Once
}

// Start tells ways from the agent itself.
func (c *wayConn) Start(ctx context.Context, cmd nodes.Cmd) (nodes.Process, error) {
	p, err := c.Conn.Start(ctx, cmd)
	if err != nil {
		return p, err
	}
	if strings.Contains(strings.Join(cmd.Argv, " "), "--agent way ") {
		return &wayProcess{Process: p, c: c}, nil
	}
	c.agent = p
	return &heldProcess{p, c}, nil
}

// heldProcess is the agent itself.
type heldProcess struct {
	nodes.Process
	c *wayConn
}

func (p *heldProcess) Stdin() io.WriteCloser { return heldInput{p.Process.Stdin(), p.c} }

type heldInput struct {
	io.WriteCloser
	c *wayConn
}

// Write holds pieces of contents back.
func (i heldInput) Write(b []byte) (int, error) {
	if len(b) > wire.PieceSize/2 && wire.Type(b[0]) == wire.TypePack {
		<-i.c.open
	}
	return i.WriteCloser.Write(b)
}

type wayProcess struct {
	nodes.Process
	c   *wayConn
	got int64
}

func (p *wayProcess) Stdin() io.WriteCloser { return wayInput{p.Process.Stdin(), p} }
func (p *wayProcess) Stdout() io.Reader     { return wayOutput{p.Process.Stdout(), p} }

type wayInput struct {
	io.WriteCloser
	p *wayProcess
}

// Write counts.
func (i wayInput) Write(b []byte) (int, error) {
	if i.p.c.stuck != nil {
		i.p.c.once.Do(func() { close(i.p.c.stuck) })
		select {}
	}
	i.p.c.sent.Add(int64(len(b)))
	i.p.got += int64(len(b))
	if i.p.c.kill > 0 && i.p.got > i.p.c.kill {
		_ = i.p.Kill()
	}
	return i.WriteCloser.Write(b)
}

type wayOutput struct {
	io.Reader
	p *wayProcess
}

// Read sees the first words of a way.
func (o wayOutput) Read(b []byte) (int, error) {
	n, err := o.Reader.Read(b)
	if strings.Contains(string(b[:n]), strings.TrimSpace(wire.Magic)) {
		if o.p.c.ways.Add(1) == 3 {
			close(o.p.c.open)
		}
	}
	return n, err
}

func (b *bench) manyWays() *wayConn {
	c := &wayConn{Conn: b.s.Here, open: make(chan struct{})}
	b.s.Here = c
	b.renew()
	b.engine.AllFar()
	for i := range 5 {
		b.file("big"+string(rune('0'+i)), noise(4_000_000, int64(i)))
	}
	b.file("small", "small")
	return c
}

// Large contents go over several channels to a node that is far away, and the
// same arrives.
func TestContentsOverManyWays(t *testing.T) {
	b := newBench(t)
	c := b.manyWays()
	b.push()
	if d := difference(t, b.src, b.live); d != "" {
		t.Error(d)
	}
	if n := c.sent.Load(); n < 5_000_000 {
		t.Errorf("%d bytes over the ways", n)
	}
	b.file("small", "changed")
	b.push()
	if d := difference(t, b.src, b.live); d != "" {
		t.Error(d)
	}
}

// A way that dies ends the push and nothing else: the tree is as it was, and the
// next push has what arrived.
func TestWayDies(t *testing.T) {
	b := newBench(t)
	c := b.manyWays()
	c.kill = 2_000_000
	wantKind(t, b.try(), nodes.Lost)
	if found, err := filepath.Glob(b.live + "/*"); err != nil || len(found) > 0 {
		t.Errorf("in the live tree: %v, %v", found, err)
	}
	c.kill = 0
	b.push()
	if d := difference(t, b.src, b.live); d != "" {
		t.Error(d)
	}
	b.tidy(0)
}

// A way that takes nothing any more does not hold up the end of a push whose agent
// is gone.
func TestWayStuck(t *testing.T) {
	b := newBench(t)
	c := b.manyWays()
	c.stuck = make(chan struct{})
	pushed := make(chan error, 1)
	go func() { pushed <- b.try() }()
	<-c.stuck
	must(t, c.agent.Kill())
	select {
	case err := <-pushed:
		wantKind(t, err, nodes.Lost)
	case <-time.After(10 * time.Second):
		t.Error("the push goes on")
	}
}

// The same over ssh, where a node may refuse further sessions: none is asked for
// once the contents are there.
func TestManyWaysOverSSH(t *testing.T) {
	r := newRig(t, 2, nodetest.Config("MaxSessions 1", 1))
	r.engine.AllFar()
	for i := range 5 {
		r.file("big"+string(rune('0'+i)), noise(4_000_000, int64(i)))
	}
	r.push()
	r.equal(0)
	r.equal(1)
	refused := func() int { return strings.Count(r.bed.Log(1), "no more sessions") }
	waitFor(t, func() bool {
		n := refused()
		time.Sleep(300 * time.Millisecond)
		return refused() == n
	})
}

// A node that allows one session runs commands between the steps of a push: the
// agent makes room for them.
func TestAgentMakesRoomForCommands(t *testing.T) {
	r := newRig(t, 1, nodetest.Config("MaxSessions 1"))
	run := func() {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		c, err := r.s.Dialer.Dial(ctx, r.set.Nodes[0])
		must(t, err)
		if res, err := c.Run(ctx, nodes.Cmd{Line: "echo hi"}); err != nil || string(res.Stdout) != "hi\n" {
			t.Fatalf("%q, %v", res.Stdout, err)
		}
	}
	r.file("a", "1")
	r.push()
	run()
	r.file("a", "22")
	r.wholeSeconds()
	hold, staged := make(chan struct{}), make(chan error, 1)
	go func() { staged <- r.engine.HoldStage(r.ctx(), r.set, r.options(), hold) }()
	waitFor(t, func() bool {
		held, err := filepath.Glob(r.stateFile(0, "stage-*/plan"))
		return err == nil && len(held) == 1
	})
	run()
	close(hold)
	must(t, <-staged)
	r.equal(0)
}
