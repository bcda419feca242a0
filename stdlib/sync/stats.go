package sync

import "github.com/rollsh/rollsh/stdlib/sync/wire"

// Stats are what a sync did, or undo undid, on one node. Folders count where
// nothing in them does: made or removed empty, or with new permissions.
type Stats struct {
	Added   int     `lua:"added"`
	Changed int     `lua:"changed"`
	Deleted int     `lua:"deleted"`
	Bytes   int64   `lua:"bytes"`   // of the contents that were sent
	Seconds float64 `lua:"seconds"` // in all
	Burst   float64 `lua:"burst"`   // seconds in which both revisions could be seen
	Drift   int     `lua:"drift"`   // files changed on the node that were replaced, or left
	Extra   int     `lua:"extra"`   // files that no roll put there, and that stay
	Roll    string  `lua:"roll"`    // what sync.undo takes; of an undo, what was undone
	Settled string  `lua:"settled"` // finished or undone: what was done first about a roll cut short
}

func stats(rep *wire.Report) Stats {
	return Stats{
		Added: rep.Added, Changed: rep.Changed, Deleted: rep.Deleted, Bytes: rep.Bytes,
		Drift: len(rep.Drift), Extra: rep.Extra, Roll: rep.Roll, Settled: rep.Settled,
	}
}
