package sync_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rollsh/rollsh/nodes"
	"github.com/rollsh/rollsh/nodes/nodetest"
	"github.com/rollsh/rollsh/stdlib/sync"
)

// Against a source, what was changed on the node is told from what the source
// moved on from, with and without an agent.
func TestDriftAgainstASource(t *testing.T) {
	r := newRig(t, 2, nodetest.SFTPOnly(1))
	for _, p := range []string{"moved on", "by hand", "deleted there", "deleted here", "same"} {
		r.file(p, p)
	}
	r.wholeSeconds()
	r.push()
	r.file("moved on", "and on")
	r.file("new here", "1")
	r.remove("deleted here")
	r.wholeSeconds()
	for i := range 2 {
		write(t, filepath.Join(r.live(i), "by hand"), "something else")
		write(t, filepath.Join(r.live(i), "new there"), "2")
		must(t, os.Remove(filepath.Join(r.live(i), "deleted there")))
	}
	res, err := r.engine.Drift(r.ctx(), r.set, sync.Options{From: nodes.Dir(r.src)})
	must(t, err)
	for _, o := range res.List {
		d := o.Value.(*sync.Drift) //nolint:forcetypeassert // it is
		var got []string
		for _, list := range [][]sync.Found{d.Changed, d.Missing, d.Extra} {
			for _, f := range list {
				got = append(got, f.Path+" "+f.What+map[bool]string{true: " older"}[f.Older])
			}
		}
		want := "by hand changed, moved on changed older, deleted there missing, new here unsent, deleted here obsolete older, new there extra"
		if s := strings.Join(got, ", "); s != want {
			t.Errorf("%s: %s", o.Node.Name, s)
		}
		for _, line := range []string{"- new here (not sent yet)", "- deleted there (deleted)", "as the last roll left it)", "+ new there (not put there by a roll,"} {
			if !strings.Contains(d.String(), line) {
				t.Errorf("%s: %q is not in\n%s", o.Node.Name, line, d)
			}
		}
		diff, err := d.Diff(r.ctx(), "by hand")
		must(t, err)
		if !strings.Contains(diff, "-by hand") || !strings.Contains(diff, "+something else") {
			t.Errorf("%s: %s", o.Node.Name, diff)
		}
		wantKind(t, d.Adopt(r.ctx(), "new here"), nodes.Refused, "was not sent to the node yet")
	}
	must(t, res.List[1].Value.(*sync.Drift).Adopt(r.ctx(), "by hand")) //nolint:forcetypeassert // it is
	if b, _ := os.ReadFile(filepath.Join(r.src, "by hand")); string(b) != "something else" {
		t.Errorf("adopted: %s", b)
	}
	res, err = r.engine.Drift(r.ctx(), r.set, sync.Options{})
	must(t, err)
	for _, o := range res.List {
		if d := o.Value.(*sync.Drift); len(d.Changed) != 1 || len(d.Missing) != 1 || len(d.Extra) != 1 { //nolint:forcetypeassert // it is
			t.Errorf("%s, without a source: %s", o.Node.Name, d)
		}
	}
}

// A later rollsh knows too that a roll had nothing to do on a node, and a roll
// that never was is still told from it.
func TestUndoOfNothingLater(t *testing.T) {
	r := newRig(t, 2, nodetest.SFTPOnly(1))
	r.file("a", "1")
	r.wholeSeconds()
	first := r.push()
	again := r.push()
	r.connect()
	switches := r.s.Service.Switches("web1")
	res, err := r.engine.Undo(r.ctx(), r.set, "", again.RollID, false)
	must(t, err)
	for i := range 2 {
		if v := r.stats(res, i); v.Added+v.Changed+v.Deleted != 0 {
			t.Errorf("%+v", v)
		}
		r.equal(i)
	}
	if r.s.Service.Switches("web1") != switches {
		t.Error("an undo of nothing counts as a switch")
	}
	_, err = r.engine.Undo(r.ctx(), r.set, "", strings.Replace(again.RollID, "2", "1", 1), false)
	wantKind(t, err, nodes.NotFound, "is not kept")
	if _, err = r.engine.Undo(r.ctx(), r.set, "", first.RollID, false); err != nil {
		t.Error(err)
	}
}
