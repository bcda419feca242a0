package manifest

import (
	"maps"
	"slices"
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
	OpOpen   Op = 'o' // a folder can be written to by its owner, if it is there
	OpMode   Op = 'c' // permissions of a folder
	OpTouch  Op = 't' // permissions and time of a file
)

// Pair is what stands at a path before a switch and afterwards.
type Pair struct {
	Path     string
	From, To *Entry // nil for nothing
	FromAt   int    // index of From in its list
	ToAt     int    // index of To in its list
	Source   int    // number of the file that was prepared for To; -1 for none
	Touch    bool   // the file stays, only permissions, owner or time are set
}

// Turned is the pair of the switch back.
func (p *Pair) Turned() Pair {
	b := *p
	b.From, b.To, b.FromAt, b.ToAt = p.To, p.From, p.ToAt, p.FromAt
	return b
}

// Replaces reports whether a file, or whatever else is no folder, is replaced or
// goes.
func (p *Pair) Replaces() bool { return p.From != nil && p.From.Kind != Dir && !p.Touch }

// Pairs gives the paths of a switch one by one, sorted by path.
type Pairs interface {
	// Next gives the next pair, which is valid until Next is called again; nil at
	// the end, and where it cannot be read on.
	Next() *Pair
	// Err says why Next gave nil before the end; nil when it was the end.
	Err() error
}

// Step is one system call of a burst, as good as.
type Step struct {
	Op     Op
	Path   string
	Entry  *Entry // what is wanted; for OpUnlink and OpRmdir what goes
	At     int    // OpPut, OpTouch: Pair.ToAt; OpUnlink: Pair.FromAt
	Source int    // OpPut: Pair.Source
	class  int    // which part of the order it belongs to
}

// The classes of steps, in their order.
const (
	unlocking = iota
	clearing
	making
	adding
	changing
	deleting
	closing
	classes
)

// Burst gives do, in order, the steps of a switch; each is valid until do
// returns, and the first error ends it. read reads the pairs, again and again;
// spool gives a place for folders that are taken in the reverse order, nil for
// memory.
//
// Readers that follow references from old to new files are never led to nothing:
// folders come first, then new files, then changed ones, then deletes, then empty
// folders; only what changes its type is cleared before. Folders get their
// permissions last, deepest first, so that closed ones do not stop the work in
// them; those that go are opened first of all.
func Burst(read func() Pairs, spool func() *Spool, do func(*Step) error) error {
	b := &burster{read: read, do: do}
	for class := range b.folders {
		b.folders[class].to = spool
	}
	if err := b.survey(); err != nil {
		return err
	}
	for class := range classes {
		if err := b.part(class); err != nil {
			return err
		}
	}
	return nil
}

type burster struct {
	read    func() Pairs
	do      func(*Step) error
	begun   [classes]bool  // there are such steps, beside those on folders
	folders [classes]stack // those of the steps of a class that come last, and deepest first
	turned  []string       // folders that become something else and that the reading is in
}

// pairs reads all pairs. Those that must be cleared, as they change their type or
// lie in a folder that does, are told apart.
func (b *burster) pairs(f func(p *Pair, cleared bool) error) error {
	b.turned = b.turned[:0]
	s := b.read()
	for p := s.Next(); p != nil; p = s.Next() {
		if err := f(p, b.clears(p)); err != nil {
			return err
		}
	}
	return s.Err()
}

func (b *burster) clears(p *Pair) bool {
	for n := len(b.turned); n > 0 && passed(b.turned[n-1], p.Path); n-- {
		b.turned = b.turned[:n-1]
	}
	if p.From == nil {
		return false
	}
	if p.To != nil && (p.From.Kind == Dir) != (p.To.Kind == Dir) {
		if p.From.Kind == Dir {
			b.turned = append(b.turned, p.Path)
		}
		return true
	}
	for _, dir := range b.turned {
		if strings.HasPrefix(p.Path, dir+"/") {
			return true
		}
	}
	return false
}

// survey finds out which classes there are, and puts folders on their stacks.
func (b *burster) survey() error {
	return b.steps(func(s *Step) error {
		if s.leaves() {
			return b.folders[s.class].push(s.Entry)
		}
		b.begun[s.class] = true
		return nil
	})
}

// steps gives f the steps of all classes, pair by pair.
func (b *burster) steps(f func(*Step) error) error {
	return b.pairs(func(p *Pair, cleared bool) error {
		for class := range classes {
			s := Step{Path: p.Path, class: class}
			if !b.step(class, p, cleared, &s) && !s.leave(p, cleared) {
				continue
			}
			if err := f(&s); err != nil {
				return err
			}
		}
		return nil
	})
}

// leave fills in what is done with a folder when all in it is done; it is false
// for nothing.
func (s *Step) leave(p *Pair, cleared bool) bool {
	from, to := p.From, p.To
	switch s.class {
	case clearing, deleting:
		if from == nil || from.Kind != Dir || cleared != (s.class == clearing) || !cleared && to != nil {
			return false
		}
		s.Op, s.Entry = OpRmdir, from
	case closing:
		if to == nil || to.Kind != Dir {
			return false
		}
		s.Op, s.Entry = OpMode, to
	default:
		return false
	}
	return true
}

// leaves reports whether it comes when all in a folder is done.
func (s *Step) leaves() bool { return s.Op == OpRmdir || s.Op == OpMode }

// part does the steps of one class.
func (b *burster) part(class int) error {
	if b.begun[class] {
		err := b.pairs(func(p *Pair, cleared bool) error {
			s := Step{Path: p.Path, class: class}
			if !b.step(class, p, cleared, &s) {
				return nil
			}
			return b.do(&s)
		})
		if err != nil {
			return err
		}
	}
	op := OpRmdir
	if class == closing {
		op = OpMode
	}
	return b.folders[class].pop(func(e *Entry) error {
		return b.do(&Step{Op: op, Path: e.Path, Entry: e, class: class})
	})
}

// step fills in what has to be done at a path in a class; it is false for
// nothing.
func (b *burster) step(class int, p *Pair, cleared bool, s *Step) bool {
	from, to := p.From, p.To
	file := to != nil && to.Kind != Dir
	switch class {
	case clearing, deleting:
		if from == nil || from.Kind == Dir || cleared != (class == clearing) || !cleared && to != nil {
			return false
		}
		s.Op, s.Entry, s.At = OpUnlink, from, p.FromAt
	case unlocking:
		switch {
		case from.closed():
			s.Op, s.Entry = OpOpen, from
		case to.closed():
			s.Op, s.Entry = OpOpen, to
		default:
			return false
		}
	case making:
		if to == nil || to.Kind != Dir || from != nil && !cleared {
			return false
		}
		s.Op, s.Entry = OpMkdir, to
	case adding, changing:
		if !file || (from == nil) != (class == adding) {
			return false
		}
		s.Op, s.Entry, s.At, s.Source = OpPut, to, p.ToAt, p.Source
		if p.Touch {
			s.Op = OpTouch
		}
	default:
		return false
	}
	return true
}

// closed reports whether it is a folder in which its owner can do nothing.
func (e *Entry) closed() bool { return e != nil && e.Kind == Dir && e.Mode&0o300 != 0o300 }

// Waves gives do the steps of a burst in groups of at most so many: those of one
// group can be done in any order, or at the same time, and the groups one after the
// other; the first error ends it. read reads the pairs, again and again. The order
// of the kinds is that of Burst; folders are made after, and removed or closed
// before, those that they are in. A group is valid until do returns.
func Waves(read func() Pairs, most int, do func([]Step) error) error {
	b := &burster{read: read}
	var ranks [classes]map[int]bool
	err := b.steps(func(s *Step) error {
		if ranks[s.class] == nil {
			ranks[s.class] = map[int]bool{}
		}
		ranks[s.class][s.rank()] = true
		return nil
	})
	if err != nil {
		return err
	}
	for class := range ranks {
		for _, rank := range slices.Sorted(maps.Keys(ranks[class])) {
			if err := b.wave(class, rank, most, do); err != nil {
				return err
			}
		}
	}
	return nil
}

// wave gives do the steps of one rank of a class.
func (b *burster) wave(class, rank, most int, do func([]Step) error) error {
	return InGroups(most, do, func(add func(Step) error) error {
		return b.steps(func(s *Step) error {
			if s.class != class || s.rank() != rank {
				return nil
			}
			held := *s
			held.Entry = copied(s.Entry)
			held.Path = held.Entry.Path
			return add(held)
		})
	})
}

// InGroups gives do what give adds, so much at a time, which is valid until do
// returns. The first error ends it.
func InGroups[T any](most int, do func([]T) error, give func(add func(T) error) error) error {
	var group []T
	err := give(func(one T) error {
		if group = append(group, one); len(group) < most {
			return nil
		}
		full := group
		group = group[:0]
		return do(full)
	})
	if err == nil && len(group) > 0 {
		err = do(group)
	}
	return err
}

// rank orders the steps of a class that cannot be done in any order.
func (s *Step) rank() int {
	depth := 1 + strings.Count(s.Path, "/")
	switch {
	case s.Op == OpUnlink:
		return -1 << 30 // before the folders that they leave empty
	case s.Op == OpRmdir, s.class == closing:
		return -depth
	case s.Op == OpMkdir, s.Op == OpOpen:
		return depth
	}
	return 0
}
