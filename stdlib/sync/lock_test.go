package sync_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

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
