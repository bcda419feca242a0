package svn

import (
	"bytes"
	"encoding/gob"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestCommitsComeBackFromTheCache(t *testing.T) {
	t.Parallel()
	want := history{Version: cacheVersion, Commits: commitList{
		{Rev: 1, Author: "alice", Date: time.Date(2026, 11, 22, 21, 4, 5, 678, time.UTC), Message: "größe\n\n#1"},
		{Rev: 1 << 30, Paths: []touch{
			{Path: "/trunk/a b@2", Action: "M", Kind: "file", Text: true},
			{Path: "/trunk", Action: "A", Kind: "dir", Props: true, From: "/branches/x", FromRev: 7},
		}},
	}}
	var b bytes.Buffer
	if err := gob.NewEncoder(&b).Encode(want); err != nil {
		t.Fatal(err)
	}
	text := b.Bytes()
	var got history
	if err := gob.NewDecoder(bytes.NewReader(text)).Decode(&got); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want.Commits, got.Commits); d != "" {
		t.Error(d)
	}
	packed, _ := want.Commits.GobEncode()
	damaged(t, packed, func(text []byte) error { return new(commitList).GobDecode(text) })
}

// damaged tries every beginning of what was packed, and every byte of it changed.
func damaged(t *testing.T, packed []byte, decode func([]byte) error) {
	t.Helper()
	for n := range packed {
		if decode(packed[:n]) == nil {
			t.Errorf("%d of %d bytes were taken for whole", n, len(packed))
		}
		broken := bytes.Clone(packed)
		broken[n] ^= 0xff
		_ = decode(broken) // must not panic
	}
}

func TestTreesAndChangesComeBackFromTheCache(t *testing.T) {
	t.Parallel()
	cache := newMetadataCache(t.TempDir())
	tree := treeList{{"a b@2", treeEntry{Rev: 7}}, {"lib", treeEntry{Dir: true, Rev: 1 << 30}}, {"lib/ü", treeEntry{Rev: 3}}}
	cache.keep("trees", "key", tree)
	var gotTree treeList
	if !cache.recall("trees", "key", &gotTree) || !cmp.Equal(tree, gotTree, cmp.AllowUnexported(treeItem{})) {
		t.Errorf("tree %v", gotTree)
	}
	changes := changeMap{
		"a.php": {Left: []string{"1\n", "\n", "3\r\n"}, Right: []string{"1\n", "no end"}},
		"bin":   {Binary: true, Props: []string{"svn:mime-type", "x"}},
		".":     {Props: []string{"p"}},
	}
	cache.keep("changes", "key", changes)
	var gotChanges changeMap
	if !cache.recall("changes", "key", &gotChanges) || !cmp.Equal(changes, gotChanges) {
		t.Errorf("changes %v", gotChanges)
	}
	packed, _ := tree.GobEncode()
	damaged(t, packed, func(text []byte) error { return new(treeList).GobDecode(text) })
	packed, _ = changes.GobEncode()
	damaged(t, packed, func(text []byte) error { return new(changeMap).GobDecode(text) })
}
