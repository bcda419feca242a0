package manifest

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
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

// Encode writes entries that are sorted by path, each path as what it differs
// by from the one before it.
func Encode(entries []Entry) []byte {
	c := encoder{b: make([]byte, 0, len(entries)*40)}
	for i := range entries {
		c.add(&entries[i])
	}
	return c.b
}

// DigestOfRefs is DigestOf what Encode would write of these entries, without
// holding that.
func DigestOfRefs(entries []*Entry) Digest {
	h := sha256.New()
	HashRefs(h, entries)
	return Digest(hex.EncodeToString(h.Sum(nil)))
}

// HashRefs writes to h what Encode would give, a piece at a time.
func HashRefs(h hash.Hash, entries []*Entry) {
	const piece = 32 << 10
	var c encoder
	for _, e := range entries {
		if c.add(e); len(c.b) >= piece {
			h.Write(c.b)
			c.b = c.b[:0]
		}
	}
	h.Write(c.b)
}

// encoder appends entries to b, each as what it differs by from the last.
type encoder struct {
	b        []byte
	prev     string
	prevTime int64
	owner    Owner // of the last entry that had one
}

func (c *encoder) add(e *Entry) {
	k := common(c.prev, e.Path)
	b := binary.AppendUvarint(c.b, uint64(k))
	b = appendString(b, e.Path[k:])
	b = append(b, byte(e.Kind))
	bits := e.bits(c.owner)
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
	c.prev, c.b = e.Path, b
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

// errCut is what every damaged encoding gives.
var errCut = errors.New("damaged manifest")

// decoder reads an encoding; the first failure stays.
type decoder struct {
	b     []byte
	err   error
	owner Owner // of the last entry that had one
}

func (d *decoder) uvarint() uint64 {
	v, n := binary.Uvarint(d.b)
	if n <= 0 {
		d.fail()
		return 0
	}
	d.b = d.b[n:]
	return v
}

func (d *decoder) varint() int64 {
	v, n := binary.Varint(d.b)
	if n <= 0 {
		d.fail()
		return 0
	}
	d.b = d.b[n:]
	return v
}

func (d *decoder) bytes(n uint64) []byte {
	if n > uint64(len(d.b)) {
		d.fail()
		return nil
	}
	out := d.b[:n]
	d.b = d.b[n:]
	return out
}

func (d *decoder) fail() {
	if d.err == nil {
		d.err = errCut
	}
	d.b = nil
}

// Decode reads what Encode wrote. It refuses paths that are not plain, out of
// order or repeated, and modes and kinds that do not exist.
func Decode(b []byte) ([]Entry, error) {
	d := &decoder{b: b}
	var out []Entry
	prev, prevTime := "", int64(0)
	for len(d.b) > 0 && d.err == nil {
		e := d.entry(prev, &prevTime)
		if d.err != nil {
			break
		}
		if !Clean(e.Path) || e.Path <= prev {
			return nil, fmt.Errorf("damaged manifest: path %q", e.Path)
		}
		prev = e.Path
		out = append(out, e)
	}
	return out, d.err
}

func (d *decoder) entry(prev string, prevTime *int64) (e Entry) {
	k := d.uvarint()
	if k > uint64(len(prev)) {
		d.fail()
		return e
	}
	e.Path = prev[:k] + string(d.bytes(d.uvarint()))
	if kind := d.bytes(1); kind != nil {
		e.Kind = Kind(kind[0])
	}
	mode := d.uvarint()
	e.Mode = uint32(mode) & 0o7777
	if d.owned(&e, mode); mode&hardLink != 0 {
		d.joined(&e)
	}
	switch {
	case mode > 0o77777:
		d.fail()
	case e.Kind == File:
		size := d.uvarint()
		if e.Size = int64(size); e.Size < 0 {
			d.fail()
		}
		*prevTime += d.varint()
		e.Mtime = *prevTime
		copy(e.Sum[:], d.bytes(SumSize))
	case e.Kind == Link:
		e.Link = string(d.bytes(d.uvarint()))
	case e.Kind != Dir && e.Kind != Other:
		d.fail()
	}
	return e
}

// owned reads who the entry shall belong to.
func (d *decoder) owned(e *Entry, mode uint64) {
	switch mode & (ownerAgain | newOwner) {
	case 0:
		return
	case newOwner:
		text := string(d.bytes(d.uvarint()))
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
	e.Link = string(d.bytes(d.uvarint()))
	if e.Kind != File || !Clean(e.Link) || e.Link >= e.Path {
		d.fail()
	}
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
	d := &decoder{b: b}
	var out []string
	for len(d.b) > 0 && d.err == nil {
		p := string(d.bytes(d.uvarint()))
		if d.err == nil && !Clean(p) {
			return nil, fmt.Errorf("damaged list: path %q", p)
		}
		out = append(out, p)
	}
	return out, d.err
}
