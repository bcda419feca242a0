//go:build linux

package agent

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"time"

	"github.com/rollsh/rollsh/stdlib/sync/wire"
	"golang.org/x/sys/unix"
)

// lockWait is how long a lock that somebody else holds is waited for: a
// predecessor that was cut off goes within moments.
const lockWait = 2 * time.Second

// waitLock tries for the lock until lockWait is over.
func waitLock(fd int) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	end := time.After(lockWait)
	for {
		err := unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB)
		if !errors.Is(err, unix.EWOULDBLOCK) {
			return err
		}
		select {
		case <-tick.C:
		case <-end:
			return err
		}
	}
}

// lockTree opens a tree and locks it, or says who holds it. One that was made while
// the lock was waited for is opened anew.
func lockTree(path string, by wire.Holder) (*tree, error) {
	for {
		t, err := openTree(path, true)
		if err != nil {
			return nil, err
		}
		if err := t.take(by); err != nil {
			t.close()
			return nil, err
		}
		if t.base >= 0 || !t.made() {
			return t, nil
		}
		t.close()
	}
}

// made reports whether the folder of the tree, which was missing, is there now.
func (t *tree) made() bool {
	_, err := os.Lstat(t.path)
	return err == nil
}

// take locks the tree, or says who holds it.
func (t *tree) take(by wire.Holder) error {
	fd, err := unix.Openat(t.state, wire.LockFile, unix.O_RDWR|unix.O_CREAT|unix.O_CLOEXEC|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return cannot("open", t.place+"/lock", err)
	}
	f := os.NewFile(uintptr(fd), "lock")
	if err := waitLock(fd); err != nil {
		return t.locked(f, err)
	}
	b, err := json.Marshal(by)
	if err == nil {
		if err = f.Truncate(0); err == nil {
			_, err = f.WriteAt(b, 0)
		}
	}
	if err != nil && !noRoom(err) {
		_ = f.Close()
		return cannot("write", t.place+"/lock", err)
	}
	t.lock, t.by, t.beat = f, by, make(chan struct{})
	if h, held := t.heldOverSFTP(); held {
		t.unlock()
		return heldBy(h)
	}
	t.renewing.Go(func() { renew(f, t.beat) })
	return nil
}

// unlock gives the lock back.
func (t *tree) unlock() {
	if t.lock == nil {
		return
	}
	close(t.beat)
	t.renewing.Wait()
	_ = t.lock.Truncate(0)
	_ = t.lock.Close()
	t.lock = nil
}

// renew keeps the lock's time near the present, by writing anew how it begins.
func renew(f *os.File, end <-chan struct{}) {
	tick := time.NewTicker(wire.LockBeat)
	defer tick.Stop()
	for {
		select {
		case <-end:
			return
		case <-tick.C:
			_, _ = f.WriteAt([]byte("{"), 0)
		}
	}
}

func (t *tree) locked(f *os.File, err error) error {
	defer f.Close()
	if !errors.Is(err, unix.EWOULDBLOCK) {
		return cannot("lock", t.place+"/lock", err)
	}
	return heldBy(holder(f))
}

func holder(r io.Reader) (h wire.Holder) {
	b, _ := io.ReadAll(io.LimitReader(r, 4096))
	_ = json.Unmarshal(b, &h)
	return h
}

// heldOverSFTP tells who works on the tree over SFTP. A lock that nobody renews
// any more is removed.
func (t *tree) heldOverSFTP() (h wire.Holder, held bool) {
	fd, err := unix.Openat(t.state, wire.ThinLock, unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if errors.Is(err, unix.ENOENT) {
		return h, false
	} else if err != nil {
		return h, true
	}
	f := os.NewFile(uintptr(fd), wire.ThinLock)
	defer f.Close()
	h = holder(f)
	st, err := f.Stat()
	if err != nil {
		return h, true
	}
	stale := wire.StaleThinLock
	if h.Roll == "" { // it is made, and not written yet
		stale, h.Since = wire.StaleLock, st.ModTime()
	}
	if wire.Stale(st.ModTime(), time.Now(), stale) {
		return h, unix.Unlinkat(t.state, wire.ThinLock, 0) != nil
	}
	return h, true
}
