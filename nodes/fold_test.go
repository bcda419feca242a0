package nodes_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/rollsh/rollsh/nodes"
)

func TestFoldErrors(t *testing.T) {
	on := func(node, msg string) error {
		return &nodes.Error{Where: "r.lua:1", Op: "sync.push", Node: nodes.Name(node), Message: msg, Hint: "h"}
	}
	got := nodes.FoldErrors([]error{on("web1", "full"), on("cdn1", "down"), on("web2", "full"), errors.New("x"), on("web7", "full"), on("web3", "full")})
	want := []string{"r.lua:1: sync.push: web[1-3,7]: full (hint: h)", "r.lua:1: sync.push: cdn1: down (hint: h)", "x"}
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

// What names a node's own place keeps no errors apart; what else differs does.
func TestFoldErrorsOverlooksWhatIsANodesOwn(t *testing.T) {
	at := func(node, address, why string) error {
		return &nodes.Error{Node: nodes.Name(node), Message: "cannot reach " + address + ": " + why, Hint: "try `ssh " + address + "`", Own: []string{"", address}}
	}
	got := nodes.FoldErrors([]error{
		at("web1", "192.0.2.1", "refused"), at("web2", "192.0.2.2", "refused"), at("web3", "192.0.2.3", "no route"), at("web4", "192.0.2.4", "refused"),
		at("web5", "192.0.2.3", "no route"),
	})
	want := []string{
		"web[1-2,4]: cannot reach 192.0.2.1 (and 2 more): refused (hint: try `ssh 192.0.2.1`)",
		"web[3,5]: cannot reach 192.0.2.3: no route (hint: try `ssh 192.0.2.3`)",
	}
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestResultsErr(t *testing.T) {
	s := numbered(4)
	r := &nodes.Results{Op: "put", List: []nodes.Outcome{
		{Node: s.Nodes[0], State: nodes.FailedState, Err: errBroken},
		{Node: s.Nodes[1], State: nodes.FailedState, Err: errBroken},
		{Node: s.Nodes[2], State: nodes.OK},
		{Node: s.Nodes[3], State: nodes.NotAttempted},
	}}
	if got, want := r.Err().Error(), "put: 2 of 4 failed, 1 untouched\n  put: n[1-2]: exit 1"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestFoldOutput(t *testing.T) {
	s := numbered(5)
	r := &nodes.Results{}
	for i, text := range []string{"a\n", "b", "a", "a\r\n"} {
		r.List = append(r.List, nodes.Outcome{Node: s.Nodes[i], State: nodes.OK, Value: text})
	}
	r.List = append(r.List, nodes.Outcome{Node: s.Nodes[4], State: nodes.NotAttempted, Value: "a"})
	var got []string
	for _, g := range r.Fold(func(o nodes.Outcome) string { return o.Value.(string) }) {
		got = append(got, g.Nodes.Fold()+"="+g.Text)
	}
	if want := []string{"n[1,3-4]=a", "n2=b"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}
