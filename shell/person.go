package shell

import (
	"context"
	"errors"
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
	record    func(record)      // of --json: what was asked and answered; nil without it
	open      func() (*os.File, error)
	turn      chan struct{}
	permit    func(name, what string) error // why a program may not be started on the terminal
	secrets   *nodes.Secrets                // remembers what must not get into the history
}

func newPerson(s *screen, p *palette, canAsk, yes bool, i *nodes.Interrupt) *person {
	return &person{
		screen: s, paint: p, yes: yes, canAsk: canAsk, interrupt: i, show: func(text string) { s.result(text) },
		// A terminal of its own, not standard input: it can be read with a deadline.
		open:   func() (*os.File, error) { return os.OpenFile("/dev/tty", os.O_RDWR, 0) },
		turn:   make(chan struct{}, 1),
		permit: func(string, string) error { return nil },
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
	text, end := asked(q)
	text = p.paint.as(strong, p.fitted(text))
	if q.Default != nil && *q.Default != "" && !q.Secret {
		text, end = text+" "+p.paint.as(dim, "["+clean(*q.Default)+"]"), ": "
	}
	var answer string
	err := p.ask(ctx, question{q.Text, "run it in a terminal, or give ask a default"}, func(ctx context.Context, t *terminalLine) (err error) {
		answer, err = t.read(ctx, text+end, q.Secret)
		return err
	})
	if q.Secret {
		p.secrets.Keep(answer)
	}
	if answer == "" && q.Default != nil {
		answer = *q.Default
	}
	if err == nil {
		p.note(q.Text, shownAnswer(q, answer), byHand)
	}
	return answer, err
}

// byHand is by whom a question was answered that was asked at the terminal.
const byHand = "terminal"

// shownAnswer is an answer as it may be written down.
func shownAnswer(q nodes.Question, answer string) string {
	if q.Secret {
		return "[secret]"
	}
	return answer
}

// note writes down what was asked and answered, with --json.
func (p *person) note(text, answer, by string) {
	if p.record != nil {
		p.record(record{Time: stamp(time.Time{}), Type: "asked", Text: text, Answer: answer, By: by})
	}
}

// fitted breaks a text at blanks where the terminal is too narrow for it.
func (p *person) fitted(text string) string {
	width, _ := p.screen.size()
	return strings.Join(wrapped(text, width-1), "\n")
}

// asked is the text of a question, and what stands between it and the answer.
func asked(q nodes.Question) (text, end string) {
	text = strings.TrimRight(clean(q.Text), ": ")
	if strings.HasSuffix(text, "?") {
		return text, " "
	}
	return text, ": "
}

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
	if p.record != nil {
		p.note(q.Text, shownAnswer(q, *q.Default), why)
		return *q.Default
	}
	text, end := asked(q)
	p.screen.line(text + end + shown + ", the default (" + why + ")\n")
	return *q.Default
}

// Confirm asks for yes or no, again until it gets one; --yes answers it.
func (p *person) Confirm(ctx context.Context, text string) (bool, error) {
	if p.yes && p.record != nil {
		p.note(text, "yes", "--yes")
		return true, nil
	}
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
			p.note(text, "yes", byHand)
		case "", "n", "no":
			p.note(text, "no", byHand)
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
		texts := make([]string, len(picked))
		for i, at := range picked {
			texts[i] = items[at]
		}
		p.note(text, strings.Join(texts, ", "), byHand)
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
		case isRange && (from == "" || to == ""): // not a range of anything
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
	}
	ctx, stop := p.untilInterrupted(ctx)
	defer stop()
	if ctx.Err() != nil { // while others were asked
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
	soft := p.interrupt.Soft()
	end := func() {
		cancel(&nodes.Error{Kind: nodes.Cancelled, Message: "interrupted", Signal: p.interrupt.Signal()})
	}
	select {
	case <-soft:
		end()
	default:
		go func() {
			select {
			case <-soft:
				end()
			case <-ctx.Done():
			}
		}()
	}
	return ctx, func() { cancel(nil) }
}
