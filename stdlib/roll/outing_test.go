package roll_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rollsh/rollsh/lua"
	"github.com/rollsh/rollsh/nodes"
	"github.com/rollsh/rollsh/nodes/nodetest"
	"github.com/rollsh/rollsh/stdlib/roll"
	"github.com/rollsh/rollsh/stdlib/ssh"
)

// bench is a bed of real nodes; each is out of service while the file out is
// in its folder, and its check fails while the file sick is.
type bench struct {
	*nodetest.Bed
	session *nodes.Session
	events  *nodetest.Recorder
	journal *roll.Journal
	set     nodes.Set
	more    []lua.Module // beside the usual ones
	shown   string       // on standard output, by the last recipe
}

func onNodes(t *testing.T, n int, opts ...nodetest.Option) *bench {
	t.Helper()
	b := &bench{Bed: nodetest.Start(t, n, opts...), events: &nodetest.Recorder{}}
	b.session = b.Bed.Session(b.events)
	b.session.Here = ssh.NewLocal(b.session)
	pool := ssh.NewPool(b.session, ssh.SystemConfig("/dev/null"))
	b.session.Dialer = pool
	t.Cleanup(pool.Close)
	b.journal = journal(t, b.session)
	for i := range n {
		node := *b.Node(i)
		node.Drain, node.Undrain = "touch "+b.Dir(i)+"/out", "rm "+b.Dir(i)+"/out"
		node.Check = "test ! -e " + b.Dir(i) + "/sick"
		b.set.Nodes = append(b.set.Nodes, &node)
	}
	return b
}

func (b *bench) has(i int, name string) bool {
	_, err := os.Stat(filepath.Join(b.Dir(i), name))
	return err == nil
}

func (b *bench) put(t *testing.T, i int, name string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(b.Dir(i), name), nil, 0o600); err != nil {
		t.Fatal(err)
	}
}

// outingCase is how an outing goes, and how it leaves the node.
type outingCase struct {
	switched bool // a tree is switched meanwhile
	sick     bool // the check fails from then on
	noCheck  bool
	cancel   bool
	cut      bool // nobody knows whether the switch was made
	err      error
	out      bool // it is left out of service
	state    roll.State
}

// TestLawOfService checks from outside, on a real node, when it comes back.
func TestLawOfService(t *testing.T) {
	b := onNodes(t, 1)
	failed := &nodes.Error{Kind: nodes.Exit, Message: "exit code 1"}
	lost := &nodes.Error{Kind: nodes.Lost, Message: "EOF"}
	began := 0
	for name, c := range map[string]outingCase{
		"well":                          {state: roll.Done},
		"well, switched":                {switched: true, state: roll.Done},
		"failed":                        {err: failed, state: roll.Failed},
		"failed, sick before":           {err: failed, sick: true, state: roll.Failed},
		"failed, switched":              {err: failed, switched: true, state: roll.Failed},
		"failed, switched, sick":        {err: failed, switched: true, sick: true, out: true, state: roll.LeftDrained},
		"failed, switched, no check":    {err: failed, switched: true, noCheck: true, out: true, state: roll.LeftDrained},
		"cut off in the switch":         {cut: true, err: lost, out: true, state: roll.Unknown},
		"cancelled":                     {cancel: true, state: roll.Staged},
		"cancelled, switched":           {cancel: true, switched: true, state: roll.Checked},
		"cancelled, switched, sick":     {cancel: true, switched: true, sick: true, out: true, state: roll.LeftDrained},
		"cancelled, switched, no check": {cancel: true, switched: true, noCheck: true, out: true, state: roll.LeftDrained},
	} {
		t.Run(name, func(t *testing.T) {
			began++ // under a name of its own: what another case left drained stays so
			b.outing(t, c, fmt.Sprintf("case%d", began))
		})
	}
}

// outing takes the node out for a roll, and looks how that leaves it.
func (b *bench) outing(t *testing.T, c outingCase, name string) {
	t.Helper()
	n := b.set.Nodes[0]
	_ = os.Remove(filepath.Join(b.Dir(0), "sick"))
	_ = os.Remove(filepath.Join(b.Dir(0), "out"))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	by, err := roll.Own(b.session, n)
	if err != nil {
		t.Fatal(err)
	}
	if c.noCheck {
		by.Check = nil
	}
	r, err := b.journal.Begin(t.Context(), roll.Request{Name: name, To: b.set})
	if err != nil {
		t.Fatal(err)
	}
	err = r.WhileOut(ctx, n, by, func(ctx context.Context) error { return b.meanwhile(ctx, t, c, r, cancel) })
	if (err != nil) != (c.err != nil || c.cancel) {
		t.Errorf("error %v", err)
	}
	if b.has(0, "out") != c.out {
		t.Errorf("out of service: %v, want %v", b.has(0, "out"), c.out)
	}
	if left := len(b.session.Service.Out()) == 1; left != c.out {
		t.Errorf("session says out: %v", left)
	}
	e := find(t, b.journal, r.Entry().ID)
	if e.Nodes[0].State != c.state || e.Nodes[0].Out != c.out {
		t.Errorf("%+v, want %s", e.Nodes[0], c.state)
	}
	b.session.Service.Undrained(n.Name)
	if e, err = r.Finish(t.Context(), err); err != nil {
		t.Fatal(err)
	}
	if said := strings.Contains(b.events.Text(nodes.Warned), "left drained: "+string(n.Name)); c.out && !said {
		t.Errorf("not said: %q", b.events.Text(nodes.Warned))
	}
	if e.Unfinished() {
		if err := b.journal.CloseRoll(t.Context(), e.ID, "test"); err != nil {
			t.Error(err)
		}
	}
}

// meanwhile is what happens while the node is out.
func (b *bench) meanwhile(ctx context.Context, t *testing.T, c outingCase, r *roll.Roll, cancel func()) error {
	t.Helper()
	switched := func() { b.session.Service.Switched(b.set.Nodes[0].Name) }
	if !b.has(0, "out") {
		t.Error("not drained")
	}
	if c.cut {
		return r.Step(ctx, b.set, roll.Switched, "", func(context.Context) error {
			switched()
			return c.err
		})
	}
	if c.switched {
		switched()
	}
	if c.sick {
		b.put(t, 0, "sick")
	}
	if c.cancel {
		cancel()
		return nodes.Stopped(ctx)
	}
	return c.err
}

func TestDrainThatFails(t *testing.T) {
	b := onNodes(t, 1)
	n := b.set.Nodes[0]
	n.Drain = "touch " + b.Dir(0) + "/out; echo the balancer is away >&2; exit 3"
	acted := false
	err := roll.WhileOut(t.Context(), b.session, n, func(context.Context) error { acted = true; return nil })
	wantKind(t, err, nodes.Exit, "exit code 3", "the balancer is away")
	if acted || b.has(0, "out") {
		t.Errorf("acted %v, still out %v", acted, b.has(0, "out"))
	}
}

func TestUndrainThatFailsIsSaid(t *testing.T) {
	b := onNodes(t, 1)
	n := b.set.Nodes[0]
	n.Undrain = "false"
	err := roll.WhileOut(t.Context(), b.session, n, func(context.Context) error { return nil })
	wantKind(t, err, nodes.Exit)
	if !strings.Contains(b.events.Text(nodes.Warned), "left drained: "+string(n.Name)) {
		t.Errorf("%q", b.events.Text(nodes.Warned))
	}
}

func TestNodeWithoutDrain(t *testing.T) {
	s := session(t.TempDir())
	n := &nodes.Node{Name: "web1"}
	wantKind(t, roll.TakeOut(t.Context(), s, n), nodes.Usage, "web1", "nothing says how")
	wantKind(t, roll.WhileOut(t.Context(), s, n, well), nodes.Usage)
	n.Drain = "true"
	wantKind(t, roll.PutBack(t.Context(), s, n), nodes.Usage, "go together")
}

func TestLocalCommand(t *testing.T) {
	b := onNodes(t, 1)
	n := b.set.Nodes[0]
	file := filepath.Join(t.TempDir(), "said")
	n.Drain = `local: echo "$ROLLSH_NODE $ROLLSH_HOST $SSH_CONNECTION" > ` + file
	if err := roll.TakeOut(t.Context(), b.session, n); err != nil {
		t.Fatal(err)
	}
	said, err := os.ReadFile(file)
	if err != nil || strings.TrimSpace(string(said)) != string(n.Name)+" "+n.Address() {
		t.Errorf("%q, %v", said, err)
	}
}

func TestPreflight(t *testing.T) {
	b := onNodes(t, 4, nodetest.SFTPOnly(1), nodetest.WrongHostKey(3))
	r, err := b.journal.Begin(t.Context(), roll.Request{Name: "www", To: b.set, MaxFailed: 1, MaxUnreachable: 1})
	if err != nil {
		t.Fatal(err)
	}
	good, tolerated, err := r.Preflight(t.Context(), nodes.RemotePath(b.Dir(0)))
	if err != nil || len(good.Nodes) != 3 {
		t.Fatalf("%v, %v", good, err)
	}
	wantKind(t, tolerated, nodes.Tasks, string(b.set.Nodes[3].Name))
	if got := r.Entry().Nodes[3]; got.State != roll.Unreachable || got.Why == "" {
		t.Errorf("%+v", got)
	}
	if failed, unreachable := r.Left(); failed != 1 || unreachable != 0 || r.Spent() {
		t.Errorf("left %d, %d", failed, unreachable)
	}
	b.put(t, 0, "file")
	_, _, err = r.Preflight(t.Context(), nodes.RemotePath(b.Dir(0)+"/file/www"))
	wantKind(t, err, nodes.Tasks, "file is not a folder")
}

// TestJournalThatCannotBeWritten: nothing further is done, and a node that has
// what it had goes back into service all the same.
func TestJournalThatCannotBeWritten(t *testing.T) {
	b := onNodes(t, 1)
	n := b.set.Nodes[0]
	by, err := roll.Own(b.session, n)
	if err != nil {
		t.Fatal(err)
	}
	r := begin(t, b.journal, b.set)
	err = r.WhileOut(t.Context(), n, by, func(ctx context.Context) error {
		tamper(t, b.journal, "ALTER TABLE steps RENAME TO lost")
		return r.Step(ctx, b.set, roll.Switched, "", func(context.Context) error {
			t.Error("a step without its intent on the disk")
			return nil
		})
	})
	wantKind(t, err, nodes.Failed, "steps")
	if b.has(0, "out") || len(b.session.Service.Out()) != 0 {
		t.Error("left out of service")
	}
}
