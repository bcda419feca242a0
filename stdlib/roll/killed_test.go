package roll_test

import (
	"bufio"
	"context"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/rollsh/rollsh/nodes"
	"github.com/rollsh/rollsh/stdlib/roll"
)

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
