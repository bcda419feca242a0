package sync_test

import (
	"fmt"
	"os"
	"runtime"
	"testing"
	"time"
)

// Sixty-four nodes at once, with ROLLSH_FAULTS=all: every node gets the tree,
// and this side's memory does not grow with their number.
func TestManyNodes(t *testing.T) {
	if os.Getenv("ROLLSH_FAULTS") != "all" {
		t.Log("run with ROLLSH_FAULTS=all")
		return
	}
	r := newBareRig(t, 64)
	for i := range 500 {
		r.file(fmt.Sprintf("d%d/%d", i%20, i), noise(2000, int64(i)))
	}
	var before runtime.MemStats // what other tests took
	runtime.ReadMemStats(&before)
	for _, what := range []string{"first push", "roll", "no change"} {
		began := time.Now()
		r.push()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		t.Logf("%s to 64 nodes: %v, %d MB", what, time.Since(began), m.Sys>>20)
		for i := range 64 {
			r.equal(i)
		}
		if what == "first push" {
			r.file("d1/1", "changed")
		}
		if m.Sys-before.Sys > 400<<20 {
			t.Errorf("%s took %d MB", what, (m.Sys-before.Sys)>>20)
		}
	}
}
