package notify

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/rollsh/rollsh/nodes"
)

// Notice is what a channel is to tell. Roll is set when it is about a roll.
type Notice struct {
	Text string
	Roll *nodes.Roll
}

// Sender brings notices to one place, once.
type Sender interface {
	// Send returns nil only when the other side took the notice.
	Send(ctx context.Context, n Notice) error
	// Lasting reports whether sending again without a change is useless.
	Lasting(err error) bool
	// Close says goodbye where that is the custom.
	Close(ctx context.Context)
}

// Options of a channel. Zero values mean the defaults.
type Options struct {
	Strict bool          // a notice that fails is an error, not a warning
	Tries  int           // 3
	Wait   time.Duration // before the second try, 1 s; then four times longer each
	Limit  time.Duration // of one try, 20 s
}

// Channel tells notices through a Sender, again when they fail. It is a
// nodes.Notifier and safe from many goroutines.
type Channel struct {
	name   string // notify.xmpp
	to     string // the room, host or command, for people
	sender Sender
	opts   Options

	session *nodes.Session
}

func newChannel(name, to string, sender Sender, opts Options, s *nodes.Session) *Channel {
	if opts.Tries <= 0 {
		opts.Tries = 3
	}
	if opts.Wait <= 0 {
		opts.Wait = time.Second
	}
	if opts.Limit <= 0 {
		opts.Limit = 20 * time.Second
	}
	return &Channel{name: name, to: to, sender: sender, opts: opts, session: s}
}

// String names the channel and where it leads; secrets are left out.
func (c *Channel) String() string { return c.name + " " + c.to }

// Strict reports whether a notice that fails is an error.
func (c *Channel) Strict() bool { return c.opts.Strict }

// Send tells text. Without Strict, a notice that failed is warned about and nil
// is returned.
func (c *Channel) Send(ctx context.Context, text string) error {
	n := Notice{Text: text}
	return c.settle(ctx, n, c.Deliver(ctx, n))
}

// Rolled announces a roll, as Send does.
func (c *Channel) Rolled(ctx context.Context, r nodes.Roll) error {
	n := RollNotice(r)
	return c.settle(ctx, n, c.Deliver(ctx, n))
}

// settle turns the failure of a notice into a warning where the channel is not strict.
// A cancel is passed on.
func (c *Channel) settle(ctx context.Context, n Notice, err error) error {
	if err == nil || c.opts.Strict || ctx.Err() != nil {
		return err
	}
	what := ""
	if n.Roll != nil {
		what = " how the roll of " + line(n.Roll.Name) + " ended"
	}
	c.session.Events.Emit(nodes.Event{
		Time: time.Now(), Type: nodes.Warned, Op: c.name, Where: nodes.CallerOf(ctx).Where,
		Text: c.to + " was not told" + what + ": " + err.Error(),
	})
	return nil
}

// Deliver tells a notice and says how that went, strict or not. The first
// Ctrl-C gives it up, so that whoever does not answer holds up nobody.
func (c *Channel) Deliver(ctx context.Context, n Notice) error {
	where := nodes.CallerOf(ctx).Where
	defer time.AfterFunc(slow, func() { c.saySlow(where) }).Stop()
	ctx, stop := c.givenUp(ctx)
	defer stop()
	wait := c.opts.Wait
	for try := 1; ; try++ {
		err := c.try(ctx, n)
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return nodes.Stopped(ctx)
		}
		if try == c.opts.Tries || c.sender.Lasting(err) {
			return nodes.At(err, c.name, "")
		}
		if err := pause(ctx, max(jittered(wait), advised(err))); err != nil {
			return err
		}
		wait *= 4
	}
}

func (c *Channel) try(ctx context.Context, n Notice) error {
	ctx, cancel := context.WithTimeoutCause(ctx, c.opts.Limit,
		&nodes.Error{Kind: nodes.Timeout, Message: "no answer within " + c.opts.Limit.String()})
	defer cancel()
	n.Text = nodes.Clean(n.Text)
	return c.sender.Send(ctx, n)
}

// slow is after how long whoever waits is told what for.
const slow = 3 * time.Second

func (c *Channel) saySlow(where string) {
	text := c.to + " does not answer yet"
	if c.session.Interrupt != nil {
		text += "; Ctrl-C gives up telling it"
	}
	c.session.Events.Emit(nodes.Event{Time: time.Now(), Type: nodes.Said, Op: c.name, Where: where, Text: text})
}

// givenUp is a context that ends at the first Ctrl-C of the run, unless that
// came earlier: what a person stopped is told as everything else.
func (c *Channel) givenUp(ctx context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	stop := func() { cancel(nil) }
	if c.session.Interrupt == nil {
		return ctx, stop
	}
	soft := c.session.Interrupt.Soft()
	select {
	case <-soft:
		return ctx, stop
	default:
	}
	go func() {
		select {
		case <-soft:
			cancel(&nodes.Error{Kind: nodes.Timeout, Message: "no answer until Ctrl-C gave it up"})
		case <-ctx.Done():
		}
	}()
	return ctx, stop
}

// Close says goodbye.
func (c *Channel) Close(ctx context.Context) { c.sender.Close(ctx) }

func jittered(d time.Duration) time.Duration {
	return time.Duration(float64(d) * (0.75 + rand.Float64()/2))
}

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return nodes.Stopped(ctx)
	}
}

// Desk makes the channels of a session and closes them when it ends.
type Desk struct {
	session *nodes.Session

	mu   sync.Mutex
	open []*Channel
}

// New makes a desk without channels.
func New(s *nodes.Session) *Desk { return &Desk{session: s} }

// channel makes a channel that Close will close.
func (d *Desk) channel(name, to string, sender Sender, opts Options) *Channel {
	c := newChannel(name, to, sender, opts, d.session)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.open = append(d.open, c)
	return c
}

// Close leaves the rooms; it takes two seconds at most for all of them.
func (d *Desk) Close(ctx context.Context) {
	d.mu.Lock()
	open := d.open
	d.open = nil
	d.mu.Unlock()
	var all sync.WaitGroup
	for _, c := range open {
		all.Go(func() { c.Close(ctx) })
	}
	all.Wait()
}
