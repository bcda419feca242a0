package svn

import (
	"iter"
	"slices"
	"strings"
)

// treeEntry is a path of the target.
type treeEntry struct {
	Dir  bool
	Rev  int // last changed; 0 when a pick brought it
	Pick int // the pick that brought it
}

// treeList is a tree as the repository has it, by relative path, sorted.
type treeList []treeItem

type treeItem struct {
	path string
	treeEntry
}

// find is where a path is or would be.
func (l treeList) find(rel string) (i int, found bool) {
	return slices.BinarySearchFunc(l, rel, func(e treeItem, rel string) int { return strings.Compare(e.path, rel) })
}

// treeView is a tree of which some paths are other ones than in the tree below.
type treeView struct {
	below treeList // never changed
	over  map[string]treeEntry
	gone  map[string]bool
}

func newTreeView(below treeList) *treeView {
	return &treeView{below: below, over: map[string]treeEntry{}, gone: map[string]bool{}}
}

func (t *treeView) at(rel string) (treeEntry, bool) {
	if e, ok := t.over[rel]; ok {
		return e, true
	}
	i, ok := t.below.find(rel)
	if !ok || t.gone[rel] {
		return treeEntry{}, false
	}
	return t.below[i].treeEntry, true
}

func (t *treeView) put(rel string, e treeEntry) { t.over[rel] = e }

func (t *treeView) remove(rel string) {
	delete(t.over, rel)
	t.gone[rel] = true
}

// under gives a path with all that is below it, in no order. It may be removed
// meanwhile.
func (t *treeView) under(rel string) iter.Seq2[string, treeEntry] {
	return func(yield func(string, treeEntry) bool) {
		e, ok := t.at(rel)
		if !ok || !yield(rel, e) || !e.Dir {
			return
		}
		paths := map[string]bool{}
		for p := range t.over {
			if in, ok := below(rel, p); ok && in != "" {
				paths[p] = true
			}
		}
		first, _ := t.below.find(rel + "/")
		for _, e := range t.below[first:] {
			if !strings.HasPrefix(e.path, rel+"/") {
				break
			}
			paths[e.path] = true
		}
		for p := range paths {
			if e, ok := t.at(p); ok && !yield(p, e) {
				return
			}
		}
	}
}
