package postgres

import (
	"context"
	"errors"
	"io"
	"strings"
	"sync"

	"github.com/rollsh/rollsh/nodes"
)

const completed = "\n-- PostgreSQL database dump complete\n"

// filter passes a dump on, counts it and remembers its end.
type filter struct {
	to    io.Writer
	moved func(int)
	tail  []byte
	err   error
}

func (f *filter) Write(p []byte) (int, error) {
	f.tail = append(f.tail, p[max(0, len(p)-400):]...)
	f.tail = f.tail[max(0, len(f.tail)-400):]
	if f.err == nil {
		_, f.err = f.to.Write(p)
	}
	if f.err != nil {
		return 0, f.err
	}
	f.moved(len(p))
	return len(p), nil
}

// pour runs a dump and gives its text to w. It fails when the dump does, and
// when it does not end as a complete dump does, whatever its exit code.
func (s *server) pour(ctx context.Context, c nodes.Cmd, w io.Writer, moved func(int)) error {
	f := &filter{to: w, moved: moved}
	c.Stdout = f
	res, err := s.conn.Run(ctx, c)
	switch {
	case f.err != nil:
		return f.err
	case err != nil:
		return err
	case !res.OK():
		return failure(res, "the dump failed")
	case !strings.Contains(string(f.tail), completed):
		return &nodes.Error{Kind: nodes.Lost, Message: "the dump is not complete: its last line is missing", Stderr: string(res.Stderr)}
	}
	return nil
}

// flow pours a dump of the source into a database of the target, in one
// transaction that is committed only when the dump was complete and then has
// run.
func flow(ctx context.Context, from *server, dump nodes.Cmd, to *server, database, then string, moved func(int)) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	r, w := io.Pipe()
	var importing sync.WaitGroup
	var imported error
	importing.Go(func() {
		c := to.psql(database, "--output=/dev/null")
		c.Stdin = r
		res, err := to.conn.Run(ctx, c)
		if err == nil && !res.OK() {
			err = failure(res, "the import failed")
		}
		imported = err
		if err == nil {
			err = io.ErrClosedPipe
		}
		_ = r.CloseWithError(err)
	})
	_, err := io.WriteString(w, "BEGIN;\n")
	if err == nil {
		err = from.pour(ctx, dump, w, moved)
	}
	if err == nil {
		_, err = io.WriteString(w, "\nRESET search_path;\n"+then+"\n;COMMIT;\n")
	}
	if err == nil {
		_ = w.Close()
	} else {
		_ = w.CloseWithError(err)
		cancel(errStopped)
	}
	importing.Wait()
	if imported != nil && !errors.Is(imported, errStopped) && (err == nil || errors.Is(err, io.ErrClosedPipe) || errors.Is(err, imported)) {
		return nodes.At(imported, "", to.On.Name)
	}
	return nodes.At(err, "", from.On.Name)
}

var errStopped = errors.New("the dump failed")
