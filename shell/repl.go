package shell

import (
	"context"
	"errors"
	"io"
	"path/filepath"
	"strings"

	"github.com/chzyer/readline"

	"github.com/rollsh/rollsh/lua"
	"github.com/rollsh/rollsh/nodes"
)

// widestMore is how wide the prompt of a chunk's further lines may be; the text
// stands below that of the first line up to there.
const widestMore = 24

// repl is the shell that a person types at. It runs on one goroutine; readline
// has its own.
type repl struct {
	app     *app
	line    editor
	history history
	tab     *tab
	chunk   string   // the lines of a chunk that is not whole yet; of an editor for single lines
	last    string   // the last chunk, for :edit
	typed   []string // the Lua of the chunks that went well, for :save
}

// repl runs until exit, Ctrl-D or a signal.
func (a *app) repl() error {
	if err := a.enter(); err != nil {
		return err
	}
	r := &repl{app: a, history: history{filepath.Join(userState(a.env), "history")}}
	r.tab = &tab{app: a}
	if err := r.open(); err != nil {
		return err
	}
	a.inShell.Store(true)
	defer a.inShell.Store(false)
	defer func() { _ = r.line.Close() }() // the terminal's settings are put back by Main as well
	a.library.WhenLost(func(n nodes.Name) {
		if a.atPrompt.Load() { // else what is run tells
			a.seen.lose(n, a.tellLost)
		}
	})
	r.remember()
	if width, _ := a.screen.size(); width >= 60 {
		a.screen.line(a.outPaint.as(dim, r.greeting(width)) + "\n")
	}
	return r.loop()
}

// open makes the line editor.
func (r *repl) open() (err error) {
	a := r.app
	if a.env("TERM") == "dumb" {
		r.line = newDumb(a.stdin, a.screen, a.ctrlC)
	} else if r.line, err = newReader(a, r.tab, r.whole); err != nil {
		return err
	}
	r.tab.out = r.line.Stdout()
	return nil
}

// whole reports whether a chunk may run as it is.
func (r *repl) whole(chunk string) bool {
	if strings.TrimSpace(chunk) == "" || strings.ContainsAny(chunk[:1], "@!?:") {
		return true
	}
	return !lua.Incomplete(lua.ParseTyped(chunk))
}

// tellLost says which connections went away.
func (a *app) tellLost(gone []nodes.Name) {
	what := "the connection to " + foldNames(gone) + " is gone"
	if len(gone) > 1 {
		what = "the connections to " + foldNames(gone) + " are gone"
	}
	a.note(what)
}

// greeting says what this is, in one line of the terminal.
func (r *repl) greeting(width int) string {
	text := clean("rollsh " + r.app.version)
	if p := r.app.session.Project; p != "" {
		text += ", project " + clean(p)
	} else {
		text += ", no project here"
	}
	const advice = "; ?NAME is help, exit leaves"
	return cut(text, width-1-len(advice)) + advice
}

// remember gives readline the chunks of earlier sessions.
func (r *repl) remember() {
	chunks, err := r.history.load()
	if err != nil {
		r.app.note("history: " + err.Error())
	}
	for _, c := range chunks {
		r.line.Remember(c)
	}
}

func (r *repl) loop() error {
	r.tab.refresh()
	if files := r.tab.know.Load().files; len(files) == 1 {
		r.app.nodesFile = files[0]
	}
	for {
		if r.app.interruptedIdle.Swap(false) { // Ctrl-C between two lines
			r.chunk = ""
		}
		line, err := r.read()
		switch {
		case errors.Is(err, readline.ErrInterrupt):
			r.chunk = ""
			continue
		case errors.Is(err, io.EOF):
			if r.leave(false) {
				return nil
			}
			continue
		case err != nil:
			return &nodes.Error{Kind: nodes.Failed, Message: "the terminal: " + err.Error(), Cause: err}
		}
		if r.chunk == "" {
			switch word := strings.TrimSpace(line); {
			case word == "exit" || word == "quit" || word == "exit!":
				if r.leave(word == "exit!") {
					return nil
				}
				continue
			case strings.HasPrefix(line, ":"):
				r.colon(line)
				continue
			}
		}
		r.take(line)
	}
}

// read lets a person type a line; what comes in meanwhile is drawn above it.
func (r *repl) read() (string, error) {
	first := r.app.prompt()
	more := r.app.outPaint.as(dim, padLeft("...", max(3, cells(first)-2))) + "  "
	if cells(more) > widestMore {
		more = r.app.outPaint.as(dim, "...") + " "
	}
	if r.chunk != "" {
		first = more
	}
	r.line.SetPrompts(first, more)
	r.app.screen.under(r.line.Stdout())
	r.app.atPrompt.Store(true)
	defer func() {
		r.app.atPrompt.Store(false)
		r.app.screen.under(nil)
	}()
	return r.line.Readline()
}

// leave reports whether the shell may be left: not while nodes are drained.
func (r *repl) leave(force bool) bool {
	out := r.app.session.Service.Out()
	if len(out) == 0 || force {
		return true
	}
	verb := " are"
	if len(out) == 1 {
		verb = " is"
	}
	r.app.complain(&nodes.Error{Kind: nodes.Refused, Message: foldNames(out) + verb + " still drained", Hint: "node(\"" + string(out[0]) + "\"):undrain(), or exit! to leave it so"})
	return false
}

// take adds a line to the chunk and runs it when it is whole.
func (r *repl) take(line string) {
	shown := line
	if r.chunk == "" {
		if strings.TrimSpace(line) == "" {
			return
		}
		src, err := desugar(r.app.session.Project, line)
		if err != nil {
			r.keep(shown)
			r.app.complain(err)
			return
		}
		if src != line {
			r.keep(shown)
			r.run(src)
			return
		}
	}
	chunk := r.chunk + line
	if !r.whole(chunk) {
		r.chunk = chunk + "\n"
		return
	}
	r.chunk = ""
	r.keep(chunk)
	r.run(chunk)
}

// adviseOn tells what a name that is nothing may have been meant for.
func (r *repl) adviseOn(name string) {
	known := r.tab.know.Load()
	if _, is := known.globals[name]; is || strings.Contains(name, ".") {
		return
	}
	advice := "there is no '" + name + "'; !" + name + " runs it as a command on this machine"
	if near := nodes.Suggest(name, known.globalNames()); near != "" {
		advice = "did you mean '" + near + "'?"
	}
	r.app.screen.line(r.app.errPaint.as(hint, "hint: "+advice) + "\n")
}

// adviseOnCall tells which name of a chunk is no function, where that is why it
// failed.
func (r *repl) adviseOnCall(src string, err error) {
	if !strings.Contains(err.Error(), "call a non-function") {
		return
	}
	known := r.tab.know.Load()
	tokens := solid(lex(src))
	for i, t := range tokens {
		called := i+1 < len(tokens) && (tokens[i+1].kind == quoted || tokens[i+1].text == "(" || tokens[i+1].text == "{")
		member := i > 0 && (tokens[i-1].text == "." || tokens[i-1].text == ":")
		if _, is := known.globals[t.text]; t.kind == word && called && !member && !is {
			r.adviseOn(t.text)
			return
		}
	}
}

// adviseOnWords tells how a line is written that begins with two words, which is
// no Lua: a command of the system, or a function whose text has no quotes.
func (r *repl) adviseOnWords(src string, err error) {
	tokens := solid(lex(src))
	if !strings.Contains(err.Error(), "syntax error") || len(tokens) < 2 || tokens[0].kind != word || tokens[1].kind != word || strings.Contains(src, "\n") {
		return
	}
	line, name := strings.TrimSpace(src), tokens[0].text
	advice := "!" + line + " runs it on this machine, @NODE " + line + " on a node"
	m := moduleNamed(r.app.host, name)
	if called := m != nil && m.Call != nil || r.tab.know.Load().globals[name] == "function"; called && len(tokens) == 2 {
		advice = "a text wants quotes: " + name + " \"" + tokens[1].text + "\""
	}
	r.app.screen.line(r.app.errPaint.as(hint, "hint: "+clean(advice)) + "\n")
}

// keep puts a chunk into the history.
func (r *repl) keep(chunk string) {
	if !remembered(chunk) || r.app.session.Secrets.In(chunk) {
		return
	}
	r.last = chunk
	r.line.Remember(chunk)
	if err := r.history.add(chunk); err != nil {
		r.app.note("history: " + err.Error())
	}
}

// run runs a chunk and shows its values; Ctrl-C cancels it and keeps the shell.
func (r *repl) run(src string) {
	a := r.app
	var values []lua.Raw
	a.seen.begin()
	err := a.during(func(ctx context.Context) (err error) {
		values, err = a.host.Eval(ctx, src)
		return err
	})
	a.sink.flush()
	if err != nil {
		a.complain(err)
		r.adviseOnCall(src, err)
		r.adviseOnWords(src, err)
	} else {
		r.typed = append(r.typed, src)
		if file := fileInUse(src, r.tab.know.Load().files); file != "" {
			a.nodesFile = file
		}
		if len(values) > 0 {
			a.host.SetGlobal("_", values[0])
		}
	}
	for _, v := range values {
		if text, some := a.display(v); some {
			a.show(text)
		}
		if v.Type() == "nil" && isName(src) {
			r.adviseOn(strings.TrimSpace(src))
		}
		r.tab.shown(a.host.Value(v))
	}
	a.writer.flush()
	r.tab.refresh()
}
