package sync

import (
	"context"
	"errors"
	"path"
	"sync"
	"time"

	"github.com/rollsh/rollsh/nodes"
	"github.com/rollsh/rollsh/stdlib/sync/manifest"
	"github.com/rollsh/rollsh/stdlib/sync/wire"
	"golang.org/x/sys/unix"
)

// A session over SFTP lives for lastMoment after what it works for was cancelled:
// what is under way ends, and what would stand in the way of others goes, which
// takes two round trips. A burst may go on for lastBurst of that.
const (
	lastMoment = 950 * time.Millisecond
	lastBurst  = 200 * time.Millisecond
)

// inFlight is how many requests to one node are under way over SFTP.
const inFlight = 64

// open opens the files, for as long as the session lives.
func (t *thin) open(ctx context.Context) error {
	t.life, t.end = context.WithCancelCause(context.WithoutCancel(ctx))
	t.bind(ctx, lastMoment)
	c, err := t.e.dial(ctx, t.j.node)
	var f nodes.Files
	if err == nil {
		f, err = c.Files(t.life)
		t.raw = promptFiles{f, t.life} // closing takes a round trip
	}
	if err != nil {
		err = t.why(err)
		t.unbind()
		t.end(nil)
		return err
	}
	t.prompt()
	return nil
}

// bind makes the session work for ctx, and end so long after it, unless it is
// unbound before.
func (t *thin) bind(ctx context.Context, moment time.Duration) {
	var stop context.CancelCauseFunc
	t.ctx, stop = context.WithCancelCause(ctx)
	soft, end := outlive(t.ctx, min(moment, lastBurst))
	t.soft = soft
	unbound := make(chan struct{})
	go func() {
		select {
		case <-unbound:
			return
		case <-ctx.Done():
		}
		timer := time.NewTimer(moment)
		defer timer.Stop()
		select {
		case <-timer.C:
			t.end(context.Cause(ctx))
		case <-unbound:
		}
	}()
	t.lock.onLoss(stop)
	t.prompt()
	t.unbind = sync.OnceFunc(func() { close(unbound); end(); stop(nil) })
}

// prompt makes what is done from now on end with what the session works for.
func (t *thin) prompt() { t.f, t.work = promptFiles{t.raw, t.ctx}, t.ctx }

// careful makes what is done from now on end a moment later, when what is under way
// has ended.
func (t *thin) careful() { t.f, t.work = carefulFiles{t.raw, t.soft}, t.soft }

// outlive gives a context that lives so much longer than ctx.
func outlive(ctx context.Context, moment time.Duration) (context.Context, context.CancelFunc) {
	longer, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		time.AfterFunc(moment, func() { cancel(context.Cause(ctx)) })
	})
	return longer, func() { stop(); cancel(nil) }
}

// why prefers the reason that the work was stopped to what that led to; and that
// the lock was lost to what whoever has it now did to the stage. What halfDone said
// stays.
func (t *thin) why(err error) error {
	switch {
	case err == nil || t.half:
		return err
	case t.ctx.Err() != nil:
		return nodes.Stopped(t.ctx)
	case t.lock.file != nil && nodes.KindOf(err) == nodes.NotFound:
		if lost := t.lock.check(t); nodes.KindOf(lost) == nodes.Locked {
			return lost
		}
	}
	return err
}

// close ends the session, and gives the lock back.
func (t *thin) close() {
	t.unlock()
	t.shut()
}

func (t *thin) shut() {
	t.rest()
	t.lock.abandon()
	t.unbind()
	_ = t.raw.Close()
	t.end(nil)
}

// all does f for 0 to n-1, inFlight of them at the same time. After an error, or
// when the work shall end, nothing more is begun; the first error is given when
// what was begun has ended.
func (t *thin) all(n int, f func(int) error) error { return t.atOnce(inFlight, n, f) }

// atOnce is all with another width.
func (t *thin) atOnce(width, n int, f func(int) error) error {
	var wg sync.WaitGroup
	var mu sync.Mutex
	var first error
	slots := make(chan struct{}, width)
	failed := func(err error) bool {
		mu.Lock()
		defer mu.Unlock()
		if first == nil {
			first = err
		}
		return first != nil
	}
	for i := range n {
		slots <- struct{}{}
		if t.work.Err() != nil || failed(nil) {
			break
		}
		wg.Go(func() {
			defer func() { <-slots }()
			if err := f(i); err != nil {
				failed(err)
			}
		})
	}
	wg.Wait()
	if first == nil && t.work.Err() != nil {
		return nodes.Stopped(t.work)
	}
	return first
}

// several is how many paths of a switch are held at the same time.
const several = 4 << 10

// each does f for the paths of a switch, as all does.
func (t *thin) each(j *wire.Journal, f func(*manifest.Pair) error) error {
	return j.Parts(several, func(part []manifest.Pair) error {
		return t.all(len(part), func(i int) error { return f(&part[i]) })
	})
}

// trashName begins the names of what is on its way out, as the agent has it.
const trashName = "trash-"

func (t *thin) trash(dir string) string { return path.Join(t.state, trashName+path.Base(dir)) }

// discard removes a stage or an undo. For whoever looks it goes at once: of one
// that lost only some of its files, nobody could tell what to do with it. What is
// left when that is cut short is swept later.
func (t *thin) discard(dir string) error {
	trash := t.trash(dir)
	if t.clear(trash) == nil && t.f.Rename(nodes.RemotePath(dir), nodes.RemotePath(trash)) == nil {
		dir = trash
	}
	return t.clear(dir)
}

// abandon throws a stage away and gives the lock back, both at once: there may be
// time for one round trip. What is left of the stage is removed as long as there
// is time, and swept by the next push. The error tells whether it went at once.
func (t *thin) abandon(dir string) error {
	moved := make(chan error, 1)
	go func() { moved <- t.raw.Rename(nodes.RemotePath(dir), nodes.RemotePath(t.trash(dir))) }()
	t.unlock()
	err := <-moved
	if err == nil {
		dir = t.trash(dir)
	}
	t.f, t.work = promptFiles{t.raw, t.soft}, t.soft
	_ = t.clear(dir)
	return err
}

// rubbish is a name on the node that shall go.
type rubbish struct {
	name string
	dir  bool
}

// clear removes what is at name, with all in it.
func (t *thin) clear(name string) error {
	st, err := t.f.Lstat(nodes.RemotePath(name))
	if nodes.KindOf(err) == nodes.NotFound {
		return nil
	} else if err != nil {
		return err
	}
	levels := [][]rubbish{{{name, st.Mode.IsDir()}}}
	for level := levels[0]; len(level) > 0; levels = append(levels, level) {
		if level, err = t.inside(level); err != nil {
			return err
		}
	}
	for i := len(levels) - 1; i >= 0; i-- {
		err := t.all(len(levels[i]), func(k int) error {
			err := t.f.Remove(nodes.RemotePath(levels[i][k].name))
			if nodes.KindOf(err) == nodes.NotFound {
				return nil // somebody else sweeps too
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// inside lists what is in the folders among level.
func (t *thin) inside(level []rubbish) ([]rubbish, error) {
	lists := make([][]nodes.FileInfo, len(level))
	err := t.all(len(level), func(i int) error {
		if !level[i].dir {
			return nil
		}
		var err error
		if lists[i], err = t.f.ReadDir(nodes.RemotePath(level[i].name)); nodes.KindOf(err) == nodes.NotFound {
			return nil
		}
		return err
	})
	var out []rubbish
	for i, list := range lists {
		for _, st := range list {
			out = append(out, rubbish{path.Join(level[i].name, st.Name), st.Mode.IsDir()})
		}
	}
	return out, err
}

// gone reports that an error says that nothing is there.
func gone(err error) bool {
	return nodes.KindOf(err) == nodes.NotFound || errors.Is(err, unix.ENOTDIR)
}

// lookAt describes paths of the tree, in their order; of what is not there the
// kind is 0.
func (t *thin) lookAt(paths []string) ([]manifest.Entry, error) {
	out := make([]manifest.Entry, len(paths))
	err := t.all(len(paths), func(i int) error {
		l, err := t.lstat(paths[i])
		if gone(err) {
			return nil
		}
		out[i] = l
		return err
	})
	return out, err
}
