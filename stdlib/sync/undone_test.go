package sync_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/rollsh/rollsh/nodes"
	"github.com/rollsh/rollsh/nodes/nodetest"
	"github.com/rollsh/rollsh/stdlib/sync"
)

// An undo counts as the roll that it takes back: what that added it deletes, and so on.
func TestUndoCountsAsTheRoll(t *testing.T) {
	for _, over := range []string{"the agent", "releases", "SFTP"} {
		t.Run(over, func(t *testing.T) {
			b := newBench(t)
			if over == "SFTP" {
				b.engine.NoAgent()
			}
			o := sync.Options{From: nodes.Dir(b.src)}
			if over == "releases" {
				o.Layout = "release"
			}
			first := func(res *nodes.Results, err error) sync.Stats {
				t.Helper()
				must(t, err)
				v, _ := res.List[0].Value.(sync.Stats)
				return v
			}
			in := func(p string) string { return filepath.Join(b.src, p) }
			b.file("stays", "1")
			b.file("turns/in/x", "1")
			b.file("full/in/x", "1")
			must(t, os.MkdirAll(in("empty/in"), 0o755))
			first(b.engine.Push(t.Context(), b.set(), o))
			for _, c := range []struct {
				what   string
				change func()
			}{
				{"permissions of a folder", func() { must(t, os.Chmod(in("full"), 0o700)) }},
				{"a folder turns into a file", func() { b.remove("turns"); b.file("turns", "1") }},
				{"a file turns into a folder", func() { b.remove("stays"); b.file("stays/in", "1") }},
				{"a file turns into an empty", func() { b.remove("stays"); must(t, os.Mkdir(in("stays"), 0o755)) }},
				{"empty folders go", func() { b.remove("empty") }},
				{"a full folder goes", func() { b.remove("full") }},
				{"empty folders come", func() { must(t, os.MkdirAll(in("new/in"), 0o755)) }},
				{"a folder comes, and one file", func() { b.file("newer/in/x", "1"); b.file("newer-x", "1"); b.file("full/in/y", "1") }},
			} {
				c.change()
				did := first(b.engine.Push(t.Context(), b.set(), o))
				undid := first(b.engine.Undo(t.Context(), b.set(), "", "", false))
				if did.Added+did.Changed+did.Deleted == 0 || did.Added != undid.Deleted || did.Changed != undid.Changed || did.Deleted != undid.Added {
					t.Errorf("%s: +%d ~%d -%d, and its undo +%d ~%d -%d", c.what, did.Added, did.Changed, did.Deleted, undid.Added, undid.Changed, undid.Deleted)
				}
				first(b.engine.Push(t.Context(), b.set(), o))
			}
		})
	}
}

// An undo that is in the way of later changes says of which kind these are; it is
// kind changed on several nodes, too.
func TestUndoOverLaterChanges(t *testing.T) {
	r := newRig(t, 4, nodetest.SFTPOnly(2, 3))
	r.file("a", "1")
	r.push()
	r.file("a", "22")
	r.wholeSeconds()
	second := r.push()
	r.file("a", "333")
	r.wholeSeconds()
	third := r.push()
	undo := func(roll string) error {
		_, err := r.engine.Undo(r.ctx(), r.set, "", roll, false)
		return err
	}
	wantKind(t, undo(second.RollID), nodes.Changed, "web[1-4]: a was changed since roll "+second.RollID+", by a later roll or on the node", "undo later rolls first")
	for i := range 4 {
		write(t, filepath.Join(r.live(i), "a"), "by hand")
	}
	wantKind(t, undo(""), nodes.Changed, "web[1-4]: a was changed on the node since roll "+third.RollID)
}

// A roll that was undone by hand, over a change that stood in the way, is undone:
// to undo it again by its name has nothing to do, and takes back no other.
func TestUndoOfWhatWasUndone(t *testing.T) {
	for _, over := range []string{"the agent", "releases", "SFTP"} {
		t.Run(over, func(t *testing.T) {
			b := newBench(t)
			if over == "SFTP" {
				b.engine.NoAgent()
			}
			o := sync.Options{From: nodes.Dir(b.src)}
			if over == "releases" {
				o.Layout = "release"
			}
			roll := func(text string) string {
				t.Helper()
				b.file("a", text)
				res, err := b.engine.Push(t.Context(), b.set(), o)
				must(t, err)
				return res.RollID
			}
			roll("1")
			roll("22")
			last := roll("333")
			_, err := b.engine.Undo(t.Context(), b.set(), "", last, true)
			must(t, err)
			res, err := b.engine.Undo(t.Context(), b.set(), "", last, false)
			must(t, err)
			v, _ := res.List[0].Value.(sync.Stats)
			if v.Added+v.Changed+v.Deleted != 0 || v.Roll != last {
				t.Errorf("the second undo: %+v", v)
			}
			live := b.live + "/a"
			if over == "releases" {
				live = b.current() + "/a"
			}
			if got, err := os.ReadFile(live); err != nil || string(got) != "22" {
				t.Errorf("a is %q, %v", got, err)
			}
		})
	}
}
