package manifest

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"strings"
)

// errCut is what every damaged encoding gives.
var errCut = errors.New("damaged manifest")

// Cut takes values off the front of bytes, as AppendUvarint and AppendVarint of
// encoding/binary put them there. After the first failure it gives zeros.
type Cut struct {
	Left []byte
	Err  error
}

// Uvarint takes an unsigned number.
func (c *Cut) Uvarint() uint64 {
	if len(c.Left) > 0 && c.Left[0] < 0x80 { // as most are
		v := c.Left[0]
		c.Left = c.Left[1:]
		return uint64(v)
	}
	v, n := binary.Uvarint(c.Left)
	if n <= 0 {
		c.fail()
		return 0
	}
	c.Left = c.Left[n:]
	return v
}

// Varint takes a number.
func (c *Cut) Varint() int64 {
	v, n := binary.Varint(c.Left)
	if n <= 0 {
		c.fail()
		return 0
	}
	c.Left = c.Left[n:]
	return v
}

// Bytes takes the next n bytes.
func (c *Cut) Bytes(n uint64) []byte {
	if n > uint64(len(c.Left)) {
		c.fail()
		return nil
	}
	out := c.Left[:n]
	c.Left = c.Left[n:]
	return out
}

func (c *Cut) fail() {
	if c.Err == nil {
		c.Err = errCut
	}
	c.Left = nil
}

// decoder reads an encoding.
type decoder struct {
	Cut
	time  int64 // of the last file
	owner Owner // of the last entry that had one
}

// encodedSeq decodes as it goes, window bytes ahead at first and more where an
// entry is longer.
type encodedSeq struct {
	d      decoder
	at     io.ReaderAt
	off    int64 // of what comes after d's bytes
	size   int64
	window int
	buf    []byte
	e      Entry
	texts  texts
	err    error
}

// longest is a limit for what one entry may take.
const longest = 1 << 20

// Next implements Seq.
func (s *encodedSeq) Next() *Entry {
	if s.err != nil || !s.ready() {
		return nil
	}
	before, prev := s.d, s.e.Path
	s.d.entry(&s.e, prev, &s.texts)
	for s.d.Err != nil && s.off < s.size && len(before.Left) < longest {
		s.d = before
		if len(s.d.Left) == s.window { // so much is not enough
			s.window *= 2
		}
		if !s.fill() {
			return nil
		}
		before = s.d
		s.d.entry(&s.e, prev, &s.texts)
	}
	if s.err = s.d.Err; s.err != nil {
		return nil
	}
	return &s.e
}

// ready makes sure that the next entry is at hand, if it is of the usual
// length; it is false at the end.
func (s *encodedSeq) ready() bool {
	if len(s.d.Left) < usual && s.off < s.size && !s.fill() {
		return false
	}
	return len(s.d.Left) > 0
}

// usual is what hardly any entry takes.
const usual = 4 << 10

// fill reads on until window bytes are at hand.
func (s *encodedSeq) fill() bool {
	n := min(int64(s.window-len(s.d.Left)), s.size-s.off)
	if n <= 0 {
		return true
	}
	if len(s.buf) < s.window {
		s.buf = make([]byte, s.window)
	}
	k := copy(s.buf, s.d.Left)
	b := s.buf[:k+int(n)]
	if got, err := s.at.ReadAt(b[k:], s.off); int64(got) < n {
		s.err = fmt.Errorf("cannot read a manifest: %w", err)
		return false
	}
	s.off += n
	s.d.Left = b
	return true
}

// Err implements Seq.
func (s *encodedSeq) Err() error { return s.err }

// Encoded is a list that is kept as its encoding, some 45 bytes an entry.
type Encoded struct {
	Digest Digest
	Count  int
	Bytes  int64 // of the contents of its files
	at     io.ReaderAt
	off    int64
	size   int64
	traits Traits
}

// Open reads a list through that lies encoded in size bytes from off on, and
// refuses a damaged one. The bytes must stay as they are.
func Open(at io.ReaderAt, off, size int64) (*Encoded, error) {
	l := &Encoded{at: at, off: off, size: size}
	h := sha256.New()
	s := l.read(&hashing{at, h})
	for e := s.Next(); e != nil; e = s.Next() {
		l.see(e)
	}
	l.Digest = Digest(hex.EncodeToString(h.Sum(nil)))
	return l, s.Err()
}

// OpenKnown is Open for a list whose traits are known: its bytes are read, which
// gives the digest, but not decoded, so that it must be refused where this is not
// the one expected. Count and Bytes are left at 0.
func OpenKnown(at io.ReaderAt, off, size int64, t Traits) (*Encoded, error) {
	l := &Encoded{at: at, off: off, size: size, traits: t}
	h := sha256.New()
	_, err := io.CopyBuffer(h, l.Encoding(), make([]byte, piece))
	l.Digest = Digest(hex.EncodeToString(h.Sum(nil)))
	return l, err
}

func (l *Encoded) see(e *Entry) {
	l.Count++
	l.traits.see(e)
	if e.Kind == File {
		l.Bytes += e.Size
	}
}

// hashing sums up what is read, which is read in order and once.
type hashing struct {
	io.ReaderAt
	h hash.Hash
}

// ReadAt implements io.ReaderAt.
func (h *hashing) ReadAt(b []byte, off int64) (int, error) {
	n, err := h.ReaderAt.ReadAt(b, off)
	h.h.Write(b[:n])
	return n, err
}

// Read implements List.
func (l *Encoded) Read() Seq { return l.read(l.at) }

func (l *Encoded) read(at io.ReaderAt) *encodedSeq {
	return &encodedSeq{at: at, off: l.off, size: l.off + l.size, window: 2 * piece}
}

// Traits implements List.
func (l *Encoded) Traits() Traits { return l.traits }

// Encoding gives the encoding itself.
func (l *Encoded) Encoding() *io.SectionReader { return io.NewSectionReader(l.at, l.off, l.size) }

// Store is where an encoding can be kept.
type Store interface {
	io.Writer
	io.ReaderAt
}

// Builder makes an Encoded an entry at a time.
type Builder struct {
	l *Encoded
	w *Writer
}

// NewBuilder keeps the list in an empty store.
func NewBuilder(to Store) *Builder { return &Builder{&Encoded{at: to}, NewWriter(to)} }

// Add puts the next entry at the end. An error is told by Done.
func (b *Builder) Add(e *Entry) {
	b.l.see(e)
	b.w.Add(e)
}

// Count is how many entries were added.
func (b *Builder) Count() int { return b.l.Count }

// Done gives the list.
func (b *Builder) Done() (*Encoded, error) {
	var err error
	b.l.Digest, err = b.w.Done()
	b.l.size = b.w.size
	return b.l, err
}

// Keep encodes a list into an empty store.
func Keep(l List, to Store) (*Encoded, error) {
	b := NewBuilder(to)
	s := l.Read()
	for e := s.Next(); e != nil; e = s.Next() {
		b.Add(e)
	}
	kept, err := b.Done()
	if s.Err() != nil {
		err = s.Err()
	}
	return kept, err
}

// entry reads the one after that of the path prev.
func (d *decoder) entry(e *Entry, prev string, t *texts) {
	*e = Entry{}
	d.path(e, prev, t)
	d.body(e)
}

// body reads an entry without its path.
func (d *decoder) body(e *Entry) {
	if kind := d.Bytes(1); kind != nil {
		e.Kind = Kind(kind[0])
	}
	mode := d.Uvarint()
	e.Mode = uint32(mode) & 0o7777
	if mode > 0o7777 {
		d.more(e, mode)
	}
	switch e.Kind {
	case File:
		size := d.Uvarint()
		if e.Size = int64(size); e.Size < 0 {
			d.fail()
		}
		d.time += d.Varint()
		e.Mtime = d.time
		copy(e.Sum[:], d.Bytes(SumSize))
	case Link:
		e.Link = string(d.Bytes(d.Uvarint()))
	case Dir, Other:
	default:
		d.fail()
	}
}

// path reads what it differs by from the one before it, which was checked.
func (d *decoder) path(e *Entry, prev string, t *texts) {
	k := d.Uvarint()
	if k > uint64(len(prev)) {
		d.fail()
		return
	}
	rest := d.Bytes(d.Uvarint())
	if d.Err != nil {
		return
	}
	e.Path = t.join(prev[:k], rest)
	if e.Path[k:] <= prev[k:] || !Clean(e.Path[strings.LastIndexByte(prev[:k], '/')+1:]) {
		d.Err, d.Left = fmt.Errorf("damaged manifest: path %q", e.Path), nil
	}
}

// more reads what the bits beside the permissions tell of.
func (d *decoder) more(e *Entry, mode uint64) {
	if mode > 0o77777 {
		d.fail()
		return
	}
	if d.owned(e, mode); mode&hardLink != 0 {
		d.joined(e)
	}
}

// owned reads who the entry shall belong to.
func (d *decoder) owned(e *Entry, mode uint64) {
	switch mode & (ownerAgain | newOwner) {
	case 0:
		return
	case newOwner:
		text := string(d.Bytes(d.Uvarint()))
		o, err := ParseOwner(text)
		if err != nil || o.String() != text || !o.Given() || o == d.owner {
			d.fail()
			return
		}
		d.owner = o
	case ownerAgain | newOwner:
		d.fail()
		return
	}
	if e.Owner = d.owner; !e.Owner.Given() {
		d.fail()
	}
	e.own()
}

// joined reads which path a file is a hard link of.
func (d *decoder) joined(e *Entry) {
	e.Link = string(d.Bytes(d.Uvarint()))
	if e.Kind != File || !Clean(e.Link) || e.Link >= e.Path {
		d.fail()
	}
}
