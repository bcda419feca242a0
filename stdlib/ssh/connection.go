package ssh

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/rollsh/rollsh/nodes"
)

// Keepalive where ssh_config gives no ServerAliveInterval and CountMax.
const (
	aliveInterval = 15 * time.Second
	aliveCount    = 3
)

// connection is one open connection.
type connection struct {
	client *ssh.Client
	pool   *Pool
	dialer *dialer // made it
	s      *settings
	lost   chan struct{} // closed when the connection has ended
	agents agents
	second second
	ahead  ahead
	posix  atomic.Bool // the login shell is one of posixShells

	mu    sync.Mutex
	why   string             // how it was lost, once it was
	open  int                // sessions open on it
	freed chan struct{}      // closed and made anew whenever a session ends
	yield map[*remote]func() // of commands that may make room
}

// noteShell takes note of the login shell, by the name of its program.
func (c *connection) noteShell(name string) {
	if slices.Contains(posixShells, name) {
		c.posix.Store(true)
	}
}

func (p *Pool) newConnection(client *ssh.Client, d *dialer) *connection {
	s, via := d.s, d.via
	c := &connection{client: client, pool: p, dialer: d, s: s, lost: make(chan struct{}), freed: make(chan struct{}), yield: map[*remote]func(){}}
	go func() {
		err := client.Wait()
		if via != nil {
			select {
			case <-via.lost:
				err = errors.New("its jump host " + via.s.alias + " went away")
			default:
			}
		}
		c.note(err)
		close(c.lost)
	}()
	interval := s.seconds("serveraliveinterval", aliveInterval)
	if interval > 0 {
		go c.keepAlive(interval, s.count("serveralivecountmax", aliveCount))
	}
	return c
}

// note keeps the first reason for the loss.
func (c *connection) note(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.why == "" && err != nil {
		c.why = err.Error()
	}
}

// keepAlive asks the peer for a sign of life and closes the connection when
// none came for count intervals.
func (c *connection) keepAlive(interval time.Duration, count int) {
	answered := make(chan struct{}, 1)
	asking := false
	missed := 0
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		select {
		case <-c.lost:
			return
		case <-answered:
			asking, missed = false, 0
		case <-tick.C:
			if asking {
				missed++
			}
			if missed >= max(count, 1) {
				c.note(fmt.Errorf("no sign of life for %s", interval*time.Duration(missed)))
				c.client.Close()
				return
			}
			if !asking {
				asking = true
				go func() {
					if _, _, err := c.client.SendRequest("keepalive@openssh.com", true, nil); err == nil {
						answered <- struct{}{}
					}
				}()
			}
		}
	}
}

func (c *connection) close() {
	c.note(errors.New("rollsh closed it"))
	c.client.Close()
}

// down reports whether the connection is lost, asked when a session on it ended
// without being told to. That end is known a moment before the connection's own,
// so the peer is asked for a sign of life: it comes, or it fails at once.
func (c *connection) down() bool {
	answered := make(chan struct{})
	go func() {
		if _, _, err := c.client.SendRequest("keepalive@openssh.com", true, nil); err == nil {
			close(answered)
		}
	}()
	select {
	case <-c.lost:
		return true
	case <-answered:
	case <-time.After(sessionGrace): // silent: what keepAlive is for
	}
	return false
}

// gone is the error of whatever the loss of the connection broke off. Once it
// is told, the pool gives that connection to nobody any more.
func (c *connection) gone(cause error) error {
	endsWithin(c.lost, sessionGrace)
	c.mu.Lock()
	why := c.why
	c.mu.Unlock()
	if why == "" && cause != nil {
		why = cause.Error()
	}
	return &nodes.Error{Kind: nodes.Lost, Message: "the connection to " + c.s.where() + " was lost: " + why, Cause: cause}
}

// broken is the error of a session that ended before its work did: with the
// connection, or alone.
func (c *connection) broken(what string, cause error) error {
	if c.down() {
		return c.gone(cause)
	}
	return &nodes.Error{Kind: nodes.Lost, Message: what + " on " + c.s.where() + " ended before its work did: " + cause.Error(), Cause: cause}
}

// sessionGrace is how long sshd may take to count a session out that has ended,
// and the end of a connection to be seen.
const sessionGrace = 2 * time.Second

// session opens a session. Where the node allows no more of them on one
// connection (MaxSessions), it waits until one of ours has ended, and asks those
// that may to make room.
func (c *connection) session(ctx context.Context) (*ssh.Session, error) {
	began := time.Now()
	for {
		c.mu.Lock()
		freed := c.freed
		c.mu.Unlock()
		s, err := c.sessionNow(ctx)
		full := noRoom(err)
		if full == nil {
			return s, err
		}
		c.mu.Lock()
		others := c.open
		c.mu.Unlock()
		if others == 0 && time.Since(began) > sessionGrace {
			return nil, &nodes.Error{Kind: nodes.Permission, Message: c.s.where() + " opens no session: " + full.Message, Cause: err}
		}
		c.askForRoom()
		select {
		case <-freed:
		case <-time.After(sessionGrace / 20):
		case <-c.lost:
			return nil, c.gone(err)
		case <-ctx.Done():
			return nil, nodes.Stopped(ctx)
		}
	}
}

// sessionNow opens a session, or gives an error that is noRoom. Where there is no
// room, the one that was opened beforehand may be there.
func (c *connection) sessionNow(ctx context.Context) (*ssh.Session, error) {
	alive, done := c.alive(ctx)
	defer done()
	s, err := within(alive, c.newSession, func(s *ssh.Session) { s.Close() })
	switch {
	case err == nil:
	case ctx.Err() != nil:
		return nil, nodes.Stopped(ctx)
	case noRoom(err) == nil:
		return nil, c.gone(err)
	default:
		if s = c.takeAhead(ctx); s == nil {
			return nil, err
		}
	}
	c.count()
	return s, nil
}

// count says that a session is in use, until release.
func (c *connection) count() {
	c.aheadBegan()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.open++
}

// noRoom is the answer of a node that opens no session now; nil for any other
// error.
func noRoom(err error) *ssh.OpenChannelError {
	var full *ssh.OpenChannelError
	errors.As(err, &full)
	return full
}

// alive is ctx until the connection is lost: a channel that is opened while it
// ends is never answered (x/crypto's mux drops its channels, and only then closes
// the stream).
func (c *connection) alive(ctx context.Context) (context.Context, context.CancelFunc) {
	alive, done := context.WithCancel(ctx)
	go func() {
		select {
		case <-c.lost:
			done()
		case <-alive.Done():
		}
	}()
	return alive, done
}

// askForRoom asks the commands that may to make room.
func (c *connection) askForRoom() {
	c.mu.Lock()
	asked := slices.Collect(maps.Values(c.yield))
	c.mu.Unlock()
	for _, yield := range asked {
		yield()
	}
}

// mayYield notes how a command is asked to make room; nil: it is not. What it
// gives forgets that.
func (c *connection) mayYield(p *remote, ask func()) (forget func()) {
	if ask == nil {
		return func() {}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.yield[p] = ask
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.yield, p)
	}
}

// release says that a session has ended.
func (c *connection) release() {
	c.aheadEnded()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.open--
	close(c.freed)
	c.freed = make(chan struct{})
}

// dial opens a stream from the node to an address that the node can reach.
func (c *connection) dial(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := within(ctx, func() (net.Conn, error) { return c.client.Dial(network, address) }, func(n net.Conn) { n.Close() })
	var refused *ssh.OpenChannelError
	switch {
	case err == nil:
		return conn, nil
	case ctx.Err() != nil:
		return nil, nodes.Stopped(ctx)
	case errors.As(err, &refused) && refused.Reason == ssh.Prohibited:
		return nil, &nodes.Error{Kind: nodes.Permission, Message: c.s.where() + " forwards nothing to " + address + ": " + refused.Message, Cause: err}
	case errors.As(err, &refused):
		return nil, &nodes.Error{Kind: nodes.Unreachable, Message: "from " + c.s.where() + ": no connection to " + address + ": " + refused.Message, Cause: err}
	}
	return nil, c.gone(err)
}

// within runs f, which knows no context, until ctx ends; what f gives after
// that is undone.
func within[T any](ctx context.Context, f func() (T, error), undo func(T)) (T, error) {
	type result struct {
		value T
		err   error
	}
	done := make(chan result, 1)
	go func() {
		v, err := f()
		done <- result{v, err}
	}()
	select {
	case r := <-done:
		return r.value, r.err
	case <-ctx.Done():
		go func() {
			if r := <-done; r.err == nil {
				undo(r.value)
			}
		}()
		var none T
		return none, nodes.Stopped(ctx)
	}
}
