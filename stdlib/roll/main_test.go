package roll_test

import (
	"context"
	"os"
	"strings"
	"testing"

	"github.com/rollsh/rollsh/nodes"
	"github.com/rollsh/rollsh/stdlib/roll"
	"github.com/rollsh/rollsh/stdlib/sync/agent"
)

// child is what this test program does when it is started by a test as a
// second process.
const child = "ROLL_TEST_CHILD"

func TestMain(m *testing.M) {
	if handled, code := agent.Main(os.Args); handled { // on a node: the agent of sync
		os.Exit(code)
	}
	if what := os.Getenv(child); what != "" {
		os.Exit(playChild(what))
	}
	os.Exit(m.Run())
}

func session(state string) *nodes.Session {
	return &nodes.Session{State: state, User: "anna", Host: "staging", Events: nodes.Discard{}, Service: nodes.NewService()}
}

func web(names ...nodes.Name) nodes.Set {
	var s nodes.Set
	for _, n := range names {
		s.Nodes = append(s.Nodes, &nodes.Node{Name: n})
	}
	return s
}

func one(n *nodes.Node) nodes.Set { return nodes.Set{Nodes: []*nodes.Node{n}} }

func journal(t *testing.T, s *nodes.Session) *roll.Journal {
	t.Helper()
	j := roll.NewJournal(s)
	t.Cleanup(func() {
		if err := j.Close(); err != nil {
			t.Error(err)
		}
	})
	return j
}

func begin(t *testing.T, j *roll.Journal, set nodes.Set) *roll.Roll {
	t.Helper()
	r, err := j.Begin(t.Context(), roll.Request{Name: "www", To: set})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = r.Finish(context.Background(), nil) })
	return r
}

func well(context.Context) error { return nil }

func step(t *testing.T, r *roll.Roll, n *nodes.Node, states ...roll.State) {
	t.Helper()
	for _, s := range states {
		if err := r.Step(t.Context(), one(n), s, "", well); err != nil {
			t.Fatalf("%s %s: %v", n.Name, s, err)
		}
	}
}

func wantKind(t *testing.T, err error, kind nodes.Kind, words ...string) {
	t.Helper()
	if nodes.KindOf(err) != kind {
		t.Fatalf("got %q (%v), want kind %q", nodes.KindOf(err), err, kind)
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("%q does not say %q", err, w)
		}
	}
}

func states(e roll.Entry) string {
	var out []string
	for _, n := range e.Nodes {
		out = append(out, string(n.Node)+"="+string(n.State))
	}
	return strings.Join(out, " ")
}

func find(t *testing.T, j *roll.Journal, id string) roll.Entry {
	t.Helper()
	e, err := j.Find(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return e
}
