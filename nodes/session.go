package nodes

import (
	"context"
	"path/filepath"
	"sync"
	"time"
)

// Session is what one run of rollsh works in. It is made once, by the shell,
// and handed to every primitive when its module is made; there is no other
// global state.
type Session struct {
	Project string // absolute root of the project; empty outside one
	State   string // folder of journal and locks, shared by the project's users where it can be
	Shared  bool   // State is seen by all users of the project
	Cache   string // this user's cache folder
	Home    string // this user's home, for ssh's files
	User    string // who rolls
	Host    string // the deploy host's name

	Dialer  Dialer
	Here    Conn // this machine
	Events  Sink
	Person  Person
	Service *Service
	Stand   string   // in a test, the folder with all that belongs to its nodes; else empty
	Secrets *Secrets // those found or asked so far; nil: nobody keeps them
	Audit   Audit    // nil: what is done is kept by nobody
	Policy  Border   // nil: all that the user can do is allowed
	// Interrupt counts the signals that ask the run to end; nil: nobody counts.
	Interrupt *Interrupt
	// SSHHosts lists the Host names of ssh_config that are no patterns, SSHKnown
	// the names that known_hosts has in the clear; nil when nobody reads those files.
	SSHHosts, SSHKnown func() []string
	Recipe             *Recipe // what is being run; at the prompt its Path is empty
}

// Path makes a local path absolute: relative ones belong to the project, or to
// the working folder outside one.
func (s *Session) Path(p string) string {
	if filepath.IsAbs(p) || s.Project == "" {
		if abs, err := filepath.Abs(p); err == nil {
			return abs
		}
		return p
	}
	return filepath.Join(s.Project, p)
}

// Audit keeps what is done where the one who does it cannot change it.
type Audit interface {
	// Keep takes a text of one or more lines. What cannot be kept must not be done:
	// the error is of kind policy.
	Keep(text string) error
}

// Person is the one at the terminal. Every method but Show fails with Refused
// where nobody can be asked, and with Cancelled at Ctrl-C.
type Person interface {
	Ask(ctx context.Context, q Question) (string, error)
	// Confirm is answered by --yes.
	Confirm(ctx context.Context, text string) (bool, error)
	// Choose gives indexes into items; none when the person picks nothing.
	Choose(ctx context.Context, text string, items []string, many bool) ([]int, error)
	// Show puts a result on standard output.
	Show(text string)
}

// Question is something to be answered in a line of text.
type Question struct {
	Text    string
	Default *string // what an empty line means; taken, too, where nobody can be asked or --yes is given; may be nil
	Secret  bool    // do not echo, do not remember
}

// Service knows what happened to nodes in this session: which are drained, and
// whose tree was switched while they were. It decides nothing.
type Service struct {
	mu       sync.Mutex
	drained  map[Name]time.Time
	switched map[Name]int
}

// NewService makes an empty record.
func NewService() *Service {
	return &Service{drained: map[Name]time.Time{}, switched: map[Name]int{}}
}

// Drained notes that the node was taken out of service.
func (s *Service) Drained(n Name) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.drained[n] = time.Now()
}

// Undrained notes that the node is back in service.
func (s *Service) Undrained(n Name) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.drained, n)
}

// Out lists the nodes that are drained, in no particular order.
func (s *Service) Out() []Name {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]Name, 0, len(s.drained))
	for n := range s.drained {
		out = append(out, n)
	}
	return out
}

// Switched notes that a tree on the node was changed, or may have been.
func (s *Service) Switched(n Name) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.switched[n]++
}

// Switches counts the changes of trees on the node so far.
func (s *Service) Switches(n Name) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.switched[n]
}
