package roll_test

import (
	"bufio"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

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

// stopped makes a roll that ended with web1 switched and web2 not.
func stopped(t *testing.T, j *roll.Journal, name string, recipe nodes.Recipe) string {
	t.Helper()
	r, err := j.Begin(t.Context(), roll.Request{Name: name, To: web("web1", "web2"), Recipe: recipe})
	if err != nil {
		t.Fatal(err)
	}
	step(t, r, r.Set().Nodes[0], roll.Switched)
	e, err := r.Finish(t.Context(), errors.New("enough"))
	if err != nil || !e.Unfinished() {
		t.Fatalf("%+v, %v", e, err)
	}
	return e.ID
}

func TestReopenWantsTheSameRecipe(t *testing.T) {
	j := journal(t, session(t.TempDir()))
	recipe := nodes.Recipe{Path: "/p/prod.lua", Files: map[string]string{"/p/prod.lua": "aa", "/p/site.lua": "bb"}}
	id := stopped(t, j, "www", recipe)
	recipe.Mode, recipe.RollID = nodes.ModeResume, id
	recipe.Files = map[string]string{"/p/prod.lua": "aa", "/p/site.lua": "cc"}
	q := roll.Request{Name: "www", To: web("web1", "web2"), Recipe: recipe}
	_, err := j.Reopen(t.Context(), q)
	wantKind(t, err, nodes.Changed, "/p/site.lua", "--recipe-changed")
	if strings.Contains(err.Error(), "prod.lua") {
		t.Errorf("%v names a file that is the same", err)
	}
	q.Name = "api"
	_, err = j.Reopen(t.Context(), q)
	wantKind(t, err, nodes.Usage, "is of 'www'")
	q.Name, q.Recipe.RecipeChanged = "www", true
	r, err := j.Reopen(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	// While it is resumed it is locked, also for a second resume.
	_, err = j.Reopen(t.Context(), q)
	wantKind(t, err, nodes.Locked)
	if _, err := r.Finish(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
}

func TestPick(t *testing.T) {
	j := journal(t, session(t.TempDir()))
	_, err := j.Pick(t.Context(), "", nodes.ModeResume)
	wantKind(t, err, nodes.NotFound)
	www := stopped(t, j, "www", nodes.Recipe{Path: "/p/prod.lua"})
	if e, err := j.Pick(t.Context(), "", nodes.ModeResume); err != nil || e.ID != www {
		t.Errorf("%v, %v", e.ID, err)
	}
	typed := stopped(t, j, "api", nodes.Recipe{})
	_, err = j.Pick(t.Context(), "", nodes.ModeResume)
	wantKind(t, err, nodes.Usage, "which one?", www, typed)
	_, err = j.Pick(t.Context(), typed, nodes.ModeResume)
	wantKind(t, err, nodes.Refused, "typed at the shell")
	dns := stopped(t, j, "dns", nodes.Recipe{Path: "/p/dns.lua"})
	if e, err := j.Pick(t.Context(), "", nodes.ModeBack); err != nil || e.ID != dns {
		t.Errorf("back means %v (%v), and the last roll is %s of another name", e.ID, err, dns)
	}
}

// TestBackMeansTheLastThatChangedAnything passes over a roll that was refused,
// and one that found everything in place.
func TestBackMeansTheLastThatChangedAnything(t *testing.T) {
	j := journal(t, session(t.TempDir()))
	recipe := nodes.Recipe{Path: "/p/prod.lua"}
	_, err := j.Pick(t.Context(), "", nodes.ModeBack)
	wantKind(t, err, nodes.NotFound)
	r, err := j.Begin(t.Context(), roll.Request{Name: "www", To: web("web1"), Recipe: recipe})
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Pin(t.Context(), roll.Pin{To: "45", Undo: "x"}); err != nil {
		t.Fatal(err)
	}
	s := r.Set().Nodes[0]
	step(t, r, s, roll.Switched)
	changed := r.Entry().ID
	if _, err := r.Finish(t.Context(), errors.New("enough")); err != nil {
		t.Fatal(err)
	}
	if err := j.CloseRoll(t.Context(), changed, "so it stays"); err != nil {
		t.Fatal(err)
	}
	for _, why := range []error{nil, &nodes.Error{Kind: nodes.Refused, Message: "changes of its own"}} {
		r, err := j.Begin(t.Context(), roll.Request{Name: "www", To: web("web1"), Recipe: recipe})
		if err != nil {
			t.Fatal(err)
		}
		if why == nil {
			step(t, r, s, roll.Done)
		}
		if _, err := r.Finish(t.Context(), why); err != nil {
			t.Fatal(err)
		}
	}
	_, err = j.Pick(t.Context(), "", nodes.ModeBack)
	wantKind(t, err, nodes.NotFound) // the one that changed anything was closed
	list, err := j.Status(t.Context(), "www")
	if err != nil || list[0].Last.State != roll.RollDone || list[0].Nodes[0].State != roll.Done {
		t.Errorf("%+v, %v: a refused roll heads the status", list, err)
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

// start runs a child of this test program and gives its first line.
func start(t *testing.T, what, state string) (*exec.Cmd, string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), child+"="+what, "ROLL_TEST_STATE="+state)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("the child said nothing: %v", err)
	}
	return cmd, strings.TrimSpace(line)
}

// TestKilledBetweenIntentAndOutcome is the reason for two records a step.
func TestKilledBetweenIntentAndOutcome(t *testing.T) {
	state := t.TempDir()
	cmd, id := start(t, "die in a switch", state)
	j := journal(t, session(state))
	if e := find(t, j, id); e.State != roll.Running || e.Nodes[1].Why != "switch is under way" {
		t.Errorf("while it lives: %s %+v", e.State, e.Nodes[1])
	}
	_, err := j.Begin(t.Context(), roll.Request{Name: "www", To: web("web1")})
	wantKind(t, err, nodes.Locked, "anna", id)
	if err := cmd.Process.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()

	e := find(t, j, id)
	if e.State != roll.Interrupted || states(e) != "web1=done web2=unknown web3=staged" || !e.Unfinished() || !e.Nodes[1].Out {
		t.Errorf("after it died: %s %s %+v", e.State, states(e), e.Nodes[1])
	}
	steps, err := j.Steps(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	if last := steps[len(steps)-1]; last.Node != "web2" || last.State != roll.Switched || last.Outcome != "" || !last.Ended.IsZero() {
		t.Errorf("last step %+v", last)
	}
	locks, err := j.Locks(t.Context(), "www")
	if err != nil || len(locks) != 1 || !locks[0].Stale {
		t.Fatalf("locks %+v, %v", locks, err)
	}
	r, err := j.Reopen(t.Context(), roll.Request{Name: "www", To: web("web1", "web2", "web3"), Recipe: nodes.Recipe{Mode: nodes.ModeResume, RollID: id}})
	if err != nil {
		t.Fatal(err)
	}
	if got := states(r.Entry()); got != "web1=done web2=unknown web3=staged" {
		t.Errorf("reopened: %s", got)
	}
	if got := states(find(t, j, id)); got != "web1=done web2=unknown web3=staged" {
		t.Errorf("reopened, read again: %s", got)
	}
	if got := r.Set().Fold(); got != "web[2-3]" {
		t.Errorf("goes on with %s", got)
	}
	for _, n := range r.Set().Nodes {
		step(t, r, n, roll.Switched, roll.Done)
	}
	if e, err := r.Finish(t.Context(), nil); err != nil || e.State != roll.RollDone {
		t.Errorf("%s, %v", e.State, err)
	}
}

func TestTwoProcessesRaceForALock(t *testing.T) {
	for range 3 {
		state := t.TempDir()
		const racers = 4
		words := make(chan string, racers)
		for range racers {
			go func() {
				cmd := exec.CommandContext(t.Context(), os.Args[0])
				cmd.Env = append(os.Environ(), child+"=race", "ROLL_TEST_STATE="+state)
				cmd.Stderr = os.Stderr
				in, err := cmd.StdinPipe()
				if err != nil {
					words <- err.Error()
					return
				}
				defer func() { _ = in.Close() }()
				out, err := cmd.Output()
				if err != nil {
					words <- err.Error()
				}
				words <- string(out)
			}()
		}
		count := map[string]int{}
		for range racers {
			count[strings.TrimSpace(<-words)]++
		}
		if count["won"] != 1 || count["locked"] != racers-1 {
			t.Fatalf("%v", count)
		}
	}
}

func playChild(what string) int {
	if what == "recipe" {
		return playRecipe()
	}
	ctx := context.Background()
	s := session(os.Getenv("ROLL_TEST_STATE"))
	s.Shared = os.Getenv("ROLL_TEST_SHARED") != ""
	if who := os.Getenv("ROLL_TEST_WHO"); who != "" {
		s.User = who
	}
	j := roll.NewJournal(s)
	r, err := j.Begin(ctx, roll.Request{Name: "www", To: web("web1", "web2", "web3")})
	switch {
	case err != nil && what == "race" && nodes.KindOf(err) == nodes.Locked:
		_, _ = os.Stdout.WriteString("locked\n")
		return 0
	case err != nil:
		_, _ = os.Stdout.WriteString(err.Error() + "\n")
		return 1
	}
	switch what {
	case "race":
		_, _ = os.Stdout.WriteString("won\n")
		return 0 // and the lock stays: its holder died
	case "die in a switch":
		dieInASwitch(ctx, r)
	case "roll":
		for _, n := range r.Set().Nodes {
			if err := r.Step(ctx, one(n), roll.Switched, "", well); err != nil {
				_, _ = os.Stdout.WriteString(err.Error() + "\n")
			}
			if err := r.Step(ctx, one(n), roll.Done, "", well); err != nil {
				_, _ = os.Stdout.WriteString(err.Error() + "\n")
			}
		}
		if _, err := r.Finish(ctx, nil); err != nil {
			_, _ = os.Stdout.WriteString(err.Error() + "\n")
		}
		_, _ = os.Stdout.WriteString("rolled\n")
		return 0
	}
	return 1
}

func dieInASwitch(ctx context.Context, r *roll.Roll) {
	id := r.Entry().ID
	web1, web2, web3 := r.Set().Nodes[0], r.Set().Nodes[1], r.Set().Nodes[2]
	for _, n := range []*nodes.Node{web1, web2, web3} {
		_ = r.Step(ctx, one(n), roll.Staged, "", well)
	}
	for _, s := range []roll.State{roll.Drained, roll.Switched, roll.Done} {
		_ = r.Step(ctx, one(web1), s, "", well)
	}
	_ = r.Step(ctx, one(web2), roll.Drained, "", well)
	_ = r.Step(ctx, one(web2), roll.Switched, "", func(context.Context) error {
		_, _ = os.Stdout.WriteString(id + "\n")
		select {}
	})
}
