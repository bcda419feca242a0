package shell

import (
	"sync"

	"github.com/rollsh/rollsh/nodes"
)

// plain is the Sink for pipes, logs and TERM=dumb: prefixed lines, and every
// ten seconds how far a long operation is.
type plain struct {
	screen *screen
	mu     sync.Mutex
	lines  *lines
}

func newPlain(s *screen, p *palette) *plain { return &plain{screen: s, lines: newLines(p)} }

// Emit writes what e completes.
func (p *plain) Emit(e nodes.Event) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if text := p.lines.take(e); text != "" {
		p.screen.line(text)
	}
	if op := p.lines.ops[e.ID]; e.Type == nodes.Progress && op != nil && e.Time.Sub(op.told) >= slowEvery {
		op.told = e.Time
		p.screen.line(p.lines.still(op, e))
	}
}

// flush shows the warnings that wait for those of other nodes.
func (p *plain) flush() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if text := p.lines.release(); text != "" {
		p.screen.line(text)
	}
}

// still tells how far a long operation is: "web1 > sync.push 61%, 4.2 MB/s, 12 s".
func (l *lines) still(op *operation, e nodes.Event) string {
	text := clean(op.Op) + " " + op.far(false)
	if s := op.speed(); s != "" {
		text += ", " + s
	}
	return l.prefix(op.Node, ">") + text + ", " + elapsed(e.Time.Sub(op.Time)) + "\n"
}
