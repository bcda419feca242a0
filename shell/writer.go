package shell

import (
	"errors"
	"io"
	"sync"
	"syscall"

	"github.com/rollsh/rollsh/nodes"
)

// queueLimit bounds the bytes that wait for a slow terminal.
const queueLimit = 1 << 20

// writer writes to both streams in one order from one goroutine, so that a
// stopped terminal (Ctrl-S) or a slow pipe never holds up a roll: diagnostics
// over the limit are dropped and counted, results wait. A stream that fails is
// dead from then on, silently but for broken and failure.
type writer struct {
	mu      sync.Mutex
	changed *sync.Cond
	queue   []chunk
	size    int
	dropped int
	busy    bool
	closed  bool
	dead    map[io.Writer]bool
	broken  func() // called once when the reader of standard output is gone; may be nil
	failed  error  // why standard output takes nothing any more, though it has a reader
	out     io.Writer
	err     io.Writer
}

type chunk struct {
	to   io.Writer
	data []byte
}

func newWriter(out, err io.Writer) *writer {
	w := &writer{out: out, err: err, dead: map[io.Writer]bool{}}
	w.changed = sync.NewCond(&w.mu)
	go w.loop()
	return w
}

// result queues bytes for standard output; it waits while the queue is full.
func (w *writer) result(data []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for w.size > queueLimit && !w.dead[w.out] && !w.closed {
		w.changed.Wait()
	}
	w.add(w.out, data)
}

// diagnostic queues bytes for standard error; it never waits.
func (w *writer) diagnostic(data []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.size > queueLimit {
		w.dropped++
		return
	}
	if w.dropped > 0 {
		w.add(w.err, []byte("(output was dropped, "+nodes.Count(w.dropped, "piece")+": the terminal was too slow)\n"))
		w.dropped = 0
	}
	w.add(w.err, data)
}

// add queues a copy of data; the lock is held.
func (w *writer) add(to io.Writer, data []byte) {
	if w.closed || w.dead[to] || len(data) == 0 {
		return
	}
	w.queue = append(w.queue, chunk{to, append([]byte(nil), data...)})
	w.size += len(data)
	w.changed.Broadcast()
}

func (w *writer) loop() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for {
		for len(w.queue) == 0 {
			if w.closed {
				return
			}
			w.changed.Wait()
		}
		next := w.queue[0]
		w.queue = w.queue[1:]
		w.busy = true
		w.mu.Unlock()
		_, err := next.to.Write(next.data)
		w.mu.Lock()
		w.busy = false
		w.size -= len(next.data)
		if err != nil {
			w.kill(next.to, err)
		}
		w.changed.Broadcast()
	}
}

// kill marks a stream as gone; the lock is held.
func (w *writer) kill(to io.Writer, err error) {
	w.dead[to] = true
	switch {
	case to != w.out:
	case !errors.Is(err, syscall.EPIPE):
		w.failed = err
	case w.broken != nil:
		go w.broken()
	}
}

// failure waits until everything is written, and is why results were lost: a disk
// is full, say. It is nil where all was written or the reader is gone.
func (w *writer) failure() error {
	w.flush()
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.failed
}

// flush waits until everything queued so far is written.
func (w *writer) flush() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for len(w.queue) > 0 || w.busy {
		w.changed.Wait()
	}
}

// close flushes and ends the goroutine.
func (w *writer) close() {
	w.flush()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed = true
	w.changed.Broadcast()
}
