package database

import (
	"context"
	"io"
	"time"

	"github.com/rollsh/rollsh/nodes"
)

// Copied is what was copied.
type Copied struct {
	Tables  int           `lua:"tables"`
	Bytes   int64         `lua:"bytes"` // of SQL
	Elapsed time.Duration `lua:"seconds"`
}

// Progress tells of a copy as it goes.
type Progress struct {
	Op     string
	To     nodes.Name
	Events nodes.Sink
	Bytes  int64 // that were moved
	last   time.Time
}

// Count gives a writer to w that counts what is moved, and tells once a second.
func (p *Progress) Count(w io.Writer) io.Writer { return counter{w, p} }

type counter struct {
	to io.Writer
	p  *Progress
}

// Write implements io.Writer.
func (c counter) Write(b []byte) (int, error) {
	n, err := c.to.Write(b)
	c.p.moved(n)
	return n, err
}

func (p *Progress) moved(n int) {
	p.Bytes += int64(n)
	if now := time.Now(); now.Sub(p.last) > time.Second {
		p.last = now
		p.Events.Emit(nodes.Event{Time: now, Type: nodes.Progress, Op: p.Op, Node: p.To, Done: p.Bytes, Unit: "bytes"})
	}
}

// Warn tells of something about a node that a person should see to.
func (p *Progress) Warn(on nodes.Name, text string) {
	p.Events.Emit(nodes.Event{Time: time.Now(), Type: nodes.Warned, Op: p.Op, Node: on, Text: text})
}

// cleanup is how long removing what is left over may take.
const cleanup = 30 * time.Second

// Cleanup gives a context for removing what is left over, also when ctx is over.
func Cleanup(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), cleanup)
}
