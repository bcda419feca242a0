package sync_test

import (
	"math/rand"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rollsh/rollsh/nodes"
	"github.com/rollsh/rollsh/nodes/nodetest"
	"github.com/rollsh/rollsh/stdlib/sync"
)

func TestPush(t *testing.T) {
	r := newRig(t, 2)
	r.file("index.html", "one")
	r.file("css/site.css", "body{}")
	r.file("img/big.bin", strings.Repeat("0123456789abcdef", 80_000))
	if err := os.Symlink("index.html", filepath.Join(r.src, "home")); err != nil {
		t.Fatal(err)
	}
	res := r.push()
	r.equal(0)
	r.equal(1)
	if v := r.stats(res, 1); v.Added != 4 || v.Changed != 0 || v.Deleted != 0 || v.Bytes != 1280_009 {
		t.Errorf("first push: %+v", v)
	}
	if r.s.Service.Switches("web1") != 1 {
		t.Error("the session does not know that web1 was switched")
	}

	r.file("index.html", "two!")
	r.file("new/a.php", "<?php")
	r.remove("css")
	res = r.push()
	r.equal(0)
	r.equal(1)
	if v := r.stats(res, 0); v.Added != 1 || v.Changed != 1 || v.Deleted != 1 || v.Bytes != 9 {
		t.Errorf("second push: %+v", v)
	}

	res = r.push()
	if v := r.stats(res, 0); v.Added+v.Changed+v.Deleted != 0 {
		t.Errorf("third push: %+v", v)
	}
	if n := r.s.Service.Switches("web1"); n != 2 {
		t.Errorf("a push without changes counts as a switch: %d", n)
	}
}

func TestPushFromAnotherSession(t *testing.T) {
	r := newRig(t, 1)
	r.file("a", "1")
	r.file("d/b", "2")
	r.push()
	r.connect()
	r.file("a", "11")
	r.push()
	r.equal(0)
	if err := os.RemoveAll(r.s.Cache); err != nil {
		t.Fatal(err)
	}
	r.connect()
	r.file("a", "111")
	res := r.push()
	r.equal(0)
	if v := r.stats(res, 0); v.Changed != 1 || v.Added != 0 || v.Bytes != 3 {
		t.Errorf("%+v", v)
	}
}

func TestPlanChangesNothing(t *testing.T) {
	r := newRig(t, 2)
	r.file("a", "1")
	p, err := r.engine.Plan(r.ctx(), r.set, r.options())
	if err != nil {
		t.Fatal(err)
	}
	np, err := p.Node("web2")
	if err != nil || len(np.Added) != 1 || np.Added[0] != "a" || !np.First {
		t.Errorf("%+v %v", np, err)
	}
	if list, _ := os.ReadDir(r.bed.Dir(0)); len(list) != 0 {
		t.Errorf("the plan made %v", list)
	}
	again, err := r.engine.Plan(r.ctx(), r.set, r.options())
	if err != nil || again.Digest != p.Digest {
		t.Errorf("a second look gives another digest: %v", err)
	}
	if text := p.Text(); !strings.Contains(text, "web[1-2]:") || !strings.Contains(text, "+ a") {
		t.Errorf("plan:\n%s", text)
	}
	if _, err := p.Apply(r.ctx()); err != nil {
		t.Fatal(err)
	}
	r.equal(0)
	r.equal(1)
	r.file("a", "2")
	if p, err = r.engine.Plan(r.ctx(), r.set, r.options()); err != nil {
		t.Fatal(err)
	}
	must(t, p.Ready())
	write(t, filepath.Join(r.live(1), "a"), "by hand")
	late, err := r.engine.Plan(r.ctx(), r.set, r.options())
	must(t, err)
	wantKind(t, late.Ready(), nodes.Changed, "web2", "a file was changed on the node: a (by ")
	if text := late.Text(); !strings.Contains(text, "web2:\n  nothing to send\n  ! a") || strings.Contains(text, "unchanged") {
		t.Errorf("plan of a node that was changed by hand:\n%s", text)
	}
	_, err = p.Apply(r.ctx())
	wantKind(t, err, nodes.Changed, "a file was changed on the node: a (by ")
	if b, _ := os.ReadFile(filepath.Join(r.live(0), "a")); string(b) != "1" {
		t.Errorf("the other node was switched: %s", b)
	}
}

func TestStageWaitsWithoutConnection(t *testing.T) {
	r := newRig(t, 2)
	r.file("a", "1")
	r.push()
	r.file("a", "2")
	st, err := r.engine.Stage(r.ctx(), r.set, r.options())
	if err != nil {
		t.Fatal(err)
	}
	if b, _ := os.ReadFile(filepath.Join(r.live(0), "a")); string(b) != "1" {
		t.Errorf("staging touched the tree: %s", b)
	}
	r.bed.Cut(0)
	first := nodes.Set{Nodes: r.set.Nodes[:1]}
	if _, err := st.Switch(r.ctx(), first); err != nil {
		t.Fatal(err)
	}
	r.equal(0)
	write(t, filepath.Join(r.live(1), "a"), "by hand")
	_, err = st.Switch(r.ctx(), nodes.Set{Nodes: r.set.Nodes[1:]})
	wantKind(t, err, nodes.Changed, "a changed on the node since it was looked at")
	if err := st.Drop(r.ctx()); err != nil {
		t.Fatal(err)
	}
	if got := r.state(1); len(got) != 3 { // lock, marker, undo of the first
		t.Errorf("after the drop: %v", got)
	}
}

func TestAllStagedOrNoneSwitched(t *testing.T) {
	r := newRig(t, 3)
	r.file("a", "1")
	r.push()
	write(t, filepath.Join(r.live(2), "a"), "by hand")
	r.file("a", "22")
	res, err := r.try()
	wantKind(t, err, nodes.Changed)
	if res.List[0].State != nodes.NotAttempted || res.List[2].State != nodes.FailedState {
		t.Errorf("%+v", res.List)
	}
	for i := range 2 {
		if b, _ := os.ReadFile(filepath.Join(r.live(i), "a")); string(b) != "1" {
			t.Errorf("node %d was switched: %s", i, b)
		}
		if got := r.state(i); strings.Contains(strings.Join(got, " "), "stage-") {
			t.Errorf("node %d keeps %v", i, got)
		}
	}
}

func TestNodeDown(t *testing.T) {
	r := newRig(t, 2)
	r.file("a", "1")
	r.bed.Stop(1)
	res, err := r.try()
	wantKind(t, err, nodes.Unreachable)
	if res.List[0].State != nodes.NotAttempted || res.List[1].State != nodes.NotReached {
		t.Errorf("%+v", res.List)
	}
}

func TestNoisyShell(t *testing.T) {
	r := newRig(t, 1)
	greeted := filepath.Join(r.bed.NodeHome(0), "greeted")
	must(t, r.bed.AtLogin(0, "echo welcome to this machine; touch ~/greeted\n"))
	for _, text := range []string{"1", "2"} {
		r.file("a", text)
		r.push()
		r.equal(0)
		must(t, os.Remove(greeted))
		r.disconnect()
		r.connect()
	}
}

func TestFolderIsFile(t *testing.T) {
	r := newRig(t, 1)
	r.file("a", "1")
	write(t, r.live(0), "a file")
	_, err := r.try()
	wantKind(t, err, nodes.Failed, "is a file where a folder is needed")
	_, err = r.try(func(o *sync.Options) { o.Path = nodes.RemotePath(r.live(0) + "/below/it") })
	wantKind(t, err, nodes.Failed, "is a file where a folder is needed")
}

// Two nodes share the bandwidth; the agent and SFTP keep to it alike.
func TestBandwidth(t *testing.T) {
	r := newRig(t, 2, nodetest.SFTPOnly(1))
	r.file("a", "1")
	r.wholeSeconds()
	r.push()
	noise := make([]byte, 150_000)
	_, _ = rand.New(rand.NewSource(1)).Read(noise)
	r.file("b", string(noise))
	r.wholeSeconds()
	began := time.Now()
	r.push(func(o *sync.Options) { o.Speed = 200_000 })
	if took := time.Since(began); took < 1200*time.Millisecond { // 300 kB, less the first piece
		t.Errorf("took %v", took)
	}
	r.equal(0)
	r.equal(1)
	_, err := r.try(func(o *sync.Options) { o.Speed = 10 })
	wantKind(t, err, nodes.Usage, "bandwidth is 10")
}

// The last that is told of what was sent is all of it.
func TestProgressEndsWithAll(t *testing.T) {
	r := newRig(t, 1)
	r.file("large", strings.Repeat("0123456789abcdef", 200_000))
	v := r.stats(r.push(), 0)
	var last int64
	for _, e := range r.events.Events() {
		if e.Type == nodes.Progress && e.Unit == "bytes" {
			last = e.Done
		}
	}
	if last != v.Bytes || last != 3_200_000 {
		t.Errorf("%d bytes are told at last; %d were sent", last, v.Bytes)
	}
}
