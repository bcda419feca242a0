package sync_test

import (
	"path/filepath"
	"testing"

	"github.com/rollsh/rollsh/nodes"
	"github.com/rollsh/rollsh/nodes/nodetest"
	"github.com/rollsh/rollsh/stdlib/sync"
)

// A plan is not applied over what somebody else rolled since, though the same
// files would change.
func TestPlanKnowsWhatItReplaces(t *testing.T) {
	r := newRig(t, 2, nodetest.SFTPOnly(1))
	r.file("a", "one")
	r.push()
	r.file("a", "three")
	for _, n := range r.set.Nodes {
		set := nodes.Set{Nodes: []*nodes.Node{n}}
		plan, err := r.engine.Plan(r.ctx(), set, r.options())
		must(t, err)
		other := t.TempDir()
		write(t, filepath.Join(other, "a"), "two")
		_, err = r.engine.Push(r.ctx(), set, sync.Options{From: nodes.Dir(other)})
		must(t, err)
		_, err = plan.Apply(r.ctx())
		wantKind(t, err, nodes.Changed, "not as it was when the plan was made")
		again, err := r.engine.Plan(r.ctx(), set, r.options())
		must(t, err)
		if again.Digest == plan.Digest {
			t.Errorf("%s: the digest says nothing of what is replaced", n.Name)
		}
		_, err = again.Apply(r.ctx())
		must(t, err)
	}
	r.equal(0)
}
