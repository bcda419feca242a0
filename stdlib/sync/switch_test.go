package sync_test

import (
	"regexp"
	"testing"

	"github.com/rollsh/rollsh/nodes"
	"github.com/rollsh/rollsh/nodes/nodetest"
)

// A stage over which somebody else rolled, or undid, is not put in place, and who
// that was is told, whether the stage is still there or not.
func TestWhoMovedOnIsTold(t *testing.T) {
	r := newRig(t, 2, nodetest.SFTPOnly(1))
	r.file("a", "1")
	r.push()
	r.file("a", "22")
	r.wholeSeconds()
	st, err := r.engine.Stage(r.ctx(), r.set, r.options())
	must(t, err)
	other := newRigOn(r)
	r.file("a", "333")
	r.wholeSeconds()
	_, err = other.Push(r.ctx(), r.set, r.options())
	must(t, err)
	_, err = st.Switch(r.ctx(), r.set)
	said := r.s.User + " on " + r.s.Host + " rolled to this tree since it was looked at (2"
	wantKind(t, err, nodes.Changed, "web[1-2]")
	for _, one := range nodes.AsError(err, nodes.Internal).Errors {
		wantKind(t, one, nodes.Changed, said)
	}
	r.file("a", "4444")
	r.wholeSeconds()
	st, err = r.engine.Stage(r.ctx(), r.set, r.options())
	must(t, err)
	_, err = other.Undo(r.ctx(), r.set, "", "", false)
	must(t, err)
	_, err = st.Switch(r.ctx(), r.set)
	for _, one := range nodes.AsError(err, nodes.Internal).Errors {
		wantKind(t, one, nodes.Changed, "a roll to this tree was undone since it was looked at")
	}
}

// For how long readers may have seen two revisions is told, once for all nodes
// and not for those that were as they should be.
func TestBurstIsTold(t *testing.T) {
	r := newRig(t, 3)
	r.file("a", "1")
	r.push()
	first := r.events.Text(nodes.Said)
	if !regexp.MustCompile(`^web\[1-3\]: switched in \d+\.\d( to \d+\.\d)? ms\n$`).MatchString(first) {
		t.Errorf("%q", first)
	}
	r.push()
	r.file("a", "2")
	one := r.set
	one.Nodes = one.Nodes[1:2]
	_, err := r.engine.Push(r.ctx(), one, r.options())
	must(t, err)
	r.push()
	_, err = r.engine.Undo(r.ctx(), one, "", "", false)
	must(t, err)
	then := r.events.Text(nodes.Said)[len(first):]
	if !regexp.MustCompile(`^web2: switched in \d+\.\d ms\nweb\[1,3\]: switched in [^\n]+ ms\nweb2: switched in \d+\.\d ms\n$`).MatchString(then) {
		t.Errorf("%q", then)
	}
}
