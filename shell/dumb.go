package shell

import (
	"bufio"
	"errors"
	"io"
	"strings"
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
// terminal's own line editing, and no history.
type dumb struct {
	in     *bufio.Reader
	screen *screen
	prompt string
}

func newDumb(in io.Reader, s *screen) *dumb { return &dumb{in: bufio.NewReader(in), screen: s} }

func (d *dumb) SetPrompt(prompt string) { d.prompt = prompt }

func (d *dumb) Readline() (string, error) {
	d.screen.prompt(d.prompt)
	line, err := d.in.ReadString('\n')
	if errors.Is(err, io.EOF) && line != "" {
		err = nil
	}
	return strings.TrimRight(line, "\r\n"), err
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
