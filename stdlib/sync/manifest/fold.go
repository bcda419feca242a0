package manifest

import (
	"hash/fnv"
	"strings"
)

// Folded is what a path on a node that does not tell upper from lower case is
// refused with.
const Folded = " on the node, which does not tell upper from lower case there"

// FoldedHint is what to do about it.
const FoldedHint = "rename it there by hand, or roll without it first"

// Twins lists the pairs of new paths of a decision that differ in case only. It
// holds those alone that share a place in a table of what was seen, of at most
// so many bits.
func (d *Decision) Twins() (pairs [][2]string, err error) {
	seen := newBits(d.Fresh)
	again := map[uint64][]string{} // by hash, in lower case
	if err := d.fresh(func(_ string, h uint64) {
		if !seen.add(h) {
			again[h] = nil
		}
	}); err != nil || len(again) == 0 {
		return nil, err
	}
	err = d.fresh(func(p string, h uint64) {
		before, ok := again[h]
		if !ok {
			return
		}
		for _, q := range before {
			if strings.EqualFold(p, q) {
				pairs = append(pairs, [2]string{q, p})
				break
			}
		}
		again[h] = append(before, p)
	})
	return pairs, err
}

// fresh tells of the new paths, with hashes that are the same for paths that
// differ in case only.
func (d *Decision) fresh(tell func(p string, h uint64)) error {
	s := d.Read()
	for c := s.Next(); c != nil; c = s.Next() {
		if c.Fresh() {
			h := fnv.New64a()
			_, _ = h.Write([]byte(strings.ToLower(c.Want.Path)))
			tell(c.Want.Path, h.Sum64())
		}
	}
	return s.Err()
}

// mostBits is the size of the largest table of bits: 1 MB.
const mostBits = 8 << 20

// bits is a table that tells what was not seen before. Source: Bloom, Space/Time
// Trade-offs in Hash Coding with Allowable Errors.
type bits struct{ words []uint64 }

func newBits(n int) bits { return bits{make([]uint64, 1+min(n*24, mostBits)/64)} }

// add reports whether h is new for sure.
func (b bits) add(h uint64) (fresh bool) {
	size, step := uint64(len(b.words))*64, h>>32|1
	for range 4 {
		at := h % size
		if mask := uint64(1) << (at % 64); b.words[at/64]&mask == 0 {
			b.words[at/64] |= mask
			fresh = true
		}
		h += step
	}
	return fresh
}
