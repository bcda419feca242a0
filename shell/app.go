package shell

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/signal"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/term"

	"github.com/rollsh/rollsh/lua"
	"github.com/rollsh/rollsh/nodes"
	"github.com/rollsh/rollsh/stdlib"
)

// stuckAfter is how long Lua may hold the baton after a cancel before it is
// given up: one call of a library, such as table.sort, hears no cancel.
const stuckAfter = 2 * time.Second

// noteAfter is how long a cancel may take before it is told.
const noteAfter = 500 * time.Millisecond

// app is one run of rollsh.
type app struct {
	version string
	opts    options
	env     func(string) string

	stdin  io.Reader
	stdout io.Writer
	stderr io.Writer

	writer    *writer
	screen    *screen
	sink      sink
	json      *events // nil without --json
	outPaint  *palette
	errPaint  *palette
	person    *person
	interrupt *nodes.Interrupt
	leave     chan int      // an exit code: end at once
	ctrlC     chan struct{} // Ctrl-C while a line is typed
	clock     clock
	secrets   *nodes.Secrets
	seen      *seen
	audit     *audit      // nil without --audit
	policy    *policy     // nil without --policy
	nodesFile string      // that the REPL works with; empty while it is open which
	atPrompt  atomic.Bool // a line is being typed
	// inShell says that the REPL is on; interruptedIdle, that Ctrl-C came while
	// it neither ran anything nor read a line.
	inShell, interruptedIdle atomic.Bool

	session *nodes.Session
	library *stdlib.Library
	host    *lua.Host
}

// Main runs rollsh and gives its exit code; see ExitCode. The streams are the
// process's own; terminals among them are treated as such.
func Main(version string, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	if handled, code := stdlib.Agent(args); handled {
		return code
	}
	a := &app{
		version: version, env: os.Getenv, stdin: stdin, stdout: stdout, stderr: stderr,
		interrupt: nodes.NewInterrupt(), leave: make(chan int, 1), ctrlC: make(chan struct{}, 1),
		secrets: nodes.TakeSecrets(),
	}
	restore := keepTerminal(stdin)
	defer restore()
	rest, err := a.opts.parse(args)
	if err == nil {
		err = a.dress()
	} else {
		a.opts = options{color: "auto"}
		_ = a.dress() // plain settings: it cannot fail
	}
	done := make(chan int, 1)
	stop := a.catch()
	defer stop()
	go func() {
		if err == nil {
			err = a.openAudit(args)
		}
		if err == nil {
			err = a.openPolicy()
		}
		if err == nil {
			err = a.run(rest)
		}
		done <- a.finish(err)
	}()
	select {
	case code := <-done:
		return code
	case code := <-a.leave:
		return code
	}
}

// keepTerminal notes the terminal's settings, to put them back however the run
// ends.
func keepTerminal(stdin io.Reader) (restore func()) {
	f, ok := stdin.(*os.File)
	if !ok {
		return func() {}
	}
	state, err := term.GetState(int(f.Fd()))
	if err != nil {
		return func() {}
	}
	return func() {
		if inForeground(int(f.Fd())) { // a background job that sets a terminal is stopped
			_ = term.Restore(int(f.Fd()), state) // gone: nothing to restore
		}
	}
}

// dress makes what shows things: screen, sink and person.
func (a *app) dress() error {
	if f, ok := a.stdin.(*os.File); ok && f == nil {
		a.stdin = strings.NewReader("")
	}
	outTTY, errTTY := isTerminal(a.stdout), isTerminal(a.stderr)
	a.writer = newWriter(a.stdout, a.stderr)
	a.writer.broken = a.pipeBroke
	a.screen = newScreen(a.writer, sizeOf(a.stderr, a.stdout), outTTY && errTTY)
	a.outPaint = newPalette(wantsColor(a.opts.color, outTTY, a.env) && !a.opts.json)
	a.errPaint = newPalette(wantsColor(a.opts.color, errTTY, a.env))
	format := formatPlain
	switch {
	case a.opts.json:
		format = formatJSON
	case errTTY && !a.opts.plain && a.env("TERM") != "dumb":
		format = formatPretty
	}
	a.sink = newSink(format, a.screen, a.errPaint)
	if p, ok := a.sink.(*plain); ok {
		p.lines.width = func() int { return a.widthOf(a.stderr) }
	}
	if p, ok := a.sink.(*pretty); ok {
		p.now = a.clock.now
	}
	a.json, _ = a.sink.(*events)
	a.seen = &seen{sink: a.sink, lost: map[nodes.Name]bool{}}
	if a.json == nil {
		a.seen.planned = a.showPlanned
	}
	a.sink = a.seen
	a.person = newPerson(a.screen, a.errPaint, isTerminal(a.stdin) && errTTY, a.opts.yes, a.interrupt)
	a.person.show, a.person.secrets, a.person.permit = a.show, a.secrets, a.permit
	if a.json != nil {
		a.person.record = a.json.write
	}
	a.screen.secrets = a.person.secrets
	return nil
}

// show puts a result on standard output.
func (a *app) show(text string) {
	if a.json != nil {
		a.json.write(record{Time: stamp(time.Time{}), Type: "printed", Text: text})
		return
	}
	if f, ok := a.stdout.(*os.File); ok && isTerminal(f) {
		text = cleanLines(text)
	}
	a.screen.result(text + "\n")
}

// pipeBroke ends a run whose reader is gone, as SIGPIPE would; a roll goes on.
func (a *app) pipeBroke() {
	if !a.interrupt.Held() {
		a.interrupt.Hit("PIPE")
	}
}

// open makes session and host, once; recipe is the absolute path of the recipe
// to be run, or empty.
func (a *app) open(recipe string) error {
	if a.host != nil {
		return nil
	}
	s, err := newSession(&a.opts, recipe, a.env)
	if err != nil {
		return err
	}
	s.Events, s.Person, s.Interrupt, s.Secrets = a.sink, a.person, a.interrupt, a.person.secrets
	if a.audit != nil {
		s.Audit = a.audit
	}
	if a.policy != nil {
		s.Policy = a.policy
	}
	a.session = s
	a.library = stdlib.New(s)
	a.host = lua.New(s, append(a.library.Modules, a.module()))
	return nil
}

// finish prints how the run failed and gives the exit code.
func (a *app) finish(err error) int {
	a.sink.flush()
	if err != nil {
		a.complain(err)
	}
	if err == nil {
		err = a.unwritten()
	}
	if a.library != nil {
		a.library.Close()
	}
	a.sink.flush()
	a.writer.close()
	code := ExitCode(err)
	if name := a.interrupt.Signal(); err != nil && name != "" {
		code = signalCode(name)
	}
	_ = a.keep(fmt.Sprintf("ends with exit code %d", code)) // all that was done is there
	return code
}

// unwritten is, and tells, that results could not be written; nil where they
// were, or their reader is gone.
func (a *app) unwritten() error {
	err := a.writer.failure()
	if err == nil {
		return nil
	}
	why := err
	if p := (*fs.PathError)(nil); errors.As(err, &p) {
		why = p.Err
	}
	err = &nodes.Error{Kind: nodes.Failed, Message: "cannot write to standard output: " + why.Error(), Cause: err}
	a.screen.line(errorText(err, a.errPaint, false, a.widthOf(a.stderr)))
	return err
}

func (a *app) complain(err error) {
	if a.json != nil {
		p := problemOf(err)
		a.json.write(record{Time: stamp(time.Time{}), Type: "error", Error: &p})
		return
	}
	a.screen.line(errorText(err, a.errPaint, a.opts.verbose, a.widthOf(a.stderr)))
}

// during runs f under a context that signals cancel.
func (a *app) during(f func(context.Context) error) error {
	ctx, end := a.interrupt.Begin(context.Background())
	defer end()
	stop := context.AfterFunc(ctx, a.watch)
	defer stop()
	return f(ctx)
}

// watch leaves when Lua does not give up the baton after a cancel.
func (a *app) watch() {
	if a.host == nil || a.interrupt.Stage() < nodes.Cancelling || a.host.Responsive(stuckAfter) {
		return
	}
	a.screen.line(a.errPaint.as(warning, "warning:") + " Lua does not end: a call of its library hears no cancel\n")
	a.goAway()
}

// catch handles the signals until stop is called.
func (a *app) catch() (stop func()) {
	caught := make(chan os.Signal, 8)
	signal.Notify(caught, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT)
	pipe := make(chan os.Signal, 1)
	signal.Notify(pipe, syscall.SIGPIPE) // a dead reader is an error of a write, not the end of a roll
	go func() {
		for s := range caught {
			a.signalled(s)
		}
	}()
	return func() {
		signal.Stop(caught)
		signal.Stop(pipe)
		close(caught)
	}
}

func (a *app) signalled(s os.Signal) {
	name := "INT"
	switch s {
	case syscall.SIGTERM:
		name = "TERM"
	case syscall.SIGHUP:
		name = "HUP"
	case syscall.SIGQUIT:
		name = "QUIT"
	}
	if a.atPrompt.Load() { // nothing runs: Ctrl-C is a key here, the others end the shell
		if name != "INT" {
			a.interrupt.Hit(name)
			a.goAway()
			return
		}
		select {
		case a.ctrlC <- struct{}{}: // for a terminal on which it is a signal here too
		default:
		}
		return
	}
	if name == "INT" && a.inShell.Load() && !a.interrupt.Running() {
		a.interruptedIdle.Store(true)
		return
	}
	if name == "INT" && isTerminal(a.stdin) && isTerminal(a.stderr) {
		a.screen.afterEcho()
	}
	before := a.interrupt.Stage()
	stage := a.interrupt.Hit(name)
	switch {
	case stage == nodes.Leaving:
		a.goAway()
	case stage == before && name != "INT":
	case stage == before:
		a.note(cancelling(a.interrupt.Last()))
	case stage == nodes.Stopping:
		a.note("stopping: what is under way ends, nothing new is started; Ctrl-C again cancels")
	case stage == nodes.Cancelling:
		last := a.interrupt.Last()
		time.AfterFunc(noteAfter, func() {
			if a.interrupt.Running() && a.interrupt.Stage() == nodes.Cancelling && a.interrupt.Last() == last {
				a.note(cancelling(last))
			}
		})
	}
}

// cancelling is what is told while a run is cancelled; last: the next Ctrl-C
// leaves.
func cancelling(last bool) string {
	often := "twice more"
	if last {
		often = "again"
	}
	return "cancelling and cleaning up; Ctrl-C " + often + " leaves at once"
}

func (a *app) note(text string) {
	a.sink.Emit(nodes.Event{Time: time.Now(), Type: nodes.Warned, Text: text})
}

// goAway ends the process at once and names the nodes that are left out.
func (a *app) goAway() {
	code := signalCode(a.interrupt.Signal())
	if a.session != nil {
		if out := a.session.Service.Out(); len(out) > 0 {
			a.note("left at once: " + foldNames(out) + " still drained, and what was under way on them is unknown; `rollsh resume` asks them")
		}
	}
	a.sink.flush()
	flushed := make(chan struct{})
	go func() { a.writer.flush(); close(flushed) }()
	select {
	case <-flushed:
	case <-time.After(time.Second): // a terminal that takes nothing any more
	}
	select {
	case a.leave <- code:
	default:
	}
}

func foldNames(names []nodes.Name) string {
	out := make([]string, len(names))
	for i, n := range names {
		out[i] = string(n)
	}
	slices.SortFunc(out, naturally)
	return nodes.FoldNames(out)
}
