package sync_test

import (
	"fmt"
	"io/fs"
	"math/rand"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rollsh/rollsh/nodes"
	"github.com/rollsh/rollsh/nodes/nodetest"
	"github.com/rollsh/rollsh/stdlib/sync"
)

// together lists the files of a tree that are one file, in groups.
func together(t *testing.T, root string) string {
	t.Helper()
	groups := map[uint64][]string{}
	must(t, filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		st, err := os.Lstat(p)
		if err == nil {
			ino := st.Sys().(*syscall.Stat_t).Ino //nolint:forcetypeassert // linux
			rel, _ := filepath.Rel(root, p)
			groups[ino] = append(groups[ino], fmt.Sprintf("%q", rel))
		}
		return err
	}))
	var out []string
	for _, g := range groups {
		if len(g) > 1 {
			out = append(out, strings.Join(g, " = "))
		}
	}
	sort.Strings(out)
	return strings.Join(out, "\n")
}

// Random trees with hard links, and edits of them, come out as rsync -aH makes
// them, and an undo gives back the links of before.
func TestHardLinksAsRsyncDoes(t *testing.T) {
	nodetest.Need(t, "rsync")
	b := newBench(t)
	peer := filepath.Join(t.TempDir(), "peer")
	must(t, os.MkdirAll(peer, 0o755))
	rnd := rand.New(rand.NewSource(time.Now().UnixNano()))
	hard := func(o *sync.Options) { o.Hard = true }
	before, undone := "", 0
	for n := range 20 {
		scramble(t, rnd, b.src)
		scrambleLinks(t, rnd, b.src)
		layout := func(o *sync.Options) { o.Verify = []string{"stat", "checksum"}[n%2] }
		b.push(hard, layout)
		run(t, "rsync", "-aH", "--modify-window=-1", "--delete", b.src+"/", peer+"/")
		if d := difference(t, peer, b.live); d != "" {
			t.Fatalf("round %d: rsync / sync:\n%s", n, d)
		}
		now := together(t, b.live)
		if want := together(t, b.src); now != want {
			t.Fatalf("round %d: the source has\n%s\nnot\n%s", n, want, now)
		}
		if n%4 == 3 {
			must(t, b.undo())
			undone++
			if got := together(t, b.live); got != before {
				t.Fatalf("round %d: after undo\n%s\nnot\n%s", n, got, before)
			}
			b.push(hard)
		}
		before = now
	}
	if before == "" || undone == 0 {
		t.Error("nothing was linked")
	}
}

// scrambleLinks makes some files of a tree hard links of others, and some their
// own again.
func scrambleLinks(t *testing.T, rnd *rand.Rand, root string) {
	t.Helper()
	var files []string
	must(t, filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			files = append(files, p)
		}
		return err
	}))
	for range 8 {
		a, c := files[rnd.Intn(len(files))], files[rnd.Intn(len(files))]
		switch {
		case a == c:
		case rnd.Intn(4) > 0:
			must(t, os.Remove(c))
			must(t, os.Link(a, c))
		default:
			text, err := os.ReadFile(a)
			must(t, err)
			must(t, os.Remove(a))
			must(t, os.WriteFile(a, text, 0o644))
		}
	}
}

// Only what is asked for: contents go once, releases keep the links, and
// without the word files stay their own.
func TestHardLinks(t *testing.T) {
	b := newRig(t, 2, nodetest.SFTPOnly(1))
	one := nodes.Set{Nodes: b.set.Nodes[:1]}
	b.file("a", strings.Repeat("x", 1000))
	must(t, os.Link(filepath.Join(b.src, "a"), filepath.Join(b.src, "b")))
	must(t, os.Link(filepath.Join(b.src, "a"), filepath.Join(b.src, "c")))
	push := func(change func(*sync.Options)) sync.Stats {
		t.Helper()
		o := b.options()
		change(&o)
		res, err := b.engine.Push(b.ctx(), one, o)
		must(t, err)
		return b.stats(res, 0)
	}
	if v := push(func(*sync.Options) {}); v.Added != 3 || v.Bytes != 3000 || together(t, b.live(0)) != "" {
		t.Errorf("%+v %s", v, together(t, b.live(0)))
	}
	hard := func(o *sync.Options) { o.Hard = true }
	if v := push(hard); v.Changed != 2 || v.Bytes != 0 || together(t, b.live(0)) != `"a" = "b" = "c"` {
		t.Errorf("%+v %s", v, together(t, b.live(0)))
	}
	if v := push(hard); v.Changed != 0 {
		t.Errorf("%+v", v)
	}
	must(t, os.Chmod(filepath.Join(b.src, "a"), 0o600))
	if v := push(hard); v.Changed != 3 || v.Bytes != 0 || together(t, b.live(0)) != `"a" = "b" = "c"` {
		t.Errorf("%+v %s", v, together(t, b.live(0)))
	}
	b.file("a", "new")
	if v := push(hard); v.Changed != 3 || v.Bytes != 3 {
		t.Errorf("%+v", v)
	}
	b.equal(0)
	// one of them becomes a file of its own, and only it gets other permissions
	must(t, os.Remove(filepath.Join(b.src, "c")))
	b.file("c", "new")
	must(t, os.Chmod(filepath.Join(b.src, "c"), 0o640))
	push(func(*sync.Options) {})
	b.equal(0)
	o := b.options()
	o.Hard = true
	_, err := b.engine.Push(b.ctx(), b.set, o)
	wantKind(t, err, nodes.Refused, "hard_links=true is not to be had over SFTP alone")
	o = b.options()
	o.Hard, o.Layout, o.Path = true, "release", nodes.RemotePath(filepath.Join(b.bed.Dir(0), "rel"))
	for n := range 3 {
		b.file("c", fmt.Sprint(n))
		_, err := b.engine.Push(b.ctx(), one, o)
		must(t, err)
		if got := together(t, string(o.Path)+"/current/"); got != `"a" = "b"` {
			t.Errorf("release: %s", got)
		}
	}
}
