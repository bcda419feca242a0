package sync_test

import (
	"bytes"
	"context"
	"io"
	"math/rand"
	"os"
	"path"
	"path/filepath"
	"strings"
	gosync "sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/rollsh/rollsh/nodes"
	"github.com/rollsh/rollsh/nodes/nodetest"
	"github.com/rollsh/rollsh/stdlib/sync"
)

// A controller that slept while another one took its lock over neither renews nor
// removes what is theirs now, and switches nothing.
func TestLockLostInASleep(t *testing.T) {
	r := newRig(t, 1, nodetest.SFTPOnly(0))
	r.file("a", "1")
	r.wholeSeconds()
	r.push()
	r.file("a", "the sleeper's")
	var said bytes.Buffer
	sleeper := r.errand(&said, func(a *errand) { a.Beat, a.Hold = time.Millisecond, true })
	in, err := sleeper.StdinPipe()
	must(t, err)
	must(t, sleeper.Start())
	r.awaitStages(0, 1)
	must(t, sleeper.Process.Signal(syscall.SIGSTOP))
	lock := r.stateFile(0, "lock-sftp")
	age(t, lock, 20*time.Minute)
	r.file("a", "the other's, of another size")
	r.wholeSeconds()
	hold, pushed := make(chan struct{}), make(chan error, 1)
	go func() { pushed <- newRigOn(r).HoldStage(r.ctx(), r.set, r.options(), hold) }()
	r.awaitStages(0, 2)
	theirs, err := os.ReadFile(lock)
	must(t, err)
	must(t, sleeper.Process.Signal(syscall.SIGCONT))
	must(t, in.Close())
	if err := sleeper.Wait(); err == nil || !strings.Contains(said.String(), "the lock was lost to "+r.s.User+" on deploy (sync.push) since") {
		t.Errorf("the sleeper: %v: %s", err, said.String())
	}
	if now, err := os.ReadFile(lock); err != nil || !bytes.HasPrefix(now, theirs) {
		t.Errorf("the lock: %v: %q", err, now)
	}
	close(hold)
	must(t, <-pushed)
	r.equal(0)
	if got := strings.Join(r.state(0), " "); strings.Contains(got, "lock-") || strings.Contains(got, "stage-") {
		t.Errorf("left behind: %s", got)
	}
}

// age makes a lock look as if it was not renewed for so long, once the node has done
// what its holder still asked for.
func age(t *testing.T, lock string, by time.Duration) {
	t.Helper()
	old, still := time.Now().Add(-by).Truncate(time.Second), 0
	waitFor(t, func() bool {
		st, err := os.Stat(lock)
		must(t, err)
		if still++; !st.ModTime().Equal(old) {
			still = 0
			must(t, os.Chtimes(lock, old, old))
		}
		return still == 10
	})
}

// A lock is renewed, by the node's clock, for as long as it is held.
func TestThinLockIsRenewed(t *testing.T) {
	b := newBench(t)
	b.engine.NoAgent()
	b.engine.LockTimes(time.Millisecond, time.Hour)
	b.file("a", "1")
	b.push()
	b.file("a", "22")
	lock := filepath.Join(filepath.Dir(b.live), ".rollsh-www", "lock-sftp")
	set, o := nodes.Set{Nodes: []*nodes.Node{b.node}}, sync.Options{From: nodes.Dir(b.src)}
	hold, staged := make(chan struct{}), make(chan error, 1)
	go func() { staged <- b.engine.HoldStage(t.Context(), set, o, hold) }()
	old := time.Now().Add(-30 * time.Minute)
	waitFor(t, func() bool { return os.Chtimes(lock, old, old) == nil })
	waitFor(t, func() bool {
		st, err := os.Stat(lock)
		return err == nil && st.ModTime().After(old.Add(time.Minute))
	})
	close(hold)
	must(t, <-staged)
}

// The lock of a process on this host that was killed ends after two minutes, not
// fifteen; that of one that lives does not.
func TestLockOfTheKilled(t *testing.T) {
	r := newRig(t, 1, nodetest.SFTPOnly(0))
	r.file("a", "1")
	r.wholeSeconds()
	var said bytes.Buffer
	other := r.errand(&said, func(a *errand) { a.Hold = true })
	in, err := other.StdinPipe() // else it would not hold
	must(t, err)
	defer in.Close()
	must(t, other.Start())
	r.awaitStages(0, 1)
	lock := r.stateFile(0, "lock-sftp")
	locked := func(hint string) {
		t.Helper()
		_, err := r.try()
		wantKind(t, err, nodes.Locked, "locked by tester on deploy", hint)
	}
	age(t, lock, 3*time.Minute)
	locked("wait until that has ended")
	must(t, other.Process.Kill())
	_ = other.Wait()
	age(t, lock, time.Minute)
	locked("that rollsh is gone, or its connection was cut")
	age(t, lock, 3*time.Minute)
	r.takesItsLockBack()
}

// takesItsLockBack pushes where a lock is left that this deploy host knows for its
// own, and another user cannot.
func (r *rig) takesItsLockBack() {
	r.Helper()
	_, err := newRigOn(r).Push(r.ctx(), r.set, r.options())
	wantKind(r.T, err, nodes.Locked, "wait until that has ended")
	r.push()
	r.equal(0)
	if left, _ := filepath.Glob(filepath.Join(r.s.Cache, "thin-locks", "*")); len(left) > 0 {
		r.Errorf("left in the cache: %v", left)
	}
}

// What was staged over SFTP is switched although the connection was cut while other
// nodes were waited for: the lock is still ours.
func TestThinStageOutlivesItsConnection(t *testing.T) {
	r := newRig(t, 1, nodetest.SFTPOnly(0))
	r.file("a", "1")
	r.wholeSeconds()
	var before string
	must(t, r.engine.AtBarrier(r.ctx(), r.set, r.options(), func() {
		before = r.events.Text(nodes.Warned)
		r.bed.Cut(0)
	}))
	r.equal(0)
	if got := strings.Join(r.state(0), " "); strings.Contains(got, "lock-") || strings.Contains(got, "stage-") {
		t.Errorf("left behind: %s", got)
	}
	if now := r.events.Text(nodes.Warned); now != before {
		t.Errorf("said: %s", now)
	}
}

// A lock that was asked for and not answered before a cancel, on a line that stands
// still, is known for one's own at the next try; what is said on the node of who
// holds it, or not said yet, does not matter.
func TestThinLockCancelledAsItIsMade(t *testing.T) {
	r := newRig(t, 1, nodetest.SFTPOnly(0))
	line := r.farAway(0)
	r.file("a", "1")
	r.wholeSeconds()
	r.push()
	r.file("a", "22")
	r.wholeSeconds()
	ctx, cancel := context.WithCancel(r.ctx())
	pushed := make(chan error, 1)
	line.takes(far / 3)
	go func() {
		_, err := r.engine.Push(ctx, r.set, r.options())
		pushed <- err
	}()
	lock := r.stateFile(0, "lock-sftp")
	waitFor(t, func() bool { _, err := os.Stat(lock); return err == nil })
	line.still.Lock()
	cancel()
	began := time.Now()
	wantKind(t, <-pushed, nodes.Cancelled)
	if took := time.Since(began); took > 3*time.Second { // 1.0 on a machine at rest
		t.Errorf("took %v", took)
	}
	said, err := os.ReadFile(lock)
	must(t, err)
	t.Logf("on the node: %q", said)
	line.takes(0)
	line.still.Unlock()
	r.takesItsLockBack()
}

// A push over SFTP ends within a second of a cancel, whenever the line fell silent
// before that, and the next one makes it whole.
func TestCancelledOnASilentLine(t *testing.T) {
	r := newRig(t, 1, nodetest.SFTPOnly(0))
	line := r.farAway(0)
	r.file("a", "1")
	r.wholeSeconds()
	began := time.Now()
	r.push()
	whole, moments := time.Since(began), 2
	if os.Getenv("ROLLSH_FAULTS") == "all" {
		moments = 40
	}
	for n := range moments {
		r.file("a", strings.Repeat("2", n+2))
		r.wholeSeconds()
		ctx, cancel := context.WithCancel(r.ctx())
		pushed := make(chan error, 1)
		go func() {
			_, err := r.engine.Push(ctx, r.set, r.options())
			pushed <- err
		}()
		after := time.Duration(rand.Int63n(int64(whole)))
		time.Sleep(after)
		line.still.Lock()
		cancel()
		began := time.Now()
		err := <-pushed
		if took := time.Since(began); took > 3*time.Second { // 1.0 on a machine at rest
			t.Errorf("after %v: took %v", after, took)
		}
		line.still.Unlock()
		if err != nil {
			wantKind(t, err, nodes.Cancelled)
		}
		must(t, os.RemoveAll(r.stateFile(0, "lock-sftp"))) // as if it were old
		r.push()
		r.equal(0)
	}
}

// jostled is a node on which somebody takes a lock for a stale one: it is moved aside
// after its holder has looked at it, before the state is listed, and put back when
// the stage is made; and once more when the marker is written, for good.
type jostled struct {
	nodes.Conn
	state string
	swept *atomic.Bool
	taken chan struct{} // closed by take
	take  func()
	moved *gosync.Once
}

// Files gives such files.
func (c jostled) Files(ctx context.Context) (nodes.Files, error) {
	f, err := c.Conn.Files(ctx)
	return jostledFiles{f, c}, err
}

type jostledFiles struct {
	nodes.Files
	c jostled
}

func (f jostledFiles) move(from, to string) error {
	return os.Rename(filepath.Join(f.c.state, from), filepath.Join(f.c.state, to))
}

// Open sees the holder's look at the lock.
func (f jostledFiles) Open(name nodes.RemotePath) (io.ReadCloser, error) {
	r, err := f.Files.Open(name)
	if path.Base(string(name)) == "lock-sftp" {
		f.c.take()
	}
	return r, err
}

// ReadDir moves the lock aside.
func (f jostledFiles) ReadDir(name nodes.RemotePath) ([]nodes.FileInfo, error) {
	if string(name) == f.c.state {
		f.c.moved.Do(func() { <-f.c.taken; _ = f.move("lock-sftp", "clock-lock-other") })
	}
	return f.Files.ReadDir(name)
}

// Mkdir puts it back.
func (f jostledFiles) Mkdir(name nodes.RemotePath, perm os.FileMode) error {
	if strings.HasPrefix(path.Base(string(name)), "stage-") && f.move("clock-lock-other", "lock-sftp") != nil {
		f.c.swept.Store(true)
	}
	return f.Files.Mkdir(name, perm)
}

// Rename moves the lock aside again.
func (f jostledFiles) Rename(from, to nodes.RemotePath) error {
	if string(to) == filepath.Join(f.c.state, "marker") {
		_ = f.move("lock-sftp", "clock-lock-another")
	}
	return f.Files.Rename(from, to)
}

// A sweep leaves one's own lock alone where somebody has moved it aside to look at
// it, and it is given back from there.
func TestLockThatIsMovedAside(t *testing.T) {
	b := newBench(t)
	b.engine.NoAgent()
	b.file("a", "1")
	b.push()
	b.file("a", "22")
	state := filepath.Join(filepath.Dir(b.live), ".rollsh-www")
	taken := make(chan struct{})
	c := jostled{b.s.Here, state, &atomic.Bool{}, taken, gosync.OnceFunc(func() { close(taken) }), &gosync.Once{}}
	b.s.Here = c
	write(t, filepath.Join(state, "clock-lock-long-ago"), "")
	b.push()
	if c.swept.Load() {
		t.Error("the lock was swept")
	}
	for _, name := range names(t, state) {
		if strings.Contains(name, "lock-") {
			t.Errorf("left behind: %s", name)
		}
	}
}
