package sync

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path"
	"slices"
	"sync"
	"time"

	"github.com/rollsh/rollsh/nodes"
	"github.com/rollsh/rollsh/stdlib/sync/wire"
)

// lockTimes are how often a lock over SFTP is renewed, and after how long it is
// stale.
type lockTimes struct{ beat, stale time.Duration }

// thinLock is our lock on a tree. The file stays open: what is written to renew it
// goes to the file that was made, even where somebody took the lock over and
// another file has its name.
//
// Nothing over SFTP can compare a name and replace it in one step. So one that is
// taken away is moved aside first and looked at there, and whoever holds one looks
// whether it is still under its name when it has taken it, before a burst, and again
// where it was not renewed for half the time after which it may be taken over: then
// this host, or the network, slept.
type thinLock struct {
	lockTimes
	by    wire.Holder
	file  nodes.FileWriter // nil: we hold none
	here  *os.File         // says on this host that its holder lives; may be nil
	beats func()           // ends the renewing

	mu   sync.Mutex
	sure time.Time // when it was surely ours, by this host's clock that goes on in a sleep
	lost error
	stop context.CancelCauseFunc // of what is done under the lock
}

// tree tells trees apart.
func (t *thin) tree() string { return placeOf(t.j.node) + "\x00" + t.root }

func (t *thin) lockName() nodes.RemotePath {
	return nodes.RemotePath(path.Join(t.state, wire.ThinLock))
}

// clockOnTheWall is a time without the reading of the clock that stands still
// while the machine sleeps.
func clockOnTheWall() time.Time { return time.Now().Round(0) }

// onLoss says what ends what is done under the lock.
func (l *thinLock) onLoss(stop context.CancelCauseFunc) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stop = stop
	if l.lost != nil {
		stop(l.lost)
	}
}

// takeLock takes the tree's lock, see package wire, or says who holds it; then it
// looks again for the tree and reads what rolls left, for that may be news since.
func (t *thin) takeLock() error {
	l := &t.lock
	l.by = t.j.by
	l.by.Roll, l.by.Since = t.j.roll, time.Now()
	for try := 0; l.file == nil; try++ {
		if err := t.grab(try); err != nil {
			return err
		}
	}
	var h wire.Holder
	var held bool
	t.names = nil
	err := t.all(5, func(i int) (err error) {
		switch i {
		case 0:
			h, held, err = t.heldByAgent()
			return err
		case 1:
			return t.remember()
		case 2:
			return l.check(t)
		case 3:
			return t.findRoot()
		}
		_, err = t.list()
		return err
	})
	if held || err != nil {
		t.unlock()
		if err != nil {
			return err
		}
		return &nodes.Error{
			Kind: nodes.Locked, Message: "the tree is locked by " + holderText(h) + ", with an agent on the node", Hint: "wait until that has ended",
		}
	}
	l.confirm()
	l.renew(t)
	return nil
}

// grab makes the lock, or removes one that is stale or a forgotten one of ours.
func (t *thin) grab(try int) error {
	made, err := t.makeLock()
	if made || err == nil {
		return err
	}
	h, readErr := t.holder(t.lockName())
	if readErr != nil && (try > 1 || nodes.KindOf(readErr) != nodes.NotFound) {
		return err // it is not a lock that is in the way
	} else if readErr != nil {
		return nil // it went
	}
	if h.Roll == t.j.roll && h.Roll != "" && try < 2 {
		return t.unseat(func(h wire.Holder, _ time.Time) bool { return h.Roll == t.j.roll })
	}
	st, err := t.f.Stat(t.lockName())
	if nodes.KindOf(err) == nodes.NotFound && try < 2 {
		return nil
	} else if err != nil {
		return err
	}
	if vain := t.e.inVain(t.tree()); try < 2 && (len(vain) > 0 && h.Roll == "" || slices.Contains(vain, h.Roll)) {
		for _, roll := range vain {
			t.e.forgetRecord(roll)
		}
		return t.unseat(func(now wire.Holder, _ time.Time) bool { return now.Roll == h.Roll })
	}
	stale, dead := t.lock.stale, h.Host == t.lock.by.Host && t.e.isDead(h.Roll)
	if dead || h.Roll == "" {
		stale = min(stale, wire.StaleLock)
	}
	if now, err := t.clock(); err == nil && wire.Stale(st.ModTime, now, stale) && try < 2 {
		if dead {
			t.e.forgetRecord(h.Roll)
		}
		return t.unseat(func(_ wire.Holder, renewed time.Time) bool { return renewed.Equal(st.ModTime) })
	}
	if h.Since.IsZero() {
		h.Since = st.ModTime // it is made, and not written yet
	}
	hint := "wait until that has ended; a lock over SFTP ends by itself after " + stale.String()
	if dead {
		hint = "that rollsh is gone, or its connection was cut: wait until its lock ends by itself, " + stale.String() + " after it was last renewed"
	}
	return &nodes.Error{Kind: nodes.Locked, Message: "the tree is locked by " + holderText(h), Hint: hint}
}

// makeLock makes the lock, which fails when there is one.
func (t *thin) makeLock() (made bool, err error) {
	b, err := json.Marshal(t.lock.by)
	if err != nil {
		return true, err
	}
	t.lock.here = t.e.recordLock(t.lock.by.Roll, t.tree())
	began := clockOnTheWall()
	w, err := t.raw.Create(t.lockName(), 0o600)
	if err != nil {
		unanswered := nodes.KindOf(err) == nodes.Lost || t.life.Err() != nil
		t.lock.forget(!unanswered) // else it may have been made all the same
		return false, err
	}
	t.lock.file, t.lock.sure, t.lock.lost = w, began, nil
	if _, err = w.Write(b); err != nil {
		t.unlock()
	}
	return true, err
}

// holder reads who made a lock; nobody where it is not written yet.
func (t *thin) holder(name nodes.RemotePath) (h wire.Holder, err error) {
	r, err := t.raw.Open(name)
	if err != nil {
		return h, err
	}
	defer func() { go r.Close() }() // nobody waits for it
	return until(t.life, func() (h wire.Holder, err error) {
		err = json.NewDecoder(r).Decode(&h)
		if said := (*nodes.Error)(nil); errors.As(err, &said) {
			return h, said // it could not be read
		}
		return h, nil
	})
}

// clockName begins the names of files that are made to see the node's time.
const clockName = "clock-"

// clock tells the node's time.
func (t *thin) clock() (time.Time, error) {
	name := path.Join(t.state, clockName+t.j.roll)
	if err := t.put(name, nil); err != nil {
		return time.Time{}, err
	}
	st, err := t.f.Stat(nodes.RemotePath(name))
	_ = t.f.Remove(nodes.RemotePath(name))
	return st.ModTime, err
}

// heldByAgent tells who works on the tree with an agent. The time of our own
// lock, which is new, is the node's.
func (t *thin) heldByAgent() (h wire.Holder, held bool, err error) {
	name := path.Join(t.state, wire.LockFile)
	b, err := t.slurp(name)
	if nodes.KindOf(err) == nodes.NotFound || err == nil && len(b) == 0 {
		return h, false, nil
	} else if err != nil {
		return h, false, err
	}
	_ = json.Unmarshal(b, &h)
	if h.Roll == t.j.roll && h.Roll != "" {
		return h, false, nil // an agent of this roll that could not go on
	}
	st, err := t.f.Stat(nodes.RemotePath(name))
	if err != nil {
		return h, false, err
	}
	if h.Since.IsZero() {
		h.Since = st.ModTime
	}
	ours, err := t.f.Stat(t.lockName())
	return h, !wire.Stale(st.ModTime, ours.ModTime, wire.StaleLock), err
}

// renew keeps the lock young until it is given back.
func (l *thinLock) renew(t *thin) {
	quit := make(chan struct{})
	var wg sync.WaitGroup
	l.beats = func() { close(quit); wg.Wait() }
	wg.Go(func() {
		tick := time.NewTicker(l.beat)
		defer tick.Stop()
		for {
			select {
			case <-quit:
				return
			case <-tick.C:
				l.again(t)
			}
		}
	})
}

// again renews the lock: the node gives the file a new time when a blank is
// written to it. What is done under a lock that was lost is stopped.
func (l *thinLock) again(t *thin) {
	began := clockOnTheWall()
	if _, err := l.file.Write([]byte("\n")); err != nil {
		return
	}
	if l.young(began) {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.sure = began
		return
	}
	_ = l.check(t)
}

// young reports whether nobody can have taken the lock over: at that time, it was
// not long since it was surely ours.
func (l *thinLock) young(now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.lost == nil && now.Sub(l.sure).Abs() < l.stale/2
}

// hold fails with locked when the lock was lost. It asks the node where that is
// possible at all.
func (t *thin) hold() error {
	if t.lock.young(clockOnTheWall()) {
		return nil
	}
	return t.lock.check(t)
}

// check looks whether the lock under its name is ours. One that is lost stops
// what is done under it.
func (l *thinLock) check(t *thin) error {
	began := clockOnTheWall()
	h, err := t.holder(t.lockName())
	for try := 0; nodes.KindOf(err) == nodes.NotFound && try < 5 && len(t.ownAsides()) > 0; try++ {
		h, err = t.holder(t.lockName()) // by now who looked at it may have put it back
	}
	if err != nil && nodes.KindOf(err) != nodes.NotFound {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if err == nil && h.Roll == l.by.Roll && l.lost == nil {
		l.sure = began
		return nil
	}
	if l.lost == nil {
		l.lost = l.lostTo(t, h, err == nil)
		l.stop(l.lost)
	}
	return l.lost
}

// lostTo says who has the lock now.
func (l *thinLock) lostTo(t *thin, h wire.Holder, there bool) error {
	to := "somebody who has given it back"
	if there {
		to = holderText(h)
	} else if h, err := t.holder(nodes.RemotePath(path.Join(t.state, wire.LockFile))); err == nil && h.Who != "" {
		to = holderText(h)
	}
	return &nodes.Error{
		Kind: nodes.Locked, Message: "the lock was lost to " + to + ", while this host or the network slept: it was not renewed for " + l.stale.String(),
		Hint: "push again when that has ended",
	}
}

func holderText(h wire.Holder) string {
	since := " since " + h.Since.Format(time.DateTime)
	if h.Who == "" {
		return "somebody" + since
	}
	return fmt.Sprintf("%s on %s (%s)", h.Who, h.Host, h.Why) + since
}

// rest ends the renewing.
func (t *thin) rest() {
	if t.lock.beats != nil {
		t.lock.beats()
		t.lock.beats = nil
	}
}

// unlock gives the lock back, if it is still ours.
func (t *thin) unlock() {
	l := &t.lock
	t.rest()
	if l.file == nil {
		return
	}
	file := l.file
	l.file = nil
	go func() { _ = file.Close() }() // nobody waits for it
	var err error
	switch {
	case l.young(clockOnTheWall()):
		if err = t.raw.Remove(t.lockName()); nodes.KindOf(err) == nodes.NotFound {
			err = t.giveBackAside()
		}
	default:
		if err = l.check(t); err == nil {
			err = t.unseat(func(h wire.Holder, _ time.Time) bool { return h.Roll == l.by.Roll })
		}
	}
	l.forget(err == nil)
}

// abandon lets the lock be, where it was not given back.
func (l *thinLock) abandon() {
	if l.file != nil {
		go l.file.Close() // nobody waits for it
	}
	l.forget(false)
}

// confirm notes on this host that the lock is held.
func (l *thinLock) confirm() {
	if l.here != nil {
		_ = l.here.Truncate(0)
	}
}

// forget ends what says on this host that the holder lives; what says that it died
// stays where the lock did.
func (l *thinLock) forget(given bool) {
	if l.here == nil {
		return
	}
	if given {
		_ = os.Remove(l.here.Name())
	}
	_ = l.here.Close()
	l.here = nil
}
