package nodes_test

import (
	"context"
	"errors"
	"testing"

	"github.com/rollsh/rollsh/nodes"
)

func TestInterruptStages(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name    string
		held    bool
		signals []string
		want    nodes.Stage
	}{
		{"ctrl-c cancels", false, []string{"INT"}, nodes.Cancelling},
		{"ctrl-c in a roll stops", true, []string{"INT"}, nodes.Stopping},
		{"second cancels a roll", true, []string{"INT", "INT"}, nodes.Cancelling},
		{"third leaves", true, []string{"INT", "INT", "INT"}, nodes.Leaving},
		{"second cancels outside a roll too", false, []string{"INT", "INT"}, nodes.Cancelling},
		{"third leaves outside a roll too", false, []string{"INT", "INT", "INT"}, nodes.Leaving},
		{"ctrl-c, term, ctrl-c leaves", true, []string{"INT", "TERM", "INT"}, nodes.Leaving},
		{"term cancels a roll", true, []string{"TERM"}, nodes.Cancelling},
		{"hup again does not leave", true, []string{"HUP", "HUP", "TERM"}, nodes.Cancelling},
		{"ctrl-c after term leaves", true, []string{"TERM", "INT"}, nodes.Leaving},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			i := nodes.NewInterrupt()
			ctx, end := i.Begin(context.Background())
			defer end()
			soft := make(<-chan struct{})
			if tc.held {
				s, release := i.Hold()
				defer release()
				soft = s
			}
			var got nodes.Stage
			for _, s := range tc.signals {
				got = i.Hit(s)
			}
			if got != tc.want {
				t.Errorf("stage %d, want %d", got, tc.want)
			}
			if cancelled := ctx.Err() != nil; cancelled != (tc.want >= nodes.Cancelling) {
				t.Errorf("cancelled: %v at stage %d", cancelled, got)
			}
			if tc.held {
				select {
				case <-soft:
				default:
					t.Error("soft is open after a signal")
				}
			}
		})
	}
}

func TestInterruptCauseCarriesTheSignal(t *testing.T) {
	t.Parallel()
	i := nodes.NewInterrupt()
	ctx, end := i.Begin(context.Background())
	defer end()
	i.Hit("HUP")
	i.Hit("INT")
	var e *nodes.Error
	if !errors.As(nodes.Stopped(ctx), &e) || e.Kind != nodes.Cancelled || e.Signal != "HUP" {
		t.Errorf("cause %v", e)
	}
	again, endAgain := i.Begin(context.Background())
	defer endAgain()
	if again.Err() != nil || i.Signal() != "" || i.Stage() != nodes.Going {
		t.Error("a new run begins interrupted")
	}
}

func TestASignalBeforeARunEndsIt(t *testing.T) {
	t.Parallel()
	i := nodes.NewInterrupt()
	_, end := i.Begin(context.Background())
	end()
	i.Hit("TERM")
	ctx, end := i.Begin(context.Background())
	var e *nodes.Error
	if !errors.As(nodes.Stopped(ctx), &e) || e.Signal != "TERM" || i.Signal() != "TERM" || i.Stage() != nodes.Cancelling {
		t.Errorf("cause %v, signal %s, stage %d", e, i.Signal(), i.Stage())
	}
	end()
	ctx, end = i.Begin(context.Background())
	defer end()
	if ctx.Err() != nil {
		t.Error("one signal ended two runs")
	}
}
