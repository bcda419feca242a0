package wire

import "time"

// A tree is locked in one of two ways, and whoever locks it looks for the other
// one after its own stands: of two that come at once at least one gives way.
//
// The agent holds flock on LockFile, which ends with it; what it writes there,
// and the time of the file, which it renews every LockBeat, are for those who
// cannot see the lock. Over SFTP a file is made, ThinLock, and renewed as often;
// nothing ends it with its holder, so one that was not renewed for StaleThinLock
// is taken over; for StaleLock, by whoever knows that its holder is dead, or when
// the one who made it did not write who that is.
const (
	LockFile = "lock"
	ThinLock = "lock-sftp"
)

// How often locks are renewed, and how old one is whose holder is gone: of an
// agent that was killed, and of a controller over SFTP that went away. Both are
// told by the node's clock alone.
const (
	LockBeat      = 15 * time.Second
	StaleLock     = 2 * time.Minute
	StaleThinLock = 15 * time.Minute
)

// Stale reports whether a lock was not renewed for so long. A time far ahead is
// that of a clock that was set back.
func Stale(renewed, now time.Time, after time.Duration) bool {
	return now.Sub(renewed).Abs() > after
}
