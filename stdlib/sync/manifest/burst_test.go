package manifest_test

import (
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

func (m model) open(p string) bool {
	for dir := path.Dir(p); dir != "."; dir = path.Dir(dir) {
		if e, ok := m[dir]; !ok || e.Kind != manifest.Dir || e.Mode&0o300 != 0o300 {
			return false
		}
	}
	return true
}

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
	case manifest.OpMode:
		bad = bad || !there || now.Kind != manifest.Dir
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
				m[p] = manifest.Entry{Path: p, Kind: manifest.Dir, Mode: []uint32{0o755, 0o555}[rnd.Intn(2)]}
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

// unclose opens the folders of m in which something changes its type and that stay:
// whoever makes a switch names these as changed.
func (m model) unclose(want model) {
	turns := func(p string) bool { return (m[p].Kind == manifest.Dir) != (want[p].Kind == manifest.Dir) }
	for p, e := range m {
		for q := range m {
			if strings.HasPrefix(q, p+"/") && turns(q) {
				e.Mode |= 0o300
				m[p] = e
			}
		}
	}
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
		live.unclose(want)
		inOrder := maps.Clone(live)
		if err := manifest.Burst(pairs(live.list(), want.list()), nil, inOrder.do); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		if fmt.Sprint(inOrder.list()) != fmt.Sprint(want.list()) {
			t.Fatalf("seed %d: in order: %v, want %v", seed, inOrder.list(), want.list())
		}
		waves, err := manifest.Waves(pairs(live.list(), want.list()))
		if err != nil {
			t.Fatal(err)
		}
		for _, w := range waves {
			rnd.Shuffle(len(w), func(i, j int) { w[i], w[j] = w[j], w[i] })
			for i := range w {
				if err := live.do(&w[i]); err != nil {
					t.Fatalf("seed %d: %v", seed, err)
				}
			}
		}
		if fmt.Sprint(live.list()) != fmt.Sprint(want.list()) {
			t.Fatalf("seed %d: %v, want %v", seed, live.list(), want.list())
		}
		if len(waves) > 6+6*4 {
			t.Fatalf("seed %d: %d waves", seed, len(waves))
		}
	}
}
