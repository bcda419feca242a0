package sync

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"sync"

	"github.com/klauspost/compress/zstd"
	"github.com/rollsh/rollsh/nodes"
	"github.com/rollsh/rollsh/stdlib/sync/beneath"
	"github.com/rollsh/rollsh/stdlib/sync/delta"
	"github.com/rollsh/rollsh/stdlib/sync/manifest"
	"github.com/rollsh/rollsh/stdlib/sync/wire"
)

// pack is the compressed contents of some files, made once in a file without a
// name and read by every node at its own pace while it grows.
type pack struct {
	f    *os.File
	mu   sync.Mutex
	more chan struct{} // closed and made anew whenever the pack grows or ends
	size int64
	done bool
	err  error

	hopes int  // of the source: who may want it and has not said so yet
	used  bool // of the source
}

// parts are the files of the source that are to be sent, in their order.
type parts struct {
	list manifest.List
	// needs says which files of the list, and from which offset on; nil: all, and
	// whole.
	needs    *wire.NeedList
	outlines map[int]*delta.Outline // by index: of the version that a node has, in terms of which a file is sent
}

// each gives f the files with how they are sent.
func (p *parts) each(f func(e *manifest.Entry, offset int64, old *delta.Outline) error) error {
	s := p.list.Read()
	if p.needs == nil {
		for e := s.Next(); e != nil; e = s.Next() {
			if err := f(e, 0, nil); err != nil {
				return err
			}
		}
		return whole(s)
	}
	read := 0
	for need := range p.needs.All() {
		var e *manifest.Entry
		for ; read <= need.Index; read++ {
			if e = s.Next(); e == nil {
				if err := whole(s); err != nil {
					return err
				}
				return noSuch()
			}
		}
		if err := f(e, need.Offset, p.outlines[need.Index]); err != nil {
			return err
		}
	}
	return nil
}

// noSuch is what needs give that do not fit the list.
func noSuch() error { return damaged(errors.New("contents are asked for that there are not")) }

// whole tells why a list could not be read to its end.
func whole(s manifest.Seq) error {
	if err := s.Err(); err != nil {
		return cannotKeep(err)
	}
	return nil
}

// pack gives the contents of files of the source.
func (s *source) pack(parts parts) (*pack, error) {
	id, bytes, err := nameOf(parts)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	p, err := s.packOf(id, bytes, parts)
	if err == nil {
		p.used = true
	}
	return p, err
}

func (s *source) packOf(id string, bytes int64, parts parts) (*pack, error) {
	if p := s.packs[id]; p != nil {
		return p, nil
	}
	f, err := tempFile(s.temp)
	if err != nil {
		return nil, &nodes.Error{Kind: nodes.Failed, Message: "cannot make a temporary file: " + err.Error(), Cause: err}
	}
	p := &pack{f: f, more: make(chan struct{})}
	s.packs[id] = p
	s.making.Go(func() { p.make(s, parts, bytes) })
	return p, nil
}

// hope begins to pack what a node lacks that has nothing: one of which nothing
// is known may be such a node. What it gives is called when the node has said
// what it lacks; a pack that nobody turns out to want is given up.
func (s *source) hope() (said func()) {
	files := parts{list: manifest.Some(s.list, func() func(*manifest.Entry) bool {
		return func(e *manifest.Entry) bool { return e.Kind == manifest.File && e.Link == "" }
	})}
	id, bytes, err := nameOf(files)
	if err != nil || s.list.Bytes == 0 {
		return func() {}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	p, err := s.packOf(id, bytes, files)
	if err != nil {
		return func() {} // told when it is needed
	}
	p.hopes++
	return sync.OnceFunc(func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if p.hopes--; p.hopes == 0 && !p.used && s.packs[id] == p {
			p.close()
			delete(s.packs, id)
		}
	})
}

// nameOf tells packs apart: nodes that lack the same get the same one. It gives how
// much the files hold, too.
func nameOf(parts parts) (id string, bytes int64, err error) {
	h := sha256.New()
	w := manifest.NewWriter(h)
	n := 0
	err = parts.each(func(e *manifest.Entry, offset int64, old *delta.Outline) error {
		if offset > 0 || old != nil {
			fmt.Fprintf(h, "%d %d ", n, offset)
		}
		if old != nil {
			h.Write(old.Encode())
		}
		w.Add(e)
		n++
		bytes += e.Size - offset
		return nil
	})
	if err == nil {
		_, err = w.Done()
	}
	return string(h.Sum(nil)), bytes, err
}

func tempFile(dir string) (*os.File, error) {
	if dir != "" {
		_ = os.MkdirAll(dir, 0o700)
	}
	f, err := os.CreateTemp(dir, "pack-")
	if err != nil {
		return nil, err
	}
	return f, os.Remove(f.Name())
}

// window is how far back a pack of so many bytes refers: as much memory is taken
// where it is made, and by each node that unpacks it.
func window(bytes int64) int {
	const least, most = 128 << 10, 8 << 20
	n := least
	for n < most && int64(n) < bytes {
		n *= 2
	}
	return n
}

func (p *pack) make(s *source, parts parts, bytes int64) {
	z, err := zstd.NewWriter(p, zstd.WithEncoderLevel(zstd.SpeedDefault), zstd.WithEncoderConcurrency(2), zstd.WithWindowSize(window(bytes)))
	if err == nil {
		err = s.contents(z, parts, p.givenUp)
	}
	if err == nil {
		err = z.Close()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.done = true
	if p.err == nil { // else it was given up
		p.err = err
	}
	close(p.more)
	p.more = make(chan struct{})
}

// Write appends to the pack.
func (p *pack) Write(b []byte) (int, error) {
	n, err := p.f.WriteAt(b, p.size)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.size += int64(n)
	close(p.more)
	p.more = make(chan struct{})
	return n, err
}

// errGivenUp ends a pack that nobody wants any more.
var errGivenUp = errors.New("given up")

// close gives the pack up; a write that is under way fails, and with it make.
func (p *pack) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.done {
		p.err = errGivenUp
	}
	_ = p.f.Close()
}

func (p *pack) givenUp() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return errors.Is(p.err, errGivenUp)
}

// contents writes the files one after another and makes sure that they are
// what was scanned. It ends early when nobody wants them any more.
func (s *source) contents(w io.Writer, parts parts, givenUp func() bool) error {
	buf := make([]byte, 256<<10)
	return parts.each(func(e *manifest.Entry, offset int64, old *delta.Outline) error {
		if givenUp() {
			return errGivenUp
		}
		return s.content(w, e, offset, old, buf)
	})
}

// content writes one file: what comes after offset, or in terms of an old
// version.
func (s *source) content(w io.Writer, p *manifest.Entry, offset int64, old *delta.Outline, buf []byte) error {
	f, err := beneath.File(s.fd, p.Path)
	if err != nil {
		return &changedSource{p.Path}
	}
	defer f.Close()
	h := &sumWriter{Hash: sha256.New()}
	from := io.TeeReader(io.LimitReader(f, p.Size+1), h)
	if old != nil {
		err = old.Write(w, from)
	} else {
		_, err = io.CopyBuffer(&after{w: w, skip: offset}, from, buf)
	}
	if err != nil {
		return err
	}
	var sum manifest.Sum
	copy(sum[:], h.Sum(nil))
	if h.n != p.Size || sum != p.Sum {
		return &changedSource{p.Path}
	}
	return nil
}

// sumWriter counts too.
type sumWriter struct {
	hash.Hash
	n int64
}

// Write takes everything.
func (s *sumWriter) Write(b []byte) (int, error) {
	s.n += int64(len(b))
	return s.Hash.Write(b)
}

// after passes on what comes after the first skip bytes.
type after struct {
	w    io.Writer
	skip int64
}

// Write takes everything.
func (a *after) Write(b []byte) (int, error) {
	k := min(a.skip, int64(len(b)))
	a.skip -= k
	if k == int64(len(b)) {
		return len(b), nil
	}
	n, err := a.w.Write(b[k:])
	return int(k) + n, err
}

// send writes a pack as frames, whole ones only, until its end, or until stop
// is closed. A pack that breaks is ended with Abort.
func (p *pack) send(ctx context.Context, s *source, l *lanes, stop <-chan struct{}) error {
	buf := make([]byte, s.piece)
	var off int64
	for {
		n, err := p.read(ctx, buf, off, stop)
		off += int64(n)
		switch {
		case n > 0:
			if err := s.wait(ctx, n); err != nil {
				_ = l.send(ctx, wire.TypeAbort, []byte(err.Error()))
				return err
			}
			if err := l.send(ctx, wire.TypePack, buf[:n]); err != nil {
				return err
			}
		case errors.Is(err, io.EOF):
			return l.send(ctx, wire.TypeEnd, nil)
		case errors.Is(err, errStopped):
			return nil
		default:
			_ = l.send(ctx, wire.TypeAbort, []byte(err.Error()))
			return err
		}
	}
}

// errStopped ends the sending of a pack that is not wanted after all.
var errStopped = errors.New("stopped")

func (p *pack) read(ctx context.Context, b []byte, off int64, stop <-chan struct{}) (int, error) {
	for {
		p.mu.Lock()
		left, done, err, more := p.size-off, p.done, p.err, p.more
		p.mu.Unlock()
		select {
		case <-stop:
			return 0, errStopped
		default:
		}
		if err != nil {
			return 0, err
		}
		if left > 0 {
			n, err := p.f.ReadAt(b[:min(int64(len(b)), left)], off)
			if n > 0 {
				err = nil
			}
			return n, err
		}
		if done {
			return 0, io.EOF
		}
		select {
		case <-more:
		case <-stop:
		case <-ctx.Done():
			return 0, nodes.Stopped(ctx)
		}
	}
}
