package xmpp

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/rollsh/rollsh/nodes"
)

// Client announces in one room. It is safe from many goroutines.
type Client struct {
	cfg  Config
	life context.Context // ends with Close
	end  context.CancelFunc

	dialing chan struct{} // holds one token: who has it may connect
	mu      sync.Mutex
	cur     *session
	work    sync.WaitGroup
}

// New makes a client; nothing is connected before the first Send. It fails
// with Usage for a configuration that cannot work.
func New(cfg Config) (*Client, error) {
	cfg, err := cfg.checked()
	if err != nil {
		return nil, err
	}
	c := &Client{cfg: cfg, dialing: make(chan struct{}, 1)}
	c.life, c.end = context.WithCancel(context.Background())
	return c, nil
}

// Send says text in the room and returns nil once the room has sent it back.
func (c *Client) Send(ctx context.Context, text string) error {
	s, err := c.session(ctx)
	if err != nil {
		return err
	}
	return s.say(ctx, text)
}

// Close leaves the room and the server. The client is of no use afterwards.
func (c *Client) Close(ctx context.Context) {
	c.end()
	c.mu.Lock()
	s := c.cur
	c.cur = nil
	c.mu.Unlock()
	if s != nil && !s.over() {
		s.leave(ctx)
	}
	c.work.Wait()
}

// session gives the live session, making it when there is none.
func (c *Client) session(ctx context.Context) (*session, error) {
	select {
	case c.dialing <- struct{}{}:
		defer func() { <-c.dialing }()
	case <-ctx.Done():
		return nil, nodes.Stopped(ctx)
	}
	if c.life.Err() != nil {
		return nil, &nodes.Error{Kind: nodes.Lost, Message: "the channel is closed"}
	}
	if s := c.live(); s != nil {
		return s, nil
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stop := context.AfterFunc(c.life, func() { cancel(&nodes.Error{Kind: nodes.Lost, Message: "the channel is closed"}) })
	defer stop()
	s, err := openSession(ctx, c.cfg)
	if err != nil {
		return nil, err
	}
	return s, c.keep(s)
}

func (c *Client) live() *session {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cur != nil && c.cur.over() {
		c.cur = nil
	}
	return c.cur
}

// keep makes s the session and watches over it.
func (c *Client) keep(s *session) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.life.Err() != nil {
		err := &nodes.Error{Kind: nodes.Lost, Message: "the channel is closed"}
		s.end(err)
		return err
	}
	c.cur = s
	c.work.Go(func() { c.watch(s) })
	return nil
}

// watch connects again after s is lost, until it works, cannot work, or the
// client is closed. The session that it makes has a watch of its own.
func (c *Client) watch(s *session) {
	select {
	case <-s.done:
	case <-c.life.Done():
		return
	}
	for wait := c.cfg.FirstRetry; ; wait = min(2*wait, c.cfg.LastRetry) {
		timer := time.NewTimer(jittered(wait))
		select {
		case <-timer.C:
		case <-c.life.Done():
			timer.Stop()
			return
		}
		if _, err := c.session(c.life); err == nil || Lasting(err) {
			return
		}
	}
}

// jittered is d, at most a quarter shorter or longer, so that many clients do
// not come back in one moment.
func jittered(d time.Duration) time.Duration {
	return time.Duration(float64(d) * (0.75 + rand.Float64()/2))
}
