package sync_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/rollsh/rollsh/nodes"
	"github.com/rollsh/rollsh/nodes/nodetest"
	"github.com/rollsh/rollsh/stdlib/sync"
)

func (r *rig) stateFile(i int, name string) string {
	return filepath.Join(r.bed.Dir(i), ".rollsh-www", name)
}

// Of two controllers at once one is told who holds the lock, when one of them
// works with the agent and the other over SFTP, whichever comes first.
func TestLockedAcrossProtocols(t *testing.T) {
	for name, thinFirst := range map[string]bool{"SFTP holds": true, "agent holds": false} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, 1)
			r.file("a", "1")
			r.push()
			first, second := r.engine, newRigOn(r)
			if thinFirst {
				first.NoAgent()
				first.Close() // the agent that runs
			} else {
				second.NoAgent()
			}
			r.file("a", "22")
			r.wholeSeconds()
			hold, staged := make(chan struct{}), make(chan error, 1)
			go func() { staged <- first.HoldStage(r.ctx(), r.set, r.options(), hold) }()
			waitFor(t, func() bool {
				held, err := filepath.Glob(r.stateFile(0, "stage-*/plan"))
				return err == nil && len(held) == 1
			})
			before := snapshot(t, r.live(0))
			_, err := second.Push(r.ctx(), r.set, r.options())
			wantKind(t, err, nodes.Locked, "locked by "+r.s.User+" on deploy (sync.push)")
			if d := mapDifference(before, snapshot(t, r.live(0))); d != "" {
				t.Error(d)
			}
			close(hold)
			must(t, <-staged)
			r.equal(0)
			r.file("a", "333")
			r.wholeSeconds()
			if _, err := second.Push(r.ctx(), r.set, r.options()); err != nil {
				t.Errorf("after that: %v", err)
			}
			r.equal(0)
			if got := strings.Join(r.state(0), " "); strings.Contains(got, "lock-sftp") || strings.Contains(got, "clock-") {
				t.Errorf("left behind: %s", got)
			}
		})
	}
}

// A lock whose holder is gone is taken over: one over SFTP by the agent, and that
// of an agent over SFTP.
func TestLocksOfTheDead(t *testing.T) {
	r := newRig(t, 2, nodetest.SFTPOnly(1))
	r.file("a", "1")
	r.push()
	left := `{"Who":"eve","Host":"elsewhere","Why":"sync.push","Since":"2001-01-01T00:00:00Z","Roll":"r-1"}`
	age := func(d time.Duration) {
		for _, f := range []string{r.stateFile(0, "lock-sftp"), r.stateFile(1, "lock")} {
			write(t, f, left)
			at := time.Now().Add(-d)
			must(t, os.Chtimes(f, at, at))
		}
	}
	age(time.Minute)
	r.file("a", "22")
	r.wholeSeconds()
	for i := range 2 {
		_, err := r.engine.Push(r.ctx(), nodes.Set{Nodes: r.set.Nodes[i : i+1]}, r.options())
		wantKind(t, err, nodes.Locked, "locked by eve on elsewhere (sync.push) since 2001-01-01 00:00:00")
	}
	age(20 * time.Minute)
	r.push(func(o *sync.Options) { o.Verify = "checksum" })
	r.equal(0)
	r.equal(1)
}

// A push over SFTP that is cancelled gives its lock back: the next one need not
// wait for it to grow old.
func TestCancelledThinPushLeavesNoLock(t *testing.T) {
	r := newRig(t, 1, nodetest.SFTPOnly(0))
	r.file("big", noise(1_000_000, 1))
	r.wholeSeconds()
	ctx, cancel := context.WithCancel(r.ctx())
	pushed := make(chan error, 1)
	go func() {
		o := r.options()
		o.Speed = 100_000
		_, err := r.engine.Push(ctx, r.set, o)
		pushed <- err
	}()
	waitFor(t, func() bool {
		sent, err := filepath.Glob(r.stateFile(0, "stage-*/s/*"))
		return err == nil && len(sent) > 0
	})
	cancel()
	wantKind(t, <-pushed, nodes.Cancelled)
	r.nothingInTheWay(0)
}

// A push that is cancelled while it is staged says of each node that nothing was
// switched, with the agent and over SFTP; a single node's too.
func TestCancelledPushSaysThatNothingWasSwitched(t *testing.T) {
	r := newRig(t, 3, nodetest.SFTPOnly(2))
	r.file("big", noise(1_000_000, 1))
	r.wholeSeconds()
	for _, set := range []nodes.Set{r.set, {Nodes: r.set.Nodes[:1]}} {
		ctx, cancel := context.WithCancelCause(r.ctx())
		pushed := make(chan error, 1)
		go func() {
			o := r.options()
			o.Speed = 50_000
			_, err := r.engine.Push(ctx, set, o)
			pushed <- err
		}()
		waitFor(t, func() bool {
			staged, err := filepath.Glob(r.stateFile(0, "stage-*"))
			return err == nil && len(staged) > 0
		})
		cancel(&nodes.Error{Kind: nodes.Cancelled, Message: "interrupted"})
		err := <-pushed
		if want := set.Fold() + ": interrupted; nothing of this push was switched"; !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in: %v", want, err)
		}
	}
}

// A stage that is cancelled says of each node what became of it, and nothing of it
// stays there.
func TestCancelledStageSaysWhatIsLeft(t *testing.T) {
	r := newRig(t, 3, nodetest.SFTPOnly(2))
	r.file("big", noise(1_000_000, 1))
	ctx, cancel := context.WithCancelCause(r.ctx())
	ended := make(chan error, 1)
	go func() {
		o := r.options()
		o.Speed = 50_000
		_, err := r.engine.Stage(ctx, r.set, o)
		ended <- err
	}()
	stages := func(i int) []string {
		list, err := filepath.Glob(r.stateFile(i, "stage-*"))
		must(t, err)
		return list
	}
	waitFor(t, func() bool { return len(stages(0)) > 0 && len(stages(1)) > 0 && len(stages(2)) > 0 })
	cancel(&nodes.Error{Kind: nodes.Cancelled, Message: "interrupted"})
	err := <-ended
	want := r.set.Fold() + ": interrupted; its tree is as it was, and what had come of the stage is thrown away"
	if !strings.Contains(err.Error(), want) {
		t.Errorf("%q is not in: %v", want, err)
	}
	for i := range r.set.Nodes {
		waitFor(t, func() bool { return len(stages(i)) == 0 })
	}
}

// Of two controllers that find the same stale lock one takes it over: the other,
// which is about to, finds that it is somebody's.
func TestStaleLockIsTakenOnce(t *testing.T) {
	b := newBench(t)
	b.engine.NoAgent()
	b.file("a", "1")
	b.push()
	s := *b.s
	slow := takingConn{b.s.Here, make(chan struct{}), make(chan struct{})}
	s.Here, s.Cache = slow, t.TempDir()
	second := sync.New(&s)
	second.NoAgent()
	t.Cleanup(second.Close)
	lock := filepath.Join(filepath.Dir(b.live), ".rollsh-www", "lock-sftp")
	write(t, lock, "{}")
	old := time.Now().Add(-time.Hour)
	must(t, os.Chtimes(lock, old, old))
	b.file("a", "22")

	set, o := nodes.Set{Nodes: []*nodes.Node{b.node}}, sync.Options{From: nodes.Dir(b.src)}
	pushed := make(chan error, 1)
	go func() {
		_, err := second.Push(t.Context(), set, o)
		pushed <- err
	}()
	<-slow.taking
	hold, staged := make(chan struct{}), make(chan error, 1)
	go func() { staged <- b.engine.HoldStage(t.Context(), set, o, hold) }()
	waitFor(t, func() bool {
		held, err := filepath.Glob(filepath.Join(filepath.Dir(lock), "stage-*/plan"))
		return err == nil && len(held) == 1
	})
	close(slow.take)
	wantKind(t, <-pushed, nodes.Locked, "locked by tester on deploy")
	close(hold)
	must(t, <-staged)
	if got := names(t, filepath.Dir(lock)); slices.ContainsFunc(got, func(n string) bool { return strings.Contains(n, "lock-") }) {
		t.Errorf("left behind: %v", got)
	}
}

// takingConn tells when a lock is about to be taken away, and waits then.
type takingConn struct {
	nodes.Conn
	taking, take chan struct{}
}

// Files gives files of which the lock is taken away late.
func (c takingConn) Files(ctx context.Context) (nodes.Files, error) {
	f, err := c.Conn.Files(ctx)
	return takingFiles{f, c}, err
}

type takingFiles struct {
	nodes.Files
	c takingConn
}

func (f takingFiles) late(name nodes.RemotePath) {
	select {
	case <-f.c.take:
	default:
		if path.Base(string(name)) == "lock-sftp" {
			close(f.c.taking)
			<-f.c.take
		}
	}
}

// Remove waits.
func (f takingFiles) Remove(name nodes.RemotePath) error {
	f.late(name)
	return f.Files.Remove(name)
}

// Rename waits.
func (f takingFiles) Rename(from, to nodes.RemotePath) error {
	f.late(from)
	return f.Files.Rename(from, to)
}

// A node whose clock was ahead, or behind, when it was rolled to before takes
// pushes and undos as any other; so it does files of the future.
func TestWrongClocks(t *testing.T) {
	for _, wrong := range []time.Duration{36 * time.Hour, -36 * time.Hour} {
		for _, thin := range []bool{false, true} {
			t.Run(fmt.Sprint(wrong, thin), func(t *testing.T) {
				b := newBench(t)
				if thin {
					b.engine.NoAgent()
				}
				b.revision(1)
				at := time.Now().Add(wrong).Truncate(time.Second)
				must(t, os.Chtimes(filepath.Join(b.src, names(t, b.src)[0]), at, at))
				b.push()
				old := snapshot(t, b.live)
				b.revision(2)
				b.push()
				state := filepath.Join(filepath.Dir(b.live), ".rollsh-www")
				write(t, filepath.Join(state, "lock-sftp"), "{}") // of one that is gone
				must(t, filepath.WalkDir(state, func(p string, _ fs.DirEntry, err error) error {
					if filepath.Base(filepath.Dir(p)) == "u" { // links to the files that were live
						return err
					}
					return errors.Join(err, unix.Lutimes(p, []unix.Timeval{{Sec: at.Unix()}, {Sec: at.Unix()}}))
				}))
				must(t, b.undo())
				if d := mapDifference(old, snapshot(t, b.live)); d != "" {
					t.Errorf("undone: %s", d)
				}
				b.push(func(o *sync.Options) { o.Verify = "trust" })
				b.revision(3)
				b.push()
				if got := names(t, state); slices.Contains(got, "lock-sftp") {
					t.Errorf("left behind: %v", got)
				}
			})
		}
	}
}
