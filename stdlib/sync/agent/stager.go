//go:build linux

package agent

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strconv"
	"sync"

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
	arrived map[string]int // s/N by path, of what came on the guess
	sources []int          // s/N of each put whose contents came; else -1
	local   int64
	there   map[string]*manifest.Entry // what the comparison saw at the paths concerned
	ways    *ways                      // that contents come over, beside the input

	versions  map[string]*version // live files that new versions are told in terms of, by path
	reused    int64               // bytes that came from these
	forgotten int                 // undos that went to make room
	lists     map[string][]byte   // by folder: what files made in it inherit

	mu    sync.Mutex
	whole []*manifest.Entry // what s/N holds, by N; nil where it did not arrive whole
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

// fetch asks for the contents that did not come on the guess, and notes in which
// s/N those of each put are.
func (st *stager) fetch() error {
	puts := st.c.dec.Puts
	st.sources = make([]int, len(puts))
	var want []int                // of the puts
	offsets := map[string]int64{} // how much is there already
	for i := range puts {
		p := &puts[i]
		st.sources[i] = -1
		if p.Kind != manifest.File || p.Have {
			continue
		}
		n, here := st.arrived[p.Path]
		if !here {
			var offset int64
			var err error
			if n, offset, err = st.resume(p.Entry); err != nil {
				return err
			}
			if offset > 0 {
				offsets[p.Path] = offset
			}
		}
		if st.sources[i] = n; n < 0 {
			want = append(want, i)
		}
	}
	if len(want) == 0 {
		return nil
	}
	return st.need(want, offsets)
}

// need names the files of puts by their index in the manifest that was
// announced, describes what is there of them, and receives them.
func (st *stager) need(want []int, offsets map[string]int64) error {
	puts := st.c.dec.Puts
	needs := make([]wire.Need, 0, len(want))
	entries := make([]*manifest.Entry, 0, len(want))
	s := st.c.announced.Read()
	for i := 0; len(needs) < len(want); i++ {
		e := s.Next()
		if e == nil {
			return st.c.t.damaged(errors.Join(s.Err(), errors.New("it does not hold what was decided")))
		}
		if p := &puts[want[len(needs)]]; p.Path == e.Path {
			needs = append(needs, wire.Need{Index: i, Offset: offsets[e.Path]})
			entries = append(entries, p.Entry)
		}
	}
	for k, i := range want {
		if needs[k].Offset == 0 {
			if err := st.describe(&puts[i], needs[k].Index); err != nil {
				return err
			}
		}
	}
	st.c.s.bytes.Store(0) // what was read for outlines
	if err := st.widen(entries); err != nil {
		return err
	}
	if err := wire.Write(st.c.s.out, wire.TypeNeed, wire.EncodeNeed(needs)); err != nil {
		return err
	}
	first := st.count
	for k, i := range want {
		st.sources[i] = first + k
	}
	return st.receive(entries, offsets)
}

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

// receive reads the contents of entries, in their order, to its end, into s/N
// with N from st.count on; offsets says, by path, where they begin.
func (st *stager) receive(entries []*manifest.Entry, offsets map[string]int64) error {
	st.c.s.step.Store("receiving")
	if st.ways == nil {
		st.ways = &ways{}
	}
	in := &pieces{s: st.c.s, ways: st.ways}
	if len(entries) == 0 {
		_, err := io.Copy(io.Discard, in)
		return controllerGone(err)
	}
	if err := st.fits(entries); err != nil {
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
	w := st.newWriters(len(entries) <= syncEach)
	b := bufio.NewReaderSize(z, 64<<10)
	err = st.split(b, entries, offsets, w)
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
func (st *stager) fits(entries []*manifest.Entry) error {
	var bytes int64
	for i := range entries {
		bytes += entries[i].Size
	}
	for {
		lacks := st.t.lacks(bytes, len(entries))
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
func (st *stager) split(z *bufio.Reader, entries []*manifest.Entry, offsets map[string]int64, w *writerPool) error {
	for _, e := range entries {
		n := st.count
		st.count++
		gid := st.group(e.Path)
		var err error
		if v := st.versions[e.Path]; v != nil {
			err = st.rebuild(e, n, gid, w.sync, v, z)
		} else if e.Size > smallFile {
			offset := offsets[e.Path]
			err = st.write(e, n, gid, w.sync, offset, io.LimitReader(z, e.Size-offset))
		} else {
			b := make([]byte, e.Size)
			if _, err = io.ReadFull(z, b); err == nil {
				err = w.give(job{e, n, gid, b})
			}
		}
		if err != nil {
			return err
		}
		crash("receive")
	}
	return nil
}

// known is what arrived whole: by the name of a file in s, the name of its
// content.
func (st *stager) known() map[string]string {
	st.mu.Lock()
	defer st.mu.Unlock()
	out := map[string]string{}
	for n, e := range st.whole {
		if e != nil {
			out[strconv.Itoa(n)] = contentName(e.Sum, e.Size)
		}
	}
	return out
}

// arrivedWhole notes what s/N holds, should the stage be cut off.
func (st *stager) arrivedWhole(n int, e *manifest.Entry) {
	st.mu.Lock()
	defer st.mu.Unlock()
	for len(st.whole) <= n {
		st.whole = append(st.whole, nil)
	}
	st.whole[n] = e
}
