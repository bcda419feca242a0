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
	for n := range packed {
		var l commitList
		if l.GobDecode(packed[:n]) == nil {
			t.Errorf("%d of %d bytes were taken for whole", n, len(packed))
		}
		broken := bytes.Clone(packed)
		broken[n] ^= 0xff
		_ = l.GobDecode(broken) // must not panic
	}
}
