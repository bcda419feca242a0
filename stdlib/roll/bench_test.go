package roll_test

import (
	"testing"

	"github.com/rollsh/rollsh/stdlib/roll"
)

// BenchmarkStep is what the journal costs a roll: an intent that is on the disk
// before the step, and its outcome.
func BenchmarkStep(b *testing.B) {
	j := roll.NewJournal(session(b.TempDir()))
	b.Cleanup(func() { _ = j.Close() })
	set := web("web1")
	r, err := j.Begin(b.Context(), roll.Request{Name: "www", To: set})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _, _ = r.Finish(b.Context(), nil) })
	for b.Loop() {
		if err := r.Step(b.Context(), set, roll.Switched, "", well); err != nil {
			b.Fatal(err)
		}
	}
}
