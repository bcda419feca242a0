package sync

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/rollsh/rollsh/nodes"
	"github.com/rollsh/rollsh/stdlib/sync/wire"
)

// channel is the way to one node's agent. One operation uses it at a time; the
// agent stays between them.
type channel struct {
	node *nodes.Node
	turn chan struct{} // holds one token
	live *line         // nil: not started
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
	if err := ch.take(ctx); err != nil {
		return err
	}
	defer ch.give()
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
		fresh := l.fresh
		l.stop()
		ch.live = nil
		if fresh {
			e.recent.learn(n, "") // it may not have been reached: next time its first words are waited for
		}
		hangs := l.hoped && nodes.KindOf(err) == nodes.Timeout // what starts it, and keeps its session
		switch {
		case hangs && ctx.Err() == nil:
			return e.mute(ctx, n, l)
		case !reused || !fresh || ctx.Err() != nil || try == 3:
			return asLost(err)
		}
	}
}

// take waits for the channel to be free.
func (ch *channel) take(ctx context.Context) error {
	select {
	case <-ch.turn:
		return nil
	case <-ctx.Done():
		return nodes.Stopped(ctx)
	}
}

func (ch *channel) give() { ch.turn <- struct{}{} }

// yield lets an agent go that is not at work: another session waits for its
// place. What it staged stays on the node, its locks do not.
func (ch *channel) yield() {
	select {
	case <-ch.turn:
		defer ch.give()
		if ch.live != nil {
			ch.live.stop()
			ch.live = nil
		}
	default:
	}
}

// asLost gives the end of a stream its name.
func asLost(err error) error {
	var e *nodes.Error
	if errors.As(err, &e) {
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

// line gives the running agent of a channel, or starts one. Where the agent was
// there when it was last started, it is taken to be there still: what it is asked
// is sent without waiting for its first words. It cannot be sent sooner: OpenSSH
// takes no input before it has begun the command (9.2, session.c, session_open). A
// line that was not heard yet is reused: it may fail.
func (e *Engine) line(ctx context.Context, ch *channel) (l *line, reused bool, err error) {
	if ch.live != nil {
		ch.live.fresh = true
		return ch.live, true, nil
	}
	c, err := e.dial(ctx, ch.node)
	if err != nil {
		return nil, false, err
	}
	id := agentsID(e.programs())
	before := e.recent.agent(ch.node)
	hope := before == id
	for try := 0; ; try++ {
		l, err := e.start(ctx, c, ch.yield, "serve")
		if err != nil {
			return nil, false, err
		}
		if before == saysNothing {
			l.patience = min(l.patience, againWait)
		}
		if l.hoped = hope; !hope {
			err = l.ready(ctx, e.programs())
		}
		if err == nil {
			ch.live = l
			e.recent.learn(ch.node, id)
			return l, hope, nil
		}
		l.stop()
		switch {
		case errors.Is(err, errMute):
			return nil, false, e.mute(ctx, ch.node, l)
		case !errors.Is(err, errSilent):
			return nil, false, err
		case l.cut():
			return nil, false, l.howErr
		case l.killed() && ctx.Err() == nil && try < 3:
		default:
			return nil, false, &noAgentError{"the agent does not start there" + said(l)}
		}
	}
}

// mute is why nothing is heard of an agent: where SFTP answers, it may be all that
// there is, and so much is not waited for again.
func (e *Engine) mute(ctx context.Context, n *nodes.Node, l *line) error {
	limited, cancel := context.WithTimeout(ctx, min(e.patience, againWait))
	defer cancel()
	c, err := e.dial(limited, n)
	var f nodes.Files
	if err == nil {
		f, err = c.Files(limited)
	}
	switch {
	case ctx.Err() != nil:
		return nodes.Stopped(ctx)
	case err != nil:
		return l.silent()
	}
	_ = f.Close()
	e.recent.learn(n, saysNothing)
	return &noAgentError{fmt.Sprintf("its commands say nothing for %s, as where sftp-server is all that it runs", l.patience)}
}

// start runs what starts the agent with the words given. The line lives longer
// than ctx, which only ends the waiting for it: for a session too, where the node
// has none to give. For yield see [nodes.Cmd].
func (e *Engine) start(ctx context.Context, c nodes.Conn, yield func(), words ...string) (*line, error) {
	type result struct {
		l   *line
		err error
	}
	done := make(chan result, 1)
	cmd := nodes.Cmd{Argv: nodes.OneLine(startScript(e.programs(), e.agentEnv, words)), Quiet: true, Yield: yield}
	life, end := context.WithCancel(e.life)
	go func() {
		l, err := start(life, c, cmd, e.patience)
		if err == nil {
			go func() { <-l.ended; end() }()
		} else {
			end()
		}
		done <- result{l, err}
	}()
	select {
	case r := <-done:
		return r.l, r.err
	case <-ctx.Done():
		end()
		go func() {
			if r := <-done; r.l != nil {
				r.l.stop()
			}
		}()
		return nil, nodes.Stopped(ctx)
	}
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
