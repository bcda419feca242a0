package mysql

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"sync"

	"github.com/rollsh/rollsh/nodes"
)

// dumpOptions give one consistent view without locks, and values that survive
// any character set.
var dumpOptions = []string{"--single-transaction", "--quick", "--skip-lock-tables", "--hex-blob", "--no-tablespaces", "--skip-triggers"}

// dumpWords is a dump of tables; all of the database where there are none.
func (s *server) dumpWords(options []string, tables ...string) []string {
	words := s.words(s.dumper, append(append([]string{}, dumpOptions...), options...)...)
	if !s.maria {
		words = append(words, "--set-gtid-purged=OFF")
	}
	return append(append(words, "--", s.Database), tables...)
}

// pour runs a dump and gives its text to w, less the first line that older
// clients choke on. It fails when the dump does, and when it does not end as a
// complete dump does, whatever its exit code.
func (s *server) pour(ctx context.Context, words []string, w io.Writer) error {
	f := &filter{to: w}
	res, err := s.conn.Run(ctx, nodes.Cmd{Argv: words, Stdout: f, Sudo: s.Sudo, Quiet: true})
	switch {
	case f.err != nil:
		return f.err
	case err != nil:
		return err
	case !res.OK():
		return failure(res, "the dump failed")
	case !f.complete():
		return &nodes.Error{Kind: nodes.Lost, Message: "the dump is not complete: its last line is missing", Stderr: string(res.Stderr)}
	}
	return nil
}

// sandbox is the first line of MariaDB's newer dumps.
const sandbox = "enable the sandbox mode"

const completed = "-- Dump completed"

// filter passes a dump on, without the sandbox line, and remembers its end.
type filter struct {
	to    io.Writer
	first []byte // held back until its line is complete
	begun bool
	tail  []byte
	err   error
}

func (f *filter) Write(p []byte) (int, error) {
	n := len(p)
	f.tail = append(f.tail, p[max(0, len(p)-400):]...)
	f.tail = f.tail[max(0, len(f.tail)-400):]
	if !f.begun {
		f.first = append(f.first, p...)
		end := bytes.IndexByte(f.first, '\n')
		if end < 0 && len(f.first) < 4096 {
			return n, nil
		}
		f.begun = true
		p = f.first
		if end >= 0 && bytes.Contains(f.first[:end], []byte(sandbox)) {
			p = f.first[end+1:]
		}
	}
	if f.err == nil {
		_, f.err = f.to.Write(p)
	}
	if f.err != nil {
		return 0, f.err
	}
	return n, nil
}

// complete reports whether the last line is that of a complete dump.
func (f *filter) complete() bool {
	text := strings.TrimSpace(string(f.tail))
	return strings.HasPrefix(text[strings.LastIndexByte(text, '\n')+1:], completed)
}

// flow pours a dump of the source into a schema of the target.
func flow(ctx context.Context, from *server, words []string, to *server, schema string, moved func(int)) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	r, w := io.Pipe()
	var importing sync.WaitGroup
	var imported error
	importing.Go(func() {
		res, err := to.conn.Run(ctx, nodes.Cmd{Argv: to.words(to.client, "--batch", "--database="+schema), Stdin: r, Sudo: to.Sudo, Quiet: true})
		if err == nil && !res.OK() {
			err = failure(res, "the import failed")
		}
		imported = err
		if err == nil {
			err = io.ErrClosedPipe
		}
		_ = r.CloseWithError(err)
	})
	err := from.pour(ctx, words, counter{w, moved})
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

// counter tells how much was written.
type counter struct {
	to    io.Writer
	moved func(int)
}

func (c counter) Write(p []byte) (int, error) {
	n, err := c.to.Write(p)
	c.moved(n)
	return n, err
}

// mostCode bounds the text of views, routines and triggers.
const mostCode = 64 << 20

// code is a dump that is kept: it is run twice.
func (s *server) code(ctx context.Context, words []string) (string, error) {
	var b limited
	err := s.pour(ctx, words, &b)
	return b.text.String(), nodes.At(err, "", s.On.Name)
}

type limited struct{ text bytes.Buffer }

func (l *limited) Write(p []byte) (int, error) {
	if l.text.Len()+len(p) > mostCode {
		return 0, &nodes.Error{Kind: nodes.Protocol, Message: "views and routines of more than 64 MiB"}
	}
	return l.text.Write(p)
}
