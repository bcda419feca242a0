package sync_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/rollsh/rollsh/nodes"
	"github.com/rollsh/rollsh/nodes/nodetest"
	"github.com/rollsh/rollsh/stdlib/ssh"
	"github.com/rollsh/rollsh/stdlib/sync"
	"github.com/rollsh/rollsh/stdlib/sync/wire"
)

// errand is a push that a process of its own makes, so that it can be killed.
type errand struct {
	Home, Project, State, Cache, Src, Agent string
	Node                                    *nodes.Node
	Beat                                    time.Duration // of a lock over SFTP; 0: the usual
	Hold                                    bool          // at the barrier until the input ends
}

// errandVariable holds the errand, as JSON, of a process that is to make it.
const errandVariable = "ROLLSH_TEST_ERRAND"

// errandMain makes the errand of this process, if it has one.
func errandMain() (handled bool, code int) {
	text := os.Getenv(errandVariable)
	if text == "" {
		return false, 0
	}
	var a errand
	if err := json.Unmarshal([]byte(text), &a); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return true, 1
	}
	s := &nodes.Session{
		Home: a.Home, Project: a.Project, State: a.State, Cache: a.Cache, User: "tester", Host: "deploy",
		Events: nodes.Discard{}, Person: &nodetest.Person{}, Service: nodes.NewService(), Recipe: &nodes.Recipe{},
	}
	pool := ssh.NewPool(s)
	defer pool.Close()
	s.Dialer = pool
	engine := sync.New(s)
	defer engine.Close()
	err := engine.UseAgent(a.Agent)
	if err == nil {
		err = a.push(engine)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return true, 1
	}
	fmt.Println(peakOf("/proc/self"))
	return true, 0
}

func (a *errand) push(engine *sync.Engine) error {
	if a.Beat > 0 {
		engine.LockTimes(a.Beat, wire.StaleThinLock)
	}
	set, o, until := nodes.Set{Nodes: []*nodes.Node{a.Node}}, sync.Options{From: nodes.Dir(a.Src)}, make(chan struct{})
	go func() {
		if a.Hold {
			_, _ = io.Copy(io.Discard, os.Stdin)
		}
		close(until)
	}()
	return engine.HoldStage(context.Background(), set, o, until)
}

// pushElsewhere starts a push in a process of its own.
func (r *rig) pushElsewhere(output *bytes.Buffer) *exec.Cmd {
	r.Helper()
	cmd := r.errand(output, func(*errand) {})
	must(r.T, cmd.Start())
	return cmd
}

// errand makes the command of a push in a process of its own.
func (r *rig) errand(output *bytes.Buffer, change func(*errand)) *exec.Cmd {
	r.Helper()
	a := errand{Home: r.s.Home, Project: r.s.Project, State: r.s.State, Cache: r.s.Cache, Src: r.src, Agent: smallAgent, Node: r.set.Nodes[0]}
	change(&a)
	text, err := json.Marshal(a)
	must(r.T, err)
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), errandVariable+"="+string(text))
	cmd.Stderr = output
	return cmd
}

// randomKills is how many moments of each kind are met.
func randomKills() int {
	if os.Getenv("ROLLSH_FAULTS") == "all" {
		return 200
	}
	return 3
}

// strike is a fault, and how to mend it.
type strike struct {
	hit, mend func(*rig, *exec.Cmd)
	silent    bool // the one that pushes has to find out by itself
}

func nothing(*rig, *exec.Cmd) {}

// strikes are the faults that agent and SFTP have in common.
func strikes() map[string]strike {
	return map[string]strike{
		"controller": {hit: func(_ *rig, cmd *exec.Cmd) { _ = cmd.Process.Kill() }, mend: nothing},
		"sshd":       {hit: func(r *rig, _ *exec.Cmd) { r.bed.Cut(0) }, mend: nothing},
		"silence": {
			hit:    func(r *rig, _ *exec.Cmd) { r.bed.Freeze(0) },
			mend:   func(r *rig, _ *exec.Cmd) { r.bed.Thaw(0) },
			silent: true,
		},
	}
}

// A process is killed at a random moment of a push over real ssh: the one that
// pushes, the agent on the node, or the node's sshd; or the node falls silent.
// What is found then is wholly old, wholly new or a part of the burst in its
// order, a success is never told falsely, and the next push or undo makes it
// whole. ROLLSH_FAULTS=all meets 200 moments of each.
func TestKilledAtRandom(t *testing.T) {
	kinds := strikes()
	kinds["agent"] = strike{hit: func(r *rig, _ *exec.Cmd) { r.bed.KillCommands(0) }, mend: nothing}
	for kind, s := range kinds {
		t.Run(kind, func(t *testing.T) { newRig(t, 1).killManyAtRandom(s, randomKills()) })
	}
}

// The same over SFTP: the one that pushes is killed, or the sshd that serves the
// files, or the line is cut or falls silent.
func TestKilledAtRandomOverSFTP(t *testing.T) {
	kinds := strikes()
	kinds["line"] = strike{hit: func(r *rig, _ *exec.Cmd) { r.line.cut() }, mend: nothing}
	for kind, s := range kinds {
		t.Run(kind, func(t *testing.T) {
			r := newRig(t, 1, nodetest.SFTPOnly())
			r.line = r.farAway(0)
			r.line.takes(5 * time.Millisecond)
			r.connect()
			moments := randomKills()
			if moments < 10 {
				moments = 1
			}
			r.killManyAtRandom(s, moments)
		})
	}
}

// killManyAtRandom strikes at as many moments as are asked for.
func (r *rig) killManyAtRandom(s strike, moments int) {
	b := &bench{T: r.T, src: r.src, live: r.live(0), files: 60}
	if moments > 100 {
		b.files = 400 // the burst lasts longer
	}
	seen := map[string]int{}
	for n := range moments {
		r.killAtRandom(b, n, s, seen)
	}
	r.Logf("%v", seen)
}

// killAtRandom pushes a second revision over a first, strikes while it does, and
// checks what is left and what the next push, or undo, makes of it.
func (r *rig) killAtRandom(b *bench, n int, s strike, seen map[string]int) {
	t := r.T
	r.disconnect()
	r.connect()
	b.revision(1)
	r.wholeSeconds()
	began := time.Now()
	r.push(func(o *sync.Options) { o.Drift = "overwrite" })
	took := time.Since(began) + 100*time.Millisecond // a process starts besides
	old := snapshot(t, b.live)
	b.revision(2)
	r.wholeSeconds()

	var said bytes.Buffer
	config, err := os.ReadFile(r.bed.Config)
	must(t, err)
	if s.silent {
		must(t, os.WriteFile(r.bed.Config, append([]byte("ServerAliveInterval 1\nServerAliveCountMax 1\nConnectTimeout 2\n"), config...), 0o600))
	}
	cmd := r.pushElsewhere(&said)
	after := time.Duration(rand.Int63n(int64(took)))
	time.Sleep(after)
	s.hit(r, cmd)
	waited := time.Now()
	err = cmd.Wait()
	must(t, os.WriteFile(r.bed.Config, config, 0o600))
	if silent := time.Since(waited); err != nil && silent > 40*time.Second { // 2 on a machine at rest; 45 without ServerAliveInterval
		t.Errorf("after %v: it took %v to see that the node is silent: %s", after, silent, said.Bytes())
	}
	s.mend(r, cmd)
	r.disconnect()
	r.awaitRest()

	state := b.mixed(old, snapshot(t, b.src))
	seen[state]++
	if err == nil && state != "new" {
		t.Fatalf("after %v: success, but the tree is %s", after, state)
	}
	r.connect()
	if state != "old" && n%2 == 0 {
		_, undone := r.engine.Undo(r.ctx(), r.set, "", "", false)
		must(t, undone)
		if d := mapDifference(old, snapshot(t, b.live)); d != "" {
			t.Fatalf("after %v (%s): undo gave:\n%s", after, state, d)
		}
	}
	r.push()
	if d := difference(t, b.src, b.live); d != "" {
		t.Fatalf("after %v (%s): the next push gave:\n%s\nthe killed one said: %s", after, state, d, said.Bytes())
	}
	b.tidy(n)
}

// awaitRest waits until the node has seen that the connection of one who was
// killed is gone, and lets a lock over SFTP that is left grow old.
func (r *rig) awaitRest() {
	r.Helper()
	at := func() int { return r.bed.Sessions(0, "/agent-") }
	if r.line != nil {
		at = func() int { return r.bed.Connections(0) }
	}
	for end := time.Now().Add(20 * time.Second); at() > 0; time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			r.Fatal("the node is still at work 20 s after the connection was gone")
		}
	}
	old := time.Now().Add(-time.Hour)
	if err := os.Chtimes(r.stateFile(0, "lock-sftp"), old, old); err != nil && !os.IsNotExist(err) {
		r.Fatal(err)
	}
}
