package sync_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rollsh/rollsh/nodes"
	"github.com/rollsh/rollsh/stdlib/sync"
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
