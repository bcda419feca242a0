// Package delta tells a new version of a large file in terms of an old one.
//
// Whoever has the old version cuts it into chunks whose ends depend on the
// content (Outline); whoever has the new one cuts it the same way and writes
// either "these chunks of the old" or the bytes themselves (Writer); Reader
// puts the new version together. Memory is that of the outline: some 16,000
// chunks whatever the size of the file. The sum of the whole file is checked by
// the caller.
package delta

import (
	"bufio"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/restic/chunker"
)

// polynomial is the one for the rolling sums; both ends must have the same.
const polynomial = chunker.Pol(0x3DA3358B4DC173)

// Chunks have 16 KiB on the average, or more in files so large that there
// would be too many of them.
const (
	leastBits  = 14
	mostBits   = 24
	mostChunks = 1 << 14
)

// sumSize is how much of SHA-256 names a chunk. The whole file is checked too.
const sumSize = 16

// Chunk is a piece of the old version.
type Chunk struct {
	Sum  [sumSize]byte
	Size uint32
}

// Outline is the old version, chunk by chunk, in their order.
type Outline struct {
	Bits   int // chunks have 1<<Bits bytes on the average
	Chunks []Chunk
}

// BitsFor gives the Bits for a file of so many bytes.
func BitsFor(size int64) int {
	bits := leastBits
	for bits < mostBits && size>>bits > mostChunks {
		bits++
	}
	return bits
}

// cutter cuts a stream as the outline's file was cut.
type cutter struct {
	c   *chunker.Chunker
	buf []byte
}

func newCutter(r io.Reader, bits int) *cutter {
	c := chunker.NewWithBoundaries(r, polynomial, 1<<(bits-2), 1<<(bits+2))
	c.SetAverageBits(bits)
	return &cutter{c, make([]byte, 1<<(bits+2))}
}

// next gives the next chunk, which holds until the one after it, and its sum.
func (c *cutter) next() ([]byte, Chunk, error) {
	got, err := c.c.Next(c.buf)
	if err != nil {
		return nil, Chunk{}, err
	}
	return got.Data, describe(got.Data), nil
}

func describe(b []byte) Chunk {
	k := Chunk{Size: uint32(len(b))}
	sum := sha256.Sum256(b)
	copy(k.Sum[:], sum[:])
	return k
}

// Of makes the outline of the old version, of size bytes, from its content.
func Of(r io.Reader, size int64) (*Outline, error) {
	o := &Outline{Bits: BitsFor(size)}
	c := newCutter(r, o.Bits)
	for {
		_, k, err := c.next()
		if errors.Is(err, io.EOF) {
			return o, nil
		} else if err != nil {
			return nil, err
		}
		o.Chunks = append(o.Chunks, k)
	}
}

// Encode writes an outline for the other side.
func (o *Outline) Encode() []byte {
	b := binary.AppendUvarint(nil, uint64(o.Bits))
	for i := range o.Chunks {
		b = append(b, o.Chunks[i].Sum[:]...)
		b = binary.AppendUvarint(b, uint64(o.Chunks[i].Size))
	}
	return b
}

// Decode reads what Encode wrote.
func Decode(b []byte) (*Outline, error) {
	bits, n := binary.Uvarint(b)
	if n <= 0 || bits < leastBits || bits > mostBits {
		return nil, errDamaged
	}
	o := &Outline{Bits: int(bits)}
	for b = b[n:]; len(b) > 0; {
		var k Chunk
		if len(b) < sumSize {
			return nil, errDamaged
		}
		copy(k.Sum[:], b)
		size, n := binary.Uvarint(b[sumSize:])
		if n <= 0 || size == 0 || size > 1<<(bits+2) {
			return nil, errDamaged
		}
		k.Size = uint32(size)
		o.Chunks = append(o.Chunks, k)
		b = b[sumSize+n:]
	}
	return o, nil
}

var errDamaged = errors.New("damaged delta")

// A delta is a row of numbers: n<<1|1 is followed by n bytes of the new
// version, n<<1 by the index of the first of n chunks of the old one, and 0
// ends it.

// Write tells the new version, read from r, in terms of the outline.
func (o *Outline) Write(w io.Writer, r io.Reader) error {
	at := make(map[Chunk]uint64, len(o.Chunks))
	for i := len(o.Chunks) - 1; i >= 0; i-- {
		at[o.Chunks[i]] = uint64(i)
	}
	c := newCutter(r, o.Bits)
	var first, count uint64 // of the chunks that were found and not told yet
	tell := func() error {
		if count == 0 {
			return nil
		}
		b := binary.AppendUvarint(nil, count<<1)
		_, err := w.Write(binary.AppendUvarint(b, first))
		count = 0
		return err
	}
	for {
		data, k, err := c.next()
		if errors.Is(err, io.EOF) {
			if err = tell(); err == nil {
				_, err = w.Write([]byte{0})
			}
			return err
		} else if err != nil {
			return err
		}
		i, known := at[k]
		if follows := first + count; count > 0 && follows < uint64(len(o.Chunks)) && o.Chunks[follows] == k {
			i, known = follows, true
		}
		switch {
		case known && count > 0 && i == first+count:
			count++
			continue
		case known:
			err = tell()
			first, count = i, 1
		default:
			if err = tell(); err == nil {
				_, err = w.Write(binary.AppendUvarint(nil, uint64(len(data))<<1|1))
			}
			if err == nil {
				_, err = w.Write(data)
			}
		}
		if err != nil {
			return err
		}
	}
}

// Reader puts the new version together.
type Reader struct {
	in      *bufio.Reader
	old     io.ReaderAt
	offsets []int64 // of the chunks in old, and its end
	cur     io.Reader
	over    bool

	Reused int64 // bytes that came from the old version
}

// NewReader reads a delta from in, up to its end and no further, and the old
// version that the outline was made of. in must not be read by others between
// two reads of the Reader.
func (o *Outline) NewReader(in *bufio.Reader, old io.ReaderAt) *Reader {
	offsets := make([]int64, 1, len(o.Chunks)+1)
	for i := range o.Chunks {
		offsets = append(offsets, offsets[i]+int64(o.Chunks[i].Size))
	}
	return &Reader{in: in, old: old, offsets: offsets}
}

// Read implements io.Reader.
func (d *Reader) Read(p []byte) (int, error) {
	for {
		if d.cur != nil {
			n, err := d.cur.Read(p)
			if n > 0 {
				return n, nil
			} else if !errors.Is(err, io.EOF) {
				return 0, err
			}
			d.cur = nil
			continue
		}
		if d.over {
			return 0, io.EOF
		}
		if err := d.token(); err != nil {
			return 0, err
		}
	}
}

func (d *Reader) token() error {
	n, err := d.number()
	switch {
	case err != nil:
		return err
	case n == 0:
		d.over = true
	case n&1 == 1:
		d.cur = &whole{in: io.LimitedReader{R: d.in, N: int64(n >> 1)}}
	default:
		first, err := d.number()
		if err != nil {
			return err
		}
		count, most := n>>1, uint64(len(d.offsets)-1)
		if first >= most || count > most-first {
			return fmt.Errorf("%w: there is no chunk %d", errDamaged, first+count-1)
		}
		from, to := d.offsets[first], d.offsets[first+count]
		d.Reused += to - from
		d.cur = io.NewSectionReader(d.old, from, to-from)
	}
	return nil
}

func (d *Reader) number() (uint64, error) {
	n, err := binary.ReadUvarint(d.in)
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

// whole is a literal piece: its early end is an error.
type whole struct{ in io.LimitedReader }

// Read implements io.Reader.
func (w *whole) Read(p []byte) (int, error) {
	if w.in.N == 0 {
		return 0, io.EOF
	}
	n, err := w.in.Read(p)
	if errors.Is(err, io.EOF) && w.in.N > 0 {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}
