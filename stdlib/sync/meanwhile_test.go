package sync_test

import (
	"math/rand"
	"os"
	"path/filepath"
	"testing"

	"github.com/rollsh/rollsh/nodes"
	"github.com/rollsh/rollsh/stdlib/sync"
	"golang.org/x/sys/unix"
)

// What is changed on the node while the contents come is not replaced.
func TestChangedWhileContentsCome(t *testing.T) {
	b := newBench(t)
	must(t, os.MkdirAll(b.live, 0o755))
	write(t, filepath.Join(b.live, "a"), "as it is")
	b.file("a", "of the roll")
	noise := make([]byte, 600_000)
	_, _ = rand.New(rand.NewSource(1)).Read(noise)
	b.file("big", string(noise))
	done := make(chan error, 1)
	go func() { done <- b.try(func(o *sync.Options) { o.Speed = 600_000 }) }()
	var err error
	for staged := []string(nil); len(staged) == 0; staged, err = filepath.Glob(filepath.Join(filepath.Dir(b.live), ".rollsh-www", "stage-*")) {
		must(t, err)
	}
	write(t, filepath.Join(b.live, "a"), "changed by hand")
	wantKind(t, <-done, nodes.Changed, "a changed on the node since it was looked at")
	if text, _ := os.ReadFile(filepath.Join(b.live, "a")); string(text) != "changed by hand" {
		t.Errorf("%s", text)
	}
	b.tidyState()
}

// What is neither file, folder nor link is replaced, deleted, and put back.
func TestFifosGo(t *testing.T) {
	for _, over := range []string{"the agent", "SFTP"} {
		t.Run(over, func(t *testing.T) {
			b := newBench(t)
			b.file("a", "1")
			b.push()
			if over == "SFTP" {
				b.renew()
				b.engine.NoAgent()
			}
			must(t, os.Remove(filepath.Join(b.live, "a")))
			for _, name := range []string{"a", "extra"} {
				must(t, unix.Mkfifo(filepath.Join(b.live, name), 0o600))
			}
			old := snapshot(t, b.live)
			b.push(func(o *sync.Options) { o.Delete, o.Drift = "all", "overwrite" })
			if d := difference(t, b.src, b.live); d != "" {
				t.Error(d)
			}
			must(t, b.undo())
			if d := mapDifference(old, snapshot(t, b.live)); d != "" {
				t.Error(d)
			}
		})
	}
}
