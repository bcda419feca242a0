package nodes

import (
	"context"
	"sync"
)

// Stage is how urgently a run has been asked to end.
type Stage int

// The stages, in the order of Ctrl-C.
const (
	Going      Stage = iota // nobody asked
	Stopping                // start nothing new; what is under way ends by itself
	Cancelling              // everything is cancelled and cleans up
	Leaving                 // the process ends at once
)

// presses is how many times Ctrl-C is pressed until the process ends at once.
const presses = 3

// Interrupt counts the signals that ask a run to end. The first Ctrl-C only
// stops new work while somebody holds the Interrupt, as a roll does; where
// nobody does, it cancels. The second cancels, the third leaves. It is safe from
// many goroutines.
type Interrupt struct {
	mu      sync.Mutex
	stage   Stage
	pressed int // Ctrl-C; another signal is as good as two
	held    int
	running bool
	waiting bool // a signal came while nothing ran: the next run hears it
	signal  string
	soft    chan struct{}
	cancel  context.CancelCauseFunc
}

// NewInterrupt makes one that nobody has hit.
func NewInterrupt() *Interrupt {
	return &Interrupt{soft: make(chan struct{}), cancel: func(error) {}}
}

// Begin starts a run: ctx is what Cancelling cancels, with a Cancelled error that
// carries the signal. The count begins anew, unless a signal came since the run
// before, or before the first: then ctx is cancelled already. The caller calls end
// when the run is over. Runs do not overlap.
func (i *Interrupt) Begin(parent context.Context) (ctx context.Context, end func()) {
	ctx, cancel := context.WithCancelCause(parent)
	i.mu.Lock()
	defer i.mu.Unlock()
	i.held, i.running = 0, true
	i.soft, i.cancel = make(chan struct{}), cancel
	if !i.waiting {
		i.stage, i.pressed, i.signal = Going, 0, ""
	}
	i.waiting = false
	i.tell()
	return ctx, func() {
		cancel(nil)
		i.mu.Lock()
		defer i.mu.Unlock()
		i.running = false
	}
}

// Running reports whether a run is between Begin and its end.
func (i *Interrupt) Running() bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.running
}

// Hold makes the first Ctrl-C a wish: from now on it closes soft and cancels
// nothing. The holder starts nothing new once soft is closed, and calls release
// when it has come to its end.
func (i *Interrupt) Hold() (soft <-chan struct{}, release func()) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.held++
	return i.soft, sync.OnceFunc(func() {
		i.mu.Lock()
		defer i.mu.Unlock()
		i.held--
	})
}

// Hit notes a signal and gives the stage that it leads to. INT goes one stage
// further each time; others cancel, however often they come.
func (i *Interrupt) Hit(signal string) Stage {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.waiting = i.waiting || !i.running
	if i.signal == "" {
		i.signal = signal
	}
	i.stage = i.next(signal)
	i.tell()
	return i.stage
}

// tell lets the run hear the stage.
func (i *Interrupt) tell() {
	if i.stage >= Stopping {
		i.closeSoft()
	}
	if i.stage >= Cancelling {
		i.cancel(&Error{Kind: Cancelled, Message: "interrupted", Signal: i.signal})
	}
}

func (i *Interrupt) next(signal string) Stage {
	if signal == "INT" {
		i.pressed++
	} else {
		i.pressed = max(i.pressed, presses-1)
	}
	switch {
	case i.pressed >= presses:
		return Leaving
	case i.pressed == 1 && i.held > 0:
		return Stopping
	}
	return Cancelling
}

// Last reports whether the next Ctrl-C ends the process at once.
func (i *Interrupt) Last() bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.pressed >= presses-1
}

func (i *Interrupt) closeSoft() {
	select {
	case <-i.soft:
	default:
		close(i.soft)
	}
}

// Soft is closed by the first signal of this run; whoever waits for a person
// gives up then.
func (i *Interrupt) Soft() <-chan struct{} {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.soft
}

// Stage tells how far it has come in this run.
func (i *Interrupt) Stage() Stage {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.stage
}

// Held reports whether somebody holds the Interrupt: a roll is under way.
func (i *Interrupt) Held() bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.held > 0
}

// Signal is the first signal of this run, without SIG; empty for none.
func (i *Interrupt) Signal() string {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.signal
}
