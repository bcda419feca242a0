package sync

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"sync"
	"time"

	"github.com/rollsh/rollsh/nodes"
	"github.com/rollsh/rollsh/stdlib/sync/wire"
)

func (t *thin) lockName() nodes.RemotePath {
	return nodes.RemotePath(path.Join(t.state, wire.ThinLock))
}

// lock takes the tree's lock, see package wire, or says who holds it; then it
// reads again what rolls left, for that may be news since.
func (t *thin) lock() error {
	by := t.j.by
	by.Roll, by.Since = t.j.roll, time.Now()
	b, err := json.Marshal(by)
	if err != nil {
		return err
	}
	for try := 0; !t.locked; try++ {
		if err := t.grab(b, try); err != nil {
			return err
		}
	}
	if h, held, err := t.heldByAgent(); held || err != nil {
		t.unlock()
		if err != nil {
			return err
		}
		return &nodes.Error{
			Kind: nodes.Locked, Message: "the tree is locked by " + holderText(h) + ", with an agent on the node", Hint: "wait until that has ended",
		}
	}
	t.renew(b)
	return t.remember()
}

// grab makes the lock, finds that it is ours, or removes one that is stale.
func (t *thin) grab(b []byte, try int) error {
	w, err := t.f.Create(t.lockName(), 0o600)
	if err == nil {
		t.locked = true
		_, err = w.Write(b)
		if err = errors.Join(err, w.Close()); err != nil {
			t.unlock()
		}
		return err
	}
	old, readErr := t.slurp(string(t.lockName()))
	if readErr != nil && (try > 0 || nodes.KindOf(readErr) != nodes.NotFound) {
		return err // it is not a lock that is in the way
	} else if readErr != nil {
		return nil // it went
	}
	var h wire.Holder
	_ = json.Unmarshal(old, &h)
	if h.Roll == t.j.roll && h.Roll != "" {
		t.locked = true
		return t.put(string(t.lockName()), b)
	}
	st, err := t.f.Stat(t.lockName())
	if nodes.KindOf(err) == nodes.NotFound && try == 0 {
		return nil
	} else if err != nil {
		return err
	}
	if now, err := t.clock(); err == nil && wire.Stale(st.ModTime, now, wire.StaleThinLock) && try == 0 {
		return t.unseat(st.ModTime)
	}
	if h.Since.IsZero() {
		h.Since = st.ModTime // it is made, and not written yet
	}
	return &nodes.Error{
		Kind: nodes.Locked, Message: "the tree is locked by " + holderText(h),
		Hint: "wait until that has ended; a lock over SFTP ends by itself after " + wire.StaleThinLock.String(),
	}
}

// unseat takes a stale lock away. Somebody else may have done so meanwhile: a lock
// of another time is theirs, and is put back.
func (t *thin) unseat(stale time.Time) error {
	aside := nodes.RemotePath(path.Join(t.state, clockName+"lock-"+t.j.roll))
	if err := t.f.Rename(t.lockName(), aside); nodes.KindOf(err) == nodes.NotFound {
		return nil
	} else if err != nil {
		return err
	}
	st, err := t.f.Stat(aside)
	if err == nil && st.ModTime.Equal(stale) {
		return t.f.Remove(aside)
	}
	return t.f.Rename(aside, t.lockName())
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
func (t *thin) renew(b []byte) {
	quit := make(chan struct{})
	var wg sync.WaitGroup
	t.beat = func() { close(quit); wg.Wait() }
	wg.Go(func() {
		tick := time.NewTicker(wire.LockBeat)
		defer tick.Stop()
		for {
			select {
			case <-quit:
				return
			case <-tick.C:
				_ = t.put(string(t.lockName()), b)
			}
		}
	})
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
	if t.beat != nil {
		t.beat()
		t.beat = nil
	}
}

func (t *thin) unlock() {
	t.rest()
	if t.locked {
		_ = t.f.Remove(t.lockName())
		t.locked = false
	}
}

// lastMoment is how long it may take to clear away what was cancelled.
const lastMoment = 2 * time.Second

// afresh gets the files once more, for a moment, where the work was cancelled: a
// lock that stays would keep everybody out until it is stale.
func (t *thin) afresh() {
	t.rest()
	if t.ctx.Err() == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.ctx), lastMoment)
	f, err := t.conn.Files(ctx)
	if err != nil {
		cancel()
		return
	}
	t.shut()
	t.f, t.ctx, t.end = f, ctx, cancel
}

func (t *thin) shut() {
	_ = t.f.Close()
	if t.end != nil {
		t.end()
	}
}

// close ends the work; keep leaves a lock of ours in place.
func (t *thin) close(keep bool) {
	t.rest()
	if t.locked && !keep {
		t.afresh()
		t.unlock()
	}
	t.shut()
}
