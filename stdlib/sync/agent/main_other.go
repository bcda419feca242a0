//go:build !linux

package agent

// Flag is the first argument that makes a program the agent.
const Flag = "--agent"

// Main handles nothing: the agent runs on Linux.
func Main([]string) (handled bool, code int) { return false, 0 }
