//go:build linux

package agent

import (
	"runtime"

	"github.com/rollsh/rollsh/stdlib/sync/manifest"
	"github.com/rollsh/rollsh/stdlib/sync/wire"
)

// watches are the trees that were looked at since the agent started, by root as
// asked; nil for one that was looked at once. A tree is watched from the second time
// on: most agents end before, and have not paid for it.
type watches map[string]*manifest.Watch

// How many trees are watched at most, and how many of their entries are remembered:
// some 200 bytes each.
const (
	mostWatched    = 32
	mostRemembered = 64 << 10
)

// scan begins to list the tree of a comparison. Where a stat of each file is all that
// was asked, folders in which the kernel saw no change since they were looked at are
// not looked at again.
func (ws watches) scan(c *comparison) *manifest.Scanner {
	workers, tick := max(4, runtime.NumCPU()), func(n int) { c.t.tick(n, 0) }
	if c.req.Verify == "stat" && c.req.Op != wire.OpDrift {
		if w := ws.of(string(c.req.Root)); w != nil {
			return w.Scan(c.t.root, c.rules, workers, tick, mostRemembered-ws.entries()+w.Entries())
		}
	}
	return manifest.Scan(c.t.root, c.rules, workers, tick)
}

// of gives the watch of a tree; nil where it is looked at for the first time, or
// cannot be watched.
func (ws watches) of(root string) *manifest.Watch {
	w, again := ws[root]
	if !again && len(ws) < mostWatched {
		ws[root] = nil
	}
	if w == nil && again {
		w, _ = manifest.NewWatch() // else everything is looked at, as it was
		ws[root] = w
	}
	return w
}

// entries is how many are remembered of all trees.
func (ws watches) entries() (n int) {
	for _, w := range ws {
		if w != nil {
			n += w.Entries()
		}
	}
	return n
}

// remember reports whether any tree is watched.
func (ws watches) remember() bool {
	for _, w := range ws {
		if w != nil {
			return true
		}
	}
	return false
}

// forget no longer watches a tree, and takes it as one that was not looked at.
func (ws watches) forget(root string) {
	if w := ws[root]; w != nil {
		w.Close()
	}
	delete(ws, root)
}

// close forgets all.
func (ws watches) close() {
	for root := range ws {
		ws.forget(root)
	}
}
