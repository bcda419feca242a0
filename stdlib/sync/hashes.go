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
// It is a file in the order of the paths, read along with the entries.
type hashes struct {
	name  string
	f     *os.File
	r     *bufio.Reader // nil: nothing more is known
	path  string        // of next
	next  hashed        // the last that was read
	miss  bool          // something was not known
	began time.Time
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
	}
	return h
}

func (h *hashes) close() {
	if h.f != nil {
		_ = h.f.Close()
	}
}

// seek reads on to a path, and tells whether it is there.
func (h *hashes) seek(p string) bool {
	for h.r != nil && h.path < p {
		var err error
		if h.path, h.next, err = readHashed(h.r); err != nil {
			h.r = nil
		}
	}
	return h.r != nil && h.path == p
}

func readHashed(r *bufio.Reader) (string, hashed, error) {
	var v hashed
	n, err := binary.ReadUvarint(r)
	if err != nil || n > 1<<16 {
		return "", v, io.EOF
	}
	p := make([]byte, n)
	if _, err := io.ReadFull(r, p); err != nil {
		return "", v, err
	}
	for _, to := range []*int64{&v.size, &v.mtime, &v.ctime} {
		if *to, err = binary.ReadVarint(r); err != nil {
			return "", v, err
		}
	}
	if v.ino, err = binary.ReadUvarint(r); err != nil {
		return "", v, err
	}
	_, err = io.ReadFull(r, v.sum[:])
	return string(p), v, err
}

// fill gives a file its sum when it is known. Files are asked for in the order
// of their paths.
func (h *hashes) fill(e *manifest.Entry) bool {
	ok := h.seek(e.Path)
	v := &h.next
	if !ok || v.size != e.Size || v.mtime != e.Mtime || v.ctime != e.Ctime || v.ino != e.Ino {
		h.miss = true
		return false
	}
	e.Sum = v.sum
	return true
}

// save writes what is known now. It must see the entries as they were scanned.
func (h *hashes) save(entries []manifest.Entry) {
	if h.name == "" || !h.miss || os.MkdirAll(filepath.Dir(h.name), 0o700) != nil {
		return
	}
	f, err := os.CreateTemp(filepath.Dir(h.name), "new-")
	if err != nil {
		return
	}
	w := bufio.NewWriterSize(f, 256<<10)
	_, _ = w.WriteString(hashesMagic)
	racy := h.began.Add(-2 * time.Second).UnixNano()
	for i := range entries {
		e := &entries[i]
		if e.Kind != manifest.File || !e.Sum.Known() || e.Ctime > racy {
			continue
		}
		b := binary.AppendUvarint(nil, uint64(len(e.Path)))
		b = append(b, e.Path...)
		b = binary.AppendVarint(b, e.Size)
		b = binary.AppendVarint(b, e.Mtime)
		b = binary.AppendVarint(b, e.Ctime)
		b = binary.AppendUvarint(b, e.Ino)
		_, _ = w.Write(append(b, e.Sum[:]...))
	}
	err = w.Flush()
	if e := f.Close(); err != nil || e != nil || os.Rename(f.Name(), h.name) != nil {
		_ = os.Remove(f.Name())
	}
}
