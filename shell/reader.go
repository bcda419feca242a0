package shell

import (
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/chzyer/readline"

	"github.com/rollsh/rollsh/nodes"
)

const (
	bracketedPasteOn  = "\x1b[?2004h"
	bracketedPasteOff = "\x1b[?2004l"
)

// reader lets a person type chunks of one or more lines. readline does the
// editing, with editing for what goes over a line's end; the view draws.
type reader struct {
	line    *readline.Instance
	view    *view
	editing *editing
	screen  *screen
	resized chan os.Signal
}

// newReader makes one over the terminal of an app; whole tells whether a chunk
// may run at Enter.
func newReader(a *app, completion *tab, whole func(chunk string) bool) (*reader, error) {
	r := &reader{screen: a.screen, resized: make(chan os.Signal, 1)}
	searching := func() bool { return r.line != nil && r.line.Operation.IsSearchMode() }
	r.view = &view{
		to: a.stdout, size: a.screen.size, searching: searching,
		colour: func(text string) string { return paintTyped(a.outPaint, text) },
	}
	keys := &keyboard{in: a.stdin}
	r.editing = &editing{
		whole: whole, kick: func() { r.line.Terminal.KickRead() }, clear: r.view.clear, pasted: keys.taken, searching: searching, goal: -1,
	}
	widthChanged := func() {}
	line, err := readline.NewEx(&readline.Config{
		Stdin: keys, Stdout: r.view, Stderr: a.stderr,
		HistoryLimit: historyLimit, DisableAutoSaveHistory: true, HistorySearchFold: true,
		Painter: r.view, AutoComplete: completion, FuncFilterInputRune: func(key rune) (rune, bool) {
			keys.search.Store(key == readline.CharBckSearch || key == readline.CharFwdSearch || searching())
			return r.editing.filter(key)
		},
		InterruptPrompt: "^C", EOFPrompt: "\n",
		FuncIsTerminal:     func() bool { return true },
		FuncGetWidth:       func() int { w, _ := a.screen.size(); return max(w, 2) }, // 0 columns would be divided by
		FuncOnWidthChanged: func(f func()) { widthChanged = f },
		Listener: readline.FuncListener(func(line []rune, pos int, key rune) ([]rune, int, bool) {
			line, pos, changed := r.editing.change(line, pos, key)
			keys.typed.Store(int64(len(line)))
			return line, pos, changed
		}),
	})
	if err != nil {
		return nil, &nodes.Error{Kind: nodes.Failed, Message: "no line editing: " + err.Error(), Cause: err}
	}
	r.line = line
	signal.Notify(r.resized, syscall.SIGWINCH)
	go func() {
		for range r.resized {
			widthChanged()
			r.view.redraw()
		}
	}()
	a.screen.prompt(bracketedPasteOn)
	return r, nil
}

func (r *reader) SetPrompts(first, more string) { r.view.prompt(first, more) }

func (r *reader) Readline() (string, error) {
	line, err := r.line.Readline()
	return strings.ReplaceAll(line, string(newline), "\n"), err
}

func (r *reader) Stdout() io.Writer { return aboveView{r.view} }

// Remember puts a chunk into what up and down walk through, and into what Ctrl-R
// searches.
func (r *reader) Remember(chunk string) {
	r.editing.remember(chunk)
	_ = r.line.SaveHistory(onOneLine(chunk)) // in memory only: it cannot fail
}

func onOneLine(chunk string) string { return strings.ReplaceAll(chunk, "\n", string(newline)) }

// Close ends line editing. It leaves readline's own Close alone, which may wait
// for a key (its issue 217): between two lines the terminal's settings are back
// already, and the process ends next.
func (r *reader) Close() error {
	signal.Stop(r.resized)
	close(r.resized)
	r.screen.prompt(bracketedPasteOff)
	return nil
}
