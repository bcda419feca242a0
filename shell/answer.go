package shell

import (
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"time"

	"github.com/rollsh/rollsh/nodes"
)

// terminalLine reads lines from a terminal until a context ends.
type terminalLine struct {
	file      *os.File
	screen    *screen
	interrupt *nodes.Interrupt
	buffer    []byte // read and not yet used
}

func (t *terminalLine) close() { _ = t.file.Close() } // opened for reading answers: nothing can be lost

// read prompts and reads one line. A secret is read without echo.
func (t *terminalLine) read(ctx context.Context, prompt string, secret bool) (string, error) {
	stop := context.AfterFunc(ctx, func() { _ = t.file.SetReadDeadline(time.Unix(1, 0)) }) // wakes the read below
	defer stop()
	if secret {
		restore, err := t.raw()
		if err != nil {
			return "", &nodes.Error{Kind: nodes.Refused, Message: "cannot hide what is typed: " + err.Error(), Cause: err}
		}
		defer restore()
	}
	t.screen.prompt(prompt)
	var line answer
	for {
		for len(t.buffer) > 0 {
			c := t.buffer[0]
			t.buffer = t.buffer[1:]
			done, err := line.add(c, secret)
			if done || err != nil {
				return t.ended(line.text(), err)
			}
		}
		if err := t.fill(ctx); err != nil {
			return "", err
		}
	}
}

// raw is rawMode with the line ended that was not echoed.
func (t *terminalLine) raw() (restore func(), err error) {
	back, err := rawMode(t.file)
	return func() {
		back()
		t.screen.prompt("\n")
	}, err
}

// ended hands a Ctrl-C that raw mode gave as a byte to the run.
func (t *terminalLine) ended(text string, err error) (string, error) {
	if err == nil {
		return text, nil
	}
	if t.interrupt != nil && errors.Is(err, errCtrlC) {
		t.interrupt.Hit("INT")
	}
	if errors.Is(err, io.EOF) {
		return "", &nodes.Error{Kind: nodes.Cancelled, Message: "no answer: end of input"}
	}
	return "", &nodes.Error{Kind: nodes.Cancelled, Message: "interrupted", Signal: "INT"}
}

func (t *terminalLine) fill(ctx context.Context) error {
	buf := make([]byte, 4096)
	n, err := t.file.Read(buf)
	t.buffer = append(t.buffer, buf[:n]...)
	switch {
	case ctx.Err() != nil:
		t.screen.prompt("\n")
		return nodes.Stopped(ctx)
	case n == 0 && errors.Is(err, io.EOF):
		t.screen.prompt("\n") // Ctrl-D ends no line
		_, err := t.ended("", err)
		return err
	case err != nil && n == 0:
		return &nodes.Error{Kind: nodes.Refused, Message: "cannot read the answer: " + err.Error(), Cause: err}
	}
	return nil
}

var errCtrlC = errors.New("ctrl-c")

// answer is a line while it is typed. In raw mode it does what the terminal
// does otherwise: erase, erase all, end.
type answer struct{ bytes []byte }

func (a *answer) text() string { return strings.ToValidUTF8(string(a.bytes), "\ufffd") }

func (a *answer) add(c byte, raw bool) (done bool, err error) {
	switch {
	case c == '\n' || c == '\r':
		return true, nil
	case raw && c == 3:
		return false, errCtrlC
	case raw && c == 4 && len(a.bytes) == 0:
		return false, io.EOF
	case raw && (c == 127 || c == 8):
		a.erase()
	case raw && (c == 21 || c == 23):
		a.bytes = nil
	case c >= 32 || c == '\t':
		if len(a.bytes) < maxAnswer {
			a.bytes = append(a.bytes, c)
		}
	}
	return false, nil
}

// erase takes the last rune away.
func (a *answer) erase() {
	runes := []rune(string(a.bytes))
	if len(runes) > 0 {
		a.bytes = []byte(string(runes[:len(runes)-1]))
	}
}
