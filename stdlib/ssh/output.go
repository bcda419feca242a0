package ssh

import (
	"bytes"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rollsh/rollsh/nodes"
)

// keep is how much of a stream is kept in memory.
const keep = 4 << 20

// tail keeps the first and the last part of what is written to it.
type tail struct {
	mu    sync.Mutex
	half  int
	first []byte
	ring  []byte // the last part; next is where it goes on once it is full
	next  int
	cut   int64
}

func newTail(limit int) *tail { return &tail{half: limit / 2} }

func (t *tail) reset() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.first, t.ring, t.next, t.cut = nil, nil, 0, 0
}

// Write keeps p as far as there is room and never fails.
func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := len(p)
	if room := t.half - len(t.first); room > 0 {
		k := min(room, len(p))
		t.first = append(t.first, p[:k]...)
		p = p[k:]
	}
	if over := len(p) - t.half; over > 0 {
		t.cut += int64(over)
		p = p[over:]
	}
	for len(p) > 0 {
		if room := t.half - len(t.ring); room > 0 {
			k := min(room, len(p))
			t.ring = append(t.ring, p[:k]...)
			p = p[k:]
			continue
		}
		k := copy(t.ring[t.next:], p)
		t.cut += int64(k)
		t.next = (t.next + k) % t.half
		p = p[k:]
	}
	return n, nil
}

// missing is how many bytes were not kept.
func (t *tail) missing() int64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.cut
}

// bytes gives what was kept; where something is missing it says how much.
func (t *tail) bytes() []byte {
	t.mu.Lock()
	defer t.mu.Unlock()
	out := bytes.Clone(t.first)
	if t.cut > 0 {
		out = fmt.Appendf(out, "\n[... %d bytes left out ...]\n", t.cut)
	}
	return append(append(out, t.ring[t.next:]...), t.ring[:t.next]...)
}

// longLine is where a line without an end is broken for the screen.
const longLine = 32 << 10

// lines turns a stream into output events, one a line.
type lines struct {
	sink  nodes.Sink
	event nodes.Event
	rest  []byte
}

// Write emits the whole lines in p and keeps the rest for later.
func (l *lines) Write(p []byte) (int, error) {
	n := len(p)
	for len(p) > 0 {
		i := bytes.IndexByte(p, '\n')
		if i < 0 {
			l.rest = append(l.rest, p...)
			break
		}
		l.emit(append(l.rest, p[:i]...))
		p = p[i+1:]
	}
	for len(l.rest) > longLine {
		rest := bytes.Clone(l.rest[longLine:])
		l.emit(l.rest[:longLine])
		l.rest = rest
	}
	return n, nil
}

func (l *lines) emit(line []byte) {
	e := l.event
	e.Time, e.Type, e.Text = time.Now(), nodes.Output, string(line)
	l.rest = l.rest[:0]
	l.sink.Emit(e)
}

// end emits a last line that has no end.
func (l *lines) end() {
	if len(l.rest) > 0 {
		l.emit(l.rest)
	}
}

// counter gives the IDs of operations. Each source of events counts in a range
// of its own, so that no two operations of a session share an ID.
type counter struct {
	source uint64
	n      atomic.Uint64
}

// The sources of events in this room. (Source 1 is sync's.)
const (
	fromPool  = 2
	fromLocal = 3
	fromHand  = 4
)

func newCounter(source uint64) *counter { return &counter{source: source} }

func (c *counter) next() uint64 { return c.source<<32 | c.n.Add(1) }

// drain copies a stream to its writers; when one of them fails, the rest of the
// stream is read all the same, so that nothing stands still, and the failure is
// given. Most streams are short: the buffer grows with what comes.
func drain(from io.Reader, to ...io.Writer) (readErr, writeErr error) {
	buf := make([]byte, 512)
	for {
		n, err := from.Read(buf)
		for _, w := range to {
			if writeErr == nil && n > 0 {
				_, writeErr = w.Write(buf[:n])
			}
		}
		if err == io.EOF {
			return nil, writeErr
		}
		if err != nil {
			return err, writeErr
		}
		if n == len(buf) && n < 32<<10 {
			buf = make([]byte, 8*n)
		}
	}
}
