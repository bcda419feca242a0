package shell

import (
	"bufio"
	"errors"
	"io"
	"strings"

	"github.com/chzyer/readline"
)

// editor is what the REPL needs of line editing; readline is one.
type editor interface {
	// SetPrompts sets what stands before the first line of a chunk, and before
	// the others.
	SetPrompts(first, more string)
	// Readline gives a chunk, or a line of one. It fails with io.EOF at the end,
	// and readline.ErrInterrupt at Ctrl-C.
	Readline() (string, error)
	// Stdout takes whole lines while a line is typed.
	Stdout() io.Writer
	// Remember puts a chunk into the history of this session.
	Remember(chunk string)
	Close() error
}

// dumb is the editor for terminals that cannot move the cursor (TERM=dumb): the
// terminal's own line editing, and no history. Ctrl-C is a signal there.
type dumb struct {
	in      *bufio.Reader
	screen  *screen
	prompt  string
	ctrlC   <-chan struct{}
	lines   chan dumbLine
	reading bool // a line is waited for, since before a Ctrl-C
}

type dumbLine struct {
	text string
	err  error
}

func newDumb(in io.Reader, s *screen, ctrlC <-chan struct{}) *dumb {
	return &dumb{in: bufio.NewReader(in), screen: s, ctrlC: ctrlC, lines: make(chan dumbLine, 1)}
}

// SetPrompts sets the prompt: there are only single lines here.
func (d *dumb) SetPrompts(prompt, _ string) { d.prompt = prompt }

func (d *dumb) Readline() (string, error) {
	d.screen.prompt(d.prompt)
	if !d.reading {
		d.reading = true
		go func() {
			line, err := d.in.ReadString('\n')
			d.lines <- dumbLine{line, err}
		}()
	}
	select {
	case <-d.ctrlC: // the terminal has thrown away what was typed
		d.screen.prompt("\n")
		return "", readline.ErrInterrupt
	case l := <-d.lines:
		d.reading = false
		if errors.Is(l.err, io.EOF) && l.text != "" {
			l.err = nil
		}
		return strings.TrimRight(l.text, "\r\n"), l.err
	}
}

func (d *dumb) Stdout() io.Writer { return below{d.screen.writer} }
func (d *dumb) Remember(string)   {}
func (d *dumb) Close() error      { return nil }

// below writes lines that come in while a line is typed, below it.
type below struct{ to *writer }

func (b below) Write(p []byte) (int, error) {
	b.to.diagnostic(append([]byte("\n"), p...))
	return len(p), nil
}
