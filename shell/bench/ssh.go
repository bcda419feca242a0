package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/rollsh/rollsh/nodes/nodetest"
)

// sshFanout runs true on 32 nodes with rollsh and with all that people use for
// it, cold and over connections that are open.
func sshFanout(ctx context.Context, b *bench) error {
	p, err := b.newBed("ssh", fanoutNodes)
	if err != nil {
		return err
	}
	defer p.Close()
	before := sshdTime(p)
	cold, err := repeat(ctx, "rollsh", b.runs, func() *exec.Cmd { return p.command("-e", `nodes "bench":run "true"`) })
	if err != nil {
		return err
	}
	floor := (sshdTime(p) - before) / time.Duration(b.runs)
	rounds := warmRounds * b.runs
	if err := p.write("recipes/warm.lua", p.timed(`all:run "true"`, rounds)); err != nil {
		return err
	}
	before = sshdTime(p)
	warm, err := marked(ctx, "rollsh, warm", p.command("recipes/warm.lua"), p.gate, rounds, pause(ctx))
	if err != nil {
		return err
	}
	warmFloor := (sshdTime(p) - before - floor) / time.Duration(rounds) // the first time, which connects, is not timed
	peers, err := newSSHPeers(b, p)
	if err != nil {
		return err
	}
	colds, err := peers.run(ctx, b.runs, peers.cold())
	if err != nil {
		return err
	}
	table(fmt.Sprintf("ssh: true on %d nodes, nothing open before, median of %d", fanoutNodes, b.runs), append([]figure{cold}, colds...))
	printFloor(floor)
	fmt.Printf("  memory of rollsh with %d connections: %.1f MB\n", fanoutNodes, megabytes(cold.peak()))
	if err := peers.openMasters(ctx); err != nil {
		return err
	}
	defer peers.closeMasters()
	warms, err := peers.run(ctx, b.runs, peers.warm())
	if err != nil {
		return err
	}
	if has("fab") {
		fabric, err := marked(ctx, "fabric, in one process", peers.command(peers.fabric("warm.py", p.gate, strconv.Itoa(rounds))), p.gate, rounds, pause(ctx))
		if err != nil {
			return err
		}
		warms = append(warms, fabric)
	}
	table(fmt.Sprintf("ssh: the same over open connections, median of %d, of peers %d", rounds, b.runs), append([]figure{warm}, warms...))
	printFloor(warmFloor)
	table("ssh: warm against those that hold no connection", append([]figure{warm}, colds...))
	printMost(colds, warmFloor)
	return nil
}

// What runs over open connections is quick, so it is run this many times as
// often, as somebody would who looks at the result before going on.
const warmRounds = 10

func pause(ctx context.Context) func() error {
	return func() error {
		select {
		case <-ctx.Done():
		case <-time.After(200 * time.Millisecond):
		}
		return ctx.Err()
	}
}

// peer is one other way to do it.
type peer struct {
	name    string
	needs   []string
	command []string
	env     []string
}

// sshPeers are the other programs, with the files that they want.
type sshPeers struct {
	p     *bed
	names []string
	dir   string
}

func newSSHPeers(b *bench, p *bed) (*sshPeers, error) {
	s := &sshPeers{p: p, dir: filepath.Join(b.dir, "ssh")}
	inventory := "[all:vars]\nansible_python_interpreter=/usr/bin/python3\n[all]\n"
	for i := range p.Len() {
		name := string(p.Node(i).Name)
		s.names = append(s.names, name)
		inventory += name + "\n"
	}
	return s, errors.Join(
		p.write("../hosts", strings.Join(s.names, "\n")+"\n"), p.write("../inventory", inventory),
		p.write("../cold.py", fabricGroup+"g.run('true', hide=True)\n"), p.write("../warm.py", fabricGroup+fabricRounds))
}

// fabricGroup are all nodes in fabric: CONFIG NODE[,NODE] ...
const fabricGroup = `import os, sys, time
from fabric import ThreadingGroup, Config
g = ThreadingGroup(*sys.argv[2].split(","), config=Config(runtime_ssh_path=sys.argv[1]))
`

// fabricRounds does what the recipe of rollsh does, see timed: ... GATE ROUNDS
const fabricRounds = `g.run("true", hide=True)
for _ in range(int(sys.argv[4])):
    print("ready", flush=True)
    while not os.path.exists(sys.argv[3]):
        time.sleep(0.01)
    os.remove(sys.argv[3])
    print("begin", flush=True)
    g.run("true", hide=True)
    print("end", flush=True)
`

// fabric runs one of the scripts in a process of its own.
func (s *sshPeers) fabric(script string, args ...string) peer {
	command := append([]string{"/usr/bin/python3", s.file(script), s.p.Config, strings.Join(s.names, ",")}, args...)
	return peer{name: "fabric", needs: []string{"fab"}, command: command}
}

func (s *sshPeers) file(name string) string { return filepath.Join(s.dir, name) }

const mitogen = "/usr/lib/python3/dist-packages/ansible_mitogen/plugins/strategy"

func (s *sshPeers) ansible(name string, args string, more ...string) peer {
	return peer{
		name: name, needs: []string{"ansible"},
		command: []string{"ansible", "all", "-i", s.file("inventory"), "-f", strconv.Itoa(fanoutNodes), "-m", "command", "-a", "true"},
		env:     append([]string{"ANSIBLE_SSH_ARGS=-F " + s.p.Config + args, "ANSIBLE_HOST_KEY_CHECKING=False"}, more...),
	}
}

func (s *sshPeers) xargs(name, options string) peer {
	line := fmt.Sprintf("xargs -a %s -P %d -I {} ssh -F %s %s {} true", s.file("hosts"), fanoutNodes, s.p.Config, options)
	return peer{name: name, needs: []string{"xargs", "ssh"}, command: []string{"sh", "-c", line}}
}

// cold are the peers that connect each time.
func (s *sshPeers) cold() []peer {
	width, all := strconv.Itoa(fanoutNodes), strings.Join(s.names, ",")
	return []peer{
		s.xargs("xargs -P32 ssh", ""),
		{name: "clush", needs: []string{"clush"}, command: []string{"clush", "-f", width, "-w", all, "-o", "-F " + s.p.Config, "true"}},
		{name: "pssh", needs: []string{"parallel-ssh"}, command: []string{"parallel-ssh", "-p", width, "-h", s.file("hosts"), "-x", "-F " + s.p.Config, "true"}},
		s.ansible("ansible ad-hoc", " -o ControlMaster=no"),
		s.ansible("ansible with mitogen", "", "ANSIBLE_STRATEGY=mitogen_linear", "ANSIBLE_STRATEGY_PLUGINS="+mitogen),
		s.fabric("cold.py"),
	}
}

// warm are the peers that have connections open.
func (s *sshPeers) warm() []peer {
	return []peer{
		s.xargs("ssh with ControlMaster", "-S "+s.file("cm-%n")),
		s.ansible("ansible, ControlPersist", " -o ControlPath="+s.file("cm-%n")),
	}
}

// run measures the peers that are installed; one that fails is left out, and
// that is said.
func (s *sshPeers) run(ctx context.Context, runs int, peers []peer) ([]figure, error) {
	var out []figure
	for _, peer := range peers {
		installed := true
		for _, program := range peer.needs {
			installed = installed && has(program)
		}
		if !installed {
			continue
		}
		f, err := repeat(ctx, peer.name, runs, func() *exec.Cmd { return s.command(peer) })
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err != nil {
			fmt.Printf("  (%s failed and is left out: %s)\n", peer.name, lastLine(err.Error()))
			continue
		}
		out = append(out, f)
	}
	return out, nil
}

func (s *sshPeers) command(p peer) *exec.Cmd {
	program := nodetest.Program(p.command[0])
	if filepath.IsAbs(p.command[0]) {
		program = p.command[0]
	}
	cmd := exec.Command(program, p.command[1:]...)
	cmd.Env = append(append(os.Environ(), "HOME="+s.p.Home, "SSH_AUTH_SOCK="), p.env...)
	return cmd
}

func lastLine(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return lines[len(lines)-1]
}

// openMasters opens a connection to each node that other ssh share.
func (s *sshPeers) openMasters(ctx context.Context) error {
	for _, name := range s.names {
		cmd := exec.CommandContext(ctx, "ssh", "-F", s.p.Config, "-o", "ControlMaster=yes", "-S", s.file("cm-%n"), "-Nf", name)
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("ControlMaster of %s: %w: %s", name, err, out)
		}
	}
	return nil
}

// closeMasters ends them; what they leave is in the scratch folder.
func (s *sshPeers) closeMasters() {
	for _, name := range s.names {
		if _, err := os.Stat(s.file("cm-" + name)); !errors.Is(err, fs.ErrNotExist) {
			_ = exec.Command("ssh", "-F", s.p.Config, "-S", s.file("cm-%n"), "-O", "exit", name).Run()
		}
	}
}
