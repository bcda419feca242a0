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
	SetPrompt(prompt string)
	// Readline fails with io.EOF at the end, and readline.ErrInterrupt at Ctrl-C.
	Readline() (string, error)
	// Stdout takes whole lines while a line is typed.
	Stdout() io.Writer
	SaveHistory(line string) error
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

func (d *dumb) SetPrompt(prompt string) { d.prompt = prompt }

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

func (d *dumb) Stdout() io.Writer        { return below{d.screen.writer} }
func (d *dumb) SaveHistory(string) error { return nil }
func (d *dumb) Close() error             { return nil }

// below writes lines that come in while a line is typed, below it.
type below struct{ to *writer }

func (b below) Write(p []byte) (int, error) {
	b.to.diagnostic(append([]byte("\n"), p...))
	return len(p), nil
}
