//go:build race

package sync_test

// raced reports that the tests run with the race detector, and so shall the
// agents on the nodes.
const raced = true
