//go:build linux

package agent

import (
	"math"
	"runtime"
	"runtime/debug"
)

// The agent is a guest on the node. With a small tree it has done its work before
// collecting garbage pays: it takes up to easyMemory before it does so often.
// From largeTree entries on, or largeList bytes of their encoding, it takes half
// as much again as it needs.
const (
	easyMemory = 48 << 20
	easyCare   = 400 // percent, as of debug.SetGCPercent
	care       = 50
	largeTree  = 25_000
	largeList  = 1 << 20
)

// easy is how the agent begins.
func easy() {
	debug.SetGCPercent(easyCare)
	debug.SetMemoryLimit(easyMemory)
}

// careful is told of a list of so many bytes.
func (s *server) careful(list int) {
	if s == nil || list < largeList {
		return
	}
	s.large.Do(func() {
		debug.SetGCPercent(care)
		debug.SetMemoryLimit(math.MaxInt64)
	})
}

// giveBack returns the memory of a large tree to the node: the agent may wait
// for hours.
func giveBack() {
	const large = 64 << 20
	var m runtime.MemStats
	if runtime.ReadMemStats(&m); m.HeapSys-m.HeapReleased > large {
		debug.FreeOSMemory()
	}
}
