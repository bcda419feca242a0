package roll_test

import (
	"context"
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rollsh/rollsh/nodes"
	"github.com/rollsh/rollsh/stdlib/roll"
)

func TestLookingMakesNoJournal(t *testing.T) {
	state := filepath.Join(t.TempDir(), "state")
	j := journal(t, session(state))
	list, err := j.History(t.Context(), "", 0)
	if err != nil || len(list) != 0 {
		t.Errorf("history of nothing: %v, %v", list, err)
	}
	if err := j.Ready(t.Context(), "www"); err != nil {
		t.Error(err)
	}
	if _, err := j.Find(t.Context(), "x"); nodes.KindOf(err) != nodes.NotFound {
		t.Errorf("find in nothing: %v", err)
	}
	if _, err := os.Stat(state); !os.IsNotExist(err) {
		t.Errorf("looking made %s: %v", state, err)
	}
}

func TestRollIsRemembered(t *testing.T) {
	s := session(filepath.Join(t.TempDir(), "a folder? with 100% odd#name"))
	j := journal(t, s)
	set := web("web1", "web2")
	recipe := nodes.Recipe{Path: "/p/recipes/prod.lua", Args: []string{"--fast"}, Files: map[string]string{"/p/recipes/prod.lua": "abc"}}
	r, err := j.Begin(t.Context(), roll.Request{Name: "www", To: set, Source: "/srv/www", Recipe: recipe, Options: map[string]string{"path": "/var/www"}})
	if err != nil {
		t.Fatal(err)
	}
	changes := nodes.Changesets{{Rev: 120, Author: "bob", Message: "fixes #7", Date: time.Unix(1e9, 0).UTC()}}
	if err := r.Pin(t.Context(), roll.Pin{From: "119", To: "120", Digest: "d1", Changesets: changes}); err != nil {
		t.Fatal(err)
	}
	for _, n := range set.Nodes {
		step(t, r, n, roll.Staged, roll.Drained, roll.Switched, roll.Checked, roll.Done)
	}
	if err := r.Notice(t.Context(), "room is away"); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Finish(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	list, err := journal(t, s).History(t.Context(), "www", 5)
	if err != nil || len(list) != 1 {
		t.Fatalf("%v, %v", list, err)
	}
	e := list[0]
	if e.State != roll.RollDone || !e.Complete || e.From != "119" || e.To != "120" || e.Who != "anna" || e.Host != "staging" ||
		e.Recipe != recipe.Path || e.Args[0] != "--fast" || e.Files["/p/recipes/prod.lua"] != "abc" || e.Digest != "d1" ||
		e.Options["path"] != "/var/www" || len(e.Notices) != 1 || e.Notices[0].Why != "room is away" || e.Ended.Before(e.Started) {
		t.Errorf("%+v", e)
	}
	if got := e.Changesets; len(got) != 1 || got[0].Author != "bob" || !got[0].Date.Equal(changes[0].Date) {
		t.Errorf("changesets %+v", got)
	}
	if states(e) != "web1=done web2=done" || e.Nodes[0].Out || e.Nodes[0].Rev != "120" {
		t.Errorf("%+v", e.Nodes)
	}
	// The next roll knows where the nodes are.
	next := begin(t, j, set)
	if next.Entry().From != "120" {
		t.Errorf("from %q", next.Entry().From)
	}
}

func TestAnotherDigestIsChanged(t *testing.T) {
	r := begin(t, journal(t, session(t.TempDir())), web("web1"))
	if err := r.Pin(t.Context(), roll.Pin{Digest: "d1"}); err != nil {
		t.Fatal(err)
	}
	if err := r.Pin(t.Context(), roll.Pin{Digest: "d1"}); err != nil {
		t.Error(err)
	}
	wantKind(t, r.Pin(t.Context(), roll.Pin{Digest: "d2"}), nodes.Changed)
}

func TestFailedStep(t *testing.T) {
	for _, c := range []struct {
		err  error
		want roll.State
	}{
		{&nodes.Error{Kind: nodes.Exit, Message: "exit 1"}, roll.Failed},
		{errors.New("odd"), roll.Failed},
		{&nodes.Error{Kind: nodes.Unreachable, Message: "no route"}, roll.Unreachable},
		{&nodes.Error{Kind: nodes.HostKey, Message: "changed"}, roll.Unreachable},
		{&nodes.Error{Kind: nodes.Lost, Message: "gone"}, roll.Unknown},
		{context.Canceled, roll.Unknown},
	} {
		j := journal(t, session(t.TempDir()))
		r := begin(t, j, web("web1"))
		err := r.Step(t.Context(), one(r.Set().Nodes[0]), roll.Switched, "", func(context.Context) error { return c.err })
		if err == nil || nodes.AsError(err, nodes.Internal).Node != "web1" {
			t.Errorf("%v: got %v", c.err, err)
		}
		e := find(t, j, r.Entry().ID)
		if e.Nodes[0].State != c.want || !strings.HasPrefix(e.Nodes[0].Why, "switch: ") {
			t.Errorf("%v: %+v", c.err, e.Nodes[0])
		}
	}
}

func TestCancelledRollStillWritesOutcomes(t *testing.T) {
	j := journal(t, session(t.TempDir()))
	r := begin(t, j, web("web1", "web2"))
	n := r.Set().Nodes[0]
	ctx, cancel := context.WithCancel(t.Context())
	err := r.Step(ctx, one(n), roll.Drained, "", func(context.Context) error { cancel(); return nil })
	if err != nil {
		t.Fatal(err)
	}
	acted := false
	err = r.Step(ctx, one(n), roll.Switched, "", func(context.Context) error { acted = true; return nil })
	wantKind(t, err, nodes.Cancelled)
	if acted {
		t.Error("a step began after the cancel")
	}
	if _, err := r.Finish(ctx, context.Canceled); err != nil {
		t.Fatal(err)
	}
	e := find(t, j, r.Entry().ID)
	if e.State != roll.Stopped || states(e) != "web1=drained web2=untouched" || !e.Nodes[0].Out || !e.Unfinished() {
		t.Errorf("%s %s %+v", e.State, states(e), e.Nodes[0])
	}
}

func TestUnfinishedRollKeepsItsName(t *testing.T) {
	j := journal(t, session(t.TempDir()))
	set := web("web1", "web2")
	r := begin(t, j, set)
	step(t, r, set.Nodes[0], roll.Staged, roll.Drained, roll.Switched)
	if _, err := r.Finish(t.Context(), errors.New("web1 says no")); err != nil {
		t.Fatal(err)
	}
	id := r.Entry().ID
	_, err := j.Begin(t.Context(), roll.Request{Name: "www", To: set})
	wantKind(t, err, nodes.Refused, id, "1 switched, 1 untouched", "rollsh resume", "rollsh back", "rollsh close "+id)
	if _, err := j.Begin(t.Context(), roll.Request{Name: "api", To: set}); err != nil {
		t.Errorf("another name: %v", err)
	}
	wantKind(t, j.CloseRoll(t.Context(), id, ""), nodes.Usage)
	if err := j.CloseRoll(t.Context(), id, "web1 was reinstalled"); err != nil {
		t.Fatal(err)
	}
	if e := find(t, j, id); e.State != roll.Closed || e.Why != "closed by anna: web1 was reinstalled" {
		t.Errorf("%+v", e)
	}
	begin(t, j, set)
}

func TestRollStoppedBeforeTheFirstNodeIsOver(t *testing.T) {
	j := journal(t, session(t.TempDir()))
	set := web("web1", "web2")
	r := begin(t, j, set)
	step(t, r, set.Nodes[0], roll.Staged)
	if _, err := r.Finish(t.Context(), &nodes.Error{Kind: nodes.Lint, Message: "a.php does not pass"}); err != nil {
		t.Fatal(err)
	}
	e := find(t, j, r.Entry().ID)
	if e.State != roll.Stopped || e.Unfinished() || e.Why != "a.php does not pass" {
		t.Errorf("%+v", e)
	}
	begin(t, j, set)
}

func TestToleratedFailureIsOver(t *testing.T) {
	j := journal(t, session(t.TempDir()))
	set := web("web1", "web2")
	r := begin(t, j, set)
	step(t, r, set.Nodes[0], roll.Switched, roll.Done)
	step(t, r, set.Nodes[1], roll.Drained, roll.Switched)
	if err := r.Settle(t.Context(), set.Nodes[1], roll.LeftDrained, true, "exit code 1", "its check fails"); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Finish(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	e := find(t, j, r.Entry().ID)
	if e.State != roll.RollFailed || e.Unfinished() || states(e) != "web1=done web2=left-drained" || !e.Nodes[1].Out {
		t.Errorf("%s unfinished=%v %s", e.State, e.Unfinished(), states(e))
	}
	_, err := j.Pick(t.Context(), "", nodes.ModeResume)
	wantKind(t, err, nodes.Refused, "the roll "+e.ID+" was typed at the shell") // what it left can be resumed all the same
	list, err := j.Status(t.Context(), "www")
	if err != nil || len(list) != 1 || len(list[0].Nodes) != 2 || !list[0].Nodes[1].Out {
		t.Errorf("%+v, %v", list, err)
	}
}

// TestStatusWhileARollRuns: a node that waits in it is staged, not done by the
// roll before.
func TestStatusWhileARollRuns(t *testing.T) {
	j := journal(t, session(t.TempDir()))
	r := begin(t, j, web("web1", "web2"))
	step(t, r, r.Set().Nodes[0], roll.Done)
	step(t, r, r.Set().Nodes[1], roll.Done)
	if _, err := r.Finish(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	r = begin(t, j, web("web1", "web2"))
	step(t, r, r.Set().Nodes[0], roll.Switched)
	step(t, r, r.Set().Nodes[1], roll.Staged)
	list, err := j.Status(t.Context(), "www")
	if err != nil || list[0].Nodes[0].State != roll.Switched || list[0].Nodes[1].State != roll.Staged {
		t.Errorf("%+v, %v", list, err)
	}
}

func TestStepArguments(t *testing.T) {
	r := begin(t, journal(t, session(t.TempDir())), web("web1"))
	wantKind(t, r.Step(t.Context(), one(&nodes.Node{Name: "db1"}), roll.Staged, "", well), nodes.Usage, "db1", "not in the roll")
	wantKind(t, r.Step(t.Context(), one(r.Set().Nodes[0]), "finnished", "", well), nodes.Usage, "finnished")
	if _, err := r.Finish(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	wantKind(t, r.Step(t.Context(), one(r.Set().Nodes[0]), roll.Staged, "", well), nodes.Usage, "has ended")
}

func TestBeginArguments(t *testing.T) {
	j := journal(t, session(t.TempDir()))
	for name, q := range map[string]roll.Request{
		"no nodes":    {Name: "www"},
		"bad name":    {Name: "../www", To: web("web1")},
		"long name":   {Name: strings.Repeat("w", 65), To: web("web1")},
		"empty":       {To: web("web1")},
		"twice a web": {Name: "www", To: web("web1", "web1")},
	} {
		if _, err := j.Begin(t.Context(), q); nodes.KindOf(err) != nodes.Usage {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestDamagedJournal(t *testing.T) {
	s := session(t.TempDir())
	j := journal(t, s)
	if err := os.WriteFile(j.Path(), []byte(strings.Repeat("this is no database ", 100)), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := j.Begin(t.Context(), roll.Request{Name: "www", To: web("web1")})
	wantKind(t, err, nodes.Failed, j.Path(), "damaged")
}

// TestJournalOfAnOlderRollsh: what it lacks is made, be it only looked at; what
// is in it stays.
func TestJournalOfAnOlderRollsh(t *testing.T) {
	s := session(t.TempDir())
	old := roll.NewJournal(s)
	r := begin(t, old, web("web1"))
	step(t, r, r.Set().Nodes[0], roll.Switched, roll.Done)
	if _, err := r.Finish(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	if err := old.Close(); err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite", old.Path())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.ExecContext(t.Context(), `DROP TABLE takes; UPDATE schema_version SET version = 1`); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	j := journal(t, s)
	if e := find(t, j, r.Entry().ID); e.State != roll.RollDone || len(e.Takes) != 0 {
		t.Errorf("%+v", e)
	}
	back, err := j.Reopen(t.Context(), roll.Request{Name: "www", To: r.Set(), Recipe: nodes.Recipe{Mode: nodes.ModeBack, RollID: r.Entry().ID}})
	if err != nil {
		t.Fatal(err)
	}
	if err := back.Step(t.Context(), back.Set(), roll.Undone, "", well); err != nil {
		t.Fatal(err)
	}
	if _, err := back.Finish(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	if e := find(t, j, r.Entry().ID); len(e.Takes) != 1 || e.Takes[0].Who != "anna" || e.Takes[0].Mode != nodes.ModeBack || e.Takes[0].At.Before(e.Ended.Add(-time.Minute)) {
		t.Errorf("%+v", e.Takes)
	}
}
