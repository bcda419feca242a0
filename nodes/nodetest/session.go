package nodetest

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/rollsh/rollsh/nodes"
)

// Session is a session in an empty project of the bed, as the bed's user. It
// has no Dialer and no Here: the caller makes them. Events go to sink; nil
// drops them. Nobody is there to be asked: see [Person].
func (b *Bed) Session(sink nodes.Sink) *nodes.Session {
	if sink == nil {
		sink = nodes.Discard{}
	}
	s := &nodes.Session{
		Project: filepath.Join(b.dir, "project"), State: filepath.Join(b.dir, "state"), Cache: filepath.Join(b.dir, "cache"),
		Home: b.Home, User: b.user, Host: "deploy", Events: sink, Person: &Person{}, Service: nodes.NewService(),
		Recipe: &nodes.Recipe{Files: map[string]string{}},
	}
	for _, dir := range []string{s.Project, s.State, s.Cache} {
		_ = os.MkdirAll(dir, 0o700) // a failure shows at the first use
	}
	return s
}

// Recorder is a sink that keeps what it is given.
type Recorder struct {
	mu     sync.Mutex
	events []nodes.Event
}

// Emit keeps e.
func (r *Recorder) Emit(e nodes.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = append(r.events, e)
}

// Events gives the events so far, in order.
func (r *Recorder) Events() []nodes.Event {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]nodes.Event(nil), r.events...)
}

// Text joins the texts of the events of one type, a line each.
func (r *Recorder) Text(t nodes.EventType) string {
	var b strings.Builder
	for _, e := range r.Events() {
		if e.Type == t {
			b.WriteString(e.Text + "\n")
		}
	}
	return b.String()
}

// Person answers in turn with Answers ("yes" and "no" for Confirm) and refuses
// when none is left. Asked are the texts that it was asked, Shown what it saw.
type Person struct {
	mu      sync.Mutex
	Answers []string
	Asked   []string
	Shown   []string
}

func (p *Person) next(text string) (string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.Asked = append(p.Asked, text)
	if len(p.Answers) == 0 {
		return "", &nodes.Error{Kind: nodes.Refused, Message: "nobody is there to answer: " + text}
	}
	answer := p.Answers[0]
	p.Answers = p.Answers[1:]
	return answer, nil
}

// Ask gives the next answer.
func (p *Person) Ask(_ context.Context, q nodes.Question) (string, error) { return p.next(q.Text) }

// Confirm is true when the next answer is yes.
func (p *Person) Confirm(_ context.Context, text string) (bool, error) {
	answer, err := p.next(text)
	return answer == "yes", err
}

// Choose picks the item that is the next answer, or nothing.
func (p *Person) Choose(_ context.Context, text string, items []string, _ bool) ([]int, error) {
	answer, err := p.next(text)
	for i, item := range items {
		if err == nil && item == answer {
			return []int{i}, nil
		}
	}
	return nil, err
}

// Show keeps text.
func (p *Person) Show(text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.Shown = append(p.Shown, text)
}
