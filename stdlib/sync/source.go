package sync

import (
	"context"
	"errors"
	"fmt"
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
	"github.com/rollsh/rollsh/stdlib/sync/wire"
	"golang.org/x/sys/unix"
	"golang.org/x/time/rate"
)

// source is a scanned and hashed tree, ready for any number of nodes.
type source struct {
	root    string
	fd      int
	rules   *manifest.Rules
	carried wire.Patterns
	entries []manifest.Entry
	encoded []byte
	digest  manifest.Digest
	rev     nodes.Revision
	around  manifest.Owner // of folders that are made around the entries
	peers   [][2]int       // entries that are hard links, and of which; while it is being scanned
	temp    string         // folder for packs
	pace    *rate.Limiter
	piece   int // bytes that are sent at once

	packed func() []byte // encoded, compressed

	mu    sync.Mutex
	packs map[string]*pack
	// making counts the packs that are being written.
	making sync.WaitGroup
}

// scan reads the tree once.
func (e *Engine) scan(ctx context.Context, o *Options) (*source, error) {
	s := &source{root: o.From.Root(), fd: -1, packs: map[string]*pack{}, temp: e.session.Cache, pace: o.limiter(), piece: o.piece()}
	var err error
	if s.rev, err = o.From.Revision(ctx); err != nil {
		return nil, err
	}
	times, err := o.From.Times(ctx)
	if err != nil {
		return nil, err
	}
	if err := s.open(o); err != nil {
		return nil, err
	}
	list, err := manifest.Scan(s.fd, s.rules, max(4, runtime.NumCPU()), 0, nil)
	if err != nil {
		s.close()
		return nil, &nodes.Error{Kind: nodes.Failed, Message: s.root + ": " + err.Error(), Cause: err}
	}
	s.entries = list.Entries
	if err := s.ready(ctx, e, o, times); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

// wait holds n bytes back until the pace allows them; n is at most s.piece.
func (s *source) wait(ctx context.Context, n int) error {
	if s.pace == nil {
		return nil
	}
	if err := s.pace.WaitN(ctx, n); err != nil && ctx.Err() != nil {
		return nodes.Stopped(ctx)
	} else if err != nil { // the deadline would be over before its turn comes
		return &nodes.Error{Kind: nodes.Timeout, Message: "the time is too short for this bandwidth", Cause: err}
	}
	return nil
}

func (s *source) open(o *Options) error {
	fd, err := unix.Open(s.root, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	switch {
	case errors.Is(err, unix.ENOENT):
		return &nodes.Error{Kind: nodes.NotFound, Message: "from: there is no folder " + s.root}
	case errors.Is(err, unix.ENOTDIR):
		return usage("from: " + s.root + " is not a folder")
	case err != nil:
		return &nodes.Error{Kind: nodes.Permission, Message: "from: cannot open " + s.root + ": " + err.Error()}
	}
	s.fd = fd
	var ignore []string
	b, err := os.ReadFile(filepath.Join(s.root, manifest.IgnoreFile))
	if err == nil {
		ignore = strings.Split(string(b), "\n")
	} else if !errors.Is(err, os.ErrNotExist) {
		return &nodes.Error{Kind: nodes.Failed, Message: err.Error(), Cause: err}
	}
	p := o.patterns(ignore)
	if s.rules, err = manifest.Compile(p); err != nil {
		return usage(s.root + "/" + manifest.IgnoreFile + ": " + err.Error())
	}
	s.carried = wire.Carry(p)
	return nil
}

// ready turns what was scanned into what is wanted on the nodes.
func (s *source) ready(ctx context.Context, e *Engine, o *Options, times map[string]time.Time) error {
	kept := s.entries[:0]
	for _, en := range s.entries {
		if en.Kind == manifest.Other {
			e.warn(ctx, o, manifest.Quote(en.Path)+" is a device, socket or fifo and is not sent")
			continue
		}
		kept = append(kept, en)
	}
	s.entries = kept
	s.join(o)
	cache := openHashes(e.session.Cache, s.root)
	defer cache.close()
	if err := s.hash(ctx, cache); err != nil {
		return err
	}
	if !s.rules.Partial() { // a part would push the rest out
		cache.save(s.entries)
	}
	for i := range s.entries {
		dress(&s.entries[i], o, times)
	}
	s.joined()
	if err := s.addParents(o); err != nil {
		return err
	}
	s.own(o)
	s.encoded = manifest.Encode(s.entries)
	s.digest = manifest.DigestOf(s.encoded)
	s.packed = sync.OnceValue(func() []byte { return wire.Pack(s.encoded) })
	for _, p := range s.unmatched(o) {
		e.warn(ctx, o, "only: '"+p+"' matches nothing in "+s.root)
	}
	return nil
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

// hash fills in the sums, from the cache where the file was not touched.
func (s *source) hash(ctx context.Context, cache *hashes) error {
	jobs := make(chan int)
	errs := make(chan error, 1)
	var wg sync.WaitGroup
	for range max(2, runtime.NumCPU()) {
		wg.Go(func() {
			buf := make([]byte, 256<<10)
			for i := range jobs {
				if err := s.hashOne(&s.entries[i], buf); err != nil {
					select {
					case errs <- err:
					default:
					}
				}
			}
		})
	}
	for i := range s.entries {
		en := &s.entries[i]
		if en.Kind != manifest.File || en.Link != "" || cache.fill(en) {
			continue
		}
		if ctx.Err() != nil || len(errs) > 0 {
			break
		}
		jobs <- i
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

func (s *source) hashOne(en *manifest.Entry, buf []byte) error {
	for try := 0; ; try++ {
		sum, n, err := manifest.HashFile(s.fd, en.Path, buf)
		if err != nil {
			return &nodes.Error{Kind: nodes.Failed, Message: "cannot read " + filepath.Join(s.root, en.Path) + ": " + err.Error(), Cause: err}
		}
		if n == en.Size {
			en.Sum = sum
			return nil
		}
		if try > 0 {
			return &changedSource{en.Path}
		}
		now, err := s.lstat(en.Path)
		if err != nil || now.Kind != manifest.File {
			return &changedSource{en.Path}
		}
		*en = now
	}
}

// changedSource is a file that was written to while it was read.
type changedSource struct{ path string }

// Error names the file.
func (c *changedSource) Error() string {
	return manifest.Quote(c.path) + " changed while it was read"
}

func (s *source) lstat(p string) (manifest.Entry, error) {
	d, name := beneath.Split(p)
	fd, err := beneath.Dir(s.fd, d)
	if err != nil {
		return manifest.Entry{}, err
	}
	defer unix.Close(fd)
	e, err := manifest.Lstat(fd, name)
	e.Path = p
	return e, err
}

// addParents puts the folders above a part of the tree among what is wanted: a
// node that has none of them gets them.
func (s *source) addParents(o *Options) error {
	if !s.rules.Partial() {
		return nil
	}
	have := map[string]bool{"": true}
	for i := range s.entries {
		have[s.entries[i].Path] = true
	}
	var more []manifest.Entry
	for i := range s.entries {
		for d, _ := beneath.Split(s.entries[i].Path); !have[d]; d, _ = beneath.Split(d) {
			have[d] = true
			e, err := s.lstat(d)
			if err != nil {
				return &changedSource{d}
			}
			dress(&e, o, nil)
			more = append(more, e)
		}
	}
	slices.SortFunc(more, func(a, b manifest.Entry) int { return strings.Compare(a.Path, b.Path) })
	s.entries = manifest.Merge(s.entries, more)
	return nil
}

// unmatched lists the elements of only= that match nothing here.
func (s *source) unmatched(o *Options) []string {
	var out []string
	for _, p := range o.Only {
		r, err := manifest.Compile(manifest.Patterns{Only: []string{p}})
		if err != nil {
			continue
		}
		if in, _ := r.Filter(s.entries); len(in) == 0 {
			out = append(out, p)
		}
	}
	return out
}

// close ends the packs under way and waits for them: their goroutines read
// beneath fd, whose number may mean something else once it is closed.
func (s *source) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.packs {
		p.close()
	}
	s.making.Wait()
	if s.fd >= 0 {
		_ = unix.Close(s.fd)
		s.fd = -1
	}
}

func (e *Engine) warn(ctx context.Context, o *Options, text string) {
	c := nodes.CallerOf(ctx)
	op := or(c.Op, or(o.Why, "sync.push"))
	e.session.Events.Emit(nodes.Event{Type: nodes.Warned, Op: op, Where: c.Where, Text: text})
}

// changedTwice is what a source that does not hold still gives.
func changedTwice(c *changedSource) error {
	return &nodes.Error{
		Kind: nodes.Refused, Message: fmt.Sprintf("from: %s, twice; nothing was switched", c.Error()),
		Hint: "wait until nobody writes to the source", Cause: c,
	}
}
