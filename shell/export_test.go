package shell

import (
	"io"
	"os"
	"syscall"
	"time"

	"github.com/rollsh/rollsh/nodes"
)

// Sink is a sink of the shell as its tests drive it.
type Sink interface {
	nodes.Sink
	Flush()
}

type testSink struct {
	nodes.Sink
	flush func()
}

func (s testSink) Flush() { s.flush() }

// NewSink makes a sink of a format (pretty, plain, json) without colour over
// two streams.
func NewSink(format string, out, err io.Writer, width, height int) Sink {
	w := newWriter(out, err)
	s := newScreen(w, func() (int, int) { return width, height }, false)
	sink := newSink(format, s, newPalette(false))
	return testSink{sink, func() { sink.flush(); w.close() }}
}

// Grid gives the rows that are drawn at a time after events.
func Grid(events []nodes.Event, now time.Time, width, height int) []string {
	l := newLines(newPalette(false))
	for _, e := range events {
		l.take(e)
	}
	return l.grid(now, width, height)
}

// ErrorText is an error as it is printed, without colour.
func ErrorText(err error, verbose bool) string { return errorText(err, newPalette(false), verbose) }

// Cells is how many columns text takes.
func Cells(s string) int { return cells(s) }

// NewPerson makes a person who answers on a terminal; its screen is out.
func NewPerson(terminal *os.File, out io.Writer, yes bool, i *nodes.Interrupt) nodes.Person {
	w := newWriter(out, out)
	p := newPerson(newScreen(w, func() (int, int) { return 80, 24 }, true), newPalette(false), terminal != nil, yes, i)
	p.open = func() (*os.File, error) { return reopen(terminal) }
	return p
}

func reopen(terminal *os.File) (*os.File, error) {
	return os.OpenFile(terminal.Name(), os.O_RDWR|syscall.O_NOCTTY, 0)
}

// ParsePicks reads the answer to a list.
func ParsePicks(line string, n int, many bool) ([]int, error) { return parsePicks(line, n, many) }
