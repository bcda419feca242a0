package svn

import (
	"context"

	"github.com/rollsh/rollsh/nodes"
)

// ahead notes, beside a history in the cache, from which revision on its messages
// are read again: the reading of them can begin while the history itself, which is
// large, is still being loaded.
type ahead struct {
	Recent int // without what was shown; 0: the whole log is not what is read
	Shown  int
}

// note writes it.
func (m *metadataCache) note(h history) {
	var a ahead
	if known := h.again(false); h.followed(known) {
		a.Recent = known[0].Rev
	}
	if known := h.again(true); h.followed(known) {
		a.Shown = known[0].Rev
	}
	m.keep("ahead", m.key(h.UUID, h.Path), a)
}

// noted reports whether a history of that path is in the cache.
func (m *metadataCache) noted(uuid, path string) (ahead, bool) {
	var a ahead
	ok := m.recall("ahead", m.key(uuid, path), &a)
	return a, ok
}

// logAhead is the log of the whole repository, read while other things are done.
type logAhead struct {
	lo      int
	cancel  context.CancelFunc
	done    chan struct{}
	commits []commit
	err     error
}

// logAhead begins to read what history will want; nil where that is not known.
func (c *Checkout) logAhead(ctx context.Context, path string, shown bool) *logAhead {
	a, ok := c.svn.metadata.noted(c.UUID, path)
	lo := a.Recent
	if shown {
		lo = a.Shown
	}
	if !ok || lo == 0 {
		return nil
	}
	l := &logAhead{lo: lo, done: make(chan struct{})}
	ctx, l.cancel = context.WithCancel(ctx)
	go func() {
		defer close(l.done)
		l.commits, l.err = c.wholeLog(ctx, lo)
	}()
	return l
}

// wholeLog reads the log of the whole repository, without paths.
func (c *Checkout) wholeLog(ctx context.Context, lo int) ([]commit, error) {
	return c.client.log(ctx, logQuery{url: c.Repo + "@", lo: lo, hi: headRevision})
}

// take gives what was read, or reads it, from a revision on.
func (l *logAhead) take(ctx context.Context, c *Checkout, lo int) ([]commit, error) {
	if l == nil || l.lo != lo {
		return c.wholeLog(ctx, lo)
	}
	<-l.done
	if nodes.KindOf(l.err) == nodes.Cancelled && ctx.Err() == nil {
		return c.wholeLog(ctx, lo)
	}
	return l.commits, l.err
}

// stop ends what nobody took.
func (l *logAhead) stop() {
	if l != nil {
		l.cancel()
		<-l.done
	}
}
