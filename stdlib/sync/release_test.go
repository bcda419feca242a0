package sync_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rollsh/rollsh/nodes"
	"github.com/rollsh/rollsh/stdlib/sync"
	"github.com/rollsh/rollsh/stdlib/sync/agent"
)

func release(o *sync.Options) { o.Layout = "release" }

// current is where the live tree of a bench is with layout="release".
func (b *bench) current() string { return filepath.Join(b.live, "current") }

func (b *bench) releases() []string {
	b.Helper()
	list, err := os.ReadDir(filepath.Join(b.live, "releases"))
	must(b.T, err)
	var out []string
	for _, e := range list {
		out = append(out, e.Name())
	}
	return out
}

func (b *bench) same(what string) {
	b.Helper()
	if d := difference(b.T, b.src, b.current()+"/"); d != "" {
		b.Fatalf("%s:\n%s", what, d)
	}
}

func (b *bench) set() nodes.Set { return nodes.Set{Nodes: []*nodes.Node{b.node}} }

func TestRelease(t *testing.T) {
	b := newBench(t)
	b.revision(1)
	must(t, os.Mkdir(filepath.Join(b.src, "closed"), 0o755))
	b.file("closed/f", "1")
	must(t, os.Chmod(filepath.Join(b.src, "closed"), 0o555))
	defer func() { _ = os.Chmod(filepath.Join(b.src, "closed"), 0o755) }()
	b.push(release)
	b.same("first push")
	first, err := os.Readlink(b.current())
	must(t, err)
	if !strings.HasPrefix(first, "releases/") || len(b.releases()) != 1 {
		t.Errorf("current leads to %s of %v", first, b.releases())
	}
	old := snapshot(t, filepath.Join(b.live, first))

	must(t, os.Chmod(filepath.Join(b.src, "closed"), 0o755))
	b.revision(2)
	must(t, os.Chmod(filepath.Join(b.src, "same/1"), 0o600)) // must not show in the old release
	b.push(release)
	b.same("second push")
	second, err := os.Readlink(b.current())
	must(t, err)
	if second == first {
		t.Error("current was not switched")
	}
	if d := mapDifference(old, snapshot(t, filepath.Join(b.live, first))); d != "" {
		t.Errorf("the old release was changed:\n%s", d)
	}
	if inode(t, filepath.Join(b.live, first, "same/0")) != inode(t, filepath.Join(b.live, second, "same/0")) {
		t.Error("an unchanged file is no hard link")
	}
	run(t, "diff", "-r", "--no-dereference", b.src, b.current()+"/")

	b.push(release)
	if now, _ := os.Readlink(b.current()); now != second {
		t.Error("a push without changes made a release")
	}
	must(t, b.undo())
	if now, _ := os.Readlink(b.current()); now != first {
		t.Errorf("undo leads to %s, not to %s", now, first)
	}
	if d := mapDifference(old, snapshot(t, b.current()+"/")); d != "" {
		t.Errorf("after the undo:\n%s", d)
	}
	b.push(release)
	b.same("push after the undo")
	b.tidyRelease("the end")
	wantKind(t, b.try(), nodes.Refused, `was rolled with layout="release" before`)
}

// tidyRelease fails the test when anything lies in the state or beside the
// releases that does not belong there.
func (b *bench) tidyRelease(when string) {
	b.Helper()
	b.tidy(0)
	for _, name := range names(b.T, b.live) {
		top, _, _ := strings.Cut(name, "/")
		if top != "current" && top != "releases" && top != "shared" {
			b.Errorf("%s: left behind: %s", when, name)
		}
	}
}

func TestReleasesAreKeptAndSwept(t *testing.T) {
	b := newBench(t)
	keep := func(o *sync.Options) { o.Layout, o.Undo = "release", 2 }
	other := filepath.Join(b.live, "releases", "by-hand")
	must(t, os.MkdirAll(other, 0o755))
	var states []map[string]string
	for n := range 5 {
		b.file("a", fmt.Sprint(n))
		b.push(keep)
		states = append(states, snapshot(t, b.current()+"/"))
	}
	if got := b.releases(); len(got) != 4 { // the live one, two to go back to, and the one that is not ours
		t.Errorf("kept: %v", got)
	}
	for n := 3; n >= 2; n-- {
		must(t, b.undo())
		if d := mapDifference(states[n], snapshot(t, b.current()+"/")); d != "" {
			t.Errorf("undo to %d:\n%s", n, d)
		}
	}
	wantKind(t, b.undo(), nodes.NotFound, "there is nothing to undo")
	b.push(keep)
	b.same("after the undos")
	if _, err := os.Stat(other); err != nil {
		t.Error("a release that no roll made was removed")
	}
}

// What the application keeps in the tree goes along, also what came between
// stage and switch; what is shared is in one place.
func TestReleaseCarriesWhatIsNotOurs(t *testing.T) {
	b := newBench(t)
	opts := func(o *sync.Options) {
		o.Layout, o.Keep, o.Shared = "release", []string{"local.conf"}, []string{"up/loads/", "etc/db.conf"}
	}
	b.file("a", "1")
	b.file("up/loads/sample.png", "never sent")
	wantKind(t, b.try(opts), nodes.Refused, "shared/etc/db.conf is not there")
	write(t, filepath.Join(b.live, "shared/etc/db.conf"), "secret")
	b.push(opts)
	read := func(p string) string {
		text, _ := os.ReadFile(filepath.Join(b.current(), p))
		return string(text)
	}
	if read("etc/db.conf") != "secret" {
		t.Error("a shared file is not there")
	}
	write(t, filepath.Join(b.current(), "up/loads/x.png"), "uploaded")
	write(t, filepath.Join(b.current(), "local.conf"), "mine")
	write(t, filepath.Join(b.current(), "cache/page"), "warm")

	b.file("a", "22")
	b.file("local.conf", "from the source")
	o := sync.Options{From: nodes.Dir(b.src)}
	opts(&o)
	ctx := context.Background()
	st, err := b.engine.Stage(ctx, b.set(), o)
	must(t, err)
	write(t, filepath.Join(b.current(), "cache/late"), "later")
	must(t, os.Remove(filepath.Join(b.current(), "cache/page")))
	if read("a") != "1" {
		t.Error("the stage touched the live tree")
	}
	_, err = st.Switch(ctx, b.set())
	must(t, err)
	for p, want := range map[string]string{
		"a": "22", "up/loads/x.png": "uploaded", "local.conf": "mine", "cache/late": "later", "cache/page": "", "up/loads/sample.png": "",
	} {
		if got := read(p); got != want {
			t.Errorf("%s: got %q, want %q", p, got, want)
		}
	}
	write(t, filepath.Join(b.current(), "cache/last"), "new")
	must(t, b.undo())
	if read("a") != "1" || read("cache/last") != "new" || read("up/loads/x.png") != "uploaded" || read("local.conf") != "mine" {
		t.Errorf("after the undo: a is %q, cache/last %q", read("a"), read("cache/last"))
	}
	b.push(opts)
	write(t, filepath.Join(b.current(), "a"), "by hand")
	b.file("a", "333")
	wantKind(t, b.try(opts), nodes.Changed, "a file was changed on the node: a (by ")
	wantKind(t, b.undo(), nodes.Changed, "a was changed on the node since roll 2")
	b.tidyRelease("the end")
}

// A roll that does not know of what is shared takes it from nobody.
func TestReleaseKeepsWhatIsShared(t *testing.T) {
	b := newBench(t)
	with := func(o *sync.Options) { o.Layout, o.Shared = "release", []string{"uploads/"} }
	without := func(o *sync.Options) { o.Layout = "release" }
	b.file("a", "1")
	b.file("d/b", "1")
	b.push(with)
	upload := filepath.Join(b.current(), "uploads/x.png")
	write(t, upload, "uploaded")
	there := func(when string) {
		t.Helper()
		if text, _ := os.ReadFile(upload); string(text) != "uploaded" {
			t.Errorf("%s the upload is %q", when, text)
		}
	}
	b.file("a", "2")
	b.push(without, func(o *sync.Options) { o.Only = []string{"a"} })
	there("after a push of one file")
	b.file("d/b", "2")
	b.push(without)
	there("after a push of all")
	must(t, b.undo())
	there("after an undo")
	b.push(without)
	there("after the push again")
	b.file("uploads/sample.png", "of the source")
	wantKind(t, b.try(without), nodes.Refused, `uploads is shared by all releases since an earlier roll, and the source has it too: name it in shared={"uploads/"}`)
	b.push(with)
	there("after a push that names it")
	must(t, os.Remove(filepath.Join(b.current(), "uploads")))
	b.push(without)
	if text, _ := os.ReadFile(filepath.Join(b.current(), "uploads/sample.png")); string(text) != "of the source" {
		t.Errorf("what is not shared any more is %q", text)
	}
	b.tidyRelease("the end")
}

func TestReleaseDriftAndPlan(t *testing.T) {
	r := newRig(t, 1)
	r.file("a", "1")
	r.file("d/b", "1")
	o := r.options()
	release(&o)
	p, err := r.engine.Plan(r.ctx(), r.set, o)
	must(t, err)
	if list, _ := os.ReadDir(r.bed.Dir(0)); len(list) != 0 {
		t.Errorf("the plan made %v", list)
	}
	_, err = p.Apply(r.ctx())
	must(t, err)
	live := filepath.Join(r.live(0), "current")
	write(t, filepath.Join(live, "extra"), "x")
	must(t, os.Remove(filepath.Join(live, "d/b")))
	res, err := r.engine.Drift(r.ctx(), r.set, sync.Options{From: nodes.Dir(r.src)})
	must(t, err)
	d := res.List[0].Value.(*sync.Drift)
	if len(d.Missing) != 1 || len(d.Extra) != 1 || len(d.Changed) != 0 {
		t.Errorf("%+v", d)
	}
	must(t, os.Remove(live))
	link(t, "/etc", live)
	_, err = r.engine.Push(r.ctx(), r.set, o)
	wantKind(t, err, nodes.Refused, "current leads to /etc, which is not in releases/")
}

// The agent is killed at every point of a push and of an undo with releases:
// current leads to a whole tree, the old or the new one, at any moment.
func TestReleaseKilledAnywhere(t *testing.T) {
	b := newBench(t)
	seen := map[string]int{}
	first, step := stride()
	for n := first; ; n += step {
		must(t, os.RemoveAll(filepath.Dir(b.live)))
		b.renew()
		b.revision(1)
		b.push(release)
		old := snapshot(t, b.current()+"/")
		b.revision(2)
		now := snapshot(t, b.src)
		b.renew(fmt.Sprintf("%s=any:%d", agent.CrashVariable, n))
		err := b.try(release)
		state := b.whole(old, now)
		seen[state]++
		if err == nil && state != "new" {
			t.Fatalf("point %d: success, but the tree is %s", n, state)
		}
		b.renew()
		b.push(release)
		b.same(fmt.Sprintf("point %d (%s): the next push", n, state))
		b.tidyRelease(fmt.Sprint("point ", n))
		b.renew(fmt.Sprintf("%s=any:%d", agent.CrashVariable, n%17+1))
		undone := b.undo()
		state = b.whole(old, now)
		if undone == nil && state != "old" {
			t.Fatalf("undo %d: success, but the tree is %s", n, state)
		}
		b.renew()
		b.push(release)
		b.same(fmt.Sprintf("undo %d (%s): the next push", n, state))
		if err == nil {
			break
		}
	}
	if seen["old"] == 0 || seen["new"] == 0 {
		t.Errorf("not every part of the work was met: %v", seen)
	}
}

// whole tells which of two revisions is live; anything between fails.
func (b *bench) whole(old, now map[string]string) string {
	b.Helper()
	live := snapshot(b.T, b.current()+"/")
	if mapDifference(old, live) == "" {
		return "old"
	}
	if d := mapDifference(now, live); d != "" {
		b.Fatalf("neither old nor new:\n%s", d)
	}
	return "new"
}
