package shell

import (
	"sync"
	"time"

	"github.com/rollsh/rollsh/nodes"
)

// sameTime is how far apart losses may be that are told in one line.
const sameTime = 200 * time.Millisecond

// seen notes on the way to the screen what was put out live, so that it is not
// printed again with the value, and which nodes were lost.
type seen struct {
	sink
	planned func(nodes.Event) // shows what a plan recorded; nil: the sink does
	calls   []nodes.Event     // what a plan recorded: node and op
	mu      sync.Mutex
	outputs int
	lost    map[nodes.Name]bool
	untold  []nodes.Name // lost while a line was typed
}

// Emit takes note and passes everything on.
func (s *seen) Emit(e nodes.Event) {
	s.mu.Lock()
	switch {
	case e.Type == nodes.Output:
		s.outputs++
	case e.Type == nodes.Finished && e.Node != "" && e.Err != nil && e.Err.Kind == nodes.Lost:
		s.lost[e.Node] = true
	case e.Type == nodes.Finished && e.Err == nil:
		delete(s.lost, e.Node)
	case e.Type == nodes.Planned:
		s.calls = append(s.calls, nodes.Event{Node: e.Node, Op: e.Op})
	}
	s.mu.Unlock()
	if e.Type == nodes.Planned && s.planned != nil {
		s.planned(e)
		return
	}
	s.sink.Emit(e)
}

// begin forgets what was put out before.
func (s *seen) begin() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.outputs = 0
}

// streamed reports whether anything was put out live since begin.
func (s *seen) streamed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.outputs > 0
}

// lose notes that a connection went away, and has it told with those that go at
// the same time.
func (s *seen) lose(n nodes.Name, tell func([]nodes.Name)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lost[n] = true
	s.untold = append(s.untold, n)
	if len(s.untold) > 1 {
		return
	}
	time.AfterFunc(sameTime, func() {
		s.mu.Lock()
		gone := s.untold
		s.untold = nil
		s.mu.Unlock()
		tell(gone)
	})
}

// lostNodes are those whose connection went away and that did not answer since.
func (s *seen) lostNodes() []nodes.Name {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []nodes.Name
	for n := range s.lost {
		out = append(out, n)
	}
	return out
}
