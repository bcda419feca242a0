package nodes

import "time"

// EventType says what an Event tells.
type EventType string

// The types of events. A started event is followed by any number of output and
// progress events and exactly one finished event with the same ID.
const (
	Started  EventType = "started"
	Output   EventType = "output"
	Progress EventType = "progress"
	Finished EventType = "finished"
	Said     EventType = "said"    // say()
	Warned   EventType = "warned"  // warn(), and what rollsh itself warns of
	Planned  EventType = "planned" // a plan recorded a call instead of making it
	State    EventType = "state"   // a node of a roll changed its state
)

// Event is one thing that happened, for the screen, a log or a program.
type Event struct {
	Time   time.Time
	Type   EventType
	ID     uint64   // joins the events of one operation on one node; 0: none
	Op     string   // sync.push, node:run
	Node   Name     // empty: this machine
	Where  string   // recipes/prod.lua:14
	Text   string   // what is run, said or put out; hostile until cleaned
	Stream string   // for Output: stdout or stderr
	Done   int64    // for Progress: so far, in Unit
	Total  int64    // 0: not known
	Unit   string   // bytes, files or changesets
	State  string   // for State: staged, drained, ...
	Lines  []string // for Planned: what would be done, in full: "+ index.html"
	Own    []string // for Warned: words in Text for the place of this node alone, as in Error
	Err    *Error   // for Finished: how it failed; nil: well
}

// Sink takes events. Emit is safe from many goroutines, keeps no reference to
// what it is given, and does not block for long.
type Sink interface {
	Emit(e Event)
}

// Discard is a Sink that drops everything.
type Discard struct{}

// Emit drops e.
func (Discard) Emit(Event) {}
