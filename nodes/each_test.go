package nodes_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rollsh/rollsh/nodes"
)

func numbered(n int) nodes.Set {
	var s nodes.Set
	for i := range n {
		s.Nodes = append(s.Nodes, &nodes.Node{Name: nodes.Name(fmt.Sprintf("n%d", i+1))})
	}
	return s
}

func atOnce(t testing.TB, v any) nodes.AtOnce {
	t.Helper()
	var a nodes.AtOnce
	if err := a.UnpackLua(v); err != nil {
		t.Fatal(err)
	}
	return a
}

var (
	errDown   = &nodes.Error{Kind: nodes.Unreachable, Message: "no route"}
	errBroken = &nodes.Error{Kind: nodes.Exit, Message: "exit 1"}
)

// watch records how calls overlap.
type watch struct {
	mu    sync.Mutex
	begun []string
	now   int
	most  int
}

func (w *watch) enter(n *nodes.Node) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.begun = append(w.begun, string(n.Name))
	w.now++
	w.most = max(w.most, w.now)
}

func (w *watch) leave() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now--
}

func TestAtOnceUnpack(t *testing.T) {
	for _, c := range []struct {
		v    any
		want string
	}{
		{1.0, "1"},
		{4.0, "4"},
		{"20%", "20%"},
		{"all", "all"},
		{[]any{1.0, 4.0, "50%"}, "1,4,50%"},
		{"3", "3"},
		{0.0, "!"},
		{-1.0, "!"},
		{1.5, "!"},
		{"0%", "!"},
		{"101%", "!"},
		{"", "!"},
		{"many", "!"},
		{true, "!"},
		{[]any{}, "!"},
		{[]any{1.0, []any{2.0}}, "!"},
		{nil, "!"},
		{"-3", "!"},
		{1e30, "!"},
	} {
		var a nodes.AtOnce
		err := a.UnpackLua(c.v)
		if (err != nil) != (c.want == "!") || err == nil && a.String() != c.want {
			t.Errorf("%v: %v, %v; want %s", c.v, a, err, c.want)
		}
		if err != nil && nodes.KindOf(err) != nodes.Usage {
			t.Errorf("%v: kind of %v", c.v, err)
		}
	}
}

// TestBatches sees how many nodes are in flight together, on a fake clock.
func TestBatches(t *testing.T) {
	for _, c := range []struct {
		atOnce any
		pause  time.Duration
		want   string // sizes of groups that began at one time
		secs   int
	}{
		{1.0, 0, "1 1 1 1 1 1 1 1 1 1", 10},
		{4.0, time.Second, "4 4 2", 3 + 2},
		{"20%", time.Second, "2 2 2 2 2", 5 + 4},
		{"11%", time.Second, "2 2 2 2 2", 5 + 4},
		{"1%", time.Second, "1 1 1 1 1 1 1 1 1 1", 10 + 9},
		{"all", 0, "10", 1},
		{[]any{1.0, 4.0, "50%"}, 0, "1 4 5", 3},
		{[]any{1.0, 3.0}, 0, "1 3 3 3", 4},
		{[]any{1.0, "all"}, time.Second, "1 9", 2 + 1},
	} {
		synctest.Test(t, func(t *testing.T) {
			start := time.Now()
			var mu sync.Mutex
			at := map[time.Duration]int{}
			r := nodes.Each(t.Context(), numbered(10), nodes.EachOpts{AtOnce: atOnce(t, c.atOnce), Pause: c.pause},
				func(context.Context, *nodes.Node) (any, error) {
					mu.Lock()
					at[time.Since(start)]++
					mu.Unlock()
					time.Sleep(time.Second)
					return nil, nil
				})
			var times []time.Duration
			for d := range at {
				times = append(times, d)
			}
			slices.Sort(times)
			var sizes []string
			for _, d := range times {
				sizes = append(sizes, fmt.Sprint(at[d]))
			}
			if got := strings.Join(sizes, " "); got != c.want || r.Err() != nil || time.Since(start) != time.Duration(c.secs)*time.Second {
				t.Errorf("%v pause %v: %s in %v, %v; want %s in %ds", c.atOnce, c.pause, got, time.Since(start), r.Err(), c.want, c.secs)
			}
		})
	}
}

// TestWindowSlides: without a pause a number is no batch; a slow node holds up
// only its own place.
func TestWindowSlides(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		nodes.Each(t.Context(), numbered(9), nodes.EachOpts{AtOnce: atOnce(t, 2.0)}, func(_ context.Context, n *nodes.Node) (any, error) {
			if n.Name == "n1" {
				time.Sleep(8 * time.Second)
			} else {
				time.Sleep(time.Second)
			}
			return nil, nil
		})
		if took := time.Since(start); took != 8*time.Second {
			t.Errorf("took %v, want 8s", took)
		}
	})
}

// TestBudgets holds the laws of budgets over random runs: no more than allowed
// at once, begun in order, no node begun after a budget was seen to be spent, an
// outcome for each node, every failure kept.
func TestBudgets(t *testing.T) {
	for seed := range uint64(400) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		n := 1 + rnd.IntN(30)
		limit := 1 + rnd.IntN(6)
		o := nodes.EachOpts{AtOnce: atOnce(t, float64(limit)), MaxFailed: rnd.IntN(4), MaxUnreachable: rnd.IntN(4)}
		if seed%2 == 0 {
			o.Gate = func(context.Context, nodes.Set, nodes.Set) (bool, error) { return true, nil }
		}
		fate := make([]error, n)
		for i := range fate {
			switch rnd.IntN(5) {
			case 0:
				fate[i] = errDown
			case 1:
				fate[i] = errBroken
			}
		}
		checkBudget(t, seed, numbered(n), o, limit, fate)
	}
}

func checkBudget(t *testing.T, seed uint64, s nodes.Set, o nodes.EachOpts, limit int, fate []error) {
	var w watch
	index := map[string]int{}
	for i, name := range s.Names() {
		index[name] = i
	}
	r := nodes.Each(t.Context(), s, o, func(_ context.Context, n *nodes.Node) (any, error) {
		w.enter(n)
		defer w.leave()
		return string(n.Name), fate[index[string(n.Name)]]
	})
	failed, down, begun := 0, 0, len(r.In(nodes.OK, nodes.FailedState, nodes.NotReached).Nodes)
	for i, out := range r.List {
		if out.Node != s.Nodes[i] {
			t.Fatalf("seed %d: outcome %d is of %s", seed, i, out.Node)
		}
		if (i < begun) != (out.State != nodes.NotAttempted) {
			t.Fatalf("seed %d: the nodes begun are not the first %d", seed, begun)
		}
		if i < begun && (out.State != nodes.StateOf(fate[i]) || !errors.Is(out.Err, fate[i])) {
			t.Fatalf("seed %d: outcome %d is %v, %v", seed, i, out.State, out.Err)
		}
		switch out.State {
		case nodes.FailedState:
			failed++
		case nodes.NotReached:
			down++
		}
	}
	spent := failed > o.MaxFailed || down > o.MaxUnreachable
	if !spent && begun != len(s.Nodes) {
		t.Fatalf("seed %d: stopped at %d of %d with %d failed, %d unreachable of %+v", seed, begun, len(s.Nodes), failed, down, o)
	}
	if over := max(failed-o.MaxFailed, down-o.MaxUnreachable); over > limit {
		t.Fatalf("seed %d: went on after the budget was spent: %d over with %d at once", seed, over, limit)
	}
	if w.most > limit {
		t.Fatalf("seed %d: %d at once, limit %d", seed, w.most, limit)
	}
	if (r.Err() == nil) != (failed+down == 0) {
		t.Fatalf("seed %d: Err is %v", seed, r.Err())
	}
}

// TestStopLetsInFlightEnd and begins nothing after the failure.
func TestStopLetsInFlightEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := nodes.Each(t.Context(), numbered(6), nodes.EachOpts{AtOnce: atOnce(t, 3.0)}, failing("n2", 5*time.Second))
		want := "ok failed ok untouched untouched untouched"
		if got := states(r); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	})
}

func TestCancelEndsInFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		r := nodes.Each(t.Context(), numbered(6), nodes.EachOpts{AtOnce: atOnce(t, 3.0), OnFailure: nodes.CancelAll}, failing("n2", time.Hour))
		if got := states(r); got != "failed failed failed untouched untouched untouched" || time.Since(start) != time.Second {
			t.Errorf("%s in %v", got, time.Since(start))
		}
		if e := r.List[0].Err; nodes.KindOf(e) != nodes.Cancelled || e.Error() != "cancelled because n2 failed" {
			t.Errorf("n1: %v", e)
		}
	})
}

func TestContinueHasNoBudget(t *testing.T) {
	o := nodes.EachOpts{OnFailure: nodes.CarryOn}
	r := nodes.Each(t.Context(), numbered(5), o, func(context.Context, *nodes.Node) (any, error) { return nil, errBroken })
	if got := states(r); strings.Contains(got, "untouched") || o.Err(r) != nil || r.Err() == nil {
		t.Errorf("%s, %v", got, o.Err(r))
	}
}

func TestAsk(t *testing.T) {
	for _, c := range []struct {
		answer string
		err    error
		asked  int
		want   string
	}{
		{"continue", nil, 4, "failed failed failed failed failed"},
		{"stop", nil, 1, "failed untouched untouched untouched untouched"},
		{"", errors.New("nobody there"), 1, "failed untouched untouched untouched untouched"},
	} {
		asked := 0
		r := nodes.Each(t.Context(), numbered(5), nodes.EachOpts{
			OnFailure: nodes.AskPerson,
			Ask: func(_ context.Context, sofar *nodes.Results) (string, error) {
				asked++
				if len(sofar.In(nodes.FailedState).Nodes) != asked {
					t.Errorf("asked %d times, shown %s", asked, states(sofar))
				}
				return c.answer, c.err
			},
		}, func(context.Context, *nodes.Node) (any, error) { return nil, errBroken })
		if got := states(r); got != c.want || asked != c.asked || !errors.Is(r.Stop, c.err) {
			t.Errorf("%q: %s, asked %d, stop %v", c.answer, got, asked, r.Stop)
		}
	}
}

func TestGateStops(t *testing.T) {
	var seen []string
	r := nodes.Each(t.Context(), numbered(6), nodes.EachOpts{
		AtOnce: atOnce(t, 2.0),
		Gate: func(_ context.Context, done, left nodes.Set) (bool, error) {
			seen = append(seen, done.Fold()+"|"+left.Fold())
			return len(left.Nodes) > 2, nil
		},
	}, func(context.Context, *nodes.Node) (any, error) { return nil, nil })
	if got := strings.Join(seen, " "); got != "n[1-2]|n[3-6] n[1-4]|n[5-6]" {
		t.Errorf("gate saw %s", got)
	}
	if got := states(r); got != "ok ok ok ok untouched untouched" || nodes.KindOf(r.Err()) != nodes.Refused {
		t.Errorf("%s, %v", got, r.Err())
	}
}

// TestCancelledIsNoSuccess: a context that ends leaves nodes untouched, and that
// is an error though no node failed.
func TestCancelledIsNoSuccess(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	r := nodes.Each(ctx, numbered(3), nodes.EachOpts{OnFailure: nodes.CarryOn}, func(context.Context, *nodes.Node) (any, error) {
		cancel()
		return nil, nil
	})
	if got := states(r); got != "ok untouched untouched" || nodes.KindOf(r.Err()) != nodes.Cancelled {
		t.Errorf("%s, %v", got, r.Err())
	}
}

func TestEachRefusesTwins(t *testing.T) {
	s := nodes.Set{Nodes: []*nodes.Node{{Name: "a", Host: "h"}, {Name: "b", Host: "h"}}}
	r := nodes.Each(t.Context(), s, nodes.EachOpts{}, func(context.Context, *nodes.Node) (any, error) {
		t.Error("called")
		return nil, nil
	})
	if nodes.KindOf(r.Err()) != nodes.Usage {
		t.Error(r.Err())
	}
}

func TestPanicIsAnOutcome(t *testing.T) {
	r := nodes.Each(t.Context(), numbered(2), nodes.EachOpts{MaxFailed: 1}, func(_ context.Context, n *nodes.Node) (any, error) {
		if n.Name == "n1" {
			panic("oh")
		}
		return nil, nil
	})
	if got := states(r); got != "failed ok" || nodes.KindOf(r.List[0].Err) != nodes.Internal {
		t.Errorf("%s, %v", got, r.List[0].Err)
	}
}

// TestErrorsAreOfTheNodesInTheSet: also where another node, or a set of them,
// was what failed.
func TestErrorsAreOfTheNodesInTheSet(t *testing.T) {
	r := nodes.Each(t.Context(), numbered(3), nodes.EachOpts{OnFailure: nodes.CarryOn}, func(_ context.Context, n *nodes.Node) (any, error) {
		switch n.Name {
		case "n1":
			return nil, nodes.At(errBroken, "node:run", "lb1")
		case "n2":
			return nil, &nodes.Error{Kind: nodes.Tasks, Message: "1 of 2 failed"}
		}
		return nil, errBroken
	})
	var got []string
	for _, err := range nodes.AsError(r.Err(), nodes.Internal).Errors {
		e := nodes.AsError(err, nodes.Internal)
		got = append(got, fmt.Sprintf("%s %s %s", e.Node, e.Kind, e.Message))
	}
	if want := []string{"n1 exit lb1: exit 1", "n2 tasks 1 of 2 failed", "n3 exit exit 1"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestFileSaysAtOnce(t *testing.T) {
	s := numbered(4)
	for _, n := range s.Nodes {
		n.AtOnce = "all"
	}
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		work := func(context.Context, *nodes.Node) (any, error) { time.Sleep(time.Second); return nil, nil }
		nodes.Each(t.Context(), s, nodes.EachOpts{}, work)
		if d := time.Since(start); d != time.Second {
			t.Errorf("the file's at_once: took %v", d)
		}
		nodes.Each(t.Context(), s, nodes.EachOpts{AtOnce: atOnce(t, 1.0)}, work)
		if d := time.Since(start); d != 5*time.Second {
			t.Errorf("the caller's at_once: took %v", d-time.Second)
		}
	})
}

// failing makes a function that fails on one node after a second and takes long
// on the others, unless it is cancelled.
func failing(bad nodes.Name, long time.Duration) func(context.Context, *nodes.Node) (any, error) {
	return func(ctx context.Context, n *nodes.Node) (any, error) {
		d, err := long, error(nil)
		if n.Name == bad {
			d, err = time.Second, errBroken
		}
		select {
		case <-time.After(d):
			return nil, err
		case <-ctx.Done():
			return nil, nodes.Stopped(ctx)
		}
	}
}

func states(r *nodes.Results) string {
	var words []string
	for _, o := range r.List {
		words = append(words, string(o.State))
	}
	return strings.Join(words, " ")
}
