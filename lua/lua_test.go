package lua

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/rollsh/rollsh/nodes"
)

// screen is a Person that keeps what is shown, and a Sink that keeps events.
type screen struct {
	mu     sync.Mutex
	lines  []string
	events []nodes.Event
}

func (s *screen) Show(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lines = append(s.lines, text)
}

func (s *screen) Emit(e nodes.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.events = append(s.events, e)
}

func (s *screen) text() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Join(s.lines, "\n")
}

func (*screen) Ask(context.Context, nodes.Question) (string, error) { return "", errNobody }
func (*screen) Confirm(context.Context, string) (bool, error)       { return false, errNobody }
func (*screen) Choose(context.Context, string, []string, bool) ([]int, error) {
	return nil, errNobody
}

var errNobody = &nodes.Error{Kind: nodes.Refused, Message: "nobody to ask"}

// newHost makes a host with the modules under test and a screen to look at.
func newHost(t *testing.T, mods ...Module) (*Host, *screen) {
	t.Helper()
	s := &screen{}
	return New(&nodes.Session{Person: s, Events: s, Project: t.TempDir(), Service: nodes.NewService()}, mods), s
}

// runText runs a chunk as a file named recipes/prod.lua.
func runText(ctx context.Context, h *Host, src string) error {
	<-h.baton
	defer h.give()
	h.root.G.CurrentThread = h.root
	h.Session.Recipe.Path = "recipes/prod.lua"
	fn, err := h.load(src, "recipes/prod.lua")
	if err != nil {
		return err
	}
	_, err = h.run(bare(ctx), h.root, &task{where: "recipes/prod.lua"}, fn)
	return err
}

// wantOutput runs a chunk and compares what it prints.
func wantOutput(t *testing.T, src, want string, mods ...Module) {
	t.Helper()
	h, s := newHost(t, mods...)
	if err := runText(t.Context(), h, src); err != nil {
		t.Errorf("%s\nfails: %v", src, err)
		return
	}
	if got := s.text(); got != want {
		t.Errorf("%s\nprints %q\nwant   %q", src, got, want)
	}
}

// wantError runs a chunk and compares the line of its error.
func wantError(t *testing.T, src string, kind nodes.Kind, want string, mods ...Module) {
	t.Helper()
	h, _ := newHost(t, mods...)
	err := runText(t.Context(), h, src)
	if nodes.KindOf(err) != kind || err == nil || err.Error() != want {
		t.Errorf("%s\ngives %q (%s)\nwant  %q (%s)", src, fmt.Sprint(err), nodes.KindOf(err), want, kind)
	}
}
