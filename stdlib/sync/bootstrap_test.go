package sync_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"golang.org/x/sys/unix"

	"github.com/rollsh/rollsh/nodes"
	"github.com/rollsh/rollsh/nodes/nodetest"
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

// freshAgent makes the engine send an agent that no node has yet.
func (b *bench) freshAgent() (sum string) {
	b.Helper()
	program, err := os.ReadFile(smallAgent)
	must(b.T, err)
	program = append(program, b.Name()+time.Now().String()...)
	file := filepath.Join(b.TempDir(), "agent")
	must(b.T, os.WriteFile(file, program, 0o700))
	must(b.T, b.engine.UseAgent(file))
	return fmt.Sprintf("%x", sha256.Sum256(program))
}

// sessions counts the commands that are run, and may have a toolbox of its own.
type sessions struct {
	nodes.Conn
	count atomic.Int64
	tools string // what PATH is; empty: as it is
}

// Start counts.
func (s *sessions) Start(ctx context.Context, cmd nodes.Cmd) (nodes.Process, error) {
	s.count.Add(1)
	if s.tools != "" {
		cmd.Env = map[string]string{"PATH": s.tools}
	}
	return s.Conn.Start(ctx, cmd)
}

// Run counts.
func (s *sessions) Run(ctx context.Context, cmd nodes.Cmd) (nodes.Result, error) {
	s.count.Add(1)
	return s.Conn.Run(ctx, cmd)
}

// A node without the agent gets it, and the first push, over one session.
func TestFirstContactIsOneSession(t *testing.T) {
	b := newBench(t)
	seen := &sessions{Conn: b.s.Here}
	b.s.Here = seen
	b.freshAgent()
	b.revision(1)
	b.push()
	if n := seen.count.Load(); n != 1 {
		t.Errorf("%d sessions", n)
	}
	if d := difference(t, b.src, b.live); d != "" {
		t.Error(d)
	}
}

// The tools of small systems serve to put the agent there: busybox's head reads
// further than it is told.
func TestAgentPutByBusybox(t *testing.T) {
	nodetest.Need(t, "busybox")
	b := newBench(t)
	tools := t.TempDir()
	if out, err := exec.Command("busybox", "--install", "-s", tools).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	seen := &sessions{Conn: b.s.Here, tools: tools}
	b.s.Here = seen
	sum := b.freshAgent()
	b.file("big", noise(3_000_000, 1))
	b.push()
	if d := difference(t, b.src, b.live); d != "" {
		t.Error(d)
	}
	if got := cached(t, sum); len(got) != 1 || seen.count.Load() != 1 {
		t.Errorf("%v after %d sessions", got, seen.count.Load())
	}
}

// The agent is put there, and used, where the login shell is no POSIX shell.
func TestAgentPutFromOtherShells(t *testing.T) {
	for _, shell := range []string{"fish", "tcsh", "bsd-csh"} {
		t.Run(shell, func(t *testing.T) {
			nodetest.Need(t, shell)
			r := newBareRig(t, 1, nodetest.Config(`ForceCommand `+shell+` -c "$SSH_ORIGINAL_COMMAND"`))
			r.file("a", "1")
			r.push()
			r.equal(0)
			if warned := r.events.Text(nodes.Warned); warned != "" {
				t.Error(warned)
			}
		})
	}
}

// cached lists what the cache for agents holds of one.
func cached(t *testing.T, sum string) []string {
	t.Helper()
	got, err := filepath.Glob(filepath.Join(os.Getenv("XDG_CACHE_HOME"), "rollsh", "agent-"+sum+"*"))
	must(t, err)
	return got
}

// A connection that is cut while the agent is put there is told as lost, and
// leaves nothing that would be run.
func TestCutWhileTheAgentIsPut(t *testing.T) {
	b := newBench(t)
	conn := &cutConn{Conn: b.s.Here}
	b.s.Here = conn
	sum := b.freshAgent()
	b.revision(1)
	wantKind(t, b.try(), nodes.Lost, "while the agent was put on the node")
	if got := cached(t, sum); len(got) > 0 {
		t.Errorf("left behind: %v", got)
	}
	conn.frames.Store(-1)
	b.push()
	if got := cached(t, sum); len(got) != 1 {
		t.Errorf("in the cache: %v", got)
	}
}

// A node whose disk is full where the agent would lie says so.
func TestNoRoomForTheAgent(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("mounting needs root")
	}
	r := newBareRig(t, 1)
	cache := filepath.Join(r.bed.NodeHome(0), ".cache")
	must(t, os.Mkdir(cache, 0o755))
	if err := unix.Mount("c", cache, "tmpfs", 0, "size=1m"); err != nil {
		t.Skip("cannot mount: ", err)
	}
	t.Cleanup(func() { _ = unix.Unmount(cache, unix.MNT_DETACH) })
	r.file("a", "1")
	_, err := r.try()
	wantKind(t, err, nodes.Space, "web1", "cannot put the agent on the node: no space left")
	if got, err := os.ReadDir(filepath.Join(cache, "rollsh")); err != nil || len(got) > 0 {
		t.Errorf("left behind: %v, %v", got, err)
	}
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

func TestTamperedAgent(t *testing.T) {
	r := newBareRig(t, 1)
	r.file("a", "1")
	r.push()
	found, err := filepath.Glob(filepath.Join(r.bed.NodeHome(0), ".cache/rollsh/agent-*"))
	if err != nil || len(found) != 1 {
		t.Fatal(found, err)
	}
	must(t, os.Remove(found[0]))
	must(t, os.WriteFile(found[0], []byte("#!/bin/sh\ntouch "+r.bed.Dir(0)+"/tampered\n"), 0o700))
	r.connect()
	r.file("a", "2")
	r.push()
	r.equal(0)
	if _, err := os.Stat(r.bed.Dir(0) + "/tampered"); err == nil {
		t.Error("a tampered agent was run")
	}
}

// sftpServer is where Debian has OpenSSH's.
const sftpServer = "/usr/lib/openssh/sftp-server"

// A node that runs sftp-server, whatever is asked, says nothing to a command.
func TestNodeThatRunsAnSFTPServerOnly(t *testing.T) {
	nodetest.Need(t, sftpServer)
	r := newRig(t, 1, nodetest.Config("ForceCommand "+sftpServer))
	r.engine.Impatient(4 * time.Second)
	r.file("a", "1")
	r.wholeSeconds()
	r.push()
	r.equal(0)
	if warned := r.events.Text(nodes.Warned); !strings.Contains(warned, "say nothing") {
		t.Errorf("%q", warned)
	}
}

// A node that said nothing is waited for less when it is met again, and has the agent
// once it says something.
func TestNodeThatSaidNothingIsWaitedForLess(t *testing.T) {
	nodetest.Need(t, sftpServer)
	r := newRig(t, 1)
	must(t, r.bed.AtLogin(0, "exec "+sftpServer+"\n"))
	before := ""
	for i, want := range []string{"say nothing for 7s", "say nothing for 5s", ""} {
		if want == "" {
			must(t, r.bed.AtLogin(0, ""))
		}
		r.disconnect()
		r.connect()
		r.engine.Impatient(7 * time.Second)
		r.file("a", strings.Repeat("1", i+1))
		r.wholeSeconds()
		r.push()
		r.equal(0)
		all := r.events.Text(nodes.Warned)
		warned := strings.TrimPrefix(all, before)
		if before = all; !strings.Contains(warned, want) || want == "" && warned != "" {
			t.Errorf("push %d: warned %q", i+1, warned)
		}
	}
}

func TestNoFolderForTheAgent(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("mounting needs root")
	}
	r := newBareRig(t, 1, nodetest.Env("XDG_RUNTIME_DIR", "/dev/null"))
	cache := filepath.Join(r.bed.NodeHome(0), ".cache")
	must(t, os.Mkdir(cache, 0o755))
	if err := unix.Mount("c", cache, "tmpfs", unix.MS_NOEXEC, ""); err != nil {
		t.Skip("cannot mount: ", err)
	}
	t.Cleanup(func() { _ = unix.Unmount(cache, unix.MNT_DETACH) })
	own, err := os.ReadFile(rigAgent)
	must(t, err)
	own = append(own, '\n') // /var/tmp is for all: the other tests shall not find this one
	file := filepath.Join(t.TempDir(), "agent")
	must(t, os.WriteFile(file, own, 0o700))
	must(t, r.engine.UseAgent(file))
	there := fmt.Sprintf("/var/tmp/rollsh-%d/agent-%x", os.Geteuid(), sha256.Sum256(own))
	t.Cleanup(func() { _ = os.Remove(there) })
	r.file("a", "1")
	r.push()
	r.equal(0)
	if _, err := os.Stat(there); err != nil {
		t.Error(err)
	}
	if strings.Contains(r.events.Text(nodes.Warned), "SFTP") {
		t.Error("the next folder was not tried")
	}
}
