package sync_test

import (
	"regexp"
	"testing"

	"github.com/rollsh/rollsh/nodes"
)

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
