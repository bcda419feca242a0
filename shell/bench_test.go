package shell_test

import (
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/rollsh/rollsh/lua"
	"github.com/rollsh/rollsh/nodes"
	"github.com/rollsh/rollsh/shell"
)

// BenchmarkCompletion is Tab in a project of 2,000 nodes.
func BenchmarkCompletion(b *testing.B) {
	h := lua.New(&nodes.Session{Events: nodes.Discard{}, Service: nodes.NewService()}, nil)
	know := known
	know.Nodes = nil
	for i := range 2000 {
		know.Nodes = append(know.Nodes, fmt.Sprintf("web%04d", i))
	}
	for b.Loop() {
		shell.Complete(h, know, `nodes("prod"):only("web19`)
	}
}

// BenchmarkGrid is one drawing of 200 nodes; ten are made in a second.
func BenchmarkGrid(b *testing.B) {
	events := grid(200)
	for b.Loop() {
		shell.Grid(events, at(4), 80, 50)
	}
}

// BenchmarkOutput is one line of a node, on its way to a terminal.
func BenchmarkOutput(b *testing.B) {
	s := shell.NewSink("pretty", io.Discard, io.Discard, 80, 24)
	defer s.Flush()
	for i := range 200 {
		s.Emit(nodes.Event{Type: nodes.Started, ID: uint64(i + 1), Node: nodes.Name(fmt.Sprintf("web%d", i)), Time: time.Now().Add(-time.Second)})
	}
	n := 0
	for b.Loop() {
		n++
		s.Emit(nodes.Event{Type: nodes.Output, ID: uint64(n%200 + 1), Node: nodes.Name(fmt.Sprintf("web%d", n%200)), Text: "a line of some length from a log", Time: time.Now()})
	}
}

// BenchmarkStreaming is a second of 200 nodes that put out 1,000 lines: what it
// takes of a processor. Ten drawings are made in it.
func BenchmarkStreaming(b *testing.B) {
	var events []nodes.Event
	for i := range 1000 {
		events = append(events, nodes.Event{
			Type: nodes.Output, ID: uint64(i%200 + 1), Node: nodes.Name(fmt.Sprintf("web%d", i%200)), Time: at(4),
			Text: fmt.Sprintf("line %d of a log that is as long as lines of logs are, with a path /srv/www/%d", i, i),
		})
	}
	s := shell.NewStream(grid(200), io.Discard, at(4), 80, 50)
	for b.Loop() {
		for i, e := range events {
			s.Emit(e)
			if i%100 == 99 {
				s.Draw()
			}
		}
	}
}
