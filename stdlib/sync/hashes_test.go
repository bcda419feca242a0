package sync

import (
	"fmt"
	"os"
	"testing"

	"github.com/rollsh/rollsh/stdlib/sync/manifest"
)

// What is known of files is not taken over in part, should the old cache not be read
// to its end.
func TestHashesThatAreCut(t *testing.T) {
	cache := t.TempDir()
	file := func(i int) *manifest.Entry {
		return &manifest.Entry{Path: fmt.Sprint("file", i), Kind: manifest.File, Size: 1, Mtime: 2, Ctime: 3, Ino: 4}
	}
	sum := manifest.Sum{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}
	note := func(n int, before func(*hashes)) {
		h := openHashes(cache, "/src")
		defer h.close()
		for i := range n {
			if i == n-1 {
				before(h)
			}
			e := file(i)
			if !h.fill(e) {
				e.Sum = sum
			}
			h.add(e)
		}
		h.keep()
	}
	note(1, func(*hashes) {})
	note(2, func(h *hashes) {
		if err := os.Truncate(h.name, h.off-3); err != nil {
			t.Fatal(err)
		}
	})
	h := openHashes(cache, "/src")
	defer h.close()
	for i := range 2 {
		if e := file(i); h.fill(e) && e.Sum != sum {
			t.Errorf("%s: a sum that it never had: %x", e.Path, e.Sum)
		}
	}
}
