package mysql

import (
	"bytes"
	"context"
	"io"
	"strings"

	"github.com/rollsh/rollsh/nodes"
	"github.com/rollsh/rollsh/stdlib/database"
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
// clients choke on.
func (s *server) pour(ctx context.Context, words []string, w io.Writer) error {
	return s.run.Dump(ctx, nodes.Cmd{Argv: words, Sudo: s.Sudo, Quiet: true}, &filter{to: w}, complete)
}

// sandbox is the first line of MariaDB's newer dumps.
const sandbox = "enable the sandbox mode"

const completed = "-- Dump completed"

// filter passes a dump on, without the sandbox line.
type filter struct {
	to    io.Writer
	first []byte // held back until its line is complete
	begun bool
}

// Write implements io.Writer.
func (f *filter) Write(p []byte) (int, error) {
	n := len(p)
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
	if _, err := f.to.Write(p); err != nil {
		return 0, err
	}
	return n, nil
}

// complete reports whether the last line is that of a complete dump.
func complete(end string) bool {
	text := strings.TrimSpace(end)
	return strings.HasPrefix(text[strings.LastIndexByte(text, '\n')+1:], completed)
}

// flow pours a dump of the source into the fresh schema of the target.
func (j *job) flow(ctx context.Context, words []string) error {
	return database.Flow(ctx, j.from.Node().Name, j.to.Node().Name,
		func(ctx context.Context, w io.Writer) error { return j.from.pour(ctx, words, j.tell.Count(w)) },
		func(ctx context.Context, r io.Reader) error {
			into := j.to.words(j.to.client, "--batch", "--database="+j.fresh)
			return j.to.run.Load(ctx, nodes.Cmd{Argv: into, Sudo: j.to.Sudo, Quiet: true}, r)
		})
}

// mostCode bounds the text of views, routines and triggers.
const mostCode = 64 << 20

// code is a dump that is kept: it is run twice.
func (s *server) code(ctx context.Context, words []string) (string, error) {
	var b limited
	err := s.pour(ctx, words, &b)
	return b.text.String(), nodes.At(err, "", s.Node().Name)
}

type limited struct{ text bytes.Buffer }

func (l *limited) Write(p []byte) (int, error) {
	if l.text.Len()+len(p) > mostCode {
		return 0, &nodes.Error{Kind: nodes.Protocol, Message: "views and routines of more than 64 MiB"}
	}
	return l.text.Write(p)
}
