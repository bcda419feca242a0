package sync_test

import (
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"github.com/rollsh/rollsh/nodes"
	"github.com/rollsh/rollsh/stdlib/sync"
	"github.com/rollsh/rollsh/stdlib/sync/agent"
	"github.com/rollsh/rollsh/stdlib/sync/agent/bin"
)

// A rollsh without agents sends itself.
func TestOwnAgent(t *testing.T) {
	b := newBench(t)
	must(t, b.engine.BeOwnAgent())
	b.revision(1)
	b.push()
	if d := difference(t, b.src, b.live); d != "" {
		t.Error(d)
	}
}

// A new rollsh meets a node that it knows and that has only an old agent: what
// it sends before it is told so must not look like a lost connection.
func TestNewAgentOnKnownNode(t *testing.T) {
	b := newBench(t)
	b.revision(1)
	b.push()
	program, err := os.ReadFile(smallAgent)
	must(t, err)
	s := *b.s // what the first engine does in the background still looks at the old one
	s.Here = slowConn{b.s.Here}
	b.s = &s
	for n := range 2 {
		program = append(program, '\n') // another sum
		file := filepath.Join(t.TempDir(), "agent")
		must(t, os.WriteFile(file, program, 0o700))
		b.renew()
		must(t, b.engine.UseAgent(file))
		b.file("big", noise(3_000_000, int64(n)))
		if err := b.try(); err != nil {
			t.Fatalf("push %d: %v", n, err)
		}
	}
}

// slowConn lets the first write to a process pass and holds back the next: by
// then a script that only says what is needed has ended.
type slowConn struct{ nodes.Conn }

// Start gives a process with a slow input.
func (c slowConn) Start(ctx context.Context, cmd nodes.Cmd) (nodes.Process, error) {
	p, err := c.Conn.Start(ctx, cmd)
	if err != nil {
		return p, err
	}
	return slowProcess{p, &slowInput{WriteCloser: p.Stdin()}}, nil
}

type slowProcess struct {
	nodes.Process
	in *slowInput
}

func (p slowProcess) Stdin() io.WriteCloser { return p.in }

type slowInput struct {
	io.WriteCloser
	writes atomic.Int64
}

// Write waits before the second time.
func (i *slowInput) Write(b []byte) (int, error) {
	if i.writes.Add(1) == 2 {
		<-time.After(300 * time.Millisecond)
	}
	return i.WriteCloser.Write(b)
}

// The agents for other CPUs do the same work, where this machine runs them by
// itself or, with ROLLSH_FAULTS=all, with qemu-user.
func TestAgentsForOtherCPUs(t *testing.T) {
	b := newBench(t)
	for _, cpu := range []struct{ goarch, emulator string }{{"amd64", "qemu-x86_64"}, {"386", "qemu-i386"}, {"arm", "qemu-arm"}, {"arm64", "qemu-aarch64"}} {
		file := runnable(t, cpu.goarch, cpu.emulator)
		if file == "" {
			t.Logf("the agent for linux/%s was not built, or does not run here", cpu.goarch)
			continue
		}
		must(t, b.engine.UseAgent(file))
		for n := 1; n <= 2; n++ {
			b.revision(n)
			if err := b.try(); err != nil {
				t.Fatalf("%s, push %d: %v", cpu.goarch, n, err)
			}
			if d := difference(t, b.src, b.live); d != "" {
				t.Errorf("%s, push %d:\n%s", cpu.goarch, n, d)
			}
		}
		must(t, b.undo())
		b.renew()
	}
}

// runnable writes the built agent for a CPU to a file that can be run here;
// empty when there is none.
func runnable(t *testing.T, goarch, emulator string) string {
	t.Helper()
	text, err := sync.BuiltAgent(goarch)
	must(t, err)
	if text == nil {
		return ""
	}
	file := filepath.Join(t.TempDir(), goarch)
	must(t, os.WriteFile(file, text, 0o700))
	if exec.Command(file, agent.Flag, "probe").Run() == nil {
		return file
	}
	if _, err := exec.LookPath(emulator); err != nil || os.Getenv("ROLLSH_FAULTS") != "all" {
		return ""
	}
	script := file + ".sh"
	must(t, os.WriteFile(script, []byte("#!/bin/sh\nexport GODEBUG=asyncpreemptoff=1\nexec "+emulator+" "+file+` "$@"`+"\n"), 0o700))
	return script
}

func TestAgentsFitTheirSources(t *testing.T) {
	t.Parallel()
	tree := fstest.MapFS{
		"agent/a.go": {Data: []byte("package agent")}, "agent/a_test.go": {Data: []byte("1")}, "wire/w.go": {Data: []byte("package wire")},
	}
	sum := func() string {
		s, err := bin.Sources(tree)
		must(t, err)
		return s
	}
	was := sum()
	tree["agent/a_test.go"].Data = []byte("2")
	if sum() != was {
		t.Error("tests are no part of the agent")
	}
	tree["wire/w.go"].Data = []byte("package wire // new")
	if sum() == was {
		t.Error("another source gives the same sum")
	}
	if _, _, ok := bin.Agent("linux", "amd64", sum()); ok {
		t.Error("an agent made of other sources was given")
	}
}
