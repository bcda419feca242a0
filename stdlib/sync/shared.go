package sync

import (
	"context"
	"fmt"

	"github.com/rollsh/rollsh/nodes"
)

// scan is a scan under way, or in use, that others with the same source and
// options may join: set:sync pushes once a node, all at once.
type scan struct {
	done  chan struct{}
	src   *source
	err   error
	users int
}

// scanShared is scan, but joins one that is still under way. The caller calls
// release when the source is no longer needed.
func (e *Engine) scanShared(ctx context.Context, o *Options) (src *source, release func(), err error) {
	key := scanKey(o)
	e.mu.Lock()
	s := e.scans[key]
	first := s == nil
	if first {
		s = &scan{done: make(chan struct{})}
		e.scans[key] = s
	}
	s.users++
	e.mu.Unlock()
	if first {
		s.src, s.err = e.scan(ctx, o)
		e.mu.Lock()
		delete(e.scans, key) // later ones look again
		e.mu.Unlock()
		close(s.done)
	}
	release = func() { e.leave(s) }
	select {
	case <-s.done:
	case <-ctx.Done():
		go func() { <-s.done; release() }()
		return nil, nil, nodes.Stopped(ctx)
	}
	if s.err != nil {
		if !first && ctx.Err() == nil && nodes.KindOf(s.err) == nodes.Cancelled {
			return e.scanShared(ctx, o) // it was the other's cancel
		}
		return nil, nil, s.err
	}
	return s.src, release, nil
}

func (e *Engine) leave(s *scan) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if s.users--; s.users == 0 && s.src != nil {
		s.src.close()
	}
}

// scanKey names what a scan depends on.
func scanKey(o *Options) string {
	mode := func(m *uint32) string {
		if m == nil {
			return "-"
		}
		return fmt.Sprintf("%o", *m)
	}
	return fmt.Sprintf("%p %q %q %q %q %q %s %s %v %d %q %v", o.From, o.From.Root(), o.Only, o.Exclude, o.Keep, o.Shared, mode(o.Perms.Files), mode(o.Perms.Dirs), o.Setuid, o.Speed, o.Owner, o.Hard)
}
