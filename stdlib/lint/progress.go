package lint

import (
	"cmp"
	"context"
	"sync"
	"time"

	"github.com/rollsh/rollsh/nodes"
)

const (
	progressEvery = 200 * time.Millisecond
	firstID       = 2 << 32 // keeps the IDs of checks apart from those of other operations
)

// progress tells that a check is under way and how far, a few times a second.
type progress struct {
	sink  nodes.Sink
	event nodes.Event // what all events of the check share
	mu    sync.Mutex
	last  time.Time
	shown bool // how far it is was told
}

func newProgress(ctx context.Context, s *nodes.Session, id uint64) *progress {
	caller := nodes.CallerOf(ctx)
	p := &progress{sink: s.Events, event: nodes.Event{ID: firstID | id, Where: caller.Where, Op: cmp.Or(caller.Op, "lint.check"), Unit: "files"}}
	if p.sink == nil {
		p.sink = nodes.Discard{}
	}
	return p
}

// emit sends an event of the type; the caller holds the lock.
func (p *progress) emit(t nodes.EventType, change func(*nodes.Event)) {
	e := p.event
	e.Type, e.Time = t, time.Now()
	change(&e)
	p.last = e.Time
	p.sink.Emit(e)
}

// start tells that n files are to be looked at.
func (p *progress) start(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.event.Total = int64(n)
	p.emit(nodes.Started, func(e *nodes.Event) { e.Text = nodes.Count(n, "file") })
}

// done counts a file, once for each of its rules.
func (p *progress) done() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.event.Done = min(p.event.Done+1, p.event.Total)
	if time.Since(p.last) >= progressEvery {
		p.shown = true
		p.emit(nodes.Progress, func(*nodes.Event) {})
	}
}

// warn tells what a person should know of the check.
func (p *progress) warn(text string) {
	p.sink.Emit(nodes.Event{Time: time.Now(), Type: nodes.Warned, Op: p.event.Op, Where: p.event.Where, Text: text})
}

// finish tells how the check ended.
func (p *progress) finish(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err == nil && p.shown { // the last that was told is what stays on a screen
		p.event.Done = p.event.Total
		p.emit(nodes.Progress, func(*nodes.Event) {})
	}
	p.emit(nodes.Finished, func(e *nodes.Event) { e.Err = nodes.AsError(err, nodes.Internal) })
}
