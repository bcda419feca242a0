package sync_test

import (
	"crypto/sha256"
	"fmt"
	"math/rand"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rollsh/rollsh/nodes"
	"github.com/rollsh/rollsh/nodes/nodetest"
	"github.com/rollsh/rollsh/stdlib/sync"
	"github.com/rollsh/rollsh/stdlib/sync/wire"
	"golang.org/x/sys/unix"
)

func TestOddNamesModesAndTypes(t *testing.T) {
	r := newRig(t, 1)
	for _, name := range []string{
		"new\nline", "q'uo\"te", "-rf", "--", "\xff\xfe bad utf8", strings.Repeat("x", 255), "Case",
		" lead", "tab\t", "$(id)", "*", `back\slash`, ".dot", "trail ", "{a,b}", "[x]",
	} {
		r.file("sub/"+name, name)
	}
	link(t, "/nowhere\xff", filepath.Join(r.src, "dangling"))
	r.file("future", "f")
	r.file("suid", "s")
	r.file("ro", "r")
	r.file("empty", "")
	r.file("t1/in/x", "1")
	r.file("t2", "2")
	link(t, "t2", filepath.Join(r.src, "t3"))
	must(t, os.Chtimes(filepath.Join(r.src, "future"), time.Unix(4e9, 1), time.Unix(4e9, 1)))
	must(t, os.Chmod(filepath.Join(r.src, "suid"), 0o755|os.ModeSetuid))
	must(t, os.Chmod(filepath.Join(r.src, "ro"), 0o444))
	must(t, os.Mkdir(filepath.Join(r.src, "emptydir"), 0o700))
	must(t, os.Link(filepath.Join(r.src, "ro"), filepath.Join(r.src, "hard")))
	r.push()
	must(t, os.Chmod(filepath.Join(r.src, "suid"), 0o755)) // setuid is not sent
	r.equal(0)
	before := snapshot(t, r.live(0))

	r.remove("t1")
	r.file("t1", "now a file")
	r.remove("t2")
	r.file("t2/in/y", "y")
	r.remove("t3")
	r.file("t3/z", "z")
	r.remove("empty")
	link(t, "suid", filepath.Join(r.src, "empty"))
	r.remove("sub/\xff\xfe bad utf8")
	must(t, os.Rename(filepath.Join(r.src, "sub/Case"), filepath.Join(r.src, "sub/case")))
	must(t, os.Chmod(filepath.Join(r.src, "emptydir"), 0o755))
	must(t, os.Chmod(filepath.Join(r.src, "future"), 0o600))
	res := r.push()
	r.equal(0)

	if _, err := r.engine.Undo(r.ctx(), r.set, "", res.RollID, false); err != nil {
		t.Fatal(err)
	}
	after := snapshot(t, r.live(0))
	if d := mapDifference(before, after); d != "" {
		t.Errorf("undo did not give back the tree:\n%s", d)
	}
	r.push()
	r.equal(0)
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func mapDifference(a, b map[string]string) string {
	var out strings.Builder
	for p, v := range a {
		if b[p] != v {
			fmt.Fprintf(&out, "%q: %.100s / %.100s\n", p, v, b[p])
		}
	}
	for p, v := range b {
		if _, ok := a[p]; !ok {
			fmt.Fprintf(&out, "%q: (nothing) / %.100s\n", p, v)
		}
	}
	return out.String()
}

func TestRules(t *testing.T) {
	r := newRig(t, 1)
	r.file("index.php", "1")
	r.file("cache/a", "1")
	r.file("config.php", "from source")
	r.file("notes.tmp", "1")
	r.file(".svn/entries", "1")
	r.file("lib/.git/config", "1")
	r.file("lib/a.php", "1")
	r.file("data/x.sql", "1")
	r.file(".rollignore", "# comment\n/data/\n*.tmp\n!keep.tmp\n")
	r.file("keep.tmp", "1")
	write(t, filepath.Join(r.live(0), "config.php"), "the node's")
	write(t, filepath.Join(r.live(0), "data/live.sql"), "the node's")
	write(t, filepath.Join(r.live(0), "hand.html"), "by hand")
	rules := func(o *sync.Options) { o.Exclude, o.Keep = []string{"/cache"}, []string{"config.php"} }
	r.push(rules)
	got := strings.Join(names(t, r.live(0)), " ")
	if want := "config.php data data/live.sql hand.html index.php keep.tmp lib lib/a.php"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	r.push(rules, func(o *sync.Options) { o.Delete = "all" })
	got = strings.Join(names(t, r.live(0)), " ")
	if want := "config.php data data/live.sql index.php keep.tmp lib lib/a.php"; got != want {
		t.Errorf("delete=all: got %s\nwant %s", got, want)
	}
	if b, _ := os.ReadFile(filepath.Join(r.live(0), "config.php")); string(b) != "the node's" {
		t.Errorf("a kept file was changed: %s", b)
	}
	r.remove("index.php")
	r.push(rules, func(o *sync.Options) { o.Delete = "none" })
	if _, err := os.Stat(filepath.Join(r.live(0), "index.php")); err != nil {
		t.Error("delete=false deleted")
	}
	r.push(rules)
	if _, err := os.Stat(filepath.Join(r.live(0), "index.php")); err == nil {
		t.Error("ours was not deleted after all")
	}
}

func names(t *testing.T, root string) []string {
	t.Helper()
	var out []string
	must(t, filepath.WalkDir(root, func(p string, _ os.DirEntry, err error) error {
		if rel, _ := filepath.Rel(root, p); rel != "." {
			out = append(out, rel)
		}
		return err
	}))
	return out
}

func TestOnly(t *testing.T) {
	r := newRig(t, 1)
	r.file("a.php", "1")
	r.file("b.php", "1")
	r.push()
	r.file("a.php", "22")
	r.file("b.php", "22")
	r.file("new/deep/c.php", "22")
	r.file("sub/a.php", "22")
	res := r.push(func(o *sync.Options) { o.Only = []string{"a.php", "new/deep"} })
	if v := r.stats(res, 0); v.Added != 1 || v.Changed != 1 {
		t.Errorf("%+v", v)
	}
	got := strings.Join(names(t, r.live(0)), " ")
	if want := "a.php b.php new new/deep new/deep/c.php"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if v := r.stats(r.push(func(o *sync.Options) { o.Only = []string{"a.php", "new/deep"} }), 0); v.Added+v.Changed != 0 {
		t.Errorf("not unchanged: %+v", v)
	}
	if b, _ := os.ReadFile(filepath.Join(r.live(0), "b.php")); string(b) != "1" {
		t.Errorf("b.php is %s", b)
	}
	r.push()
	r.equal(0)
}

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
		rec, err := wire.DecodeRecord(b)
		must(t, err)
		spoil(&rec.Marker)
		b, err = rec.Encode()
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

func TestPlantedSymlink(t *testing.T) {
	r := newRig(t, 1)
	r.file("d5/f", "1")
	r.file("d5/g", "1")
	r.push()
	victim := t.TempDir()
	write(t, filepath.Join(victim, "f"), "precious")
	must(t, os.RemoveAll(filepath.Join(r.live(0), "d5")))
	link(t, victim, filepath.Join(r.live(0), "d5"))
	r.file("d5/f", "22")
	r.remove("d5/g")
	_, err := r.try()
	wantKind(t, err, nodes.Changed, "d5 (type changed")
	r.push(func(o *sync.Options) { o.Drift = "overwrite" })
	r.equal(0)
	if got := names(t, victim); len(got) != 1 {
		t.Errorf("the victim has %v", got)
	}
	if b, _ := os.ReadFile(filepath.Join(victim, "f")); string(b) != "precious" {
		t.Errorf("the victim's file is %s", b)
	}
}

// A folder that is swapped for a symlink again and again while pushes run must
// never lead a write out of the tree.
func TestSymlinkRace(t *testing.T) {
	r := newRig(t, 1)
	for i := range 50 {
		r.file(fmt.Sprintf("d/f%d", i), "1")
	}
	r.push()
	victim := t.TempDir()
	done, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		d, aside := filepath.Join(r.live(0), "d"), filepath.Join(r.bed.Dir(0), "aside")
		for {
			select {
			case <-done:
				return
			default:
				_ = os.Rename(d, aside)
				_ = os.Symlink(victim, d)
				_ = os.Remove(d)
				_ = os.Rename(aside, d)
			}
		}
	}()
	for n := range 10 {
		for i := range 50 {
			r.file(fmt.Sprintf("d/f%d", i), strings.Repeat("x", n+2))
		}
		_, _ = r.try(func(o *sync.Options) { o.Drift = "overwrite" })
	}
	close(done)
	<-stopped
	if got := names(t, victim); len(got) != 0 {
		t.Errorf("written outside the tree: %v", got)
	}
}

func TestKeptFileWhereFolderGoes(t *testing.T) {
	r := newRig(t, 1)
	r.file("d7/x", "1")
	r.push()
	write(t, filepath.Join(r.live(0), "d7/local.conf"), "mine")
	r.remove("d7")
	r.file("d7", "a file now")
	before := snapshot(t, r.live(0))
	_, err := r.try(func(o *sync.Options) { o.Keep = []string{"local.conf"} })
	wantKind(t, err, nodes.Refused, "d7 must be replaced, but holds files that are kept")
	_, err = r.try()
	wantKind(t, err, nodes.Refused, "d7 must be replaced, but holds d7/local.conf")
	if d := mapDifference(before, snapshot(t, r.live(0))); d != "" {
		t.Error(d)
	}
}

func TestLocked(t *testing.T) {
	r := newRig(t, 1)
	r.file("a", "1")
	r.push()
	other := newRigOn(r)
	r.file("a", "22")
	hold := make(chan struct{})
	staged := make(chan error, 1)
	go func() { // a push that stands at the barrier holds the lock
		staged <- r.engine.HoldStage(r.ctx(), r.set, r.options(), hold)
	}()
	waitFor(t, func() bool { return strings.Contains(strings.Join(r.state(0), " "), "stage-") })
	_, err := other.Push(r.ctx(), r.set, r.options())
	wantKind(t, err, nodes.Locked, "locked by "+r.s.User+" on deploy (sync.push)")
	close(hold)
	must(t, <-staged)
	r.equal(0)
}

func waitFor(t *testing.T, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("waited in vain")
		}
	}
}

func TestSourceChangesWhileRead(t *testing.T) {
	r := newRig(t, 1)
	r.file("a", "1")
	r.push()
	r.file("big", strings.Repeat("0123456789", 100_000))
	before := snapshot(t, r.live(0))
	tree := &restless{Tree: nodes.Dir(r.src), file: filepath.Join(r.src, "big")}
	_, err := r.try(func(o *sync.Options) { o.From = tree })
	wantKind(t, err, nodes.Refused, "big changed while it was read")
	if d := mapDifference(before, snapshot(t, r.live(0))); d != "" {
		t.Error(d)
	}
	tree.writing.Wait()
	r.push()
	r.equal(0)
}

func TestDiskFull(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("mounting needs root")
	}
	for _, c := range []struct {
		name        string
		mount       func(t *testing.T, at string)
		files, size int
		says        string
	}{
		{"bytes", inMemory("size=8m"), 300, 40_000, "has room for"},
		{"inodes", inMemory("nr_inodes=200"), 300, 10, "inodes left"},
		{"while it is written", inMemory("size=3m"), 1200, 1, "no space left"}, // a page each, which cannot be foreseen
		{"quota", withQuota, 300, 40_000, "the quota is used up"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t, 2)
			full := filepath.Join(r.bed.Dir(1), "full")
			must(t, os.Mkdir(full, 0o755))
			c.mount(t, full)
			nd := *r.set.Nodes[1]
			nd.Path = nodes.RemotePath(full + "/www")
			r.set.Nodes[1] = &nd
			r.file("a", "1")
			r.push()
			before := snapshot(t, full+"/www")
			r.file("a", "2")
			noise := rand.New(rand.NewSource(1))
			for i := range c.files {
				b := make([]byte, c.size)
				_, _ = noise.Read(b)
				r.file(fmt.Sprintf("big/%d", i), string(b))
			}
			_, err := r.try()
			wantKind(t, err, nodes.Space, "web2", c.says)
			if d := mapDifference(before, snapshot(t, full+"/www")); d != "" {
				t.Error(d)
			}
			if b, _ := os.ReadFile(filepath.Join(r.live(0), "a")); string(b) != "1" {
				t.Errorf("the other node was switched: %s", b)
			}
			r.remove("big")
			run(t, "sync", "-f", full) // btrfs counts what was removed until then
			r.push()
			if d := difference(t, r.src, full+"/www"); d != "" {
				t.Errorf("a smaller roll after that:\n%s", d)
			}
		})
	}
}

// inMemory mounts a filesystem with limits.
func inMemory(options string) func(*testing.T, string) {
	return func(t *testing.T, at string) {
		if err := unix.Mount("full", at, "tmpfs", 0, options); err != nil {
			t.Skip("cannot mount: ", err)
		}
		t.Cleanup(func() { _ = unix.Unmount(at, unix.MNT_DETACH) })
	}
}

// withQuota mounts a filesystem that has room, and a quota of 8 MB. It is one of
// btrfs, whose quotas hold for root too.
func withQuota(t *testing.T, at string) {
	nodetest.Need(t, "mkfs.btrfs", "btrfs")
	image := at + ".image"
	must(t, os.WriteFile(image, nil, 0o600))
	must(t, os.Truncate(image, 120<<20))
	run(t, nodetest.Program("mkfs.btrfs"), "-q", image)
	if out, err := exec.Command("mount", "-o", "loop", image, at).CombinedOutput(); err != nil {
		t.Skipf("cannot mount: %v: %s", err, out)
	}
	t.Cleanup(func() { _ = unix.Unmount(at, unix.MNT_DETACH) })
	run(t, nodetest.Program("btrfs"), "quota", "enable", at)
	run(t, nodetest.Program("btrfs"), "qgroup", "limit", "8M", at)
}

func TestStateInsideAMountPoint(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("mounting needs root")
	}
	r := newRig(t, 1)
	must(t, os.Mkdir(r.live(0), 0o755))
	if err := unix.Mount("www", r.live(0), "tmpfs", 0, "size=4m"); err != nil {
		t.Skip("cannot mount: ", err)
	}
	t.Cleanup(func() { _ = unix.Unmount(r.live(0), unix.MNT_DETACH) })
	r.file("a", "1")
	r.push()
	r.file("a", "2")
	r.push(func(o *sync.Options) { o.Delete = "all" })
	r.equal(0)
	st, err := os.Stat(filepath.Join(r.live(0), ".rollsh"))
	if err != nil || st.Mode().Perm() != 0o700 {
		t.Errorf("%v %v", st, err)
	}
}

func TestTamperedAgent(t *testing.T) {
	r := newRig(t, 1)
	r.file("a", "1")
	r.push()
	found, err := filepath.Glob(filepath.Join(r.bed.NodeHome(0), ".cache/rollsh/agent-*"))
	if err != nil || len(found) != 1 {
		t.Fatal(found, err)
	}
	must(t, os.Remove(found[0]))
	must(t, os.WriteFile(found[0], []byte("#!/bin/sh\ntouch "+r.bed.Dir(0)+"/tampered\n"), 0o700))
	r.connect()
	r.file("a", "2")
	r.push()
	r.equal(0)
	if _, err := os.Stat(r.bed.Dir(0) + "/tampered"); err == nil {
		t.Error("a tampered agent was run")
	}
}

func TestNoFolderForTheAgent(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("mounting needs root")
	}
	r := newRig(t, 1, nodetest.Env("XDG_RUNTIME_DIR", "/dev/null"))
	cache := filepath.Join(r.bed.NodeHome(0), ".cache")
	must(t, os.Mkdir(cache, 0o755))
	if err := unix.Mount("c", cache, "tmpfs", unix.MS_NOEXEC, ""); err != nil {
		t.Skip("cannot mount: ", err)
	}
	t.Cleanup(func() { _ = unix.Unmount(cache, unix.MNT_DETACH) })
	own, err := os.ReadFile(rigAgent)
	must(t, err)
	own = append(own, '\n') // /var/tmp is for all: the other tests shall not find this one
	file := filepath.Join(t.TempDir(), "agent")
	must(t, os.WriteFile(file, own, 0o700))
	must(t, r.engine.UseAgent(file))
	there := fmt.Sprintf("/var/tmp/rollsh-%d/agent-%x", os.Geteuid(), sha256.Sum256(own))
	t.Cleanup(func() { _ = os.Remove(there) })
	r.file("a", "1")
	r.push()
	r.equal(0)
	if _, err := os.Stat(there); err != nil {
		t.Error(err)
	}
	if strings.Contains(r.events.Text(nodes.Warned), "SFTP") {
		t.Error("the next folder was not tried")
	}
}
