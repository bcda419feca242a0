package ssh

import (
	"context"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"
)

// ahead is a session that was opened, with its variables, before it is needed, so
// that a command on an open connection takes one round trip, not two. On a far
// node it is opened while a command runs, for the next one; on a near one, once
// nothing has run for a while: there the time of the processors counts, not that
// of the line. A connection for a single command gets none.
type ahead struct {
	mu      sync.Mutex
	off     bool          // the node is not asked for one (any more)
	trip    time.Duration // the shortest round trip so far; 0: not known
	begun   int           // sessions so far
	session *ssh.Session
	opening chan struct{} // closed when the opening is over; nil: none is being opened
	waited  bool          // somebody waits for that
	idle    *time.Timer   // opens one
}

const (
	aheadFrom = 2                     // sessions, until one is opened ahead
	farTrip   = 5 * time.Millisecond  // from then on a node is far
	aheadIdle = 50 * time.Millisecond // without a command
)

// aheadBegan notes that a session is in use.
func (c *connection) aheadBegan() {
	a := &c.ahead
	a.mu.Lock()
	defer a.mu.Unlock()
	a.begun++
	if a.begun == aheadFrom && !c.isOpenSSH() {
		a.off = true // others may not leave it alone; dropbear does not: see hasty
	}
	if a.far() {
		c.openAhead()
	}
}

func (c *connection) isOpenSSH() bool {
	return strings.HasPrefix(string(c.client.ServerVersion()), "SSH-2.0-OpenSSH")
}

// aheadEnded notes that a session has ended.
func (c *connection) aheadEnded() {
	a := &c.ahead
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case a.off || a.far() || a.begun < aheadFrom:
	case a.idle != nil:
		a.idle.Reset(aheadIdle)
	default:
		a.idle = time.AfterFunc(aheadIdle, func() {
			a.mu.Lock()
			defer a.mu.Unlock()
			c.openAhead()
		})
	}
}

// openAhead opens a session where there is none; a.mu is held.
func (c *connection) openAhead() {
	a := &c.ahead
	if a.off || a.begun < aheadFrom || a.session != nil || a.opening != nil {
		return
	}
	opened := make(chan struct{})
	a.opening, a.waited = opened, false
	go func() {
		defer close(opened)
		s, err := c.newSession()
		a.mu.Lock()
		defer a.mu.Unlock()
		a.session, a.opening = s, nil
		a.off = a.off || err != nil // lost, or full
	}()
}

// takeAhead gives the session, nil where there is none. Where one is being opened,
// the first who comes waits for it.
func (c *connection) takeAhead(ctx context.Context) *ssh.Session {
	a := &c.ahead
	a.mu.Lock()
	defer a.mu.Unlock()
	if opening := a.opening; opening != nil && !a.waited {
		a.waited = true
		a.mu.Unlock()
		select {
		case <-opening:
		case <-ctx.Done():
		case <-c.lost:
		}
		a.mu.Lock()
	}
	s := a.session
	a.session = nil
	return s
}

// sessionAhead gives the session that was opened beforehand, or opens one. The
// node may have closed the former meanwhile: see hasty.
func (c *connection) sessionAhead(ctx context.Context) (*ssh.Session, error) {
	s := c.takeAhead(ctx)
	if s == nil {
		return c.session(ctx)
	}
	c.count()
	return s, nil
}

// newSession opens a session and sends the variables of SetEnv and SendEnv. The
// node may not accept them, and is not asked whether it did, as with ssh: each
// answer would take a round trip.
func (c *connection) newSession() (*ssh.Session, error) {
	asked := time.Now()
	s, err := c.client.NewSession()
	if err != nil {
		return nil, err
	}
	c.noteTrip(time.Since(asked))
	for _, pair := range c.s.values["setenv"] {
		if name, value, ok := strings.Cut(pair, "="); ok {
			setVariable(s, name, value)
		}
	}
	for _, pair := range os.Environ() {
		if name, value, ok := strings.Cut(pair, "="); ok && wildList(c.s.values["sendenv"], name) {
			setVariable(s, name, value)
		}
	}
	return s, nil
}

// far reports whether a round trip takes long; a.mu is held.
func (a *ahead) far() bool { return a.trip >= farTrip }

// noteTrip takes note of how long a round trip took.
func (c *connection) noteTrip(d time.Duration) {
	c.ahead.mu.Lock()
	defer c.ahead.mu.Unlock()
	if c.ahead.trip == 0 || d < c.ahead.trip {
		c.ahead.trip = d
	}
}

// setVariable sends one of them (RFC 4254, section 6.4).
func setVariable(s *ssh.Session, name, value string) {
	pair := struct{ Name, Value string }{name, value}
	_, _ = s.SendRequest("env", false, ssh.Marshal(&pair))
}
