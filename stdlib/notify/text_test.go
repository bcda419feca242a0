package notify_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/rollsh/rollsh/nodes"
	"github.com/rollsh/rollsh/stdlib/notify"
)

// links is a tracker that knows links only.
type links struct{ nodes.Tracker }

func (links) TicketURL(id string) string { return "https://trac.example.org/ticket/" + id }
func (links) ChangesetURL(r nodes.Revision) string {
	return "https://trac.example.org/changeset/" + string(r)
}

func sample() nodes.Roll {
	start := time.Date(2026, 11, 22, 21, 4, 5, 0, time.UTC)
	return nodes.Roll{
		ID: "20261122-210405-abcd", Name: "www", Who: "anna", Host: "deploy1", From: "120", To: "123", State: "failed",
		Started: start, Ended: start.Add(34 * time.Second), Tracker: links{},
		Nodes: []nodes.NodeState{
			{Node: "cdn1", State: "done"},
			{Node: "web1", State: "done"},
			{Node: "web2", State: "done"},
			{Node: "web3", State: "failed", Why: "check: http 500\nfrom php"},
			{Node: "web4", State: "untouched"},
			{Node: "web5", State: "staged"},
			{Node: "web6", State: "staged"},
		},
		Changesets: nodes.Changesets{
			{Rev: 121, Author: "anna", Message: "fix login (fixes #12)\n\nlong story"},
			{Rev: 123, Author: "bo\x1b[31mb", Message: "\nfaster search\nrefs #14 and ticket:15"},
		},
	}
}

func TestRollText(t *testing.T) {
	done := sample()
	done.State, done.Tracker, done.From = "done", nil, ""
	for i := range done.Nodes {
		done.Nodes[i].State, done.Nodes[i].Why = "done", ""
	}
	back := done
	back.State, back.Changesets, back.Host = "undone", nil, ""
	undo := done
	undo.State, undo.Mode, undo.By, undo.From, undo.Nodes = "undone", nodes.ModeBack, "bob", "120", []nodes.NodeState{{Node: "web1", State: "undone"}}
	half := undo
	half.State, half.By, half.Nodes = "failed", "anna", []nodes.NodeState{{Node: "web1", State: "undone"}, {Node: "web2", State: "left-drained", Why: "check"}}
	resumed := done
	resumed.Mode, resumed.By, resumed.Changesets = nodes.ModeResume, "bob", nil
	down := done
	down.From, down.To = "123", "120"
	up := undo
	up.From, up.To, up.Changesets = "123", "120", undo.Changesets[:1]
	for name, c := range map[string]struct {
		roll nodes.Roll
		want string
	}{
		"an undo of another's": {undo, `bob on deploy1 undid www r120 -> r123 on web1 (anna's roll): done after 34 s
  taken back:
  r121 anna: fix login (fixes #12)
  r123 bob: faster search (#14, #15)`},
		"an undo that failed": {half, `anna on deploy1 undid www r120 -> r123 on web[1-2]: FAILED after 34 s
  undone: web1
  left-drained: web2 (check)
  not taken back everywhere:
  r121 anna: fix login (fixes #12)
  r123 bob: faster search (#14, #15)`},
		"resumed": {resumed, `bob on deploy1 resumed www r123 to cdn1,web[1-6] (anna's roll): done after 34 s`},
		"an older revision undone": {up, `bob on deploy1 undid www r123 -> r120 on web1 (anna's roll): done after 34 s
  there again:
  r121 anna: fix login (fixes #12)`},
		"an older revision": {down, `anna on deploy1 rolled www r123 -> r120 to cdn1,web[1-6]: done after 34 s
  taken back:
  r121 anna: fix login (fixes #12)
  r123 bob: faster search (#14, #15)`},
		"failed": {sample(), `anna on deploy1 rolled www r120 -> r123 to cdn1,web[1-6]: FAILED after 34 s
  done: cdn1,web[1-2]
  failed: web3 (check: http 500 from php)
  untouched: web4 (as before: not begun)
  staged: web[5-6] (as before: not switched)
  r121 anna: fix login (fixes #12) https://trac.example.org/changeset/121
  r123 bob: faster search (#14, #15) https://trac.example.org/changeset/123
  #12 https://trac.example.org/ticket/12
  #14 https://trac.example.org/ticket/14
  #15 https://trac.example.org/ticket/15`},
		"done": {done, `anna on deploy1 rolled www r123 to cdn1,web[1-6]: done after 34 s
  r121 anna: fix login (fixes #12)
  r123 bob: faster search (#14, #15)`},
		"undone":  {back, `anna rolled www r123 to cdn1,web[1-6]: undone after 34 s`},
		"nothing": {nodes.Roll{Who: "anna", Name: "www", State: "running"}, `anna rolled www: has begun`},
	} {
		if got := notify.RollNotice(c.roll).Text; got != c.want {
			t.Errorf("%s: got\n%s\nwant\n%s", name, got, c.want)
		}
	}
}

// TestLongRoll: what is left out is counted and named, and the notice stays
// short whatever a roll brings.
func TestLongRoll(t *testing.T) {
	r := sample()
	r.Changesets = nil
	for i := range 500 {
		r.Changesets = append(r.Changesets, nodes.Changeset{Rev: 1000 + i, Author: fmt.Sprintf("dev%d", i%7), Message: fmt.Sprintf("fixes #%d ", i) + strings.Repeat("long ", 1000)})
	}
	r.Nodes[3].Why = strings.Repeat("why ", 10_000)
	text := notify.RollNotice(r).Text
	for _, want := range []string{"and 485 more: r1015-1499 by dev1", "and 490 more tickets: #10, #11"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in\n%s", want, text)
		}
	}
	if len(text) > 6000 {
		t.Errorf("%d bytes", len(text))
	}
}

// Below a merge stands what it brought and who committed that, merges of merges
// included, and not without end.
func TestMergesAreToldOf(t *testing.T) {
	quote := func(rev int, author, text string) string {
		return fmt.Sprintf("........\n  r%d | %s | 2026-11-22T21:04:05Z\n  %s\n........\n", rev, author, strings.ReplaceAll(text, "\n", "\n  "))
	}
	inner := "Merged revision 3 from /branches/x\n" + strings.ReplaceAll(quote(3, "cleo", "faster search"), "........", ".........")
	r := sample()
	r.State, r.Nodes, r.Tracker = "done", nil, nil
	r.Changesets = nodes.Changesets{
		{Rev: 10, Author: "anna", Message: "Merged revision 7 from /trunk\n" + quote(7, "bob", inner)},
		{Rev: 11, Author: "anna", Message: "by hand"},
	}
	want := `
  r10 anna: Merged revision 7 from /trunk
    r7 bob: Merged revision 3 from /branches/x
      r3 cleo: faster search
  r11 anna: by hand`
	if got := notify.RollNotice(r).Text; !strings.Contains(got, want) {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	many := "Merged revisions 1-99 from /trunk\n"
	for i := range 99 {
		many += strings.TrimSuffix(quote(i+1, []string{"anna", "bob"}[i%2], "change"), "........\n")
	}
	r.Changesets = nodes.Changesets{{Rev: 100, Author: "anna", Message: many + "........\n"}, r.Changesets[0]}
	got := notify.RollNotice(r).Text
	for _, want := range []string{"\n    r20 bob: change\n    and 79 more: r21-99 by anna, bob\n", "\n    r7 bob: Merged"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
}
