//go:build linux

package agent

import (
	"bufio"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/zstd"
	"golang.org/x/sys/unix"

	"github.com/rollsh/rollsh/stdlib/sync/manifest"
	"github.com/rollsh/rollsh/stdlib/sync/wire"
)

// Files up to smallFile are written by several workers, larger ones are
// streamed; up to syncEach files are flushed one by one, more by syncfs.
const (
	smallFile = 256 << 10
	writers   = 8
	syncEach  = 500
)

// stager fills one stage.
type stager struct {
	c       *comparison
	t       *tree
	dir     int // the stage
	files   int // its s
	old     int // its u
	count   int
	coming  *manifest.Encoded // what came on the guess, in s/0 and on; nil: nothing did
	sources *sources          // of the changes whose contents are sent; nil: not known yet
	draft   *wire.Draft       // of the journal
	peers   map[string]int    // s/N, or -1, of the files that others are to be hard links of: these are held
	local   int64
	folds   bool            // as wire.Journal.Folds
	going   map[string]bool // the paths of the files that are deleted, in lower case; nil: not needed
	ways    *ways           // that contents come over, beside the input

	versions  map[string]*version // live files that new versions are told in terms of, by path
	reused    int64               // bytes that came from these
	forgotten int                 // undos that went to make room
	lists     map[string][]byte   // by folder: what files made in it inherit
}

func (st *stager) close() {
	st.closeVersions()
	if st.ways != nil {
		st.ways.close()
	}
	for _, fd := range []*int{&st.dir, &st.files, &st.old} {
		if *fd >= 0 {
			_ = unix.Close(*fd)
			*fd = -1
		}
	}
}

// open makes the stage's folders, once.
func (st *stager) open() error {
	if st.dir >= 0 {
		return nil
	}
	name := wire.StageName(st.c.req.Roll)
	for _, n := range []string{name, name + "/s", name + "/u"} {
		if err := unix.Mkdirat(st.t.state, n, 0o700); err != nil {
			return cannot("make the folder", st.t.place+"/"+n, err)
		}
	}
	var err error
	if st.dir, err = openSub(st.t.state, name); err != nil {
		return cannot("open", st.t.place+"/"+name, err)
	}
	if st.files, err = openSub(st.dir, "s"); err != nil {
		return cannot("open", st.t.place+"/"+name+"/s", err)
	}
	if st.old, err = openSub(st.dir, "u"); err != nil {
		return cannot("open", st.t.place+"/"+name+"/u", err)
	}
	return nil
}

// contents are files whose contents come, in their order.
type contents struct {
	manifest.Seq
	files   int
	bytes   int64
	offsets map[string]int64 // by path: how much is there already, of large files that were cut off
}

// fetch asks for the contents that did not come on the guess, and notes in which
// s/N those of each change are.
func (st *stager) fetch() error {
	st.sources = newSources(st.t.spool())
	lack := contents{offsets: map[string]int64{}}
	came := st.came()
	err := st.c.changes(func(c *manifest.Change) error {
		if !c.Sent() {
			return nil
		}
		n := came(c.Want.Path)
		if n < 0 {
			var offset int64
			var err error
			if n, offset, err = st.resume(c.Want); err != nil {
				return err
			}
			if offset > 0 {
				lack.offsets[c.Want.Path] = offset
			}
		}
		if n < 0 {
			lack.files++
			lack.bytes += c.Want.Size
		}
		st.sources.add(n)
		return nil
	})
	if err == nil {
		err = cannot("note", "what came", st.sources.done(st.count))
	}
	if err != nil || lack.files == 0 {
		return err
	}
	return st.need(lack)
}

// came gives a function that tells, of paths in their order, the N of s/N of what
// came on the guess; below 0 for none.
func (st *stager) came() func(p string) int {
	if st.coming == nil {
		return func(string) int { return -1 }
	}
	s, n := st.coming.Read(), 0
	e := s.Next()
	return func(p string) int {
		for ; e != nil && e.Path < p; n++ {
			e = s.Next()
		}
		if e == nil || e.Path != p {
			return -1
		}
		return n
	}
}

// need names the files that are lacking by their index in the manifest that was
// announced, describes what is there of them, and receives them.
func (st *stager) need(lack contents) error {
	var needs wire.Needs
	announced, at := st.c.announced.Read(), -1
	err := st.lacking(func(c *manifest.Change) error {
		for path := ""; path != c.Want.Path; at++ {
			e := announced.Next()
			if e == nil {
				return st.c.t.damaged(errors.Join(announced.Err(), errors.New("it does not hold what was decided")))
			}
			path = e.Path
		}
		offset := lack.offsets[c.Want.Path]
		needs.Add(wire.Need{Index: at, Offset: offset})
		if offset > 0 {
			return nil
		}
		return st.describe(c, at)
	})
	if err != nil {
		return err
	}
	st.c.s.bytes.Store(0) // what was read for outlines
	if err := st.widen(lack.bytes); err != nil {
		return err
	}
	if err := wire.Write(st.c.s.out, wire.TypeNeed, needs.Encode()); err != nil {
		return err
	}
	lack.Seq = &lackingSeq{s: st.c.dec.Read(), n: st.sources.read()}
	return st.receive(lack)
}

// lacking gives f the changes whose contents did not come on the guess.
func (st *stager) lacking(f func(*manifest.Change) error) error {
	s := &lackingSeq{s: st.c.dec.Read(), n: st.sources.read()}
	for s.Next() != nil {
		if err := f(s.c); err != nil {
			return err
		}
	}
	if s.Err() != nil {
		return st.c.unreadable(s.Err())
	}
	return nil
}

// lackingSeq is what is wanted where its contents did not come on the guess. It is
// a Seq.
type lackingSeq struct {
	s *manifest.Changes
	n *sourceReader
	c *manifest.Change // the present one
}

// Next implements manifest.Seq.
func (l *lackingSeq) Next() *manifest.Entry {
	for l.c = l.s.Next(); l.c != nil; l.c = l.s.Next() {
		if l.c.Sent() && l.n.next() >= l.n.first {
			return l.c.Want
		}
	}
	return nil
}

// Err implements manifest.Seq.
func (l *lackingSeq) Err() error { return errors.Join(l.s.Err(), l.n.err) }

// pieces turns Pack frames into a stream that ends at End.
type pieces struct {
	s    *server
	ways *ways
	cur  []byte
	done bool
}

// Read implements io.Reader.
func (p *pieces) Read(b []byte) (int, error) {
	for len(p.cur) == 0 {
		if p.done {
			return 0, io.EOF
		}
		f, err := p.ways.next(p.s)
		var said *Error
		if errors.As(err, &said) {
			return 0, err
		} else if err != nil {
			return 0, &brokenStream{err}
		}
		switch f.t {
		case wire.TypePack:
			p.cur = f.p
		case wire.TypeEnd:
			p.done = true
		case wire.TypeAbort:
			return 0, failure("aborted", string(f.p))
		default:
			return 0, failure("protocol", fmt.Sprintf("frame %q among contents", byte(f.t)))
		}
	}
	n := copy(b, p.cur)
	p.cur = p.cur[n:]
	return n, nil
}

// brokenStream keeps the end of the connection from looking like the end of
// the contents.
type brokenStream struct{ cause error }

func (b *brokenStream) Error() string { return "the connection broke: " + b.cause.Error() }

// receive reads contents to their end, into s/N with N from st.count on.
func (st *stager) receive(come contents) error {
	st.c.s.step.Store("receiving")
	if st.ways == nil {
		st.ways = &ways{}
	}
	in := &pieces{s: st.c.s, ways: st.ways}
	if come.files == 0 {
		_, err := io.Copy(io.Discard, in)
		return controllerGone(err)
	}
	if err := st.fits(come.files, come.bytes); err != nil {
		return err
	}
	if err := st.open(); err != nil {
		return err
	}
	z, err := zstd.NewReader(in, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(32<<20))
	if err != nil {
		return err
	}
	defer z.Close()
	w := st.newWriters(come.files <= syncEach)
	b := bufio.NewReaderSize(z, 64<<10)
	err = st.split(b, come, w)
	if e := w.wait(); err == nil {
		err = e
	}
	if err != nil {
		return controllerGone(err)
	}
	if n, err := io.Copy(io.Discard, b); err != nil {
		return controllerGone(err)
	} else if n > 0 {
		return failure("protocol", "more contents came than were announced")
	}
	_, err = io.Copy(io.Discard, in)
	return controllerGone(err)
}

// fits refuses contents that would fill the filesystem: other services write
// there too. Undos make room, the oldest first; the last one stays.
func (st *stager) fits(files int, bytes int64) error {
	for {
		lacks := st.t.lacks(bytes, files)
		if lacks == "" {
			return nil
		}
		undos := st.t.undos()
		if has(st.t.state, arrivedDir) {
			st.t.discard(arrivedDir)
			continue
		}
		if len(undos) < 2 {
			return failure("space", lacks)
		}
		st.t.discard(undos[0])
		if len(st.t.undos()) == len(undos) {
			return failure("space", lacks) // it cannot be removed
		}
		if st.t.releases {
			st.t.sweepReleases(st.t.current)
		}
		st.forgotten++
	}
}

// lacks says what is missing of the room for so many bytes in so many files.
func (t *tree) lacks(bytes int64, files int) string {
	var fs unix.Statfs_t
	if unix.Fstatfs(t.state, &fs) != nil {
		return ""
	}
	var free wire.Facts
	room(&free, &fs)
	return free.Lacks(t.place, bytes, files)
}

func controllerGone(err error) error {
	var b *brokenStream
	if errors.As(err, &b) {
		return b.cause
	}
	return err
}

// split cuts the stream into files.
func (st *stager) split(z *bufio.Reader, come contents, w *writerPool) error {
	for e := come.Next(); e != nil; e = come.Next() {
		n := st.count
		st.count++
		own := st.group(e.Path)
		var err error
		if v := st.versions[e.Path]; v != nil {
			err = st.rebuild(e, n, own, w.sync, v, z)
		} else if e.Size > smallFile {
			offset := come.offsets[e.Path]
			err = st.write(e, n, own, w.sync, offset, io.LimitReader(z, e.Size-offset))
		} else {
			b, held := make([]byte, e.Size), *e
			if _, err = io.ReadFull(z, b); err == nil {
				err = w.give(job{&held, n, own, b})
			}
		}
		if err != nil {
			return err
		}
		crash("receive")
	}
	if come.Err() != nil {
		return st.c.unreadable(come.Err())
	}
	return nil
}
