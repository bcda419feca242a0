package manifest

import (
	"fmt"
	"slices"
	"strings"
	"sync"
)

// Scanner lists a tree in the order of the paths. Some workers list folders
// ahead of the one that is read, so that the disk, or the line to it, is kept busy;
// what they have listed and nobody read yet is little. It is a Seq.
type Scanner struct {
	rules *Rules
	tick  func(entries int)

	mu    sync.Mutex
	more  *sync.Cond // work came, or there is room again
	queue []*folder  // not begun, the next one last
	ready int        // entries that were listed and not yet read
	spare [][]Entry  // that were read, for the next folders
	quit  bool
	wg    sync.WaitGroup

	own  look
	at   []*folder // that are being read, the innermost last
	held map[string]bool
	err  error
}

// listedAhead is how many entries may wait to be read.
const listedAhead = 8 << 10

// folder is one folder of the tree.
type folder struct {
	path   string
	key    string // where its contents are in the order: its path and a slash
	inside bool

	begun   bool
	done    chan struct{} // closed when it is listed
	listed  []Entry       // those that count
	entries []Entry       // of them, those that are left
	subs    []*folder     // that are left
	held    bool
	err     error
}

// look lists one folder of a tree, all that is in it, sorted by path. One that is
// there no longer holds nothing. room gives an empty slice for so many entries.
type look func(dir string, room func(n int) []Entry) ([]Entry, error)

// ScanBy lists a tree of which list gives the folders, as a [look] does, with n
// workers. The scanner must be closed.
func ScanBy(list func(dir string) ([]Entry, error), rules *Rules, n int) *Scanner {
	return scan(func() look {
		return func(dir string, _ func(int) []Entry) ([]Entry, error) { return list(dir) }
	}, rules, n, nil)
}

// scan begins to list a tree with n workers, each of which has a look of its own.
func scan(looks func() look, rules *Rules, n int, tick func(entries int)) *Scanner {
	s := &Scanner{own: looks(), rules: rules, tick: tick, held: map[string]bool{}}
	s.more = sync.NewCond(&s.mu)
	s.enter(&folder{inside: !rules.Partial(), done: make(chan struct{})})
	for range n {
		l := looks()
		s.wg.Go(func() { s.work(l) })
	}
	return s
}

// Close ends the workers and waits for them.
func (s *Scanner) Close() {
	s.mu.Lock()
	s.quit = true
	s.more.Broadcast()
	s.mu.Unlock()
	s.wg.Wait()
}

// Held are the folders that hold something which the rules look past; they
// cannot be removed. It is complete for a folder when Next has given what comes
// after all that is in it.
func (s *Scanner) Held() map[string]bool { return s.held }

// Err implements Seq.
func (s *Scanner) Err() error { return s.err }

// Next implements Seq.
func (s *Scanner) Next() *Entry {
	for len(s.at) > 0 && s.err == nil {
		f := s.at[len(s.at)-1]
		switch {
		case len(f.entries) > 0 && (len(f.subs) == 0 || f.entries[0].Path < f.subs[0].key):
			e := &f.entries[0]
			f.entries = f.entries[1:]
			return e
		case len(f.subs) > 0:
			sub := f.subs[0]
			f.subs = f.subs[1:]
			s.enter(sub)
		default:
			s.leave(f)
		}
	}
	return nil
}

// enter goes on with a folder: it waits until it is listed, or lists it itself
// where no worker has begun to.
func (s *Scanner) enter(f *folder) {
	s.mu.Lock()
	mine := !f.begun
	f.begun = true
	s.mu.Unlock()
	if mine {
		s.list(f, s.own)
	} else {
		<-f.done
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	before := s.ready
	if s.ready -= len(f.listed); before >= listedAhead && s.ready < listedAhead {
		s.more.Broadcast()
	}
	if s.err = f.err; f.held {
		s.held[f.path] = true
	}
	s.at = append(s.at, f)
}

// leave is done with a folder. What it held is room for others.
func (s *Scanner) leave(f *folder) {
	s.mu.Lock()
	defer s.mu.Unlock()
	kept := cap(f.listed)
	for _, r := range s.spare {
		kept += cap(r)
	}
	if cap(f.listed) > 0 && len(s.spare) < mostSpare && kept <= listedAhead {
		s.spare = append(s.spare, f.listed[:0])
	}
	f.listed, f.entries, f.subs = nil, nil, nil // others may refer to the folder yet
	s.at = s.at[:len(s.at)-1]
}

func (s *Scanner) work(l look) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for !s.quit {
		if len(s.queue) == 0 || s.ready >= listedAhead {
			s.more.Wait()
			continue
		}
		f := s.queue[len(s.queue)-1]
		s.queue = s.queue[:len(s.queue)-1]
		if f.begun {
			continue
		}
		f.begun = true
		s.mu.Unlock()
		s.list(f, l)
		s.mu.Lock()
	}
}

// list reads a folder and has the workers go on with those in it.
func (s *Scanner) list(f *folder, l look) {
	defer close(f.done)
	f.err = s.read(f, l)
	f.entries = f.listed
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ready += len(f.listed)
	for i := len(f.subs) - 1; i >= 0; i-- {
		s.queue = append(s.queue, f.subs[i])
	}
	switch {
	case s.ready >= listedAhead || len(f.subs) == 0:
	case len(f.subs) == 1:
		s.more.Signal()
	default:
		s.more.Broadcast()
	}
}

// read lists a folder and leaves out what does not count.
func (s *Scanner) read(d *folder, l look) error {
	all, err := l(d.path, s.room)
	if err != nil {
		return err
	}
	d.listed = all[:0]
	for i := range all {
		if e := &all[i]; d.take(e, s.rules.Judge(e.Path, e.Kind == Dir, d.inside)) {
			if n := len(d.listed); n < i {
				all[n] = *e
			}
			d.listed = all[:len(d.listed)+1]
		}
	}
	slices.SortFunc(d.subs, func(a, b *folder) int { return strings.Compare(a.key, b.key) })
	if s.tick != nil {
		s.tick(len(all))
	}
	return nil
}

// mostSpare is how many slices are kept for the next folders, of listedAhead entries
// together.
const mostSpare = 64

// room gives an empty slice for n entries.
func (s *Scanner) room(n int) []Entry {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := len(s.spare) - 1; i >= 0; i-- {
		if r := s.spare[i]; cap(r) >= n {
			s.spare = slices.Delete(s.spare, i, i+1)
			return r
		}
	}
	return make([]Entry, 0, n)
}

// take notes a name of the folder, and reports whether it counts.
func (f *folder) take(e *Entry, v Verdict) bool {
	if e.Kind == Dir && v != Skipped {
		f.subs = append(f.subs, &folder{path: e.Path, key: e.Path + "/", inside: v == In, done: make(chan struct{})})
	}
	if v != In {
		f.held = true
	}
	return v == In
}

// Join puts a name under a folder of the tree; the root is empty.
func Join(dir, name string) string {
	if dir == "" {
		return name
	}
	return dir + "/" + name
}

// Quote writes a path for a message: as it is when it can be printed, else
// with escapes.
func Quote(p string) string {
	if p == "" {
		return "the tree's root"
	}
	if q := fmt.Sprintf("%q", p); q != `"`+p+`"` {
		return q
	}
	return p
}
