//go:build linux

package agent

import (
	"math"
	"runtime"
	"runtime/debug"
)

// The agent is a guest on the node. With a small tree it has done its work before
// collecting garbage pays: it takes up to easyMemory before it does so often.
// With largeChange entries to change or more it takes half as much again as it
// needs.
const (
	easyMemory  = 48 << 20
	easyCare    = 400 // percent, as of debug.SetGCPercent
	care        = 50
	largeChange = 25_000
)

// easy is how the agent begins.
func easy() {
	debug.SetGCPercent(easyCare)
	debug.SetMemoryLimit(easyMemory)
}

// careful is told how many entries may have to be changed.
func (s *server) careful(entries int) {
	if entries < largeChange {
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
