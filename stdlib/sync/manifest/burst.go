package manifest

import (
	"maps"
	"slices"
	"sort"
	"strings"
)

// Op is one kind of step of a burst.
type Op byte

// The kinds of steps.
const (
	OpMkdir  Op = 'm'
	OpPut    Op = 'p' // rename a prepared file or link over the path
	OpUnlink Op = 'u'
	OpRmdir  Op = 'r'
	OpMode   Op = 'c' // permissions of a folder
	OpTouch  Op = 't' // permissions and time of a file
)

// Step is one system call of a burst, as good as.
type Step struct {
	Op    Op
	Path  string
	Entry *Entry // what is wanted; for OpUnlink and OpRmdir what goes
	At    int    // index of Entry in its list
	class int    // which part of the order it belongs to
}

// Burst lists, in order, the steps that turn the entries from into to; both
// hold all paths concerned, sorted. Readers that follow references from old to
// new files are never led to nothing: folders come first, then new files, then
// changed ones, then deletes, then empty folders; only what changes its type is
// cleared before. touch tells which entries of to keep their file.
func Burst(from, to []Entry, touch func(path string) bool) []Step {
	b := burster{from: from, to: to}
	b.clear(from)
	b.class = opening
	b.folders(to)
	b.class = adding
	b.files(to, true, touch)
	b.class = changing
	b.files(to, false, touch)
	b.class = deleting
	b.deletes(from)
	b.class = closing
	b.modes(to)
	return b.steps
}

type burster struct {
	from, to []Entry
	cleared  map[string]bool
	steps    []Step
	class    int
}

// Waves groups the steps of a burst: those of one wave can be done in any order,
// or at the same time, and the waves one after the other. The order of the kinds
// is that of Burst; folders are made after, and removed or closed before, those
// that they are in.
func Waves(steps []Step) [][]Step {
	var out [][]Step
	for begin := 0; begin < len(steps); {
		end := begin
		for end < len(steps) && steps[end].class == steps[begin].class {
			end++
		}
		out = append(out, byRank(steps[begin:end])...)
		begin = end
	}
	return out
}

// byRank splits the steps of one class.
func byRank(steps []Step) (out [][]Step) {
	ranks := map[int][]Step{}
	for _, s := range steps {
		ranks[s.rank()] = append(ranks[s.rank()], s)
	}
	for _, r := range slices.Sorted(maps.Keys(ranks)) {
		out = append(out, ranks[r])
	}
	return out
}

// rank orders the steps of a class that cannot be done in any order.
func (s *Step) rank() int {
	depth := 1 + strings.Count(s.Path, "/")
	switch {
	case s.Op == OpUnlink:
		return -1 << 30 // before the folders that they leave empty
	case s.Op == OpRmdir, s.class == closing:
		return -depth
	case s.Op == OpMkdir, s.Op == OpMode:
		return depth
	}
	return 0
}

// The classes of steps, in their order.
const (
	clearing = iota
	opening
	adding
	changing
	deleting
	closing
)

// Find gives the entry of a path in a list that is sorted by path; nil where
// there is none.
func Find(list []Entry, p string) *Entry {
	i := sort.Search(len(list), func(i int) bool { return list[i].Path >= p })
	if i == len(list) || list[i].Path != p {
		return nil
	}
	return &list[i]
}

func (b *burster) add(o Op, e *Entry, at int) {
	b.steps = append(b.steps, Step{o, e.Path, e, at, b.class})
}

// clear takes away what changes its type: a folder with all that goes from it,
// or a file where a folder must be.
func (b *burster) clear(from []Entry) {
	b.cleared = map[string]bool{}
	turns := map[string]bool{} // folders that become something else
	for i := range from {
		e := &from[i]
		if to := Find(b.to, e.Path); to != nil && (e.Kind == Dir) != (to.Kind == Dir) {
			b.cleared[e.Path] = true
			turns[e.Path] = e.Kind == Dir
		} else if b.under(turns, e.Path) {
			b.cleared[e.Path] = true
		}
	}
	for i := len(from) - 1; i >= 0; i-- {
		if e := &from[i]; b.cleared[e.Path] {
			b.remove(e, i)
		}
	}
}

func (b *burster) under(turns map[string]bool, p string) bool {
	for i := len(p) - 1; i > 0; i-- {
		if p[i] == '/' && turns[p[:i]] {
			return true
		}
	}
	return false
}

func (b *burster) remove(e *Entry, at int) {
	if e.Kind == Dir {
		b.add(OpRmdir, e, at)
	} else {
		b.add(OpUnlink, e, at)
	}
}

func (b *burster) folders(to []Entry) {
	for i := range to {
		e := &to[i]
		if e.Kind == Dir && (Find(b.from, e.Path) == nil || b.cleared[e.Path]) {
			b.add(OpMkdir, e, i)
		} else if e.Kind == Dir && Find(b.from, e.Path).Mode&0o300 != 0o300 {
			open := *e
			open.Mode = Find(b.from, e.Path).Mode | 0o700
			b.add(OpMode, &open, i)
		}
	}
}

func (b *burster) files(to []Entry, fresh bool, touch func(string) bool) {
	for i := range to {
		e := &to[i]
		switch {
		case e.Kind == Dir || (Find(b.from, e.Path) == nil) != fresh:
		case touch(e.Path):
			b.add(OpTouch, e, i)
		default:
			b.add(OpPut, e, i)
		}
	}
}

func (b *burster) deletes(from []Entry) {
	for _, folders := range []bool{false, true} {
		for i := len(from) - 1; i >= 0; i-- {
			e := &from[i]
			if Find(b.to, e.Path) == nil && !b.cleared[e.Path] && (e.Kind == Dir) == folders {
				b.remove(e, i)
			}
		}
	}
}

// modes sets the permissions of folders last, deepest first, so that closed
// ones do not stop the work in them.
func (b *burster) modes(to []Entry) {
	for i := len(to) - 1; i >= 0; i-- {
		if to[i].Kind == Dir {
			b.add(OpMode, &to[i], i)
		}
	}
}
