package sync

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
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
	ignore  []string // lines of its .rollignore
	carried wire.Patterns
	list    *manifest.Encoded // what is wanted on the nodes; it stays when the source is closed
	rev     nodes.Revision
	bare    string         // how it has no files where nobody may have meant that; else empty
	around  manifest.Owner // of folders that are made around the entries
	temp    string         // folder for packs
	pace    *rate.Limiter
	piece   int // bytes that are sent at once

	packed  func() (*manifest.Spool, error) // the encoded list, compressed
	guesses guesses

	mu    sync.Mutex
	packs map[string]*pack
	// making counts the packs that are being written.
	making sync.WaitGroup
}

// scan reads the tree once.
func (e *Engine) scan(ctx context.Context, o *Options) (*source, error) {
	s := &source{root: o.From.Root(), fd: -1, packs: map[string]*pack{}, temp: e.session.Cache, pace: o.limiter(), piece: o.piece()}
	var err error
	var times map[string]time.Time
	if s.rev, times, err = o.From.Dated(ctx); err != nil {
		return nil, err
	}
	if err := s.open(o); err != nil {
		return nil, err
	}
	if err := s.read(ctx, e, o, times); err != nil {
		s.close()
		return nil, err
	}
	s.packed = sync.OnceValues(s.compress)
	return s, nil
}

// spool keeps a list for as long as anybody refers to it.
func (s *source) spool() *manifest.Spool {
	return manifest.NewSpool(func() (*os.File, error) { return tempFile(s.temp) })
}

// compress packs the list for all nodes.
func (s *source) compress() (*manifest.Spool, error) {
	to := s.spool()
	return to, compress(to, s.list)
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
	b, err := os.ReadFile(filepath.Join(s.root, manifest.IgnoreFile))
	if err == nil {
		s.ignore = strings.Split(string(b), "\n")
	} else if !errors.Is(err, os.ErrNotExist) {
		return &nodes.Error{Kind: nodes.Failed, Message: err.Error(), Cause: err}
	}
	p := o.patterns(s.ignore)
	if s.rules, err = manifest.Compile(p); err != nil {
		return usage(s.root + "/" + manifest.IgnoreFile + ": " + err.Error())
	}
	s.carried = wire.Carry(p)
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
