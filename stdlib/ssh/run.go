package ssh

import (
	"context"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/rollsh/rollsh/nodes"
)

// child is a command under way, on a node or here.
type child interface {
	Stdin() io.WriteCloser
	Stdout() io.Reader
	Stderr() io.Reader
	// wait gives how the command ended; its streams have ended before.
	wait() (nodes.Result, error)
	// kill ends the command and what it started. It takes a while, and may be
	// called when the command has ended.
	kill()
	// abandon lets go of the streams, so that whoever reads them is freed.
	abandon()
}

// A command whose context ended has this long to die before it is let go.
const grace = 800 * time.Millisecond

// runner runs commands on one node and tells what they do.
type runner struct {
	sink nodes.Sink
	ids  *counter
	node nodes.Name
}

// run is nodes.Conn's Run over whatever starts a child.
func (r runner) run(ctx context.Context, c nodes.Cmd, start func(context.Context) (child, error)) (nodes.Result, error) {
	began := time.Now()
	if c.Timeout > 0 {
		late := &nodes.Error{Kind: nodes.Timeout, Message: fmt.Sprintf("%s: did not end within %s and was killed", title(c), c.Timeout)}
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, c.Timeout, late)
		defer cancel()
	}
	event := r.event(ctx)
	first := event
	first.Type, first.Text = nodes.Started, title(c)
	r.sink.Emit(first)
	res, err := r.drive(ctx, c, event, start)
	res.Elapsed = time.Since(began)
	last := event
	last.Time, last.Type = time.Now(), nodes.Finished
	if err != nil {
		e := *nodes.AsError(nodes.At(err, "", r.node), nodes.Internal)
		e.Stdout, e.Stderr = string(res.Stdout), string(res.Stderr) // so far
		last.Err, err = &e, &e
	} else if !res.OK() {
		last.Text = ending(res)
	}
	r.sink.Emit(last)
	return res, err
}

// ending puts how a command ended into words.
func ending(res nodes.Result) string {
	if res.Signal != "" {
		return "ended by signal " + res.Signal
	}
	return fmt.Sprintf("exit code %d", res.Code)
}

func (r runner) event(ctx context.Context) nodes.Event {
	caller := nodes.CallerOf(ctx)
	op := caller.Op
	if op == "" {
		op = "node:run"
	}
	return nodes.Event{Time: time.Now(), ID: r.ids.next(), Op: op, Node: r.node, Where: caller.Where}
}

// title is a command as it is shown: on one line, not too long.
func title(c nodes.Cmd) string {
	text := c.Line
	if len(c.Argv) > 0 {
		text = nodes.Quote(c.Argv...)
	}
	text = strings.Join(strings.Fields(text), " ")
	if runes := []rune(text); len(runes) > 200 {
		text = string(runes[:197]) + "..."
	}
	return text
}

// streams are where a command's output goes.
type streams struct {
	out, errs *tail
	stopped   [2]error // what broke the copying of each
	wg        sync.WaitGroup
}

// drive starts the command, moves its streams and waits for its end or ctx's.
func (r runner) drive(ctx context.Context, c nodes.Cmd, event nodes.Event, start func(context.Context) (child, error)) (nodes.Result, error) {
	ctx, abort := context.WithCancelCause(ctx)
	defer abort(nil)
	proc, err := start(ctx)
	if err != nil {
		return nodes.Result{Code: -1}, err
	}
	st := &streams{out: newTail(keep), errs: newTail(keep)}
	go feed(proc.Stdin(), c.Stdin, abort)
	st.wg.Go(func() { st.stopped[0] = r.pump(proc.Stdout(), c.Stdout, st.out, c.Quiet, "stdout", event, abort) })
	st.wg.Go(func() { st.stopped[1] = r.pump(proc.Stderr(), c.Stderr, st.errs, c.Quiet, "stderr", event, abort) })
	var res nodes.Result
	done := make(chan struct{})
	go func() {
		defer close(done)
		st.wg.Wait()
		res, err = proc.wait()
	}()
	select {
	case <-done:
	case <-ctx.Done():
		if !endsWithin(done, 0) {
			return nodes.Result{Code: -1, Stdout: st.out.bytes(), Stderr: st.errs.bytes()}, r.stop(ctx, proc, done)
		}
	}
	res.Stdout, res.Stderr = st.out.bytes(), st.errs.bytes()
	r.sayCut(c, event, "stdout", st.out)
	r.sayCut(c, event, "stderr", st.errs)
	for _, broken := range st.stopped {
		if err == nil {
			err = broken
		}
	}
	return res, err
}

// sayCut warns where the result of a command has a part of a stream only: who
// reads the result would take it for all.
func (r runner) sayCut(c nodes.Cmd, event nodes.Event, stream string, kept *tail) {
	missing := kept.missing()
	if missing == 0 {
		return
	}
	event.Time, event.Type, event.Own = time.Now(), nodes.Warned, []string{fmt.Sprintf("%d bytes", missing)}
	event.Text = fmt.Sprintf("%s of '%s' is longer than %d MiB: its result lacks %d bytes in the middle; %s=FILE keeps all of it", stream, title(c), keep>>20, missing, stream)
	r.sink.Emit(event)
}

// stop kills the command of a context that ended and gives the error for it.
// What cannot be killed in time is left to the killing that goes on behind.
func (r runner) stop(ctx context.Context, proc child, done <-chan struct{}) error {
	go proc.kill()
	if !endsWithin(done, grace) {
		proc.abandon()
		endsWithin(done, 100*time.Millisecond)
	}
	return nodes.Stopped(ctx)
}

func endsWithin(done <-chan struct{}, d time.Duration) bool {
	select {
	case <-done:
		return true
	default:
	}
	if d == 0 {
		return false
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-done:
		return true
	case <-timer.C:
		return false
	}
}

// pump moves one stream to the caller's writer, or into memory and events. A
// writer that fails ends the command: half of its output is no success.
func (r runner) pump(from io.Reader, to io.Writer, kept *tail, quiet bool, stream string, event nodes.Event, abort context.CancelCauseFunc) error {
	writers := []io.Writer{kept}
	var show *lines
	switch {
	case to != nil:
		writers = []io.Writer{to}
	case !quiet:
		event.Stream = stream
		show = &lines{sink: r.sink, event: event}
		writers = append(writers, show)
	}
	_, err := drain(from, writers...)
	if show != nil {
		show.end()
	}
	if err == nil {
		return nil
	}
	broken := &nodes.Error{Kind: nodes.Failed, Message: "cannot take the command's " + stream + ": " + err.Error(), Cause: err}
	abort(broken)
	return broken
}

// feed moves the caller's input to the command. A command that does not read it
// all is its own affair; input that cannot be read ends the command, or it
// would take half of it for the whole.
func feed(to io.WriteCloser, from io.Reader, abort context.CancelCauseFunc) {
	if from != nil {
		source := &watched{Reader: from}
		_, _ = io.Copy(to, source)
		if source.err != nil {
			why := nodes.AsError(source.err, nodes.Failed)
			abort(&nodes.Error{Kind: why.Kind, Message: "cannot read the command's input: " + why.Message, Hint: why.Hint, Cause: source.err})
			return
		}
	}
	to.Close()
}

// watched remembers how reading failed.
type watched struct {
	io.Reader
	err error
}

func (w *watched) Read(p []byte) (int, error) {
	n, err := w.Reader.Read(p)
	if err != nil && err != io.EOF {
		w.err = err
	}
	return n, err
}

// process is nodes.Process over a child.
type process struct {
	child
	ctx   context.Context // the process is bound to it
	stop  func() bool
	began time.Time
}

func startProcess(ctx context.Context, c child) *process {
	p := &process{child: c, ctx: ctx, began: time.Now()}
	p.stop = context.AfterFunc(ctx, func() {
		time.AfterFunc(grace, c.abandon)
		c.kill()
	})
	return p
}

// Wait gives how the command ended; the end of the context comes first.
func (p *process) Wait() (nodes.Result, error) {
	res, err := p.wait()
	res.Elapsed = time.Since(p.began)
	if !p.stop() && err != nil {
		err = nodes.Stopped(p.ctx)
	}
	return res, err
}

// Kill ends the command and what it started, and returns when that is done or
// cannot be.
func (p *process) Kill() error {
	p.kill()
	return nil
}
