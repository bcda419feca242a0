package sync

import (
	"bufio"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/rollsh/rollsh/stdlib/sync/manifest"
)

// hashes remembers the sums of a tree's files by what lstat says of them, so
// that a tree is hashed once. A file that changed less than two seconds before
// it was hashed is not remembered: a later change might show the same times
// (the race that git's index knows).
//
// It is a file in the order of the paths, read along with the entries and, from
// the first of which it does not know the sum, written anew along with them.
type hashes struct {
	name  string
	f     *os.File
	r     *bufio.Reader // nil: nothing more is known
	path  []byte        // of next
	next  hashed        // the last that was read
	off   int64         // where it ends
	good  int64         // where what was found to be true ends
	began time.Time

	fresh *os.File // the new file; nil: nothing has to be written yet
	w     *bufio.Writer
	from  string // the path from which on entries are written
}

type hashed struct {
	size, mtime, ctime int64
	ino                uint64
	sum                manifest.Sum
}

const hashesMagic = "rollsh hashes 1\n"

func openHashes(cache, root string) *hashes {
	h := &hashes{began: time.Now()}
	if cache == "" {
		return h
	}
	id := sha256.Sum256([]byte(root))
	h.name = filepath.Join(cache, "sync", "hashes-"+hex.EncodeToString(id[:12]))
	f, err := os.Open(h.name)
	if err != nil {
		return h
	}
	h.f, h.r = f, bufio.NewReaderSize(f, 256<<10)
	magic := make([]byte, len(hashesMagic))
	if _, err := io.ReadFull(h.r, magic); err != nil || string(magic) != hashesMagic {
		h.r = nil
		return h
	}
	h.off = int64(len(magic))
	h.good = h.off
	return h
}

// close forgets what was not kept.
func (h *hashes) close() {
	if h.f != nil {
		_ = h.f.Close()
	}
	if h.fresh != nil {
		h.drop()
	}
}

// seek reads on to a path, and tells whether it is there and nothing lay before
// it.
func (h *hashes) seek(p string) (there, next bool) {
	next = true
	for h.r != nil && string(h.path) < p {
		next = h.good == h.off
		h.read()
	}
	return h.r != nil && string(h.path) == p, next
}

// read goes on to the next record that add wrote.
func (h *hashes) read() {
	b, _ := h.r.Peek(h.r.Buffered())
	n := h.record(b)
	if n == 0 { // it goes on in the file
		b, _ = h.r.Peek(longestHashed)
		n = h.record(b)
	}
	if n == 0 {
		h.r = nil
		return
	}
	_, _ = h.r.Discard(n)
	h.off += int64(n)
}

// longestHashed is what a record takes at most.
const longestHashed = longestHashedPath + 6*binary.MaxVarintLen64 + manifest.SumSize

const longestHashedPath = 1 << 16

// record decodes the record that b begins with, and gives its length; 0 where b
// holds none that is whole.
func (h *hashes) record(b []byte) int {
	c := manifest.Cut{Left: b}
	k := c.Uvarint()
	if k > longestHashedPath {
		return 0
	}
	path := c.Bytes(k)
	v := hashed{size: c.Varint(), mtime: c.Varint(), ctime: c.Varint(), ino: c.Uvarint()}
	copy(v.sum[:], c.Bytes(manifest.SumSize))
	if c.Err != nil {
		return 0
	}
	h.path, h.next = append(h.path[:0], path...), v
	return len(b) - len(c.Left)
}

// fill gives a file its sum when it is known. Files are asked for in the order
// of their paths.
func (h *hashes) fill(e *manifest.Entry) bool {
	there, next := h.seek(e.Path)
	v := &h.next
	known := there && v.size == e.Size && v.mtime == e.Mtime && v.ctime == e.Ctime && v.ino == e.Ino
	if known {
		e.Sum = v.sum
	}
	switch {
	case known && next && h.fresh == nil:
		h.good = h.off
	case h.from == "":
		h.from = e.Path
		h.anew()
	}
	return known
}

// anew begins a new file with what of the old one is still true.
func (h *hashes) anew() {
	if h.name == "" || os.MkdirAll(filepath.Dir(h.name), 0o700) != nil {
		return
	}
	f, err := os.CreateTemp(filepath.Dir(h.name), "new-")
	if err != nil {
		return
	}
	h.fresh, h.w = f, bufio.NewWriterSize(f, 256<<10)
	if h.good == 0 {
		_, _ = h.w.WriteString(hashesMagic)
	} else if n, err := io.Copy(h.w, io.NewSectionReader(h.f, 0, h.good)); err != nil || n != h.good {
		h.drop()
	}
}

// drop gives the new file up.
func (h *hashes) drop() {
	_ = h.fresh.Close()
	_ = os.Remove(h.fresh.Name())
	h.fresh = nil
}

// add writes what is known of an entry, as it was scanned; they come in the
// order of their paths.
func (h *hashes) add(e *manifest.Entry) {
	if h.fresh == nil || e.Path < h.from || e.Kind != manifest.File || !e.Sum.Known() || e.Ctime > h.began.Add(-2*time.Second).UnixNano() {
		return
	}
	b := binary.AppendUvarint(h.w.AvailableBuffer(), uint64(len(e.Path)))
	b = append(b, e.Path...)
	b = binary.AppendVarint(b, e.Size)
	b = binary.AppendVarint(b, e.Mtime)
	b = binary.AppendVarint(b, e.Ctime)
	b = binary.AppendUvarint(b, e.Ino)
	_, _ = h.w.Write(append(b, e.Sum[:]...)) // keep tells the error
}

// keep puts the new file, if there is one, in the place of the old one.
func (h *hashes) keep() {
	if h.fresh == nil {
		return
	}
	err := h.w.Flush()
	if e := h.fresh.Close(); err != nil || e != nil || os.Rename(h.fresh.Name(), h.name) != nil {
		_ = os.Remove(h.fresh.Name())
	}
	h.fresh = nil
}
