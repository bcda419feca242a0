package wire

import (
	"fmt"
	"time"
)

// Facts are what preflight wants to know about a tree's place.
type Facts struct {
	Exists    bool
	NotFolder string `json:",omitempty"` // a file stands where a folder must be
	Writable  bool
	Why       string `json:",omitempty"` // why it is not
	State     string // where rollsh's record is or would be
	Inside    bool   // the record is inside the tree
	FreeBytes uint64
	FreeFiles uint64
	OldBytes  uint64    `json:",omitempty"` // that undos other than the last, and what arrived and was not used, can make free
	OldFiles  uint64    `json:",omitempty"`
	NoInodes  bool      // the filesystem does not count inodes
	Clock     time.Time // the node's time
	FSType    string
	Mount     bool // the tree is a mount point
	User      string
}

// spare is how much of a filesystem a push leaves to others.
const (
	spare       = 1 << 20
	spareInodes = 10
)

// Lacks says what of the room that a change takes is missing at path; empty
// when there is enough, or when it is not known.
func (f *Facts) Lacks(path string, bytes int64, entries int) string {
	room, inodes := f.FreeBytes+f.OldBytes, f.FreeFiles+f.OldFiles
	switch {
	case bytes > 0 && f.FreeBytes > 0 && uint64(bytes)+spare > room:
		return fmt.Sprintf("%s has room for %s; the change takes %s, and %s must stay free", path, Size(int64(room)), Size(bytes), Size(spare))
	case entries > 0 && !f.NoInodes && f.FreeFiles > 0 && uint64(entries)+spareInodes > inodes:
		return fmt.Sprintf("%s has %d inodes left; the change takes %d, and %d must stay free", path, inodes, entries, spareInodes)
	}
	return ""
}

// MadeRoom says that undos of a tree went.
func MadeRoom(undos int, tree string) string {
	if undos == 1 {
		return "to make room, the oldest undo of " + tree + " was removed"
	}
	return fmt.Sprintf("to make room, the %d oldest undos of %s were removed", undos, tree)
}

// Size writes a number of bytes for people.
func Size(n int64) string {
	const unit = 1000
	if n < unit {
		return fmt.Sprintf("%d B", n)
	}
	v, i := float64(n), -1
	for v >= unit && i < 4 {
		v /= unit
		i++
	}
	return fmt.Sprintf("%.1f %cB", v, "kMGTP"[i])
}
