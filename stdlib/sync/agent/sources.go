//go:build linux

package agent

import (
	"bufio"
	"encoding/binary"
	"io"

	"github.com/rollsh/rollsh/stdlib/sync/manifest"
)

// sources are the N of s/N of all changes whose contents are sent, in their order.
type sources struct {
	to    *manifest.Spool
	b     []byte // of it, not yet written
	first int    // those that were asked for have this one and those after it
	err   error
}

func newSources(to *manifest.Spool) *sources { return &sources{to: to} }

// add notes one more; below 0 for what is to be asked for.
func (s *sources) add(n int) {
	if s.b = binary.AppendUvarint(s.b, uint64(n+1)); len(s.b) >= 4<<10 {
		s.flush()
	}
}

func (s *sources) flush() {
	if s.err == nil {
		_, s.err = s.to.Write(s.b)
	}
	s.b = s.b[:0]
}

// done says which is the first one of those that are to be asked for.
func (s *sources) done(first int) error {
	s.flush()
	s.first = first
	return s.err
}

// read begins to read them.
func (s *sources) read() *sourceReader {
	return &sourceReader{of: s, asked: s.first, r: bufio.NewReader(io.NewSectionReader(s.to, 0, s.to.Size()))}
}

// sourceReader gives sources one by one.
type sourceReader struct {
	of    *sources
	r     *bufio.Reader
	asked int
	err   error
}

// next gives the N of the next change whose contents are sent; -1 where it cannot
// be read.
func (r *sourceReader) next() int {
	n, err := binary.ReadUvarint(r.r)
	if err != nil {
		r.err = err
		return -1
	}
	if n > 0 {
		return int(n - 1)
	}
	r.asked++
	return r.asked - 1
}
