package sync_test

import (
	"context"
	"fmt"
	"math/rand"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rollsh/rollsh/nodes"
	"github.com/rollsh/rollsh/nodes/nodetest"
	"github.com/rollsh/rollsh/stdlib/ssh"
	"github.com/rollsh/rollsh/stdlib/sync"
	"github.com/rollsh/rollsh/stdlib/sync/agent"
	"golang.org/x/sys/unix"
)

// bench is a tree on this machine, reached without ssh: for tests that need
// many runs.
type bench struct {
	*testing.T
	s         *nodes.Session
	node      *nodes.Node
	src, live string
	files     int // of each kind in a revision; 0: 4
	engine    *sync.Engine
}

func newBench(t *testing.T) *bench {
	t.Helper()
	t.Parallel()
	return newBenchHere(t)
}

// newBenchHere is newBench for a test that needs several.
func newBenchHere(t *testing.T) *bench {
	t.Helper()
	dir := quickDir(t)
	b := &bench{T: t, src: filepath.Join(dir, "src"), live: filepath.Join(dir, "node", "www")}
	must(t, os.MkdirAll(b.src, 0o755))
	b.s = &nodes.Session{
		Cache: filepath.Join(dir, "cache"), Home: dir, Project: dir, User: "tester", Host: "deploy",
		Events: nodes.Discard{}, Service: nodes.NewService(),
	}
	b.s.Here = ssh.NewLocal(b.s)
	b.node = &nodes.Node{Name: "here", Local: true, Path: nodes.RemotePath(b.live)}
	b.renew()
	return b
}

// quickDir is a folder in memory where there is one: the tests wait for many
// flushes to the disk otherwise.
func quickDir(t *testing.T) string {
	t.Helper()
	var fs unix.Statfs_t
	if unix.Statfs("/dev/shm", &fs) != nil || fs.Flags&unix.ST_NOEXEC != 0 {
		return t.TempDir()
	}
	dir, err := os.MkdirTemp("/dev/shm", "rollsh-") //nolint:usetesting // t.TempDir is on a disk
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// renew starts with a new engine, as a new rollsh would.
func (b *bench) renew(env ...string) {
	if b.engine != nil {
		b.engine.Close()
	}
	b.engine = sync.New(b.s)
	must(b.T, b.engine.UseAgent(smallAgent))
	b.engine.SetAgentEnv(env...)
	b.Cleanup(b.engine.Close)
}

func (b *bench) file(name, text string) { write(b.T, filepath.Join(b.src, name), text) }

// patience is how long a push may take before it is taken for one that hangs: much
// longer than on the busiest machine.
const patience = 2 * time.Minute

func (b *bench) try(change ...func(*sync.Options)) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	o := sync.Options{From: nodes.Dir(b.src)}
	for _, f := range change {
		f(&o)
	}
	_, err := b.engine.Push(ctx, nodes.Set{Nodes: []*nodes.Node{b.node}}, o)
	return err
}

func (b *bench) push(change ...func(*sync.Options)) {
	b.Helper()
	if err := b.try(change...); err != nil {
		b.Fatalf("push: %v", err)
	}
}

func (b *bench) undo() error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	_, err := b.engine.Undo(ctx, nodes.Set{Nodes: []*nodes.Node{b.node}}, "", "", false)
	return err
}

// revisions makes the source of two revisions that differ in every way.
func (b *bench) revision(n int) {
	b.Helper()
	must(b.T, os.RemoveAll(b.src))
	for i := range max(b.files, 4) {
		b.file(fmt.Sprintf("same/%d", i), "the same")
		b.file(fmt.Sprintf("changed/%d", i), strings.Repeat(fmt.Sprint(n), 10+n))
		b.file(fmt.Sprintf("only%d/%d", n, i), fmt.Sprint(i))
	}
	stamp := time.Unix(1_700_000_000, 0)
	must(b.T, filepath.WalkDir(b.src, func(p string, _ os.DirEntry, err error) error {
		if err == nil && strings.Contains(p, "/same/") {
			err = os.Chtimes(p, stamp, stamp)
		}
		return err
	}))
	if n == 1 {
		b.file("turn", "a file")
		return
	}
	b.file("turn/into", "a folder")
}

// mixed tells what the live tree is between two revisions: old, new, or, when
// every path is whole and the order of the burst was kept, between. Anything
// else fails the test.
func (b *bench) mixed(old, now map[string]string) string {
	b.Helper()
	live := snapshot(b.T, b.live)
	if mapDifference(old, live) == "" {
		return "old"
	}
	if mapDifference(now, live) == "" {
		return "new"
	}
	added, changed, deleted := true, false, false
	for p, v := range live {
		if v != old[p] && v != now[p] && !strings.HasPrefix(v, "d") {
			b.Errorf("%q is neither old nor new: %.60s", p, v)
		}
		changed = changed || old[p] != "" && now[p] == v && old[p] != v && p != "turn"
	}
	for p := range now {
		if _, was := old[p]; !was && live[p] == "" && !strings.HasPrefix(p, "turn") {
			added = false
		}
	}
	for p := range old {
		if now[p] == "" && live[p] == "" && p != "turn" {
			deleted = true
		}
	}
	if (changed || deleted) && !added {
		b.Error("changed or deleted before all new files were there")
	}
	return "between"
}

// The agent is killed at every point of its work in turn. The tree must be
// entirely old or entirely new or in the middle of the burst, in its order; and
// the next push, or undo, must give a whole tree.
func TestAgentKilledAnywhere(t *testing.T) {
	b := newBench(t)
	seen := map[string]int{}
	for _, point := range []string{"any", "burst", "finish"} { // the last two meet the agent that takes over as well
		b.killAtEach(point, seen)
	}
	if seen["between"] == 0 || seen["old"] == 0 || seen["new"] == 0 {
		t.Errorf("not every part of the work was met: %v", seen)
	}
}

// stride says which points of the work are met: all with ROLLSH_FAULTS=all,
// else every eighth, begun at random.
func stride() (first, step int) {
	if os.Getenv("ROLLSH_FAULTS") == "all" {
		return 1, 1
	}
	return 1 + rand.Intn(8), 8
}

func (b *bench) killAtEach(point string, seen map[string]int) {
	t := b.T
	first, step := stride()
	for n := first; ; n += step {
		must(t, os.RemoveAll(filepath.Dir(b.live)))
		b.renew()
		b.revision(1)
		b.push()
		old := snapshot(t, b.live)
		b.revision(2)
		b.renew(fmt.Sprintf("%s=%s:%d", agent.CrashVariable, point, n))
		err := b.try()
		state := b.mixed(old, snapshot(t, b.src))
		seen[state]++
		if err == nil && state != "new" {
			t.Fatalf("point %d: success, but the tree is %s", n, state)
		}
		b.renew()
		if n%2 == 0 && state == "between" {
			must(t, b.undo())
			if d := mapDifference(old, snapshot(t, b.live)); d != "" {
				t.Fatalf("point %d: undo gave:\n%s", n, d)
			}
		}
		b.push()
		if d := difference(t, b.src, b.live); d != "" {
			t.Fatalf("point %d (%s): the next push gave:\n%s", n, state, d)
		}
		b.tidy(n)
		if err == nil && point != "any" || n > 75 { // 60 points or so; after them nothing is killed
			t.Logf("%s: %d points, %v", point, n, seen)
			return
		}
	}
}

// tidy fails the test when anything was left in the state but what belongs.
func (b *bench) tidy(n int) {
	b.Helper()
	list, err := os.ReadDir(filepath.Join(filepath.Dir(b.live), ".rollsh-www"))
	must(b.T, err)
	for _, e := range list {
		if name := e.Name(); name != "lock" && name != "marker" && name != "idle" && !strings.HasPrefix(name, "undo-") {
			b.Errorf("point %d: left behind: %s", n, name)
		}
	}
	list, err = os.ReadDir(filepath.Dir(b.live))
	must(b.T, err)
	if len(list) != 2 {
		b.Errorf("point %d: beside the tree: %v", n, list)
	}
}

func TestUndoKilledAnywhere(t *testing.T) {
	b := newBench(t)
	first, step := stride()
	for n := first; ; n += step {
		must(t, os.RemoveAll(filepath.Dir(b.live)))
		b.renew()
		b.revision(1)
		b.push()
		old := snapshot(t, b.live)
		b.revision(2)
		b.push()
		now := snapshot(t, b.live)
		b.renew(fmt.Sprintf("%s=any:%d", agent.CrashVariable, n))
		err := b.undo()
		if d := mapDifference(old, snapshot(t, b.live)); err == nil && d != "" {
			t.Fatalf("undo gave:\n%s", d)
		} else if err == nil {
			t.Logf("%d points", n)
			return
		}
		b.renew()
		if mapDifference(now, snapshot(t, b.live)) == "" { // not begun
			must(t, b.undo())
		} else { // begun: the next push finishes it first
			b.revision(1)
			_ = b.try(func(o *sync.Options) { o.Drift = "overwrite" })
			b.tidy(n)
			continue
		}
		if d := mapDifference(old, snapshot(t, b.live)); d != "" {
			t.Fatalf("point %d: undo gave:\n%s", n, d)
		}
		b.tidy(n)
	}
}

// The connection is cut at random moments of a push over real ssh.
func TestConnectionCutAnywhere(t *testing.T) {
	r := newRig(t, 1)
	rnd := rand.New(rand.NewSource(7))
	r.file("a", "0")
	r.push()
	for n := range 6 {
		old := snapshot(t, r.live(0))
		for i := range 300 {
			r.file(fmt.Sprintf("d%d/f%d", i%7, i), strings.Repeat(fmt.Sprint(n), 2000+n))
		}
		result := make(chan error, 1)
		go func() {
			_, err := r.try()
			result <- err
		}()
		time.Sleep(time.Duration(rnd.Intn(120)) * time.Millisecond)
		r.bed.Cut(0)
		err := <-result
		live := snapshot(t, r.live(0))
		isOld, isNew := mapDifference(old, live) == "", mapDifference(snapshot(t, r.src), live) == ""
		if err == nil && !isNew {
			t.Fatalf("cut %d: a false success", n)
		}
		if !isOld && !isNew {
			t.Errorf("cut %d: neither old nor new", n)
		}
		r.connect()
		r.push()
		r.equal(0)
	}
}

func TestCancelledWithinASecond(t *testing.T) {
	r := newRig(t, 1)
	r.file("a", "1")
	r.push()
	r.file("a", "22")
	r.bed.Freeze(0)
	defer r.bed.Thaw(0)
	ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
	defer cancel()
	began := time.Now()
	_, err := r.engine.Push(ctx, r.set, r.options())
	if took := time.Since(began); took > 1300*time.Millisecond {
		t.Errorf("took %v", took)
	}
	wantKind(t, err, nodes.Timeout)
}

// Random trees and edits must come out as rsync makes them.
func TestAsRsyncDoes(t *testing.T) {
	nodetest.Need(t, "rsync")
	b := newBench(t)
	peer := filepath.Join(t.TempDir(), "peer")
	must(t, os.MkdirAll(peer, 0o755))
	rnd := rand.New(rand.NewSource(time.Now().UnixNano()))
	for n := range 25 {
		scramble(t, rnd, b.src)
		verify := []string{"stat", "checksum"}[n%2]
		b.push(func(o *sync.Options) { o.Verify = verify })
		run(t, "rsync", "-a", "--delete", b.src+"/", peer+"/")
		if d := difference(t, peer, b.live); d != "" {
			t.Fatalf("round %d: rsync / sync:\n%s", n, d)
		}
		run(t, "diff", "-r", "--no-dereference", b.src, b.live)
	}
}

// scramble adds, changes, removes and turns random paths.
func scramble(t *testing.T, rnd *rand.Rand, root string) {
	t.Helper()
	pick := func() string {
		parts := []string{}
		for range 1 + rnd.Intn(3) {
			parts = append(parts, string("abc-\n'"[rnd.Intn(6)])+fmt.Sprint(rnd.Intn(3)))
		}
		return filepath.Join(root, filepath.Join(parts...))
	}
	for range 30 {
		p := pick()
		switch rnd.Intn(7) {
		case 0, 1, 2:
			if os.MkdirAll(filepath.Dir(p), 0o755) != nil || os.WriteFile(p, make([]byte, rnd.Intn(5000)), 0o644) != nil {
				continue
			}
			must(t, os.Chmod(p, os.FileMode(0o400|rnd.Intn(0o400))))
		case 3:
			_ = os.RemoveAll(p)
		case 4:
			_ = os.MkdirAll(p, 0o755)
		case 5:
			_ = os.Remove(p)
			_ = os.Symlink(fmt.Sprint("to", rnd.Intn(9)), p)
		case 6:
			if st, err := os.Lstat(p); err == nil && st.IsDir() {
				must(t, os.Chmod(p, os.FileMode(0o700|rnd.Intn(0o100))))
			}
		}
	}
}
