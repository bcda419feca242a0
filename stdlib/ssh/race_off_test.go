//go:build !race

package ssh_test

// raced reports whether the race detector is on, which takes memory of its own.
const raced = false
