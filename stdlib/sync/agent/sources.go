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
	w     *bufio.Writer // to it
	first int           // those that were asked for have this one and those after it
}

func newSources(to *manifest.Spool) *sources { return &sources{to: to, w: bufio.NewWriter(to)} }

// add notes one more; below 0 for what is to be asked for. An error is told by
// done.
func (s *sources) add(n int) {
	_, _ = s.w.Write(binary.AppendUvarint(s.w.AvailableBuffer(), uint64(n+1)))
}

// done says which is the first one of those that are to be asked for.
func (s *sources) done(first int) error {
	s.first = first
	return s.w.Flush()
}

// read begins to read them.
func (s *sources) read() *sourceReader {
	return &sourceReader{first: s.first, asked: s.first, r: bufio.NewReader(io.NewSectionReader(s.to, 0, s.to.Size()))}
}

// sourceReader gives sources one by one.
type sourceReader struct {
	r     *bufio.Reader
	first int // of those that were asked for
	asked int // the next of these
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
