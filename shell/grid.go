package shell

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/rollsh/rollsh/nodes"
)

const (
	redrawEvery = 100 * time.Millisecond
	quietTime   = 300 * time.Millisecond // younger operations are not drawn, so that quick ones do not flicker
	barWidth    = 10
)

// pretty is the Sink for a terminal: lines scroll, and below them a live grid
// has a row for each operation under way. Rows are as wide as the terminal at
// most, and there are never more than half a screen of them.
type pretty struct {
	screen *screen
	paint  *palette

	mu      sync.Mutex
	lines   *lines
	pending strings.Builder // lines that wait for the next drawing
	ticking bool
	shown   bool // a grid is on the screen
	now     func() time.Time
}

func newPretty(s *screen, p *palette) *pretty {
	l := newLines(p)
	l.width = func() int {
		width, _ := s.size()
		return width
	}
	return &pretty{screen: s, paint: p, lines: l, now: time.Now}
}

// Emit shows e: at once while there is no grid, else with the next drawing.
func (p *pretty) Emit(e nodes.Event) {
	p.mu.Lock()
	defer p.mu.Unlock()
	text := p.lines.take(e)
	if len(p.lines.ops) > 0 && !p.ticking {
		p.ticking = true
		go p.tick()
	}
	switch {
	case p.shown:
		p.pending.WriteString(text)
	case text != "":
		p.screen.line(text)
	}
	if len(p.lines.ops) == 0 {
		p.drawLocked()
	}
}

// tick redraws until nothing is under way.
func (p *pretty) tick() {
	t := time.NewTicker(redrawEvery)
	defer t.Stop()
	for range t.C {
		p.mu.Lock()
		p.drawLocked()
		if len(p.lines.ops) == 0 {
			p.ticking = false
			p.mu.Unlock()
			return
		}
		p.mu.Unlock()
	}
}

func (p *pretty) drawLocked() {
	if p.lines.overdue(p.now()) {
		p.pending.WriteString(p.lines.release())
	}
	width, height := p.screen.size()
	rows := p.lines.grid(p.now(), width, height)
	if len(rows) == 0 && !p.shown && p.pending.Len() == 0 {
		return
	}
	p.shown = len(rows) > 0
	p.screen.draw(p.pending.String(), rows)
	p.pending.Reset()
}

// grid gives the rows for the operations under way, the oldest first.
func (l *lines) grid(now time.Time, width, height int) []string {
	var ops []*operation
	for _, op := range l.ops {
		if now.Sub(op.Time) >= quietTime {
			ops = append(ops, op)
		}
	}
	if len(ops) == 0 || width < 8 {
		return nil
	}
	slices.SortFunc(ops, func(a, b *operation) int {
		return cmp.Or(a.Time.Truncate(time.Second).Compare(b.Time.Truncate(time.Second)), naturally(string(a.Node), string(b.Node)), cmp.Compare(a.ID, b.ID))
	})
	room := max(1, height/2)
	hidden := 0
	if len(ops) > room {
		hidden = len(ops) - room
		ops = ops[:room]
	}
	rows := make([]string, 0, len(ops)+1)
	for _, op := range ops {
		rows = append(rows, l.row(op, now, width-1))
	}
	if len(l.ops) > 1 {
		rows = append(rows, l.paint.as(dim, cut(l.tally(hidden), width-1)))
	}
	return rows
}

// naturally orders web2 before web10.
func naturally(a, b string) int {
	x, y := strings.TrimRight(a, "0123456789"), strings.TrimRight(b, "0123456789")
	if x != y {
		return cmp.Compare(a, b)
	}
	m, _ := strconv.Atoi(a[len(x):]) // no number counts as 0
	n, _ := strconv.Atoi(b[len(y):])
	return cmp.Compare(m, n)
}

// tally is the last row: how many run, have ended, have failed.
func (l *lines) tally(hidden int) string {
	text := strconv.Itoa(len(l.ops)) + " running, " + strconv.Itoa(l.done) + " done"
	if l.fail > 0 {
		text += ", " + strconv.Itoa(l.fail) + " failed"
	}
	if hidden > 0 {
		text += " (" + strconv.Itoa(hidden) + " not shown)"
	}
	return text + l.whole()
}

// whole is how far all that runs is together, and how fast, where each tells
// bytes and how many there will be; else empty.
func (l *lines) whole() string {
	var done, total int64
	rate := 0.0
	for _, op := range l.ops {
		if op.unit != "bytes" || op.total <= 0 {
			return ""
		}
		done, total, rate = done+min(op.done, op.total), total+op.total, rate+op.rate()
	}
	text := fmt.Sprintf(", %d%% of %s", done*100/max(1, total), amount(total, "bytes"))
	if rate > 0 {
		text += ", " + amount(int64(rate), "bytes") + "/s"
	}
	return text
}

// row is one operation: name, how far, how long, and what it does or last put
// out, as far as the width goes.
func (l *lines) row(op *operation, now time.Time, width int) string {
	name := clean(string(op.Node))
	if name == "" {
		name = "here"
	}
	name = pad(cut(name, min(l.name, width/3)), min(max(l.name, 4), width/3))
	fixed := " " + padLeft(elapsed(now.Sub(op.Time)), 7)
	if op.unit != "" {
		fixed += "  " + op.far(width >= 60)
	}
	rest := strings.TrimRight(fixed+"  "+clean(op.Op)+" "+op.what(), " ")
	return l.paint.node(op.Node, name) + cut(rest, width-cells(name))
}

// what is the last line put out, or else what is run.
func (op *operation) what() string {
	if op.last != "" {
		return strings.ReplaceAll(op.last, "\t", " ")
	}
	return strings.ReplaceAll(clean(op.Text), "\t", " ")
}

// far tells progress: "[######....]  61%  4.2 MB/s", or the amount where the
// whole is not known. Narrow leaves out bar and rate.
func (op *operation) far(wide bool) string {
	if op.total <= 0 {
		return padLeft(amount(op.done, op.unit), 7)
	}
	part := min(1, max(0, float64(op.done)/float64(op.total)))
	percent := padLeft(strconv.Itoa(int(part*100))+"%", 4)
	if !wide {
		return percent
	}
	full := int(part * barWidth)
	bar := "[" + strings.Repeat("#", full) + strings.Repeat(".", barWidth-full) + "]"
	return bar + " " + percent + " " + padLeft(op.speed(), 9)
}

// speed is the rate for people: 4.2 MB/s.
func (op *operation) speed() string {
	r := op.rate()
	if r <= 0 {
		return ""
	}
	if op.unit == "bytes" {
		return amount(int64(r), "bytes") + "/s"
	}
	return strconv.Itoa(int(r)) + "/s"
}

func padLeft(s string, width int) string { return strings.Repeat(" ", max(0, width-cells(s))) + s }

// flush shows what waits for the next drawing and takes the grid away.
func (p *pretty) flush() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.pending.WriteString(p.lines.release())
	p.screen.draw(p.pending.String(), nil)
	p.pending.Reset()
	p.shown = false
}
