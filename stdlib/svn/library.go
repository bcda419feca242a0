package svn

import (
	"context"
	"fmt"
	"maps"
	"strconv"
	"sync"
)

// library is what rehearsals of one picture read from the repository, each thing
// once, however often it is played.
type library struct {
	into    *Checkout
	tree    treeList // the target as it is
	changes map[int]changeMap
	mu      sync.Mutex
	read    map[string]any // texts, properties and lists by what they are of
	merged  map[string]played
}

// played is what became of a file by a pick.
type played struct {
	*sketch
	clashes []clash
}

func newLibrary(into *Checkout) *library {
	return &library{into: into, changes: map[int]changeMap{}, read: map[string]any{}, merged: map[string]played{}}
}

// merge puts what a revision changed into a file, once however often it is played.
func (l *library) merge(mine *sketch, rev int, ch change) (*sketch, []clash) {
	name := mine.made + "," + strconv.Itoa(rev)
	m, ok := l.merged[name]
	if !ok {
		text, clashes := merge3(ch.Left, mine.lines, ch.Right)
		m = played{&sketch{made: name, lines: text}, clashes}
		l.merged[name] = m
	}
	return m.sketch, m.clashes
}

// known gives what was read before, or reads it.
func known[T any](l *library, key string, read func() (T, error)) (T, error) {
	l.mu.Lock()
	v, ok := l.read[key]
	l.mu.Unlock()
	if ok {
		return v.(T), nil
	}
	got, err := read()
	if err == nil {
		l.mu.Lock()
		l.read[key] = got
		l.mu.Unlock()
	}
	return got, err
}

// textAt reads a file of the repository as it was at a revision.
func (l *library) textAt(ctx context.Context, path string, rev int) ([]byte, error) {
	return known(l, fmt.Sprintf("file %d %s", rev, path), func() ([]byte, error) { return l.into.textAt(ctx, path, rev) })
}

// text reads a file of the repository; last is when it was changed last.
func (l *library) text(ctx context.Context, path string, last, rev int) ([]byte, error) {
	return known(l, fmt.Sprintf("text %d %s", last, path), func() ([]byte, error) { return l.into.textOf(ctx, path, last, rev) })
}

// properties gives a copy of the properties of a node of the repository.
func (l *library) properties(ctx context.Context, path string, rev int) (map[string]string, error) {
	all, err := known(l, fmt.Sprintf("properties %d %s", rev, path), func() (map[string]string, error) { return l.into.properties(ctx, path, rev) })
	return maps.Clone(all), err
}

// list reads what a folder of the repository holds.
func (l *library) list(ctx context.Context, path string, rev int) ([]listXML, error) {
	return known(l, fmt.Sprintf("list %d %s", rev, path), func() ([]listXML, error) { return l.into.listAt(ctx, path, rev) })
}

// changesOf reads, side by side, what commits of the source changed.
func (l *library) changesOf(ctx context.Context, p *picture, commits []commit) error {
	var missing []commit
	for _, c := range commits {
		if _, ok := l.changes[c.Rev]; !ok {
			missing = append(missing, c)
		}
	}
	found := make([]changeMap, len(missing))
	watch := l.into.svn.watch(ctx, "what changesets changed")
	watch.event.Unit, watch.event.Total = "changesets", int64(len(missing))
	var mu sync.Mutex
	err := parallel(ctx, len(missing), func(ctx context.Context, i int) (err error) {
		path, _ := segmentAt(p.sourceSegs, missing[i].Rev)
		found[i], err = l.into.changes(ctx, path, missing[i].Rev)
		mu.Lock()
		defer mu.Unlock()
		watch.line("")
		return err
	})
	for i, c := range missing {
		if err == nil {
			l.changes[c.Rev] = found[i]
		}
	}
	return err
}

// textOf reads a file of the repository at rev, when it was last changed at last.
// What is at the path at that revision may be another file: what is below a copied
// folder was changed last before it was there.
func (c *Checkout) textOf(ctx context.Context, path string, last, rev int) ([]byte, error) {
	return c.keptText(ctx, fmt.Sprintf("text\x00%s\x00%d", path, last), path, rev)
}

// textAt reads a file of the repository as it was at a revision.
func (c *Checkout) textAt(ctx context.Context, path string, rev int) ([]byte, error) {
	return c.keptText(ctx, fmt.Sprintf("file\x00%s\x00%d", path, rev), path, rev)
}

// keptText reads a file of the repository, which is kept on the disk, as it never
// changes. name tells it from all others of the repository.
func (c *Checkout) keptText(ctx context.Context, name, path string, rev int) ([]byte, error) {
	cache := c.svn.metadata
	key := cache.key(c.UUID, name)
	var text []byte
	if cache.recall("texts", key, &text) {
		return text, nil
	}
	text, err := c.contents(ctx, path, rev)
	if err == nil {
		cache.keep("texts", key, text)
	}
	return text, err
}
