//go:build linux

package agent

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/rollsh/rollsh/stdlib/sync/manifest"
	"github.com/rollsh/rollsh/stdlib/sync/wire"
	"golang.org/x/sys/unix"
)

// looked is a tree of so many folders that was looked at often enough to be watched.
func looked(t *testing.T, ws watches, folders int, releases bool) (root string) {
	t.Helper()
	root = t.TempDir()
	for i := range folders {
		if err := os.Mkdir(filepath.Join(root, fmt.Sprint(i)), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	fd, err := unix.Open(root, unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	rules, err := manifest.Compile(manifest.Patterns{})
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		s := ws.scan(&comparison{
			t: &tree{root: fd, releases: releases}, rules: rules,
			req: &wire.Request{Op: wire.OpStage, Root: []byte(root), Verify: "stat"},
		})
		for e := s.Next(); e != nil; e = s.Next() {
		}
		s.Close()
		if s.Err() != nil {
			t.Fatal(s.Err())
		}
	}
	return root
}

// What the user may have of the kernel's watches is shared by all trees.
func TestTreesShareWatches(t *testing.T) {
	ws := watches{}
	defer ws.close()
	a, b := looked(t, ws, 5, false), looked(t, ws, 7, false)
	if ws[a].Held().Folders == 0 {
		t.Skip("trees on this filesystem are looked at each time")
	}
	all := ws.room(nil)
	if is, want := ws.room(ws[a]).Folders-all.Folders, 5+1; is != want {
		t.Errorf("%d more folders may be watched by the tree that watches %d", is, want)
	}
	if most := fairShare("max_user_watches"); all.Folders != most-6-8 || ws[b].Held().Folders != 8 {
		t.Errorf("room for %d folders is left of %d", all.Folders, most)
	}
}

// Files of a release are hard links: each is looked at every time, so that nothing
// is gained by a watch.
func TestReleasesAreNotWatched(t *testing.T) {
	ws := watches{}
	defer ws.close()
	looked(t, ws, 1, true)
	if ws.remember() {
		t.Error("a release is watched")
	}
}
