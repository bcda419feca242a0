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

// How long is waited for the agent, or for what starts it, to say its first
// words, for any sign of life, and for progress.
const (
	startWait = 30 * time.Second
	againWait = 5 * time.Second // where nothing was said the last time, and for SFTP where nothing is said
	lifeWait  = 30 * time.Second
	stallWait = 10 * time.Minute
	lastWords = 700 * time.Millisecond // for the outcome of a switch after a cancel
)

// line is one running agent.
type line struct {
	proc     nodes.Process
	in       io.WriteCloser
	words    chan error // how each greeting was: nil for the agent's own
	frames   chan reply
	quit     chan struct{}
	once     sync.Once
	inUse    sync.Mutex    // held while in is written to, or closed
	fresh    bool          // nothing was received yet
	patience time.Duration // how long its first words may take
	hoped    bool          // its first words were not waited for yet
	opened   time.Duration // how long it took to start
	stderr   *limited
	errs     chan struct{} // closed when stderr ended
	ended    chan struct{} // closed when how the agent ended is known
	how      nodes.Result
	howErr   error
}

type reply struct {
	t   wire.Type
	p   []byte
	err error
}

// needError says that the node has no agent yet, and waits for its bytes.
type needError struct{ sum string }

// Error names the agent.
func (e *needError) Error() string { return "no agent on the node yet: " + e.sum }

// errSilent is a line that ended before it said anything: nothing was done.
var errSilent = errors.New("the agent ended before it answered")

// errMute is a line that goes on and says nothing: something else runs there that
// waits for its input, such as sftp-server, or the node is too busy.
var errMute = errors.New("nothing was heard of the agent")

// start runs the agent. life ends it.
func start(life context.Context, c nodes.Conn, cmd nodes.Cmd, patience time.Duration) (*line, error) {
	began := time.Now()
	proc, err := c.Start(life, cmd)
	if err != nil {
		return nil, err
	}
	l := &line{
		proc: proc, in: proc.Stdin(), words: make(chan error), frames: make(chan reply), quit: make(chan struct{}), fresh: true, opened: time.Since(began), patience: patience,
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

// pass delivers the greetings, then replies, until the stream ends or nobody
// wants them.
func (l *line) pass(r *bufio.Reader) {
	for need := (&needError{}); ; {
		err := begin(r)
		select {
		case l.words <- err:
		case <-l.quit:
			return
		}
		if err == nil {
			break
		}
		if !errors.As(err, &need) {
			return
		}
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

// sftpOnly is what OpenSSH says to a command where only internal-sftp is allowed.
// Source: session.c, do_child.
const sftpOnly = "This service allows sftp connections only"

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
		if strings.HasPrefix(text, sftpOnly) {
			return &noAgentError{"it allows only sftp, no commands"}
		}
		if _, uname, ok := strings.Cut(text, noneLine); ok {
			return &noAgentError{"this rollsh has no agent for " + strings.TrimSpace(uname)}
		}
	}
	return errSilent
}

// greet waits for the agent's own words, or for what is said in its place:
// needError, noAgentError, errSilent or errMute.
func (l *line) greet(ctx context.Context, wait time.Duration) error {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case err := <-l.words:
		return err
	case <-ctx.Done():
		return nodes.Stopped(ctx)
	case <-l.quit: // as its bytes could not be written
	case <-timer.C:
	}
	if ctx.Err() != nil {
		return nodes.Stopped(ctx)
	}
	return errMute
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
		go func() { // may wait for the network
			l.inUse.Lock()
			defer l.inUse.Unlock()
			_ = l.in.Close()
		}()
	})
}

// send writes one frame; it ends with ctx, and the line with it.
func (l *line) send(ctx context.Context, t wire.Type, payload []byte) error {
	return l.write(ctx, func() error { return wire.Write(l.in, t, payload) })
}

// write does what writes to the line; it gives up when the line is stopped.
func (l *line) write(ctx context.Context, do func() error) error {
	done := make(chan error, 1)
	go func() {
		l.inUse.Lock()
		defer l.inUse.Unlock()
		done <- do()
	}()
	timer := time.NewTimer(stallWait)
	defer timer.Stop()
	select {
	case err := <-done:
		return err
	case <-l.quit:
		return errStopped
	case <-ctx.Done():
		l.stop()
		return nodes.Stopped(ctx)
	case <-timer.C:
		return l.silent()
	}
}

// silent stops a line that says nothing, and what is being sent over it.
func (l *line) silent() error {
	l.stop()
	return &nodes.Error{Kind: nodes.Timeout, Message: "the agent on the node went silent"}
}

// next gives the next reply that is not a beat; beats go to progress. A failure
// reply is an error.
func (l *line) next(ctx context.Context, progress func(wire.Beat)) (wire.Type, []byte, error) {
	var last wire.Beat
	moved := time.Now()
	for {
		f, err := l.wait(ctx, lifeWait)
		if err != nil {
			return 0, nil, err
		}
		l.fresh = false
		switch f.t {
		case wire.TypeBeat:
			var b wire.Beat
			if json.Unmarshal(f.p, &b) == nil && b != last {
				last, moved = b, time.Now()
				progress(b)
			}
			if time.Since(moved) > stallWait {
				return 0, nil, l.silent()
			}
		case wire.TypeFailure:
			return f.t, nil, failed(f.p)
		default:
			return f.t, f.p, nil
		}
	}
}

func (l *line) wait(ctx context.Context, d time.Duration) (reply, error) {
	if l.hoped {
		if err := l.greet(ctx, l.patience); err != nil {
			l.stop() // what is being sent, too
			if errors.Is(err, errMute) {
				err = l.silent()
			}
			return reply{}, err
		}
		l.hoped = false
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case f := <-l.frames:
		if f.err != nil {
			return f, l.broken(f.err)
		}
		return f, nil
	case <-ctx.Done():
		return reply{}, nodes.Stopped(ctx)
	case <-timer.C:
		return reply{}, l.silent()
	}
}

// broken explains the end of the stream, but for a line that was not heard
// since it was asked: it may have ended before.
func (l *line) broken(err error) error {
	if l.fresh {
		return err
	}
	return lost(l.end(), err)
}

func lost(said string, cause error) error {
	return &nodes.Error{Kind: nodes.Lost, Message: "the connection to the agent was lost" + said, Cause: cause}
}
