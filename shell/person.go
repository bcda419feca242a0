package shell

import (
	"context"
	"errors"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rollsh/rollsh/nodes"
)

// maxAnswer bounds an answer in bytes.
const maxAnswer = 64 << 10

// errAgain is an answer that has to be given again.
var errAgain = errors.New("again")

// person asks at the terminal with a reader of its own: what is answered is in
// no history, and a secret is not echoed. One question is open at a time.
type person struct {
	screen    *screen
	paint     *palette
	yes       bool // --yes
	canAsk    bool
	interrupt *nodes.Interrupt
	show      func(text string) // puts a result on standard output
	open      func() (*os.File, error)
	turn      chan struct{}
	secrets   *nodes.Secrets // remembers what must not get into the history
}

func newPerson(s *screen, p *palette, canAsk, yes bool, i *nodes.Interrupt) *person {
	return &person{
		screen: s, paint: p, yes: yes, canAsk: canAsk, interrupt: i, show: func(text string) { s.result(text) },
		// A terminal of its own, not standard input: it can be read with a deadline.
		open: func() (*os.File, error) { return os.OpenFile("/dev/tty", os.O_RDWR, 0) },
		turn: make(chan struct{}, 1),
	}
}

// Show puts a result on standard output.
func (p *person) Show(text string) { p.show(text) }

// Ask asks for a line; an empty one is the default. The default is the answer, too,
// with --yes and where there is no terminal.
func (p *person) Ask(ctx context.Context, q nodes.Question) (string, error) {
	if q.Default != nil && (p.yes || !p.canAsk) {
		return p.byDefault(q), nil
	}
	text := p.paint.as(strong, p.fitted(asked(q)))
	if q.Default != nil && *q.Default != "" && !q.Secret {
		text += " " + p.paint.as(dim, "["+clean(*q.Default)+"]")
	}
	var answer string
	err := p.ask(ctx, question{q.Text, "run it in a terminal, or give ask a default"}, func(ctx context.Context, t *terminalLine) (err error) {
		answer, err = t.read(ctx, text+": ", q.Secret)
		return err
	})
	if q.Secret {
		p.secrets.Keep(answer)
	}
	if answer == "" && q.Default != nil {
		answer = *q.Default
	}
	return answer, err
}

// fitted breaks a text at blanks where the terminal is too narrow for it.
func (p *person) fitted(text string) string {
	width, _ := p.screen.size()
	return strings.Join(wrapped(text, width-1), "\n")
}

// asked is the text of a question without what ends it.
func asked(q nodes.Question) string { return strings.TrimRight(clean(q.Text), ": ") }

// byDefault answers a question with its default, and says so.
func (p *person) byDefault(q nodes.Question) string {
	shown, why := "'"+clean(*q.Default)+"'", "no terminal"
	if q.Secret {
		shown = "[secret]"
		p.secrets.Keep(*q.Default)
	}
	if p.yes {
		why = "--yes"
	}
	p.screen.line(asked(q) + ": " + shown + ", the default (" + why + ")\n")
	return *q.Default
}

// Confirm asks for yes or no, again until it gets one; --yes answers it.
func (p *person) Confirm(ctx context.Context, text string) (bool, error) {
	if p.yes {
		p.screen.line(clean(text) + " yes (--yes)\n")
		return true, nil
	}
	var yes bool
	err := p.ask(ctx, question{text, "run it in a terminal, or with --yes"}, func(ctx context.Context, t *terminalLine) error {
		line, err := t.read(ctx, p.paint.as(strong, p.fitted(clean(text)))+" "+p.paint.as(dim, "[y/N]")+" ", false)
		if err != nil {
			return err
		}
		switch strings.ToLower(strings.TrimSpace(line)) {
		case "y", "yes":
			yes = true
		case "", "n", "no":
		default:
			return errAgain
		}
		return nil
	})
	return yes, err
}

// Choose shows a numbered list and gives the picked indexes, in the list's
// order; an empty answer picks nothing.
func (p *person) Choose(ctx context.Context, text string, items []string, many bool) ([]int, error) {
	var picked []int
	how := "a number"
	if many {
		how = "numbers such as 1,3-5, or all"
	}
	first := true
	err := p.ask(ctx, question{text, "run it in a terminal"}, func(ctx context.Context, t *terminalLine) error {
		if first {
			p.screen.prompt(p.menu(text, items))
			first = false
		}
		line, err := t.read(ctx, p.paint.as(dim, p.fitted(how+", empty for none:"))+" ", false)
		if err != nil {
			return err
		}
		if picked, err = parsePicks(numbered(line, items), len(items), many); err != nil {
			p.screen.prompt(err.Error() + "\n")
			return errAgain
		}
		return nil
	})
	return picked, err
}

func (p *person) menu(text string, items []string) string {
	var b strings.Builder
	b.WriteString(p.paint.as(strong, p.fitted(clean(text))) + "\n")
	width, _ := p.screen.size()
	digits := len(strconv.Itoa(len(items)))
	for i, item := range items {
		b.WriteString("  " + padLeft(strconv.Itoa(i+1), digits) + "  " + cut(clean(item), width-digits-5) + "\n")
	}
	return b.String()
}

// numbered puts numbers in the place of the items' first words: who is shown
// "3  r12 alice: ..." may as well answer r12, or r12-14.
func numbered(line string, items []string) string {
	number := func(word string) string {
		i := slices.IndexFunc(items, func(item string) bool {
			f := strings.Fields(item)
			return len(f) > 0 && f[0] == word
		})
		if i < 0 {
			return word
		}
		return strconv.Itoa(i + 1)
	}
	parts := strings.FieldsFunc(line, func(r rune) bool { return r == ',' || r == ' ' })
	for i, part := range parts {
		from, to, isRange := strings.Cut(part, "-")
		switch {
		case strings.Trim(part, "0123456789-") == "": // numbers of the list
		case !isRange, number(part) != part:
			parts[i] = number(part)
		case strings.HasPrefix(from, "r") && !strings.HasPrefix(to, "r"):
			parts[i] = number(from) + "-" + number("r"+to)
		default:
			parts[i] = number(from) + "-" + number(to)
		}
	}
	return strings.Join(parts, ",")
}

// parsePicks reads "1,3-5" into indexes below n.
func parsePicks(line string, n int, many bool) ([]int, error) {
	line = strings.TrimSpace(line)
	if line == "" {
		return nil, nil
	}
	if many && (line == "all" || line == "*") {
		line = "1-" + strconv.Itoa(n)
	}
	var picked []int
	for _, part := range strings.FieldsFunc(line, func(r rune) bool { return r == ',' || r == ' ' }) {
		from, to, isRange := strings.Cut(part, "-")
		if !isRange {
			to = from
		}
		lo, err1 := strconv.Atoi(from)
		hi, err2 := strconv.Atoi(to)
		if err1 != nil || err2 != nil || lo < 1 || hi > n || lo > hi {
			return nil, errors.New("'" + clean(part) + "' is not a choice from 1 to " + strconv.Itoa(n))
		}
		for i := lo; i <= hi; i++ {
			picked = append(picked, i-1)
		}
	}
	slices.Sort(picked)
	picked = slices.Compact(picked)
	if !many && len(picked) > 1 {
		return nil, errors.New("pick one")
	}
	return picked, nil
}

// question is what a person is asked, and what helps where nobody can be asked.
type question struct{ text, hint string }

// ask opens the terminal for one question and asks until it is answered.
func (p *person) ask(ctx context.Context, q question, once func(context.Context, *terminalLine) error) error {
	if !p.canAsk {
		return withHint(&nodes.Error{Kind: nodes.Refused, Message: "cannot ask '" + q.text + "': there is no terminal"}, q.hint)
	}
	select {
	case p.turn <- struct{}{}:
		defer func() { <-p.turn }()
	case <-ctx.Done():
		return nodes.Stopped(ctx)
	}
	f, err := p.open()
	if err != nil {
		return &nodes.Error{Kind: nodes.Refused, Message: "cannot ask '" + q.text + "': " + err.Error(), Cause: err}
	}
	p.screen.hide()
	defer p.screen.show()
	t := &terminalLine{file: f, screen: p.screen, interrupt: p.interrupt}
	defer t.close()
	ctx, stop := p.untilInterrupted(ctx)
	defer stop()
	for {
		if err := once(ctx, t); !errors.Is(err, errAgain) {
			return err
		}
	}
}

// untilInterrupted ends a question at the first Ctrl-C, even in a roll, which
// itself only takes note of it.
func (p *person) untilInterrupted(ctx context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	if p.interrupt == nil {
		return ctx, func() { cancel(nil) }
	}
	go func() {
		select {
		case <-p.interrupt.Soft():
			cancel(&nodes.Error{Kind: nodes.Cancelled, Message: "interrupted", Signal: p.interrupt.Signal()})
		case <-ctx.Done():
		}
	}()
	return ctx, func() { cancel(nil) }
}

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
