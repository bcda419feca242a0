package nodes

import (
	"context"
	"fmt"
	"runtime/debug"
	"time"
)

// FailurePolicy says what happens when a budget is spent.
type FailurePolicy string

// The policies; the zero value is StopRest.
const (
	StopRest  FailurePolicy = "stop"     // begin no more, let those in flight end
	CancelAll FailurePolicy = "cancel"   // begin no more, cancel those in flight
	AskPerson FailurePolicy = "ask"      // begin no more, let those in flight end, ask
	CarryOn   FailurePolicy = "continue" // there is no budget
)

// EachOpts says in which order and how far Each goes. The zero value is one
// node at a time and no failure tolerated.
type EachOpts struct {
	Op             string // for Results
	AtOnce         AtOnce // zero: what the set's nodes file says, else 1
	MaxFailed      int    // failures tolerated over the whole call
	MaxUnreachable int    // the same for nodes that could not be reached
	OnFailure      FailurePolicy

	// Pause is waited after each batch but the last.
	Pause time.Duration
	// Gate is asked after each batch but the last, with the nodes begun so far
	// and those not yet begun; false or an error ends the call there.
	Gate func(ctx context.Context, done, left Set) (bool, error)
	// Ask is called for AskPerson when a budget is spent and nodes are left,
	// with the results so far. "continue" goes on, and the next failure asks
	// again; "stop", "cancel" or an error ends the call.
	Ask func(ctx context.Context, sofar *Results) (string, error)
}

// Each calls fn for every node of the set, at most AtOnce at a time, beginning
// in the set's order, and gives one outcome for each node in that order. It
// returns when everything that it began has returned.
//
// AtOnce is a window that slides, unless Pause, Gate or a list makes it batches:
// then a batch ends before the next begins. Every failure is kept. When
// more than MaxFailed nodes failed, or more than MaxUnreachable could not be
// reached, the budget is spent and OnFailure holds. Results.Stop tells why nodes
// were left untouched where it was not a budget: ctx ended (what is in flight
// sees that too), the gate said no, or the set does not pass Check.
func Each(ctx context.Context, set Set, o EachOpts, fn func(context.Context, *Node) (any, error)) *Results {
	r := &Results{Op: o.Op, List: make([]Outcome, len(set.Nodes))}
	for i, n := range set.Nodes {
		r.List[i] = Outcome{Node: n, State: NotAttempted}
	}
	if r.Stop = set.Check(); r.Stop != nil {
		return r
	}
	if o.AtOnce.IsZero() {
		o.AtOnce = set.AtOnce()
	}
	work, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	w := &walk{
		ctx: ctx, work: work, cancel: cancel, set: set, o: o, fn: fn, r: r,
		batched: o.Pause > 0 || o.Gate != nil || o.AtOnce.list,
		ended:   make(chan ended),
	}
	w.room = o.AtOnce.size(0, len(set.Nodes))
	w.run()
	return r
}

// Err is the error that the caller of Each raises: Results.Err, or with CarryOn
// only the reason why nodes were not begun.
func (o EachOpts) Err(r *Results) error {
	if o.OnFailure == CarryOn {
		return r.Stop
	}
	return r.Err()
}

// walk is one call of Each. Only the goroutine that runs it touches its fields
// and the results.
type walk struct {
	ctx     context.Context // the caller's
	work    context.Context // what fn sees
	cancel  context.CancelCauseFunc
	set     Set
	o       EachOpts
	fn      func(context.Context, *Node) (any, error)
	r       *Results
	batched bool
	ended   chan ended

	next        int // index of the first node not begun
	inFlight    int
	batch       int // number of the batch
	room        int // how many more may begin now
	failed      int
	unreachable int
	asking      bool // a budget is spent and the person is to be asked
	over        bool // nothing more begins
}

// ended is how one call of fn ended.
type ended struct {
	index int
	value any
	err   error
	took  time.Duration
}

func (w *walk) run() {
	for {
		w.begin()
		if w.inFlight > 0 {
			w.settle(<-w.ended)
			continue
		}
		if w.over || w.next == len(w.set.Nodes) {
			return
		}
		w.between()
	}
}

// begin starts as many nodes as may be started now.
func (w *walk) begin() {
	for !w.over && !w.asking && w.room > 0 && w.next < len(w.set.Nodes) {
		if w.ctx.Err() != nil {
			w.stop(Stopped(w.ctx))
			return
		}
		go w.call(w.next)
		w.next++
		w.room--
		w.inFlight++
	}
}

// call runs fn for one node in a goroutine of its own.
func (w *walk) call(i int) {
	start := time.Now()
	e := ended{index: i}
	defer func() {
		if p := recover(); p != nil {
			e.err = &Error{Kind: Internal, Message: fmt.Sprintf("panic: %v", p), Trace: string(debug.Stack())}
		}
		e.took = time.Since(start)
		w.ended <- e
	}()
	e.err = fmt.Errorf("the task went away") // holds only if fn ends its goroutine
	e.value, e.err = w.fn(w.work, w.set.Nodes[i])
}

// settle notes an outcome and what it means for the budget.
func (w *walk) settle(e ended) {
	w.inFlight--
	if !w.batched {
		w.room++
	}
	o := &w.r.List[e.index]
	o.State, o.Value, o.Err, o.Elapsed = stateAt(o.Node, e.err), e.value, e.err, e.took
	switch o.State {
	case FailedState:
		w.failed++
	case NotReached:
		w.unreachable++
	default:
		return
	}
	if w.over || w.failed <= w.o.MaxFailed && w.unreachable <= w.o.MaxUnreachable {
		return
	}
	w.spent(o.Node)
}

// spent acts on a budget that is spent, now by the failure of n.
func (w *walk) spent(n *Node) {
	switch w.o.OnFailure {
	case CarryOn:
	case AskPerson:
		w.asking = true
	case CancelAll:
		w.over = true
		w.cancel(&Error{Kind: Cancelled, Message: "cancelled because " + string(n.Name) + " failed"})
	default:
		w.over = true
	}
}

// between runs when nothing is in flight and nodes are left: it asks the person,
// or passes from one batch to the next.
func (w *walk) between() {
	if w.asking {
		w.ask()
		return
	}
	if err := w.pause(); err != nil {
		w.stop(err)
		return
	}
	w.batch++
	w.room = w.o.AtOnce.size(w.batch, len(w.set.Nodes))
}

// pause waits and asks the gate after a batch.
func (w *walk) pause() error {
	if w.o.Pause > 0 {
		t := time.NewTimer(w.o.Pause)
		defer t.Stop()
		select {
		case <-t.C:
		case <-w.ctx.Done():
			return Stopped(w.ctx)
		}
	}
	if w.o.Gate == nil {
		return nil
	}
	done := Set{Name: w.set.Name, Nodes: w.set.Nodes[:w.next:w.next]}
	left := Set{Name: w.set.Name, Nodes: w.set.Nodes[w.next:]}
	ok, err := w.o.Gate(w.ctx, done, left)
	if err == nil && !ok {
		err = &Error{Kind: Refused, Message: fmt.Sprintf("stopped after %s: between said no", done.Fold())}
	}
	return err
}

func (w *walk) ask() {
	w.asking = false
	if w.o.Ask == nil {
		w.over = true
		return
	}
	sofar := &Results{Op: w.r.Op, List: append([]Outcome(nil), w.r.List...)}
	answer, err := w.o.Ask(w.ctx, sofar)
	switch {
	case err != nil:
		w.stop(err)
	case answer == "continue":
		if w.batched && w.room == 0 {
			w.between()
		}
	default:
		w.over = true
	}
}

// stop ends the walk for a reason that is not a budget.
func (w *walk) stop(err error) {
	w.over = true
	w.r.Stop = err
}
