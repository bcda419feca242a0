//go:build linux

package agent

import (
	"hash/maphash"
	"slices"
)

// pathSet is a set of paths that takes 8 bytes of memory for each: what is held are
// hashes, with a seed of their own so that nobody can choose paths that are taken
// for each other. That two of a million are is as likely as 1 to 10,000,000.
type pathSet struct {
	seed maphash.Seed
	sums []uint64
}

// add puts a path in; sort must be called before has.
func (s *pathSet) add(p string) {
	if len(s.sums) == 0 {
		s.seed = maphash.MakeSeed()
	}
	s.sums = append(s.sums, maphash.String(s.seed, p))
}

func (s *pathSet) sort() {
	slices.Sort(s.sums)
	s.sums = slices.Compact(s.sums)
}

func (s *pathSet) has(p string) bool {
	if len(s.sums) == 0 {
		return false
	}
	_, found := slices.BinarySearch(s.sums, maphash.String(s.seed, p))
	return found
}
