package sync_test

import (
	"context"
	"os"
	"path/filepath"
	gosync "sync"
	"testing"

	"github.com/rollsh/rollsh/nodes"
	"github.com/rollsh/rollsh/stdlib/sync"
)

// openIn counts the processes that have a file open.
func openIn(t *testing.T, name string) (count int) {
	t.Helper()
	pids, err := filepath.Glob("/proc/[0-9]*/fd")
	must(t, err)
	for _, fds := range pids {
		list, _ := os.ReadDir(fds) // it may have ended
		for _, fd := range list {
			if to, err := os.Readlink(filepath.Join(fds, fd.Name())); err == nil && to == name {
				count++
				break
			}
		}
	}
	return count
}

// Who waits for the lock of a first roll sees what that made.
func TestWaitingForAFirstRoll(t *testing.T) {
	for _, layout := range []string{"tree", "release"} {
		for what, do := range map[string]func(b *bench, e *sync.Engine) error{
			"push": func(b *bench, e *sync.Engine) error {
				_, err := e.Push(b.Context(), b.set(), sync.Options{From: nodes.Dir(b.src), Layout: layout})
				return err
			},
			"undo": func(b *bench, e *sync.Engine) error {
				_, err := e.Undo(b.Context(), b.set(), "", "", false)
				return err
			},
		} {
			t.Run(layout+" "+what, func(t *testing.T) {
				b := newBench(t)
				b.file("d/a", "1")
				first := b.engine
				b.engine = nil
				b.renew()
				hold, staged, done := make(chan struct{}), make(chan error, 1), make(chan error, 1)
				go func() {
					staged <- first.HoldStage(t.Context(), b.set(), sync.Options{From: nodes.Dir(b.src), Layout: layout}, hold)
				}()
				lock := filepath.Join(filepath.Dir(b.live), ".rollsh-www", "lock")
				waitFor(t, func() bool { return openIn(t, lock) == 1 })
				go func() { done <- do(b, b.engine) }()
				waitFor(t, func() bool { return openIn(t, lock) == 2 })
				close(hold)
				must(t, <-staged)
				must(t, <-done)
				live := b.live
				if layout == "release" {
					live = b.current()
				}
				_, err := os.Stat(filepath.Join(live, "d/a"))
				if stands := err == nil; stands != (what == "push") {
					t.Errorf("d/a is there: %v", stands)
				}
			})
		}
	}
}

// lateLock is a node on which something happens after a look for the tree.
type lateLock struct {
	nodes.Conn
	root   string
	looked func()
}

// Files gives such files.
func (c lateLock) Files(ctx context.Context) (nodes.Files, error) {
	f, err := c.Conn.Files(ctx)
	return lateLockFiles{f, c}, err
}

type lateLockFiles struct {
	nodes.Files
	c lateLock
}

// Stat looks first.
func (f lateLockFiles) Stat(name nodes.RemotePath) (nodes.FileInfo, error) {
	st, err := f.Files.Stat(name)
	if string(name) == f.c.root {
		f.c.looked()
	}
	return st, err
}

// So it is over SFTP.
func TestFirstRollBeforeTheLockOverSFTP(t *testing.T) {
	b := newBench(t)
	b.engine.NoAgent()
	b.file("d/a", "1")
	here := b.s.Here
	other := *b.s
	push := gosync.OnceFunc(func() {
		e := sync.New(&other)
		e.NoAgent()
		defer e.Close()
		_, err := e.Push(t.Context(), b.set(), sync.Options{From: nodes.Dir(b.src)})
		must(t, err)
	})
	b.s.Here = lateLock{here, b.live, push}
	b.push()
	if d := difference(t, b.src, b.live); d != "" {
		t.Error(d)
	}
}
