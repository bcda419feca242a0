package lua

import (
	"testing"

	"github.com/rollsh/rollsh/nodes"
)

// BenchmarkNew is what every start of rollsh pays before the recipe runs.
func BenchmarkNew(b *testing.B) {
	s := &screen{}
	for b.Loop() {
		New(&nodes.Session{Person: s, Events: s}, []Module{fleetOf(2), testModule()})
	}
}

// BenchmarkBlock is one blocking primitive: the baton given and taken.
func BenchmarkBlock(b *testing.B) {
	s := &screen{}
	h := New(&nodes.Session{Person: s, Events: s}, []Module{testModule()})
	if err := runText(b.Context(), h, `local f = demo.nothing for i = 1, `+itoa(b.N)+` do f() end`); err != nil {
		b.Fatal(err)
	}
}
