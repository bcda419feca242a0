//go:build linux

package agent

import "github.com/rollsh/rollsh/stdlib/sync/wire"

// noteIdle writes down that nothing of a roll is here, as it had nothing to do or
// was undone: its undo has nothing to do either. Losing it costs an error then, and
// nothing else.
func (t *tree) noteIdle(roll string) {
	old, _ := readAt(t.state, wire.IdleFile)
	_ = writeLazily(t.state, wire.IdleFile, []byte(wire.AddIdle(string(old), roll)))
}

// idle reports whether nothing of a roll is here.
func (t *tree) idle(roll string) bool {
	b, err := readAt(t.state, wire.IdleFile)
	return err == nil && wire.HasIdle(string(b), roll)
}
