package shell

import (
	"strings"
	"time"

	"github.com/rollsh/rollsh/nodes"
)

const (
	widestName  = 20               // names are aligned up to this width
	widestWhat  = 48               // of a command that is named in a line
	worthSaying = 2 * time.Second  // how long an operation takes before its end is told
	slowEvery   = 10 * time.Second // how often plain output tells progress
)

// lines turns events into lines of text: what a node puts out, prefixed and
// aligned, what is said and warned, and how operations ended. It is not safe
// from many goroutines; its owner holds a lock.
type lines struct {
	paint *palette
	width func() int // of the terminal; 0: lines are not broken
	name  int        // width of the widest name so far
	ops   map[uint64]*operation
	done  int // operations ended since there were none
	fail  int
	held  []nodes.Event // warnings that wait for the same ones of other nodes
}

// operation is one thing under way on one node.
type operation struct {
	nodes.Event           // the started event
	last        string    // last line put out
	done, total int64     // progress
	unit        string    // of progress
	moved       int64     // bytes, at most
	marks       []mark    // progress of the last seconds, for the rate
	told        time.Time // when plain output last told progress
}

type mark struct {
	at   time.Time
	done int64
}

func newLines(p *palette) *lines {
	return &lines{paint: p, width: func() int { return 0 }, ops: map[uint64]*operation{}}
}

// take notes an event and gives the text to be shown now, whole lines.
func (l *lines) take(e nodes.Event) string {
	if e.Time.IsZero() {
		e.Time = time.Now()
	}
	late := ""
	if e.Type != nodes.Finished && l.overdue(e.Time) {
		late = l.release()
	}
	text := late + l.shown(e)
	if e.Type == nodes.Finished && l.overdue(e.Time) {
		text += l.release()
	}
	return text
}

// shown notes an event and gives the text for it.
func (l *lines) shown(e nodes.Event) string {
	switch e.Type {
	case nodes.Started:
		return l.start(e)
	case nodes.Output:
		return l.output(e)
	case nodes.Progress:
		if op := l.ops[e.ID]; op != nil {
			op.progress(e)
		}
	case nodes.Finished:
		return l.finish(e)
	case nodes.Said:
		return cleanLines(e.Text) + "\n"
	case nodes.Warned:
		if l.shared(e) {
			l.held = append(l.held, e)
			return ""
		}
		return l.warned([]nodes.Event{e})
	case nodes.State:
		return l.of(e.Node, l.paint.as(strong, clean(e.State))+l.because(e.Text))
	}
	return ""
}

func (l *lines) because(text string) string {
	if text == "" {
		return ""
	}
	return " (" + clean(text) + ")"
}

func (l *lines) start(e nodes.Event) string {
	if len(l.ops) == 0 {
		l.done, l.fail = 0, 0
	}
	l.ops[e.ID] = &operation{Event: e, told: e.Time}
	l.widen(e.Node)
	return ""
}

func (l *lines) widen(n nodes.Name) {
	l.name = max(l.name, min(widestName, cells(clean(string(n)))))
}

// prefix is the node's name, aligned, and a mark: | for standard output, ! for
// standard error, > for what rollsh says of the node. This machine has none.
func (l *lines) prefix(n nodes.Name, sign string) string {
	if n == "" {
		return ""
	}
	l.widen(n)
	return l.paint.node(n, pad(clean(string(n)), l.name)) + " " + l.paint.as(dim, sign) + " "
}

// of is what rollsh says of a node, broken where the terminal is too narrow for it.
func (l *lines) of(n nodes.Name, text string) string {
	prefix := l.prefix(n, ">")
	return broken(prefix+text, strings.Repeat(" ", cells(prefix)), l.width()) + "\n"
}

// output gives the lines of an output event, which are whole: one, or several
// with line breaks between.
func (l *lines) output(e nodes.Event) string {
	mark := "|"
	if e.Stream == "stderr" {
		mark = "!"
	}
	var out strings.Builder
	for line := range strings.SplitSeq(strings.TrimSuffix(e.Text, "\n"), "\n") {
		line = clean(afterReturn(line))
		if op := l.ops[e.ID]; op != nil && line != "" {
			op.last = line
		}
		out.WriteString(l.prefix(e.Node, mark) + line + "\n")
	}
	return out.String()
}

// afterReturn is what a terminal would still show of a line that a program
// overwrote with carriage returns.
func afterReturn(line string) string {
	line = strings.TrimSuffix(line, "\r")
	return line[strings.LastIndexByte(line, '\r')+1:]
}

func (op *operation) progress(e nodes.Event) {
	if e.Unit != op.unit { // another part of the work: another rate
		op.marks = nil
	}
	op.done, op.total, op.unit = e.Done, e.Total, e.Unit
	if e.Unit == "bytes" {
		op.moved = max(op.moved, e.Done)
	}
	op.marks = append(op.marks, mark{e.Time, e.Done})
	for len(op.marks) > 2 && e.Time.Sub(op.marks[0].at) > 5*time.Second {
		op.marks = op.marks[1:]
	}
	if len(op.marks) > 64 { // many small steps: every second one tells as much
		thin := op.marks[:0]
		for i, m := range op.marks {
			if i%2 == 0 {
				thin = append(thin, m)
			}
		}
		op.marks = thin
	}
}

// rate is units a second over the last seconds; 0: not known.
func (op *operation) rate() float64 {
	if len(op.marks) < 2 {
		return 0
	}
	first, last := op.marks[0], op.marks[len(op.marks)-1]
	seconds := last.at.Sub(first.at).Seconds()
	if seconds <= 0 {
		return 0
	}
	return float64(last.done-first.done) / seconds
}

// finish tells an end that is worth a line: a failure, something long, or
// something that moved what it told progress of. The message of a failure is left to the error
// that the recipe gets.
func (l *lines) finish(e nodes.Event) string {
	op := l.ops[e.ID]
	if op == nil {
		return ""
	}
	delete(l.ops, e.ID)
	l.done++
	took := e.Time.Sub(op.Time)
	verb := clean(op.Op)
	switch {
	case e.Err != nil && e.Err.Kind == nodes.Cancelled: // told once, for all
		l.fail++
	case e.Err != nil:
		l.fail++
		return l.of(op.Node, l.paint.as(bad, "failed")+" "+verb+", "+endOf(e.Err)+", "+elapsed(took))
	case op.unit != "" && (op.work() != "" || took > worthSaying):
		return l.of(op.Node, l.paint.as(good, "done")+" "+verb+op.work()+", "+elapsed(took))
	case took > worthSaying && op.Node != "":
		what := verb
		if op.Text != "" {
			what = "'" + cut(clean(op.Text), widestWhat) + "'"
		}
		return l.of(op.Node, what+" took "+elapsed(took))
	}
	return ""
}

// work is how much was done, with a comma before it; empty for nothing.
func (op *operation) work() string {
	switch {
	case op.moved > 0:
		return ", " + amount(op.moved, "bytes")
	case op.done > 0:
		return ", " + amount(op.done, op.unit)
	}
	return ""
}

// endOf names how something failed in a word or two.
func endOf(e *nodes.Error) string {
	switch {
	case e.Kind == nodes.Exit && e.Signal != "":
		return "signal " + clean(e.Signal)
	case e.Kind == nodes.Exit && e.Code != "":
		return "exit " + clean(e.Code)
	}
	return string(e.Kind)
}
