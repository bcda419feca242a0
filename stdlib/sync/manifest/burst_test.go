package manifest_test

import (
	"errors"
	"fmt"
	"maps"
	"math/rand"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/rollsh/rollsh/stdlib/sync/manifest"
)

// model is a tree of entries by path, which does what a filesystem does, with the
// permissions of folders for one who is not root.
type model map[string]manifest.Entry

// open reports whether names can be made and removed beside p.
func (m model) open(p string) bool {
	dir := path.Dir(p)
	return dir == "." || m.reaches(p) && m[dir].Mode&0o200 != 0
}

// reaches reports whether what is at p can be looked at.
func (m model) reaches(p string) bool {
	for dir := path.Dir(p); dir != "."; dir = path.Dir(dir) {
		if e, ok := m[dir]; !ok || e.Kind != manifest.Dir || e.Mode&0o100 == 0 {
			return false
		}
	}
	return true
}

// stands reports whether there is a folder.
func (m model) stands(dir string) bool { return m[dir].Kind == manifest.Dir }

// do carries out a step, or says why that cannot be.
func (m model) do(s *manifest.Step) error {
	now, there := m[s.Path]
	bad := !m.open(s.Path)
	switch s.Op {
	case manifest.OpMkdir:
		bad = bad || there
		m[s.Path] = manifest.Entry{Path: s.Path, Kind: manifest.Dir, Mode: s.Entry.Mode | 0o700}
	case manifest.OpPut:
		bad = bad || there && now.Kind == manifest.Dir
		m[s.Path] = *s.Entry
	case manifest.OpUnlink, manifest.OpRmdir:
		bad = bad || !there || (now.Kind == manifest.Dir) != (s.Op == manifest.OpRmdir)
		for p := range m {
			bad = bad || strings.HasPrefix(p, s.Path+"/")
		}
		delete(m, s.Path)
	case manifest.OpOpen:
		if bad = !m.reaches(s.Path) && m.stands(path.Dir(s.Path)); now.Kind == manifest.Dir {
			now.Mode |= 0o700
			m[s.Path] = now
		}
	case manifest.OpMode:
		bad = !m.reaches(s.Path) || !there || now.Kind != manifest.Dir
		now.Mode = s.Entry.Mode
		m[s.Path] = now
	}
	if bad {
		return fmt.Errorf("%c %q cannot be done", s.Op, s.Path)
	}
	return nil
}

func randomModel(rnd *rand.Rand) model {
	m := model{}
	for range rnd.Intn(25) {
		p := ""
		for range 1 + rnd.Intn(4) {
			p = manifest.Join(p, string(rune('a'+rnd.Intn(3))))
			if e, ok := m[p]; ok && e.Kind != manifest.Dir {
				break
			} else if !ok {
				m[p] = manifest.Entry{Path: p, Kind: manifest.Dir, Mode: []uint32{0o755, 0o555, 0o600}[rnd.Intn(3)]}
			}
		}
		if rnd.Intn(2) == 0 {
			continue
		}
		for q := range m {
			if strings.HasPrefix(q, p+"/") {
				delete(m, q)
			}
		}
		m[p] = manifest.Entry{Path: p, Kind: manifest.File, Mode: 0o644, Size: rnd.Int63n(100)}
	}
	return m
}

func (m model) list() (out []manifest.Entry) {
	for _, e := range m {
		out = append(out, e)
	}
	slices.SortFunc(out, func(a, b manifest.Entry) int { return strings.Compare(a.Path, b.Path) })
	return out
}

// pairs are those of a switch between two sorted lists.
func pairs(from, to []manifest.Entry) func() manifest.Pairs {
	return func() manifest.Pairs { return &pairSeq{from: from, to: to} }
}

type pairSeq struct {
	from, to []manifest.Entry
	f, t     int
}

// Err implements manifest.Pairs.
func (*pairSeq) Err() error { return nil }

// Next implements manifest.Pairs.
func (s *pairSeq) Next() *manifest.Pair {
	p := &manifest.Pair{FromAt: s.f, ToAt: s.t}
	first := func(list []manifest.Entry, at int, p *string) {
		if at < len(list) && (*p == "" || list[at].Path < *p) {
			*p = list[at].Path
		}
	}
	first(s.from, s.f, &p.Path)
	first(s.to, s.t, &p.Path)
	if s.f < len(s.from) && s.from[s.f].Path == p.Path {
		p.From, s.f = &s.from[s.f], s.f+1
	}
	if s.t < len(s.to) && s.to[s.t].Path == p.Path {
		p.To, s.t = &s.to[s.t], s.t+1
	}
	if p.From == nil && p.To == nil {
		return nil
	}
	return p
}

// Random trees are turned into each other step by step, and wave by wave, each in a
// random order, by one who may not write in folders that are closed.
func TestWavesInAnyOrder(t *testing.T) {
	for seed := range int64(600) {
		rnd := rand.New(rand.NewSource(seed))
		live, want := randomModel(rnd), randomModel(rnd)
		inOrder := maps.Clone(live)
		if err := manifest.Burst(pairs(live.list(), want.list()), nil, inOrder.do); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		if fmt.Sprint(inOrder.list()) != fmt.Sprint(want.list()) {
			t.Fatalf("seed %d: in order: %v, want %v", seed, inOrder.list(), want.list())
		}
		waves, most := 0, 1+rnd.Intn(9)
		err := manifest.Waves(pairs(live.list(), want.list()), most, func(w []manifest.Step) error {
			if len(w) < most {
				waves++
			}
			rnd.Shuffle(len(w), func(i, j int) { w[i], w[j] = w[j], w[i] })
			for i := range w {
				if err := live.do(&w[i]); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		if fmt.Sprint(live.list()) != fmt.Sprint(want.list()) {
			t.Fatalf("seed %d: %v, want %v", seed, live.list(), want.list())
		}
		if waves > 6+6*4 {
			t.Fatalf("seed %d: %d waves", seed, waves)
		}
	}
}

// again carries out a step that may have been done before, or whose reverse may not
// have been done, as an agent does.
func (m model) again(s *manifest.Step) error {
	now := m[s.Path]
	done := false
	switch s.Op {
	case manifest.OpMkdir:
		done = now.Kind == manifest.Dir
	case manifest.OpPut:
		done = now == *s.Entry
	case manifest.OpUnlink:
		done = now != *s.Entry
	case manifest.OpRmdir:
		done = now.Kind == 0
		for p := range m {
			done = done || strings.HasPrefix(p, s.Path+"/")
		}
		done = done || now.Kind != manifest.Dir && m.open(s.Path) // what one may not remove is not told to be a file
	}
	if done && (m.reaches(s.Path) || s.Op == manifest.OpUnlink || s.Op == manifest.OpRmdir) {
		return nil
	}
	return m.do(s)
}

// A burst that was cut short after any of its steps is gone on with, and taken back,
// by one who may not write in folders that are closed.
func TestBurstCutShort(t *testing.T) {
	errCut := errors.New("cut short")
	for seed := range int64(30) {
		rnd := rand.New(rand.NewSource(seed))
		from, to := randomModel(rnd), randomModel(rnd)
		for steps, cut := 0, true; cut; steps++ {
			live, left := maps.Clone(from), steps
			err := manifest.Burst(pairs(from.list(), to.list()), nil, func(s *manifest.Step) error {
				if left--; left < 0 {
					return errCut
				}
				return live.do(s)
			})
			if cut = err != nil; cut && !errors.Is(err, errCut) {
				t.Fatalf("seed %d: %v", seed, err)
			}
			for _, then := range [][2]model{{from, to}, {to, from}} {
				end := maps.Clone(live)
				if err := manifest.Burst(pairs(then[0].list(), then[1].list()), nil, end.again); err != nil {
					t.Fatalf("seed %d, step %d: %v", seed, steps, err)
				}
				if fmt.Sprint(end.list()) != fmt.Sprint(then[1].list()) {
					t.Fatalf("seed %d, step %d: %v, want %v", seed, steps, end.list(), then[1].list())
				}
			}
		}
	}
}
