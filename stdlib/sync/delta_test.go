package sync_test

import (
	"math/rand"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rollsh/rollsh/nodes"
	"github.com/rollsh/rollsh/stdlib/ssh"
	"github.com/rollsh/rollsh/stdlib/sync"
)

// Of a large file that changed a little, little is sent, in both layouts, and
// also where the file on the node is not the one that was sent there.
func TestDeltaOfLargeFiles(t *testing.T) {
	for _, layout := range []string{"tree", "release"} {
		t.Run(layout, func(t *testing.T) {
			b := newBench(t)
			counted := &countConn{Conn: ssh.NewLocal(b.s)}
			b.s.Here = counted
			b.renew()
			live := b.live
			if layout == "release" {
				live = filepath.Join(b.live, "current")
			}
			sent := func(change ...func(*sync.Options)) (int64, sync.Stats) {
				t.Helper()
				o := sync.Options{From: nodes.Dir(b.src), Layout: layout}
				for _, f := range change {
					f(&o)
				}
				counted.sent.Store(0)
				res, err := b.engine.Push(t.Context(), b.set(), o)
				must(t, err)
				run(t, "cmp", filepath.Join(b.src, "dump"), filepath.Join(live, "dump"))
				return counted.sent.Load(), res.List[0].Value.(sync.Stats) //nolint:forcetypeassert // it is
			}
			const size = 20 << 20
			text := noise(size, 1)
			b.file("dump", text)
			b.file("small", "1")
			if n, _ := sent(); n < size {
				t.Fatalf("%d bytes were sent of a first push", n)
			}
			rnd := rand.New(rand.NewSource(2))
			now := []byte(text[:size/2] + "something in between" + text[size/2:])
			for range 10 {
				copy(now[rnd.Intn(size):], "changed")
			}
			b.file("dump", string(now))
			b.file("small", "2")
			b.file("new", strings.Repeat("new", 300_000))
			n, v := sent()
			if n > 1<<20 || v.Bytes > 3<<20 || v.Changed != 2 || v.Added != 1 {
				t.Errorf("%d bytes were sent, %+v", n, v)
			}
			must(t, b.undo())
			if got, _ := os.ReadFile(filepath.Join(live, "dump")); string(got) != text {
				t.Error("the undo gave something else")
			}
			write(t, filepath.Join(live, "dump"), text[:size/3])
			n, v = sent(func(o *sync.Options) { o.Drift = "overwrite" })
			if n < size/2 || n > size*3/4 {
				t.Errorf("%d bytes were sent over a third of it, %+v", n, v)
			}
		})
	}
}
