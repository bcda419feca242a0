package manifest

import (
	"cmp"
	"hash/fnv"
	"slices"
	"strings"
)

// Folded is what a path on a node that does not tell upper from lower case is
// refused with.
const Folded = " on the node, which does not tell upper from lower case there"

// Twins lists the pairs of new paths that differ in case only.
func Twins(puts []Put) (pairs [][2]string) {
	type twin struct {
		hash uint64 // of the path in lower case
		at   int
	}
	var fresh []twin
	for i := range puts {
		if p := puts[i].Path; puts[i].Live == nil {
			h := fnv.New64a()
			_, _ = h.Write([]byte(strings.ToLower(p)))
			fresh = append(fresh, twin{h.Sum64(), i})
		}
	}
	slices.SortFunc(fresh, func(a, b twin) int { return cmp.Or(cmp.Compare(a.hash, b.hash), a.at-b.at) })
	for i := 1; i < len(fresh); i++ {
		a, b := puts[fresh[i-1].at].Path, puts[fresh[i].at].Path
		if fresh[i-1].hash == fresh[i].hash && strings.EqualFold(a, b) {
			pairs = append(pairs, [2]string{a, b})
		}
	}
	return pairs
}
