package nodes

import (
	"fmt"
	"slices"
	"strings"
)

// maxSuggestLength is the longest word that Suggest looks at.
const maxSuggestLength = 64

// Suggest finds the candidate that word was most likely meant to be, by edits
// of one letter and swaps of two neighbours (Damerau-Levenshtein, restricted),
// letter case apart. It is empty when none is near: one edit for every three
// letters is near. Of equally near ones the first of word's length is taken, else
// the first.
func Suggest(word string, candidates []string) string {
	best, bestDistance := "", max(1, len(word)/3)+1
	if len(word) > maxSuggestLength {
		return ""
	}
	for _, c := range candidates {
		if c == word || len(c) > maxSuggestLength || len(c) >= len(word)+bestDistance || len(word) >= len(c)+bestDistance {
			continue
		}
		d := distance(strings.ToLower(word), strings.ToLower(c))
		nearer := d < bestDistance || d == bestDistance && best != "" && len(c) == len(word) && len(best) != len(word)
		if nearer && d < max(len(word), len(c)) {
			best, bestDistance = c, d
		}
	}
	return best
}

// distance counts insertions, deletions, substitutions and swaps of neighbours.
func distance(a, b string) int {
	x, y := []rune(a), []rune(b)
	before, last := make([]int, len(y)+1), make([]int, len(y)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(x); i++ {
		row := make([]int, len(y)+1)
		row[0] = i
		for j := 1; j <= len(y); j++ {
			cost := 1
			if x[i-1] == y[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && x[i-1] == y[j-2] && x[i-2] == y[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last = last, row
	}
	return last[len(y)]
}

// didYouMean is the hint for a misspelt word; empty when nothing is near.
func didYouMean(word string, candidates []string) string {
	if near := Suggest(word, candidates); near != "" {
		return "did you mean '" + near + "'?"
	}
	return ""
}

// UnknownKey is the error for a key of a table that is none of known, with the
// nearest of them.
func UnknownKey(key string, known ...string) error {
	hint := didYouMean(key, known)
	if hint != "" {
		hint = " (" + hint + ")"
	}
	return fmt.Errorf("unknown key '%s'%s: expected %s", Clean(key), hint, strings.Join(known, ", "))
}

// UnknownKeys is UnknownKey for the first key of a table that is none of known;
// nil when there is none.
func UnknownKeys[V any](table map[string]V, known ...string) error {
	var strange []string
	for key := range table {
		if !slices.Contains(known, key) {
			strange = append(strange, key)
		}
	}
	if len(strange) == 0 {
		return nil
	}
	return UnknownKey(slices.Min(strange), known...)
}
