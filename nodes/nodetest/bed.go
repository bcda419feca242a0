package nodetest

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"sync"
	"syscall"

	"github.com/rollsh/rollsh/nodes"
)

// Bed is a set of running nodes and the home of one who may log in to them.
type Bed struct {
	Home       string // holds .ssh; for nodes.Session.Home
	Key        string // Home/.ssh/id_ed25519, the private key that the nodes accept
	KnownHosts string // Home/.ssh/known_hosts
	Config     string // Home/.ssh/config, also for the real ssh: ssh -F Config web1

	dir   string
	user  string
	sshd  string
	nodes []*node
}

// Start starts n nodes for a test and ends them with it. The test is skipped
// where sshd is not installed; see [Need].
func Start(t TB, n int, opts ...Option) *Bed {
	t.Helper()
	Need(t, "sshd")
	b, err := Open(t.TempDir(), n, opts...)
	if err != nil {
		t.Fatalf("nodetest: %v", err)
	}
	t.Cleanup(b.Close)
	return b
}

// Open starts n nodes that keep everything under dir. The caller closes the
// bed.
func Open(dir string, n int, opts ...Option) (*Bed, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	who, err := user.Current()
	if err != nil {
		return nil, err
	}
	home := filepath.Join(dir, "home")
	ssh := filepath.Join(home, ".ssh")
	b := &Bed{
		Home: home, Key: filepath.Join(ssh, "id_ed25519"), KnownHosts: filepath.Join(ssh, "known_hosts"),
		Config: filepath.Join(ssh, "config"), dir: dir, user: who.Username, sshd: Program("sshd"),
	}
	for i := range n {
		name := fmt.Sprintf("web%d", i+1)
		b.nodes = append(b.nodes, &node{name: name, dir: filepath.Join(dir, "node", fmt.Sprint(i))})
	}
	for _, o := range opts {
		o(b)
	}
	if err := b.start(); err != nil {
		b.Close()
		return nil, err
	}
	return b, nil
}

func (b *Bed) start() error {
	if b.sshd == "" {
		return errors.New("sshd is not installed")
	}
	if os.Geteuid() == 0 { // sshd's own folder, where a service would have made it
		if err := os.MkdirAll("/run/sshd", 0o755); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(filepath.Join(b.Home, ".ssh"), 0o700); err != nil {
		return err
	}
	public, err := WriteKey(b.Key, "nodetest")
	if err != nil {
		return err
	}
	errs := make([]error, len(b.nodes))
	var wg sync.WaitGroup
	for i, n := range b.nodes {
		wg.Go(func() { errs[i] = n.open(b.sshd, public) })
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		return err
	}
	return b.writeHome(b.user)
}

// Close ends the nodes and all that was started on them. Files stay.
func (b *Bed) Close() {
	var roots []int
	for _, n := range b.nodes {
		if n.cmd != nil {
			roots = append(roots, n.cmd.Process.Pid)
		}
	}
	sweep(b.dir, roots...)
	for _, n := range b.nodes {
		n.reap()
	}
}

// Len is the number of nodes.
func (b *Bed) Len() int { return len(b.nodes) }

// Node gives node i, counted from 0, as a nodes file would declare it.
func (b *Bed) Node(i int) *nodes.Node {
	n := b.nodes[i]
	return &nodes.Node{Name: nodes.Name(n.name), Host: "127.0.0.1", Port: n.port, User: b.user}
}

// Set gives all nodes in order.
func (b *Bed) Set() nodes.Set {
	s := nodes.Set{Name: "bed"}
	for i := range b.nodes {
		s.Nodes = append(s.Nodes, b.Node(i))
	}
	return s
}

// NodesFile is the text of a nodes file with the nodes of the bed.
func (b *Bed) NodesFile() string {
	text := ""
	for _, n := range b.nodes {
		text += fmt.Sprintf("%s 127.0.0.1 port=%d user=%s\n", n.name, n.port, b.user)
	}
	return text
}

// Dir is an empty folder that is node i's own, for trees and files on it.
func (b *Bed) Dir(i int) string { return filepath.Join(b.nodes[i].dir, "files") }

// NodeHome is $HOME in the sessions of node i.
func (b *Bed) NodeHome(i int) string { return filepath.Join(b.nodes[i].dir, "home") }

// AtLogin has the login shell of node i run lines before each command that sshd
// starts, as a ~/.bashrc would.
func (b *Bed) AtLogin(i int, lines string) error {
	return b.nodes[i].writeEnter(lines)
}

// Log is what the sshd of node i wrote so far.
func (b *Bed) Log(i int) string {
	text, err := os.ReadFile(filepath.Join(b.nodes[i].dir, "log"))
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// Stop takes node i down: sshd and all that it started end at once.
func (b *Bed) Stop(i int) {
	n := b.nodes[i]
	sweep(n.dir, n.cmd.Process.Pid)
	n.reap()
}

// Restart starts node i again, with the same port and keys.
func (b *Bed) Restart(i int) error { return b.nodes[i].serve(b.sshd) }

// Cut cuts the connections to node i by killing the sshd processes that hold
// them. What runs in the sessions is left alone, as by a cut cable.
func (b *Bed) Cut(i int) { b.signalSessions(i, syscall.SIGKILL) }

// KillCommands kills what runs in the sessions of node i; the connections stay.
func (b *Bed) KillCommands(i int) {
	for _, p := range table() {
		if !isSSHD(p.name) && carries(p.pid, b.nodes[i].dir) {
			_ = syscall.Kill(p.pid, syscall.SIGKILL)
		}
	}
}

// Connections counts the sshd processes that hold connections to node i, and serve
// their files.
func (b *Bed) Connections(i int) int {
	count := 0
	for _, p := range under(table(), b.nodes[i].cmd.Process.Pid) {
		if isSSHD(p.name) {
			count++
		}
	}
	return count
}

// Freeze stops node i in its tracks, without closing a connection: it answers
// nothing until Thaw.
func (b *Bed) Freeze(i int) {
	_ = syscall.Kill(b.nodes[i].cmd.Process.Pid, syscall.SIGSTOP)
	b.signalSessions(i, syscall.SIGSTOP)
}

// Thaw lets a frozen node go on.
func (b *Bed) Thaw(i int) {
	b.signalSessions(i, syscall.SIGCONT)
	_ = syscall.Kill(b.nodes[i].cmd.Process.Pid, syscall.SIGCONT)
}

func (b *Bed) signalSessions(i int, sig syscall.Signal) {
	for _, p := range under(table(), b.nodes[i].cmd.Process.Pid) {
		if isSSHD(p.name) {
			_ = syscall.Kill(p.pid, sig)
		}
	}
}

// Sessions counts the processes on node i, in the process table, whose command
// line holds text; with an empty text, all that run in its sessions.
func (b *Bed) Sessions(i int, text string) int {
	count := 0
	for _, p := range table() {
		if p.pid != os.Getpid() && carries(p.pid, b.nodes[i].dir) && holds(p.pid, text) {
			count++
		}
	}
	return count
}
