package sync

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/rollsh/rollsh/nodes"
	"github.com/rollsh/rollsh/stdlib/sync/wire"
)

// How long is waited for the agent to begin, for any sign of life, and for
// progress.
const (
	startWait = 30 * time.Second
	lifeWait  = 30 * time.Second
	stallWait = 10 * time.Minute
	lastWords = 700 * time.Millisecond // for the outcome of a switch after a cancel
)

// channel is the way to one node's agent. One operation uses it at a time; the
// agent stays between them.
type channel struct {
	node *nodes.Node
	turn chan struct{} // holds one token
	live *line         // nil: not started
}

// line is one running agent.
type line struct {
	proc   nodes.Process
	in     io.WriteCloser
	frames chan reply
	quit   chan struct{}
	once   sync.Once
	fresh  bool // nothing was received yet
	over   bool // the end of the stream was received
	stderr *limited
	errs   chan struct{} // closed when stderr ended
	ended  chan struct{} // closed when how the agent ended is known
	how    nodes.Result
	howErr error
}

type reply struct {
	t   wire.Type
	p   []byte
	err error
}

// needError says that the node has no agent yet.
type needError struct{ sum string }

// Error names the agent.
func (e *needError) Error() string { return "no agent on the node yet: " + e.sum }

// errSilent is a line that ended before it said anything: nothing was done.
var errSilent = errors.New("the agent ended before it answered")

// start runs the agent. life ends it.
func start(life context.Context, c nodes.Conn, script string) (*line, error) {
	proc, err := c.Start(life, nodes.Cmd{Argv: []string{"sh", "-c", script}, Quiet: true})
	if err != nil {
		return nil, err
	}
	l := &line{
		proc: proc, in: proc.Stdin(), frames: make(chan reply), quit: make(chan struct{}), fresh: true,
		stderr: &limited{b: &bytes.Buffer{}, left: 4096}, errs: make(chan struct{}), ended: make(chan struct{}),
	}
	go func() {
		defer close(l.errs)
		_, _ = io.Copy(l.stderr, proc.Stderr())
	}()
	go l.receive(proc.Stdout())
	return l, nil
}

// receive reads replies until the stream ends; after stop it only drains.
func (l *line) receive(out io.Reader) {
	r := bufio.NewReaderSize(out, 256<<10)
	defer func() {
		_, _ = io.Copy(io.Discard, r)
		<-l.errs
		l.how, l.howErr = l.proc.Wait()
		close(l.ended)
	}()
	l.pass(r)
}

// pass delivers replies until the stream ends or nobody wants them.
func (l *line) pass(r *bufio.Reader) {
	if err := begin(r); err != nil {
		l.deliver(reply{err: err})
		return
	}
	for {
		var f reply
		if f.t, f.p, f.err = wire.Read(r, wire.MaxFrame); f.err != nil {
			go l.deliver(f) // the end of the process is looked for meanwhile
			return
		}
		if !l.deliver(f) {
			return
		}
	}
}

func (l *line) deliver(f reply) bool {
	select {
	case l.frames <- f:
		return true
	case <-l.quit:
		return false
	}
}

// begin passes over what the login shell prints, up to the agent's own words.
func begin(r *bufio.Reader) error {
	for seen := 0; seen < 1<<20; {
		b, err := r.ReadSlice('\n')
		seen += len(b)
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return errSilent
		}
		text := string(b)
		if strings.HasSuffix(text, wire.Magic) {
			return nil
		}
		if _, sum, ok := strings.Cut(text, needLine); ok {
			return &needError{strings.TrimSpace(sum)}
		}
		if _, uname, ok := strings.Cut(text, noneLine); ok {
			return &noAgentError{"this rollsh has no agent for " + strings.TrimSpace(uname)}
		}
	}
	return errSilent
}

// end says, where that is known within a moment, how the agent ended.
func (l *line) end() string {
	if !l.hasEnded() {
		return ""
	}
	switch text := firstLine(l.stderr.b.String()); {
	case text != "":
		return fmt.Sprintf(": %.200s", text)
	case l.howErr == nil && l.how.Signal != "":
		return ": it was ended by signal " + l.how.Signal
	case l.howErr == nil:
		return fmt.Sprintf(": it ended with exit code %d", l.how.Code)
	}
	return ""
}

// hasEnded waits a moment for the agent's end to be known.
func (l *line) hasEnded() bool {
	select {
	case <-l.ended:
		return true
	case <-time.After(300 * time.Millisecond):
		return false
	}
}

// cut reports whether it was the connection that ended: that tells nothing of
// whether an agent can run there.
func (l *line) cut() bool {
	return l.hasEnded() && l.howErr != nil && nodes.AsError(l.howErr, nodes.Internal).Kind == nodes.Lost
}

// killed reports whether a signal ended the agent.
func (l *line) killed() bool { return l.hasEnded() && l.howErr == nil && l.how.Signal != "" }

// stop lets the agent end by itself: it finishes a burst that is under way and
// sweeps what was not complete.
func (l *line) stop() {
	l.once.Do(func() {
		close(l.quit)
		go func() { _ = l.in.Close() }() // may wait for the network
	})
}

// send writes one frame; it ends with ctx, and the line with it.
func (l *line) send(ctx context.Context, t wire.Type, payload []byte) error {
	done := make(chan error, 1)
	go func() { done <- wire.Write(l.in, t, payload) }()
	timer := time.NewTimer(stallWait)
	defer timer.Stop()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		l.stop()
		return nodes.Stopped(ctx)
	case <-timer.C:
		l.stop()
		return silent()
	}
}

func silent() error {
	return &nodes.Error{Kind: nodes.Timeout, Message: "the agent on the node went silent"}
}

// next gives the next reply that is not a beat; beats go to progress. A failure
// reply is an error.
func (l *line) next(ctx context.Context, progress func(wire.Beat)) (wire.Type, []byte, error) {
	var last wire.Beat
	moved := time.Now()
	wait := lifeWait
	if l.fresh {
		wait = startWait
	}
	for {
		f, err := l.wait(ctx, wait)
		if err != nil {
			return 0, nil, err
		}
		l.fresh = false
		wait = lifeWait
		switch f.t {
		case wire.TypeBeat:
			var b wire.Beat
			if json.Unmarshal(f.p, &b) == nil && b != last {
				last, moved = b, time.Now()
				progress(b)
			}
			if time.Since(moved) > stallWait {
				return 0, nil, silent()
			}
		case wire.TypeFailure:
			return f.t, nil, failed(f.p)
		default:
			return f.t, f.p, nil
		}
	}
}

func (l *line) wait(ctx context.Context, d time.Duration) (reply, error) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case f := <-l.frames:
		if f.err != nil {
			l.over = true
			return f, l.broken(f.err)
		}
		return f, nil
	case <-ctx.Done():
		return reply{}, nodes.Stopped(ctx)
	case <-timer.C:
		return reply{}, silent()
	}
}

// broken explains the end of the stream.
func (l *line) broken(err error) error {
	var need *needError
	var none *noAgentError
	if errors.As(err, &need) || errors.As(err, &none) || l.fresh {
		return err
	}
	return lost(l.end(), err)
}

func lost(said string, cause error) error {
	return &nodes.Error{Kind: nodes.Lost, Message: "the connection to the agent was lost" + said, Cause: cause}
}

// Changed is the cause of an error of kind changed: what was found on the node.
type Changed struct{ Findings []wire.Finding }

// Error names the findings.
func (c *Changed) Error() string {
	var parts []string
	for _, f := range c.Findings {
		parts = append(parts, f.Text())
	}
	return strings.Join(parts, "\n")
}

// refusal marks errors that the agent itself gave: the line is still good.
type refusal struct {
	err     *nodes.Error
	aborted bool
}

// Error gives the message.
func (r *refusal) Error() string { return r.err.Error() }

// Unwrap gives the error for people.
func (r *refusal) Unwrap() error { return r.err }

func failed(p []byte) error {
	var f wire.Failure
	if err := json.Unmarshal(p, &f); err != nil {
		return &nodes.Error{Kind: nodes.Protocol, Message: "the agent's answer cannot be read"}
	}
	e := &nodes.Error{Kind: nodes.Kind(f.Kind), Message: f.Message, Hint: f.Hint}
	if len(f.Drift) > 0 {
		e.Cause = &Changed{f.Drift}
	}
	return &refusal{e, f.Kind == "aborted"}
}

// converse runs one operation with the agent of a node, which is started, and
// put there, as needed. talk may be called again as long as it received
// nothing.
func (e *Engine) converse(ctx context.Context, n *nodes.Node, talk func(ctx context.Context, l *line) error) error {
	ch := e.channel(n)
	select {
	case <-ch.turn:
	case <-ctx.Done():
		return nodes.Stopped(ctx)
	}
	defer func() { ch.turn <- struct{}{} }()
	installed := false
	for try := 0; ; try++ {
		l, reused, err := e.line(ctx, ch)
		if err != nil {
			return err
		}
		err = talk(ctx, l)
		var ref *refusal
		if err == nil || errors.As(err, &ref) {
			l.fresh = false
			return err
		}
		err = l.reason(ctx, err)
		fresh := l.fresh
		l.stop()
		ch.live = nil
		var need *needError
		switch {
		case errors.As(err, &need) && !installed:
			installed = true
			if err := e.install(ctx, n, need.sum); err != nil {
				return err
			}
		case reused && fresh && ctx.Err() == nil && try < 3:
		case errors.Is(err, errSilent) && l.cut():
			return l.howErr
		case errors.Is(err, errSilent) && l.killed() && ctx.Err() == nil && try < 3:
		case errors.As(err, &need), errors.Is(err, errSilent):
			return &noAgentError{"the agent does not start there" + said(l)}
		default:
			return asLost(err)
		}
	}
}

// asLost gives the end of a stream its name.
func asLost(err error) error {
	var e *nodes.Error
	var none *noAgentError
	if errors.As(err, &e) || errors.As(err, &none) {
		return err
	}
	return lost("", err)
}

func said(l *line) string {
	select {
	case <-l.errs:
		if s := firstLine(l.stderr.b.String()); s != "" {
			return fmt.Sprintf(": %.200s", s)
		}
	case <-time.After(200 * time.Millisecond):
	}
	return ""
}

// line gives the running agent of a channel, or starts one.
func (e *Engine) line(ctx context.Context, ch *channel) (l *line, reused bool, err error) {
	if ch.live != nil {
		ch.live.fresh = true
		return ch.live, true, nil
	}
	c, err := e.dial(ctx, ch.node)
	if err != nil {
		return nil, false, err
	}
	type result struct {
		l   *line
		err error
	}
	done := make(chan result, 1)
	script := startScript(e.programs(), e.agentEnv)
	go func() {
		l, err := start(e.life, c, script)
		done <- result{l, err}
	}()
	select {
	case r := <-done:
		if r.err != nil {
			return nil, false, r.err
		}
		ch.live = r.l
		return r.l, false, nil
	case <-ctx.Done():
		go func() {
			if r := <-done; r.l != nil {
				r.l.stop()
			}
		}()
		return nil, false, nodes.Stopped(ctx)
	}
}

func (e *Engine) install(ctx context.Context, n *nodes.Node, sum string) error {
	c, err := e.dial(ctx, n)
	if err != nil {
		return err
	}
	return install(ctx, c, e.programs(), sum)
}

func (e *Engine) dial(ctx context.Context, n *nodes.Node) (nodes.Conn, error) {
	if n.Local && e.session.Here != nil {
		return e.session.Here, nil
	}
	return e.session.Dialer.Dial(ctx, n)
}

// wireJSON sends what an operation begins with.
func wireJSON(ctx context.Context, l *line, req wire.Request) error {
	b, err := json.Marshal(req)
	if err != nil {
		return err
	}
	return l.send(ctx, wire.TypeRequest, b)
}

// reason is why nothing came back. Where the agent ended before it could be
// asked, it is what it said of that: the writes then fail or not, as the
// machine's load has it.
func (l *line) reason(ctx context.Context, err error) error {
	var ours *nodes.Error
	var need *needError
	var none *noAgentError
	if !l.fresh || l.over || ctx.Err() != nil || errors.Is(err, errSilent) || errors.As(err, &ours) || errors.As(err, &need) || errors.As(err, &none) {
		return err
	}
	if _, said := l.wait(ctx, startWait); said != nil {
		return said
	}
	return err
}
