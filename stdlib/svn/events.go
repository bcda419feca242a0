package svn

import (
	"context"
	"time"

	"github.com/rollsh/rollsh/nodes"
)

// warn tells the person what went another way than asked.
func (s *Svn) warn(ctx context.Context, text string) {
	by := nodes.CallerOf(ctx)
	s.emit(nodes.Event{Type: nodes.Warned, Op: by.Op, Where: by.Where, Text: printable(text)})
}

// say tells the person something that answers no question, in lines of the width
// of the terminal.
func (s *Svn) say(ctx context.Context, text string) {
	by := nodes.CallerOf(ctx)
	text = printable(text)
	if n := nodes.Columns(s.session.Person); n > 0 {
		text = wrap(text, n, "  ")
	}
	s.emit(nodes.Event{Type: nodes.Said, Op: by.Op, Where: by.Where, Text: text})
}

func (s *Svn) emit(e nodes.Event) {
	if s.session.Events == nil {
		return
	}
	e.Time = time.Now()
	s.session.Events.Emit(e)
}

// watch counts the lines of a long svn command and shows how far it is.
type watch struct {
	svn   *Svn
	event nodes.Event
	shown time.Time
}

func (s *Svn) watch(ctx context.Context, what string) *watch {
	by := nodes.CallerOf(ctx)
	return &watch{svn: s, shown: time.Now(), event: nodes.Event{Type: nodes.Progress, Op: by.Op, Where: by.Where, Text: printable(what), Unit: "files"}}
}

// line counts one file, and shows the count a few times a second.
func (w *watch) line(string) {
	w.event.Done++
	if time.Since(w.shown) > 200*time.Millisecond {
		w.shown = time.Now()
		w.svn.emit(w.event)
	}
}

// mayChange reports whether the run may change anything; a plan may not.
func (s *Svn) mayChange() bool {
	r := s.session.Recipe
	return r == nil || r.Mode != nodes.ModePlan && r.Mode != nodes.ModePending
}
