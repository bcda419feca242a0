package wire

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"strings"

	"github.com/rollsh/rollsh/stdlib/sync/manifest"
)

// Record is the marker of a tree with the entries that are ours in it: as it is
// kept, a length, the marker as JSON, and the entries.
type Record struct {
	Marker
	Ours manifest.List
}

// NoRecord is that of a tree that no roll was made to.
func NoRecord() *Record { return &Record{Ours: manifest.Slice(nil)} }

// First reports whether no roll stands in the tree.
func (r *Record) First() bool { return r.Roll == "" }

// head gives what stands before the entries.
func (r *Record) head() ([]byte, error) {
	text, err := json.Marshal(r.Marker)
	return append(binary.AppendUvarint(nil, uint64(len(text))), text...), err
}

// noDigest has the length of all digests.
var noDigest = manifest.Digest(strings.Repeat("0", len(manifest.DigestOf(nil))))

// Write writes the record into an empty file, and sets the digest of the
// entries.
func (r *Record) Write(to io.WriterAt) error {
	r.Digest = noDigest
	r.trait()
	head, err := r.head()
	if err != nil {
		return err
	}
	r.Digest, err = manifest.Write(io.NewOffsetWriter(to, int64(len(head))), r.Ours)
	if err != nil {
		return err
	}
	if head, err = r.head(); err == nil {
		_, err = to.WriteAt(head, 0)
	}
	return err
}

// Encode gives what Write writes, and sets the digest of the entries, which are
// kept in an empty spool until then.
func (r *Record) Encode(body *manifest.Spool) (io.Reader, error) {
	var err error
	r.trait()
	if r.Digest, err = manifest.Write(body, r.Ours); err != nil {
		return nil, err
	}
	head, err := r.head()
	return io.MultiReader(bytes.NewReader(head), io.NewSectionReader(body, 0, body.Size())), err
}

func (r *Record) trait() {
	t := r.Ours.Traits()
	r.Entries = &t
}

// longestMarker limits what is read of a marker without its entries.
const longestMarker = 16 << 20

// ReadMarker reads the marker alone of what Write wrote, which may be damaged
// elsewhere.
func ReadMarker(at io.ReaderAt, size int64) (*Marker, error) {
	m, _, err := cutMarker(at, size)
	return m, err
}

func cutMarker(at io.ReaderAt, size int64) (m *Marker, body int64, err error) {
	b := make([]byte, min(binary.MaxVarintLen64, size))
	if _, err := io.ReadFull(io.NewSectionReader(at, 0, size), b); err != nil {
		return nil, 0, err
	}
	n, k := binary.Uvarint(b)
	if k <= 0 || n > longestMarker || n > uint64(size-int64(k)) {
		return nil, 0, errors.New("cut short")
	}
	b = make([]byte, n)
	if _, err := io.ReadFull(io.NewSectionReader(at, int64(k), int64(n)), b); err != nil {
		return nil, 0, err
	}
	m = &Marker{}
	return m, int64(k) + int64(n), json.Unmarshal(b, m)
}

// OpenRecord reads through what Write wrote; it refuses what was damaged since.
// The bytes must stay as they are.
func OpenRecord(at io.ReaderAt, size int64) (*Record, error) {
	m, body, err := cutMarker(at, size)
	if err != nil {
		return nil, err
	}
	list, err := openEntries(m, at, body, size-body)
	if err == nil && list.Digest != m.Digest {
		err = errors.New("its digest is wrong")
	}
	if err != nil {
		return nil, err
	}
	return &Record{Marker: *m, Ours: list}, nil
}

func openEntries(m *Marker, at io.ReaderAt, off, size int64) (*manifest.Encoded, error) {
	if m.Entries == nil {
		return manifest.Open(at, off, size)
	}
	return manifest.OpenKnown(at, off, size, *m.Entries)
}
