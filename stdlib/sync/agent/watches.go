//go:build linux

package agent

import (
	"bytes"
	"os"
	"runtime"
	"strconv"

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
// not looked at again. A release is: its files have other names, in the one before.
func (ws watches) scan(c *comparison) *manifest.Scanner {
	workers, tick := max(4, runtime.NumCPU()), func(n int) { c.t.tick(n, 0) }
	if c.req.Verify == "stat" && c.req.Op != wire.OpDrift && !c.t.releases {
		if w := ws.of(string(c.req.Root)); w != nil {
			return w.Scan(c.t.root, c.rules, workers, tick, ws.room(w))
		}
	}
	return manifest.Scan(c.t.root, c.rules, workers, tick)
}

// of gives the watch of a tree; nil where it is looked at for the first time, or may
// not be watched.
func (ws watches) of(root string) *manifest.Watch {
	w, again := ws[root]
	switch {
	case !again && len(ws) < min(mostWatched, fairShare("max_user_instances")):
		ws[root] = nil
	case again && w == nil:
		w = manifest.NewWatch()
		ws[root] = w
	}
	return w
}

// fairShare is a quarter of what the user may have of something of the kernel's, for
// there are others who want it. Source: inotify(7).
func fairShare(of string) int {
	b, _ := os.ReadFile("/proc/sys/fs/inotify/" + of)
	n, _ := strconv.Atoi(string(bytes.TrimSpace(b)))
	return n / 4
}

// room is how much may be watched and remembered of one tree, next to the others.
func (ws watches) room(of *manifest.Watch) manifest.Room {
	r := manifest.Room{Folders: fairShare("max_user_watches"), Entries: mostRemembered}
	for _, w := range ws {
		if w != nil && w != of {
			held := w.Held()
			r.Folders -= held.Folders
			r.Entries -= held.Entries
		}
	}
	return r
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
