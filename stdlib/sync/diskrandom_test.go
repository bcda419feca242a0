package sync_test

import (
	"math/rand"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/rollsh/rollsh/nodes"
)

// failing is a filesystem that can be made to fail, and be mended.
type failing struct {
	at         string
	fail, mend func()
}

// The filesystem of a tree fails at a random moment of a push: others take all
// its room, or reads and writes give errors. What is found then, once it is
// mended, is wholly old, wholly new or a part of the burst in its order, a
// success is never told falsely, and the next push or undo makes it whole.
// ROLLSH_FAULTS=all meets 200 moments of each.
func TestDiskFailsAtRandom(t *testing.T) {
	for kind, mount := range map[string]func(*testing.T) failing{
		"tmpfs is full": fullTmpfs, "ext4 is full": fullExt4, "ext4 gives EIO": brokenExt4,
	} {
		t.Run(kind, func(t *testing.T) {
			f := mount(t)
			b := newBench(t)
			b.files = 60
			b.live = filepath.Join(f.at, "node", "www")
			b.node.Path = nodes.RemotePath(b.live)
			seen := map[string]int{}
			for n := range randomKills() {
				b.failAtRandom(n, f, seen)
			}
			t.Log(seen)
		})
	}
}

func (b *bench) failAtRandom(n int, f failing, seen map[string]int) {
	t := b.T
	must(t, os.RemoveAll(filepath.Dir(b.live)))
	b.renew()
	b.revision(1)
	began := time.Now()
	b.push()
	took := time.Since(began)
	old := snapshot(t, b.live)
	b.revision(2)
	after := time.Duration(rand.Int63n(int64(took)))
	failed := make(chan struct{})
	timer := time.AfterFunc(after, func() { f.fail(); close(failed) })
	err := b.try()
	if !timer.Stop() {
		<-failed
	}
	b.engine.Close()
	f.mend()

	state := b.mixed(old, snapshot(t, b.src))
	seen[state]++
	if err == nil && state != "new" {
		t.Fatalf("after %v: success, but the tree is %s", after, state)
	}
	b.renew()
	if state != "old" && n%2 == 0 {
		must(t, b.undo())
		if d := mapDifference(old, snapshot(t, b.live)); d != "" {
			t.Fatalf("after %v (%s, %v): undo gave:\n%s", after, state, err, d)
		}
	}
	b.push()
	if d := difference(t, b.src, b.live); d != "" {
		t.Fatalf("after %v (%s, %v): the next push gave:\n%s", after, state, err, d)
	}
	b.tidy(n)
}

func fullTmpfs(t *testing.T) failing {
	at := filepath.Join(quickDir(t), "at")
	must(t, os.Mkdir(at, 0o755))
	inMemory("size=8m")(t, at)
	return filled(t, at)
}

func fullExt4(t *testing.T) failing { return filled(t, newDisk(t).at) }

// filled takes what room there is.
func filled(t *testing.T, at string) failing {
	name := filepath.Join(at, "filler")
	return failing{
		at: at,
		fail: func() {
			f, err := os.Create(name)
			if err != nil {
				return // there was no room even for that
			}
			defer f.Close()
			for block := make([]byte, 64<<10); len(block) > 0; {
				if _, err := f.Write(block); err != nil {
					block = block[:len(block)/2]
				}
			}
		},
		mend: func() {
			if err := os.Remove(name); err != nil && !os.IsNotExist(err) {
				t.Error(err)
			}
		},
	}
}

func brokenExt4(t *testing.T) failing {
	d := newDisk(t)
	cut := false
	return failing{
		at:   d.at,
		fail: func() { d.cut(); cut = true },
		mend: func() {
			if cut {
				d.again()
			}
			cut = false
		},
	}
}
