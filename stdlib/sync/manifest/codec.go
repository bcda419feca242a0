package manifest

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
)

// Digest names the content of a list of entries: the SHA-256 of its encoding
// in hexadecimal. Empty means that there is none.
type Digest string

// DigestOf gives the digest of an encoded list.
func DigestOf(encoded []byte) Digest {
	sum := sha256.Sum256(encoded)
	return Digest(hex.EncodeToString(sum[:]))
}

// Bits beside the permissions in the encoding of an entry.
const (
	ownerAgain = 0o10000 // it has the owner of the last entry that has one
	newOwner   = 0o20000 // its owner follows
	hardLink   = 0o40000 // a file: the path that it is a hard link of follows
)

// piece is how much of an encoding is held at once.
const piece = 32 << 10

// Writer encodes a list an entry at a time.
type Writer struct {
	c    encoder
	to   io.Writer
	h    hash.Hash
	size int64
	err  error
}

// NewWriter writes to w the encoding of a list: each path as what it
// differs by from the one before it; nil stands for nowhere.
func NewWriter(w io.Writer) *Writer { return &Writer{to: w, h: sha256.New()} }

// Add writes the next entry. An error is told by Done.
func (w *Writer) Add(e *Entry) {
	if w.c.add(e); len(w.c.b) >= piece {
		w.flush()
	}
}

func (w *Writer) flush() {
	w.h.Write(w.c.b)
	w.size += int64(len(w.c.b))
	if w.to != nil && w.err == nil {
		_, w.err = w.to.Write(w.c.b)
	}
	w.c.b = w.c.b[:0]
}

// Done writes what is left and gives the digest of all.
func (w *Writer) Done() (Digest, error) {
	w.flush()
	return Digest(hex.EncodeToString(w.h.Sum(nil))), w.err
}

// Write encodes a list to w, nil for nowhere, and gives its digest.
func Write(w io.Writer, l List) (Digest, error) {
	if l, ok := l.(*Encoded); ok {
		return l.Digest, l.copyTo(w)
	}
	out := NewWriter(w)
	s := l.Read()
	for e := s.Next(); e != nil; e = s.Next() {
		out.Add(e)
	}
	d, err := out.Done()
	if s.Err() != nil {
		return "", s.Err()
	}
	return d, err
}

// copyTo writes the encoding as it is.
func (l *Encoded) copyTo(w io.Writer) error {
	if w == nil {
		return nil
	}
	n, err := io.CopyBuffer(w, l.Encoding(), make([]byte, piece))
	if err == nil && n < l.size {
		err = io.ErrUnexpectedEOF
	}
	return err
}

// encoder appends entries to b, each as what it differs by from the last.
type encoder struct {
	b        []byte
	prev     string
	prevTime int64
	owner    Owner // of the last entry that had one
}

func (c *encoder) add(e *Entry) {
	c.path(e.Path)
	c.body(e)
}

func (c *encoder) path(p string) {
	k := common(c.prev, p)
	c.b = appendString(binary.AppendUvarint(c.b, uint64(k)), p[k:])
	c.prev = p
}

// body appends an entry without its path.
func (c *encoder) body(e *Entry) {
	bits := e.bits(c.owner)
	b := c.b
	b = append(b, byte(e.Kind))
	b = binary.AppendUvarint(b, uint64(bits))
	if bits&newOwner != 0 {
		c.owner = e.Owner
		b = appendString(b, c.owner.String())
	}
	if bits&hardLink != 0 {
		b = appendString(b, e.Link)
	}
	switch e.Kind {
	case File:
		b = binary.AppendUvarint(b, uint64(e.Size))
		b = binary.AppendVarint(b, e.Mtime-c.prevTime)
		b = append(b, e.Sum[:]...)
		c.prevTime = e.Mtime
	case Link:
		b = appendString(b, e.Link)
	}
	c.b = b
}

// bits are the permissions and what else the number that holds them tells.
func (e *Entry) bits(owner Owner) uint32 {
	bits := e.Mode
	switch {
	case !e.Owner.Given():
	case e.Owner == owner:
		bits |= ownerAgain
	default:
		bits |= newOwner
	}
	if e.Kind == File && e.Link != "" {
		bits |= hardLink
	}
	return bits
}

func common(a, b string) int {
	k := 0
	for k < len(a) && k < len(b) && a[k] == b[k] {
		k++
	}
	return k
}

func appendString(b []byte, s string) []byte {
	b = binary.AppendUvarint(b, uint64(len(s)))
	return append(b, s...)
}

// EncodePaths writes a list of paths, in any order.
func EncodePaths(paths []string) []byte {
	var b []byte
	for _, p := range paths {
		b = appendString(b, p)
	}
	return b
}

// DecodePaths reads what EncodePaths wrote and refuses paths that are not
// plain.
func DecodePaths(b []byte) ([]string, error) {
	d := &decoder{Cut: Cut{Left: b}}
	var out []string
	for len(d.Left) > 0 && d.Err == nil {
		p := string(d.Bytes(d.Uvarint()))
		if d.Err == nil && !Clean(p) {
			return nil, fmt.Errorf("damaged list: path %q", p)
		}
		out = append(out, p)
	}
	return out, d.Err
}
