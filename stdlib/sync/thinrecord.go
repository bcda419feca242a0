package sync

import (
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// A lock over SFTP outlives a process that is killed, and nothing on the node tells
// that it was. This host can: for each lock that a process holds there is a file in
// the cache folder, named as the roll and held by flock, which ends with the
// process, or when the connection under the lock is gone. It holds the tree for as
// long as the node has not confirmed the lock: what is found there afterwards was
// taken in vain, and nothing was done under it.

func (e *Engine) lockRecords() string { return filepath.Join(e.session.Cache, "thin-locks") }

// recordLock notes that this process asks for the lock of a tree for a roll; nil
// where that cannot be noted, which only means that others wait longer.
func (e *Engine) recordLock(roll, tree string) *os.File {
	dir := e.lockRecords()
	if e.session.Cache == "" || !plainName(roll) || os.MkdirAll(dir, 0o700) != nil {
		return nil
	}
	e.forgetRecords(dir)
	f, err := os.OpenFile(filepath.Join(dir, roll), os.O_CREATE|os.O_RDWR|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil
	}
	if unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) != nil {
		_ = f.Close()
		return nil
	}
	_, _ = f.WriteAt([]byte(tree), 0)
	return f
}

// inVain lists the rolls of this host, and of this user, that asked for the lock of
// a tree not long ago and went, or lost their connection, before they had it.
func (e *Engine) inVain(tree string) (rolls []string) {
	list, _ := os.ReadDir(e.lockRecords())
	for _, d := range list {
		st, err := d.Info()
		if err != nil || time.Since(st.ModTime()).Abs() > e.locks.stale || !e.isDead(d.Name()) {
			continue
		}
		if b, err := os.ReadFile(filepath.Join(e.lockRecords(), d.Name())); err == nil && string(b) == tree {
			rolls = append(rolls, d.Name())
		}
	}
	return rolls
}

// forgetRecords removes those of locks that are long stale.
func (e *Engine) forgetRecords(dir string) {
	list, _ := os.ReadDir(dir)
	for _, d := range list {
		if st, err := d.Info(); err == nil && time.Since(st.ModTime()) > 30*24*time.Hour {
			_ = os.Remove(filepath.Join(dir, d.Name()))
		}
	}
}

// isDead reports whether the process of this host, and of this user, that took the
// lock of a roll is gone, or its connection is.
func (e *Engine) isDead(roll string) bool {
	if e.session.Cache == "" || !plainName(roll) {
		return false
	}
	f, err := os.OpenFile(filepath.Join(e.lockRecords(), roll), os.O_RDONLY|unix.O_NOFOLLOW, 0)
	if err != nil {
		return false
	}
	defer f.Close()
	return unix.Flock(int(f.Fd()), unix.LOCK_SH|unix.LOCK_NB) == nil
}

// forgetRecord removes that of one who is dead.
func (e *Engine) forgetRecord(roll string) { _ = os.Remove(filepath.Join(e.lockRecords(), roll)) }

// plainName reports whether a roll, which a node may have named, is a file's name.
func plainName(roll string) bool {
	return roll != "" && len(roll) < 200 && roll[0] != '.' && !strings.ContainsAny(roll, "/\x00")
}
