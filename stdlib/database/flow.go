package database

import (
	"context"
	"errors"
	"io"
	"strconv"
	"strings"
	"sync"

	"github.com/rollsh/rollsh/nodes"
)

// Client runs a server's programs on a node.
type Client struct {
	Conn    nodes.Conn
	Failure func(res nodes.Result, what string) error // makes the error of one that ended badly
}

// Dump runs a dump and gives its text to w. It fails when the dump does, and when
// complete does not take its last bytes for the end of a dump, whatever its exit code.
func (c Client) Dump(ctx context.Context, cmd nodes.Cmd, w io.Writer, complete func(end string) bool) error {
	out := &tail{to: w}
	cmd.Stdout = out
	res, err := c.Conn.Run(ctx, cmd)
	switch {
	case out.err != nil:
		return out.err
	case err != nil:
		return err
	case !res.OK():
		return c.Failure(res, "the dump failed")
	case !complete(string(out.end)):
		return &nodes.Error{Kind: nodes.Lost, Message: "the dump is not complete: its last line is missing", Stderr: string(res.Stderr)}
	}
	return nil
}

// Load runs a program that takes a dump from r.
func (c Client) Load(ctx context.Context, cmd nodes.Cmd, r io.Reader) error {
	cmd.Stdin = r
	res, err := c.Conn.Run(ctx, cmd)
	if err == nil && !res.OK() {
		err = c.Failure(res, "the import failed")
	}
	return err
}

// Flow has dump write, on one node, what load reads, on another, and waits for both.
// The error is of the node that failed first.
func Flow(ctx context.Context, from, to nodes.Name, dump func(context.Context, io.Writer) error, load func(context.Context, io.Reader) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	r, w := io.Pipe()
	var loading sync.WaitGroup
	var loaded error
	loading.Go(func() {
		loaded = load(ctx, r)
		err := loaded
		if err == nil {
			err = io.ErrClosedPipe
		}
		_ = r.CloseWithError(err)
	})
	err := dump(ctx, w)
	if err == nil {
		_ = w.Close()
	} else {
		_ = w.CloseWithError(err)
		cancel(errStopped)
	}
	loading.Wait()
	if loaded != nil && !errors.Is(loaded, errStopped) && (err == nil || errors.Is(err, io.ErrClosedPipe) || errors.Is(err, loaded)) {
		return nodes.At(loaded, "", to)
	}
	return nodes.At(err, "", from)
}

var errStopped = errors.New("the dump failed")

// tail passes on what is written, and remembers its end.
type tail struct {
	to  io.Writer
	end []byte
	err error
}

// endBytes is how much of the end of a dump is looked at.
const endBytes = 400

// Write implements io.Writer.
func (t *tail) Write(p []byte) (int, error) {
	t.end = append(t.end, p[max(0, len(p)-endBytes):]...)
	t.end = t.end[max(0, len(t.end)-endBytes):]
	if t.err == nil {
		_, t.err = t.to.Write(p)
	}
	if t.err != nil {
		return 0, t.err
	}
	return len(p), nil
}

// Failure is the error of a program that ended badly, of kind exit: what it did not
// do, and what it said.
func Failure(res nodes.Result, what string) *nodes.Error {
	e := &nodes.Error{Kind: nodes.Exit, Message: what, Signal: res.Signal, Stderr: string(res.Stderr)}
	if res.Signal == "" {
		e.Code = strconv.Itoa(res.Code)
	}
	if said := OneLine(string(res.Stderr)); said != "" {
		e.Message += ": " + said
	}
	return e
}

// mostSaid is how many letters of what a program said are told.
const mostSaid = 300

// OneLine is the end of a text of another program as one line for a message.
func OneLine(s string) string {
	s = strings.Join(strings.Fields(nodes.Clean(s)), " ")
	if r := []rune(s); len(r) > mostSaid {
		s = "…" + string(r[len(r)-mostSaid:])
	}
	return s
}
