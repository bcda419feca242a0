package nodes_test

import (
	"testing"

	"github.com/rollsh/rollsh/nodes"
)

func TestFailsAt(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		at   string
		node nodes.Name
		op   string
		want bool
	}{
		{"web2:sync", "web2", "node:sync", true},
		{"web2:sync", "web2", "sync.push", true},
		{"web2:push", "web2", "sync.push", true},
		{"web2:sync.push", "web2", "sync.push", true},
		{"web2:node:run", "web2", "node:run", true},
		{"web2:node", "web2", "node:run", false},
		{"web2:sync", "web1", "sync.push", false},
		{"here:sh", "", "sh", true},
		{"web2", "web2", "sync.push", false},
		{"web2:", "web2", "sync.push", false},
		{"", "web2", "sync.push", false},
	} {
		r := nodes.Recipe{FailAt: tc.at}
		if got := r.FailsAt(tc.node, tc.op); got != tc.want {
			t.Errorf("%q for %s on %s: %v", tc.at, tc.op, tc.node, got)
		}
	}
}
