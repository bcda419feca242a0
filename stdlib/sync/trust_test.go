package sync_test

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rollsh/rollsh/nodes"
	"github.com/rollsh/rollsh/stdlib/sync"
	"github.com/rollsh/rollsh/stdlib/sync/manifest"
	"github.com/rollsh/rollsh/stdlib/sync/wire"
	"golang.org/x/sys/unix"
)

func TestFirstContact(t *testing.T) {
	r := newRig(t, 1)
	r.file("same", "equal")
	r.file("differs", "new")
	write(t, filepath.Join(r.live(0), "same"), "equal")
	write(t, filepath.Join(r.live(0), "differs"), "old")
	write(t, filepath.Join(r.live(0), "extra"), "the node's")
	old := inode(t, filepath.Join(r.live(0), "same"))
	res := r.push()
	if v := r.stats(res, 0); v.Extra != 1 || v.Bytes != 3 {
		t.Errorf("%+v", v)
	}
	if !strings.Contains(r.events.Text(nodes.Warned), `1 file there that the source does not have`) {
		t.Errorf("extras are not told: %s", r.events.Text(nodes.Warned))
	}
	if inode(t, filepath.Join(r.live(0), "same")) != old {
		t.Error("an equal file was replaced")
	}
	r.remove("same")
	r.push()
	if _, err := os.Stat(filepath.Join(r.live(0), "same")); err == nil {
		t.Error("an equal file did not become ours")
	}
	r.push(func(o *sync.Options) { o.Adopt = true })
	if _, err := os.Stat(filepath.Join(r.live(0), "extra")); err != nil {
		t.Error("adopt deleted")
	}
	r.push()
	if _, err := os.Stat(filepath.Join(r.live(0), "extra")); err == nil {
		t.Error("an adopted file that the source lacks was not deleted")
	}
}

func inode(t *testing.T, name string) uint64 {
	t.Helper()
	var st unix.Stat_t
	must(t, unix.Lstat(name, &st))
	return st.Ino
}

func TestDriftModes(t *testing.T) {
	r := newRig(t, 1)
	r.file("a", "1")
	r.file("b", "1")
	r.file("c", "1")
	r.push()
	write(t, filepath.Join(r.live(0), "a"), "by hand")
	must(t, os.Remove(filepath.Join(r.live(0), "b")))
	must(t, os.Chtimes(filepath.Join(r.live(0), "c"), time.Now(), time.Unix(1e9, 0))) // no change of the bytes
	write(t, filepath.Join(r.live(0), "d"), "in the way")
	r.file("d", "2")
	_, err := r.try()
	wantKind(t, err, nodes.Changed, "3 files were changed on the node", "a (by ", "b (deleted)", "d (not put there by a roll")
	res, err := r.engine.Drift(r.ctx(), r.set, sync.Options{From: nodes.Dir(r.src)})
	must(t, err)
	d := res.List[0].Value.(*sync.Drift)
	if len(d.Changed) != 2 || len(d.Missing) != 1 || len(d.Extra) != 0 {
		t.Errorf("%+v", d)
	}
	text, err := d.Diff(r.ctx(), "a")
	if err != nil || !strings.Contains(text, "-1\n") || !strings.Contains(text, "+by hand") {
		t.Errorf("%v %s", err, text)
	}
	res, err = r.engine.Drift(r.ctx(), r.set, sync.Options{})
	must(t, err)
	if d = res.List[0].Value.(*sync.Drift); len(d.Changed) != 1 || len(d.Extra) != 1 || d.Extra[0].Path != "d" || d.Changed[0].Owner == "" {
		t.Errorf("against the last roll: %+v", d)
	}
	r.push(func(o *sync.Options) { o.Drift = "keep" })
	if b, _ := os.ReadFile(filepath.Join(r.live(0), "a")); string(b) != "by hand" {
		t.Errorf("keep: %s", b)
	}
	r.push(func(o *sync.Options) { o.Drift = "overwrite" })
	r.equal(0)
}

func TestContentsChangedBehindTheTimes(t *testing.T) {
	r := newRig(t, 1)
	r.file("a", "12345")
	r.push()
	name := filepath.Join(r.live(0), "a")
	st, err := os.Stat(name)
	must(t, err)
	must(t, os.WriteFile(name, []byte("54321"), 0o644))
	must(t, os.Chtimes(name, st.ModTime(), st.ModTime()))
	if v := r.stats(r.push(), 0); v.Changed != 0 {
		t.Errorf("stat sees contents: %+v", v)
	}
	_, err = r.try(func(o *sync.Options) { o.Verify = "checksum" })
	wantKind(t, err, nodes.Changed)
	r.push(func(o *sync.Options) { o.Verify, o.Drift = "checksum", "overwrite" })
	r.equal(0)
}

func TestTrust(t *testing.T) {
	r := newRig(t, 1)
	trust := func(o *sync.Options) { o.Verify = "trust" }
	before := ""
	doubts := func() string {
		text := r.events.Text(nodes.Warned)
		fresh := strings.TrimPrefix(text, before)
		before = text
		return fresh
	}
	r.file("a", "1")
	r.file("b", "1")
	r.push(trust)
	r.file("a", "22")
	r.push(trust)
	r.equal(0)
	if said := doubts(); said != "" {
		t.Errorf("not trusted: %s", said)
	}
	marker := filepath.Join(r.bed.Dir(0), ".rollsh-www", "marker")
	for want, spoil := range map[string]func(*wire.Marker){
		"not looked at in full within": func(m *wire.Marker) { m.Looked = m.Looked.Add(-25 * time.Hour) },
		"not looked at in full":        func(m *wire.Marker) { m.Looked = m.Looked.Add(time.Hour) },
		"the node was started anew":    func(m *wire.Marker) { m.Boot = "another" },
		"was made by another version":  func(m *wire.Marker) { m.Agent = "agent-0" },
	} {
		b, err := os.ReadFile(marker)
		must(t, err)
		rec, err := wire.OpenRecord(bytes.NewReader(b), int64(len(b)))
		must(t, err)
		spoil(&rec.Marker)
		text, err := rec.Encode(manifest.NewSpool(nil))
		must(t, err)
		b, err = io.ReadAll(text)
		must(t, err)
		must(t, os.WriteFile(marker, b, 0o600))
		r.file("a", want)
		r.push(trust)
		if said := doubts(); !strings.Contains(said, want) {
			t.Errorf("said %q, not %q", said, want)
		}
	}
	write(t, filepath.Join(r.live(0), "b"), "by hand") // the sample is the whole of a tree this small
	r.file("a", "333")
	_, err := r.try(trust)
	wantKind(t, err, nodes.Changed, "b (by ")
}

// From the third push over one connection on, folders in which the kernel saw no
// change are not looked at again; what was changed in them by hand is found.
func TestRememberedTree(t *testing.T) {
	r := newRig(t, 1)
	r.file("dir/a", "1")
	r.file("dir/b", "1")
	r.file("other/c", "1")
	mounted := func() string {
		b, err := os.ReadFile("/proc/self/mountinfo")
		must(t, err)
		return string(b)
	}
	before := mounted() // when that changes, all is looked at again
	for range 3 {
		r.push()
	}
	outside := filepath.Join(r.bed.Dir(0), "outside")
	must(t, os.Link(filepath.Join(r.live(0), "dir/a"), outside))
	write(t, outside, "through another name")
	pushed, err := r.try()
	if mounted() == before && (err != nil || r.stats(pushed, 0).Changed != 0) {
		t.Errorf("a folder was looked at of which the kernel reported nothing: %v", err)
	}
	res, err := r.engine.Drift(r.ctx(), r.set, sync.Options{})
	must(t, err)
	if d := res.List[0].Value.(*sync.Drift); len(d.Changed) != 1 || d.Changed[0].Path != "dir/a" {
		t.Errorf("drift took the tree as it was remembered: %+v", d)
	}
	r.file("dir/a", "2") // one of the files that are to be changed is looked at
	_, err = r.try()
	wantKind(t, err, nodes.Changed, "dir/a")
	_, err = r.try() // and after an error all are
	wantKind(t, err, nodes.Changed, "dir/a (by ")
	r.push(func(o *sync.Options) { o.Drift = "overwrite" })
	r.push()
	r.push()
	write(t, filepath.Join(r.live(0), "other/c"), "by hand")
	_, err = r.try()
	wantKind(t, err, nodes.Changed, "other/c (by ")
	r.push(func(o *sync.Options) { o.Drift = "overwrite" })
	r.equal(0)
}

// Nothing can be put into a folder that somebody removed, or replaced by something
// else, and that is left so: that is told before anything is sent.
func TestKeptWithoutItsFolder(t *testing.T) {
	r := newRig(t, 1)
	r.file("a/b/x", "1")
	r.file("c", "1")
	r.push()
	keep := func(o *sync.Options) { o.Drift = "keep" }
	for name, spoil := range map[string]func(dir string){
		"gone":   func(string) {},
		"a file": func(dir string) { write(t, dir, "by hand") },
		"a link": func(dir string) { must(t, os.Symlink("/", dir)) },
	} {
		dir := filepath.Join(r.live(0), "a")
		must(t, os.RemoveAll(dir))
		spoil(dir)
		r.file("c", name)
		r.push(keep)
		r.file("a/b/n", "1")
		r.file("a/o", "1")
		_, err := r.try(keep)
		wantKind(t, err, nodes.Refused, "a/b/n cannot be put on the node: a is no folder there any more")
		if strings.Contains(err.Error(), "a/o") {
			t.Errorf("%s: more than one path is told of a folder: %v", name, err)
		}
		r.push(func(o *sync.Options) { o.Drift = "overwrite" })
		r.equal(0)
		r.remove("a/b/n")
		r.remove("a/o")
		r.push()
	}
}
