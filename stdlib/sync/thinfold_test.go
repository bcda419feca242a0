package sync_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/rollsh/rollsh/nodes"
)

// looked counts what is asked about single paths over SFTP.
type looked struct {
	nodes.Conn
	times *atomic.Int64
}

// Files counts.
func (l looked) Files(ctx context.Context) (nodes.Files, error) {
	f, err := l.Conn.Files(ctx)
	return lookedFiles{f, l.times}, err
}

type lookedFiles struct {
	nodes.Files
	times *atomic.Int64
}

// Lstat is counted.
func (l lookedFiles) Lstat(name nodes.RemotePath) (nodes.FileInfo, error) {
	l.times.Add(1)
	return l.Files.Lstat(name)
}

// Where a large tree comes back under a name that differs in case only, it is asked
// once for each folder that stays, not for every file, whether the node tells the two
// apart.
func TestCaseIsToldOnceAFolder(t *testing.T) {
	t.Parallel()
	const files = 50
	asked := func(from, to string) int64 {
		b := newBenchHere(t)
		times := &atomic.Int64{}
		b.s.Here = looked{b.s.Here, times}
		b.engine.NoAgent()
		for i := range files {
			b.file(fmt.Sprintf("%s/d%d/f", from, i), "1")
		}
		b.push()
		must(t, os.Rename(filepath.Join(b.src, from), filepath.Join(b.src, to)))
		times.Store(0)
		b.push()
		if d := difference(t, b.src, b.live); d != "" {
			t.Error(d)
		}
		return times.Load()
	}
	if more := asked("Tree", "tree") - asked("Tree", "wood"); more != 1 {
		t.Errorf("%d more requests", more)
	}
}
