package shell

import (
	"io"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/rollsh/rollsh/lua"
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

// Stream is the sink for a terminal, drawn when its test says so.
type Stream struct{ p *pretty }

// NewStream makes one over a stream, after events, at a time.
func NewStream(events []nodes.Event, to io.Writer, now time.Time, width, height int) Stream {
	s := newScreen(newWriter(to, to), func() (int, int) { return width, height }, false)
	p := newPretty(s, newPalette(true))
	p.now, p.ticking, p.shown = func() time.Time { return now }, true, true
	for _, e := range events {
		p.lines.take(e)
	}
	return Stream{p}
}

// Emit takes an event.
func (s Stream) Emit(e nodes.Event) { s.p.Emit(e) }

// Draw draws what came in and the grid.
func (s Stream) Draw() {
	s.p.mu.Lock()
	defer s.p.mu.Unlock()
	s.p.drawLocked()
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
func ErrorText(err error, verbose bool, width int) string {
	return errorText(err, newPalette(false), verbose, width)
}

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

// Numbered puts numbers in the place of items.
func Numbered(line string, items []string) string { return numbered(line, items) }

// ParsePicks reads the answer to a list.
func ParsePicks(line string, n int, many bool) ([]int, error) { return parsePicks(line, n, many) }

// KnowHow is what completion knows in a test.
type KnowHow struct {
	Globals map[string]string
	Names   map[string][]string
	Files   []string
	Nodes   []string
	Tiers   []string
	Paths   []string
	Revs    []string
	Hosts   []string
	Local   func(folder string) []string
}

// Complete gives the candidates for the text before the cursor.
func Complete(h *lua.Host, k KnowHow, before string) (typed string, candidates []string) {
	c := &completer{
		host: h, globals: k.Globals, names: k.Names, files: k.Files, nodes: k.Nodes, tiers: k.Tiers, paths: k.Paths, help: helpNames(h),
		revs: k.Revs, local: k.Local, hosts: func() []string { return k.Hosts },
	}
	return c.complete(before)
}

// After is what follows a word that was completed.
func After(before, completed string) string { return after(before, completed) }

// FileInUse is the nodes file that a chunk names.
func FileInUse(chunk string, files ...string) string { return fileInUse(chunk, files) }

// Lex gives the texts of the tokens.
func Lex(src string) []string {
	var out []string
	for _, t := range lex(src) {
		out = append(out, t.text)
	}
	return out
}

// Paint gives a line as it is coloured while it is typed.
func Paint(line string) string { return paintTyped(newPalette(true), line) }

// TypedKeys gives what readline gets for pieces of input.
func TypedKeys(typed int64, pieces ...string) string {
	k := &keyboard{}
	k.typed.Store(typed)
	var out []byte
	for _, p := range pieces {
		out = append(out, k.filter([]byte(p))...)
	}
	text := string(out)
	for strings.ContainsRune(text, markPaste) {
		text = strings.Replace(text, string(markPaste), k.taken(), 1)
	}
	return text
}

// Newline stands for a line break inside a line.
const Newline = string(newline)

// Desugar turns a line of the prompt into Lua.
func Desugar(project, line string) (string, error) { return desugar(project, line) }

// SplitWords cuts a command line.
func SplitWords(line string) ([]string, error) { return splitWords(line) }

// AsRecipe writes typed chunks as a recipe.
func AsRecipe(chunks []string) string { return asRecipe(chunks, "typed.lua") }

// Remember writes chunks to a history file and reads them back.
func Remember(path string, chunks ...string) ([]string, error) {
	h := history{path}
	for _, c := range chunks {
		if remembered(c) {
			if err := h.add(c); err != nil {
				return nil, err
			}
		}
	}
	return h.load()
}

// TypesText and ReferencePages are what is generated from the records.
func TypesText(h *lua.Host) string                 { return typesText(h) }
func ReferencePages(h *lua.Host) map[string]string { return referencePages(h) }

// ManPage is the manual page.
func ManPage() string { return (&app{}).manPage() }

// HelpText is a help page; HelpNames lists them.
func HelpText(h *lua.Host, name string) (string, bool) {
	return helpText(h, pageStyle{newPalette(false), 60}, name)
}
func HelpNames(h *lua.Host) []string { return helpNames(h) }

// LeftBehind says where the rolls before a shared journal are.
func LeftBehind(project, state string, env func(string) string) string {
	return leftBehind(project, state, env)
}

// StateOf is the folder of journal and locks.
func StateOf(project string, env func(string) string) (string, bool) { return stateOf(project, env) }

// NameGrid lays names out in columns.
func NameGrid(names []string, width, height int) string { return grid(names, width, height) }

// Rolls shows what roll.history and roll.status give.
func Rolls(list []any, width int) (string, bool) { return rolls(newPalette(false), list, width) }

// ShellModule is the records of this room itself.
func ShellModule() lua.Module { return (&app{}).module() }

// LayOut lays out what is typed: the rows without their colours, a ~ after those
// that the terminal breaks, and the cursor.
func LayOut(first, more, text string, at, width int) (shown []string, row, col int) {
	rows, cursor := layOut(first, more, text, at, width)
	for _, r := range rows {
		line := escapes().ReplaceAllString(r.text, "")
		if r.soft {
			line += "~"
		}
		shown = append(shown, line)
	}
	return shown, cursor.row, cursor.col
}

// Above counts the rows over the cursor once the terminal is width wide.
func Above(first, text string, at, before, width int) int {
	rows, cursor := layOut(first, "", text, at, before)
	return above(rows, cursor, width)
}

// Past walks through chunks from a draft, with the cursor at its end: u is up, d
// is down. It gives what is shown after each step.
func Past(chunks []string, draft, steps string) []string {
	var p past
	for _, c := range chunks {
		p.add([]rune(c))
	}
	b := block{[]rune(draft), len([]rune(draft))}
	var shown []string
	for _, step := range steps {
		if step == 'u' {
			b = p.back(b)
		} else {
			b = p.on(b)
		}
		shown = append(shown, string(b.text))
	}
	return shown
}

// Enter types lines with Enter after each but the last, as a chunk that is not
// whole is typed, and gives what stands there.
func Enter(lines ...string) string {
	var b block
	for i, line := range lines {
		if i > 0 {
			b = b.broken()
		}
		for _, key := range line {
			b, _ = b.with([]rune{key}).indented(key)
		}
	}
	return strings.ReplaceAll(string(b.text), string(newline), "\n")
}

// Topic is a help page that is no record.
func Topic(name string) string { return topics[name] }

// PolicyLets reports whether a word of a policy's node line lets a connection be made.
func PolicyLets(word, user, host, port string) bool { return reachOf(word).lets(user, host, port) }
