package sync

import (
	"context"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/rollsh/rollsh/nodes"
	"github.com/rollsh/rollsh/stdlib/sync/beneath"
	"github.com/rollsh/rollsh/stdlib/sync/manifest"
)

// reading turns a tree, as it is scanned, into what is wanted on the nodes. It
// holds no more of the tree than the files that are being hashed.
type reading struct {
	s     *source
	o     *Options
	times map[string]time.Time
	cache *hashes
	names *namesHere
	links links
	out   *manifest.Builder
	above map[string]bool                       // folders of the part that is read
	place manifest.Patch                        // folders above them
	only  map[string]func(*manifest.Entry) bool // elements of only= that matched nothing yet
	files bool                                  // there is something else than folders
	queue manifest.Queue[*manifest.Entry]
}

// read scans the tree, hashes what is not known, and keeps the list.
func (s *source) read(ctx context.Context, e *Engine, o *Options, times map[string]time.Time) error {
	r := &reading{
		s: s, o: o, times: times, cache: openHashes(e.session.Cache, s.root), names: newNames(o),
		out: manifest.NewBuilder(s.spool()), above: map[string]bool{"": true}, only: o.matchers(),
	}
	defer r.cache.close()
	r.queue.Hash = func(files []*manifest.Entry) error { return s.hash(ctx, files) }
	r.queue.Next = r.finish
	scan := manifest.Scan(s.fd, s.rules, max(4, runtime.NumCPU()), nil)
	defer scan.Close()
	for en := scan.Next(); en != nil; en = scan.Next() {
		if ctx.Err() != nil {
			return nodes.Stopped(ctx)
		}
		if en.Kind == manifest.Other {
			e.warn(ctx, o, manifest.Quote(en.Path)+" is a device, socket or fifo and is not sent")
		} else if err := r.take(en); err != nil {
			return err
		}
	}
	if err := scan.Err(); err != nil {
		return &nodes.Error{Kind: nodes.Failed, Message: s.root + ": " + err.Error(), Cause: err}
	}
	if err := r.end(); err != nil {
		return err
	}
	if err := r.bare(); err != nil {
		return err
	}
	for _, p := range o.Only {
		if r.only[p] != nil {
			e.warn(ctx, o, unmatched(s.root, p))
		}
	}
	return nil
}

// unmatched says of an element of only= that nothing it means is sent, and of one
// that is there, why.
func unmatched(root, p string) string {
	in := strings.TrimPrefix(p, "/")
	if _, err := os.Lstat(filepath.Join(root, in)); err == nil && filepath.IsLocal(in) {
		return "only: '" + p + "' is in " + root + ", but is not sent: exclude=, keep= or .rollignore leaves it out"
	}
	return "only: '" + p + "' matches nothing in " + root
}

// take goes on with one entry, or has it wait.
func (r *reading) take(en *manifest.Entry) error {
	r.link(en)
	known := en.Kind != manifest.File || en.Link != "" || r.cache.fill(en)
	if known && r.queue.Idle() {
		return r.finish(en)
	}
	own := *en
	if known {
		return r.queue.Put(&own, nil)
	}
	return r.queue.Put(&own, &own)
}

// finish puts an entry whose sum is known into the list, as the nodes shall see
// it.
func (r *reading) finish(en *manifest.Entry) error {
	if !r.s.rules.Partial() { // a part would push the rest out
		r.cache.add(en)
	}
	dress(en, r.o, r.times)
	r.linked(en)
	if r.o.Owner != "" {
		en.Owner = r.names.owner(en)
	}
	if err := r.parents(en); err != nil {
		return err
	}
	r.files = r.files || en.Kind != manifest.Dir
	for p, match := range r.only {
		if match(en) {
			delete(r.only, p)
		}
	}
	r.out.Add(en)
	return nil
}

// parents notes the folders above an entry of a part of the tree, to put them
// among what is wanted: a node that has none of them gets them.
func (r *reading) parents(en *manifest.Entry) error {
	if !r.s.rules.Partial() {
		return nil
	}
	for d, _ := beneath.Split(en.Path); !r.above[d]; d, _ = beneath.Split(d) {
		r.above[d] = true
		e, err := r.s.lstat(d)
		if err != nil {
			return &changedSource{d}
		}
		dress(&e, r.o, nil)
		if r.o.Owner != "" {
			e.Owner = r.names.owner(&e)
		}
		r.place.Change = append(r.place.Change, &e)
	}
	if en.Kind == manifest.Dir {
		r.above[en.Path] = true
	}
	return nil
}

// end completes the list.
func (r *reading) end() error {
	err := r.queue.Flush()
	if err != nil {
		return err
	}
	s := r.s
	if s.list, err = r.out.Done(); err != nil {
		return cannotKeep(err)
	}
	if !r.place.Empty() {
		slices.SortFunc(r.place.Change, func(a, b *manifest.Entry) int { return strings.Compare(a.Path, b.Path) })
		if s.list, err = manifest.Keep(manifest.Patched(s.list, r.place), s.spool()); err != nil {
			return cannotKeep(err)
		}
	}
	s.own(r.names)
	if !s.rules.Partial() {
		r.cache.keep()
	}
	return nil
}

func cannotKeep(err error) error {
	return &nodes.Error{Kind: nodes.Failed, Message: "cannot keep the list of the tree: " + err.Error(), Hint: "make room for temporary files", Cause: err}
}

// dress gives an entry the permissions and time that the nodes shall see.
func dress(en *manifest.Entry, o *Options, times map[string]time.Time) {
	switch en.Kind {
	case manifest.File:
		if !o.Setuid {
			en.Mode &^= 0o6000
		}
		if o.Perms.Files != nil {
			en.Mode = *o.Perms.Files
		}
		if t, ok := times[en.Path]; ok && !t.IsZero() {
			en.Mtime = t.UnixNano()
		}
	case manifest.Dir:
		en.Mode &^= 0o6000
		if o.Perms.Dirs != nil {
			en.Mode = *o.Perms.Dirs
		}
	}
}

// hash fills in the sums of files.
func (s *source) hash(ctx context.Context, files []*manifest.Entry) error {
	jobs := make(chan *manifest.Entry)
	errs := make(chan error, 1)
	var wg sync.WaitGroup
	for range min(len(files), max(2, runtime.NumCPU())) {
		wg.Go(func() {
			buf := make([]byte, 256<<10)
			for en := range jobs {
				if err := s.hashOne(en, buf); err != nil {
					select {
					case errs <- err:
					default:
					}
				}
			}
		})
	}
	for _, en := range files {
		if ctx.Err() != nil || len(errs) > 0 {
			break
		}
		jobs <- en
	}
	close(jobs)
	wg.Wait()
	select {
	case err := <-errs:
		return err
	default:
	}
	if ctx.Err() != nil {
		return nodes.Stopped(ctx)
	}
	return nil
}

// matchers tell of each element of only= whether it matches an entry.
func (o *Options) matchers() map[string]func(*manifest.Entry) bool {
	out := map[string]func(*manifest.Entry) bool{}
	for _, p := range o.Only {
		if r, err := manifest.Compile(manifest.Patterns{Only: []string{p}}); err == nil {
			out[p] = r.Judging()
		}
	}
	return out
}
