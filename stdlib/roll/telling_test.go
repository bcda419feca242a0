package roll_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rollsh/rollsh/nodes"
	"github.com/rollsh/rollsh/stdlib/roll"
)

// TestCtrlCWhilePeopleAreTold: a room that does not answer can be given up, and
// that changes nothing of a roll that went through.
func TestCtrlCWhilePeopleAreTold(t *testing.T) {
	for name, presses := range map[string]int{"once": 1, "twice": 2} {
		t.Run(name, func(t *testing.T) {
			p := newPlace(t, 2)
			p.session.Interrupt = nodes.NewInterrupt()
			ctx, end := p.session.Interrupt.Begin(t.Context())
			defer end()
			fifo := filepath.Join(p.dir, "fifo")
			p.run("mkfifo", fifo)
			ended := make(chan error)
			go func() {
				_, err := p.rollAs(ctx, nodes.Recipe{}, []string{"yes"}, "--say=/dev/null; touch "+p.dir+"/telling; cat "+fifo)
				ended <- err
			}()
			await(t, func() bool { return p.raised("telling") })
			await(t, func() bool { return strings.Contains(p.events.Text(nodes.Said), "does not answer yet; Ctrl-C") })
			for range presses {
				p.session.Interrupt.Hit("INT")
			}
			select {
			case err := <-ended:
				if (nodes.KindOf(err) == nodes.Cancelled) != (presses == 2) {
					t.Errorf("it ended with: %v", err)
				}
			case <-time.After(10 * time.Second):
				t.Fatal("it goes on telling")
			}
			e := p.last()
			if e.State != roll.RollDone || e.Unfinished() || len(e.Notices) != 1 || !strings.Contains(e.Notices[0].Why, "notify.exec") {
				t.Errorf("%s %s, notices %+v", e.State, states(e), e.Notices)
			}
		})
	}
}

// TestKilledWhilePeopleAreTold: the roll is what it was when they began to be
// told, and needs nobody; it is only not known whether they heard of it.
func TestKilledWhilePeopleAreTold(t *testing.T) {
	p := newPlace(t, 2)
	fifo := filepath.Join(p.dir, "fifo")
	p.run("mkfifo", fifo)
	args := []string{"--dir=" + p.dir, "--co=" + p.co, "--url=" + p.repo.File + "/trunk", "--say=/dev/null; touch " + p.dir + "/telling; cat " + fifo}
	kill := p.rollElsewhere(args, "telling")
	if e := p.last(); e.State != roll.Running || !e.Ended.IsZero() || e.Untold {
		t.Errorf("while it tells: %s, ended %v, untold %v", e.State, e.Ended, e.Untold)
	}
	_, err := p.roll(nodes.Recipe{})
	wantKind(t, err, nodes.Locked)
	kill()
	e := p.last()
	if e.State != roll.RollDone || !e.Untold || e.Unfinished() || e.Ended.IsZero() || states(e) != "web1=done web2=done" {
		t.Errorf("%s, untold %v, unfinished %v, ended %v: %s", e.State, e.Untold, e.Unfinished(), e.Ended, states(e))
	}
	if said := p.journal.CutShort(t.Context()); len(said) != 0 {
		t.Errorf("said first: %q", said)
	}
	if all, err := p.journal.Status(t.Context(), "www"); err != nil || len(all) != 1 || len(all[0].Locks) != 0 || !all[0].Last.Untold {
		t.Errorf("%+v, %v", all, err)
	}
	if _, err := p.rollAs(t.Context(), nodes.Recipe{Mode: nodes.ModeBack, RollID: e.ID}, nil); nodes.KindOf(err) != nodes.Refused || !p.last().Untold {
		t.Errorf("an undo that nobody confirmed: %v, %+v", err, p.last())
	}
	if _, err := p.roll(nodes.Recipe{}); err != nil { // nothing is to be closed or taken over
		t.Fatal(err)
	}
	if _, err := p.roll(nodes.Recipe{Mode: nodes.ModeBack, RollID: e.ID}); err != nil {
		t.Fatal(err)
	}
	if e = find(t, p.journal, e.ID); e.State != roll.RollUndone || e.Untold {
		t.Errorf("%s, untold %v", e.State, e.Untold)
	}
}

// TestKilledWhilePeopleAreToldOfAFailure: what is left to do is left to do.
func TestKilledWhilePeopleAreToldOfAFailure(t *testing.T) {
	p := newPlace(t, 2)
	fifo := filepath.Join(p.dir, "fifo")
	p.run("mkfifo", fifo)
	p.flag("web2.sick", true)
	p.rollElsewhere([]string{"--dir=" + p.dir, "--co=" + p.co, "--url=" + p.repo.File + "/trunk", "--say=/dev/null; touch " + p.dir + "/telling; cat " + fifo}, "telling")()
	e := p.last()
	if e.State != roll.RollFailed || !e.Untold || !e.Unfinished() || states(e) != "web1=done web2=left-drained" || !strings.Contains(e.Why, "1 of 2 failed") {
		t.Errorf("%s, untold %v, unfinished %v, %s: %s", e.State, e.Untold, e.Unfinished(), states(e), e.Why)
	}
	_, err := p.roll(nodes.Recipe{})
	wantKind(t, err, nodes.Refused, "unfinished", "1 done, 1 left-drained")
	p.flag("web2.sick", false)
	if _, err := p.roll(nodes.Recipe{Mode: nodes.ModeResume, RollID: e.ID, Failed: true}); err != nil {
		t.Fatal(err)
	}
	if e = p.last(); e.State != roll.RollDone || e.Untold {
		t.Errorf("%s, untold %v", e.State, e.Untold)
	}
}

// TestKilledWhilePeopleAreToldOfACancel: a roll that was cancelled is written as
// such before people are told, and that they may not have been.
func TestKilledWhilePeopleAreToldOfACancel(t *testing.T) {
	p := newPlace(t, 2)
	fifo := filepath.Join(p.dir, "fifo")
	p.run("mkfifo", fifo)
	kill := p.rollElsewhere([]string{
		"--dir=" + p.dir, "--co=" + p.co, "--url=" + p.repo.File + "/trunk", "--after=touch " + p.dir + "/begun; cat " + fifo,
		"--say=/dev/null; touch " + p.dir + "/telling; cat " + fifo,
	}, "begun")
	if err := p.elsewhere.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	await(t, func() bool { return p.raised("telling") })
	kill()
	e := p.last()
	if e.State != roll.Stopped && e.State != roll.RollFailed || !e.Untold || !e.Unfinished() || e.Ended.IsZero() {
		t.Errorf("%s, untold %v, unfinished %v, ended %v: %s", e.State, e.Untold, e.Unfinished(), e.Ended, states(e))
	}
	if all, err := p.journal.Status(t.Context(), "www"); err != nil || len(all) != 1 || len(all[0].Locks) != 0 {
		t.Errorf("%+v, %v", all, err)
	}
}

// TestUndoIsTold: the room hears who undid whose roll, and what is gone with it;
// the journal keeps it.
func TestUndoIsTold(t *testing.T) {
	p := newPlace(t, 2)
	roller := p.session.User
	if _, err := p.roll(nodes.Recipe{}); err != nil {
		t.Fatal(err)
	}
	p.commit("bob", "better page", "index.html", "two\n")
	if _, err := p.roll(nodes.Recipe{}); err != nil {
		t.Fatal(err)
	}
	p.session.User = "somebody-else"
	if _, err := p.rollAs(t.Context(), nodes.Recipe{Mode: nodes.ModeBack, RollID: p.last().ID}, []string{"no"}); nodes.KindOf(err) != nodes.Refused || len(p.last().Takes) != 0 {
		t.Errorf("an undo that was refused: %v, %+v", err, p.last().Takes)
	}
	if _, err := p.roll(nodes.Recipe{Mode: nodes.ModeBack, RollID: p.last().ID}); err != nil {
		t.Fatal(err)
	}
	if got, want := p.eval("(function(r) return r.who .. ': ' .. r.again[1].mode .. ' by ' .. r.again[1].who .. '@' .. r.again[1].host end)(roll.history{ limit=1 }[1])"), roller+": back by somebody-else@"+p.session.Host; got != want {
		t.Errorf("the history says %q, want %q", got, want)
	}
	said, err := os.ReadFile(p.says)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"somebody-else on " + p.session.Host + " undid www r2 -> r3 on web[1-2] (" + roller + "'s roll): done after ",
		"\n  taken back:\n  r3 bob: better page\n",
	} {
		if !strings.Contains(string(said), want) {
			t.Errorf("no %q in\n%s", want, said)
		}
	}
}

// TestNothingIsLeftToResume: a roll that was ended early though all its nodes are
// done has nothing to go on with; what ends it is said.
func TestNothingIsLeftToResume(t *testing.T) {
	j := journal(t, session(t.TempDir()))
	set := web("web1", "web2")
	r := begin(t, j, set)
	for _, n := range set.Nodes {
		step(t, r, n, roll.Switched, roll.Done)
	}
	e, err := r.Finish(t.Context(), &nodes.Error{Kind: nodes.Failed, Message: "cut"})
	if err != nil || !e.Unfinished() {
		t.Fatalf("%s, %v", e.State, err)
	}
	_, err = j.Reopen(t.Context(), roll.Request{Name: e.Name, To: set, Recipe: nodes.Recipe{Mode: nodes.ModeResume, RollID: e.ID}})
	wantKind(t, err, nodes.Refused, "2 done", "rollsh close "+e.ID)
}
