package roll_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/rollsh/rollsh/nodes"
	"github.com/rollsh/rollsh/stdlib/roll"
)

// TestFirstCtrlCBeginsNoFurtherNode: what is in hand goes on, nothing new begins.
func TestFirstCtrlCBeginsNoFurtherNode(t *testing.T) {
	s := session(t.TempDir())
	s.Interrupt = nodes.NewInterrupt()
	ctx, end := s.Interrupt.Begin(t.Context())
	defer end()
	j := journal(t, s)
	set := web("web1", "web2")
	r := begin(t, j, set)
	if err := r.Step(ctx, set, roll.Staged, "", well); err != nil {
		t.Fatal(err)
	}
	if s.Interrupt.Held() {
		t.Error("held before a node is touched: Ctrl-C would not cancel")
	}
	step(t, r, set.Nodes[0], roll.Drained)
	if s.Interrupt.Hit("INT") != nodes.Stopping || ctx.Err() != nil {
		t.Fatal("the first Ctrl-C in a roll is not a wish")
	}
	step(t, r, set.Nodes[0], roll.Switched, roll.Done)
	err := r.Step(ctx, one(set.Nodes[1]), roll.Drained, "", well)
	wantKind(t, err, nodes.Cancelled)
	if got := nodes.AsError(err, nodes.Internal).Signal; got != "INT" {
		t.Errorf("signal %q", got)
	}
	wantKind(t, r.GoOn(), nodes.Cancelled)
	e, err := r.Finish(ctx, err)
	if err != nil || e.State != roll.Stopped || states(e) != "web1=done web2=staged" || !e.Unfinished() {
		t.Errorf("%s %s, %v", e.State, states(e), err)
	}
	if s.Interrupt.Held() {
		t.Error("still held after the end")
	}
}

func TestGate(t *testing.T) {
	s := session(t.TempDir())
	s.Interrupt = nodes.NewInterrupt()
	ctx, end := s.Interrupt.Begin(t.Context())
	defer end()
	j := journal(t, s)
	set := web("web1", "web2")
	r := begin(t, j, set)
	step(t, r, set.Nodes[0], roll.Switched, roll.Done)
	done, left := one(set.Nodes[0]), one(set.Nodes[1])
	if err := r.Gate(ctx, roll.Gate{}, done, left); err != nil {
		t.Error(err)
	}
	no := func(context.Context, nodes.Set, nodes.Set) (bool, error) { return false, nil }
	wantKind(t, r.Gate(ctx, roll.Gate{Call: no}, done, left), nodes.Refused, "stopped after web1")
	broken := func(context.Context, nodes.Set, nodes.Set) (bool, error) { return true, errors.New("no answer") }
	if err := r.Gate(ctx, roll.Gate{Call: broken}, done, left); err == nil {
		t.Error("a gate that fails lets pass")
	}
	ended := make(chan error)
	go func() { ended <- r.Gate(ctx, roll.Gate{Wait: time.Hour}, done, left) }()
	s.Interrupt.Hit("INT")
	select {
	case err := <-ended:
		wantKind(t, err, nodes.Cancelled)
	case <-time.After(5 * time.Second):
		t.Error("a waiting gate does not hear Ctrl-C")
	}
}
