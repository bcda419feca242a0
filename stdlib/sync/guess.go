package sync

import (
	"strings"
	"sync"

	"github.com/rollsh/rollsh/stdlib/sync/manifest"
	"github.com/rollsh/rollsh/stdlib/sync/wire"
)

// guess is what a push comes to in a tree that is as it is believed to be: it
// is worked out once for all nodes that are alike.
type guess struct {
	digest manifest.Digest               // of base
	base   manifest.List                 // what is ours there
	ours   manifest.List                 // of base, what the rules look at
	delta  []byte                        // as it is sent
	files  manifest.Refs                 // whose contents are needed
	bytes  int64                         // of these
	after  func() (manifest.List, error) // what will be ours
}

// guesses are made by those who need them first.
type guesses struct {
	mu  sync.Mutex
	all map[guessKey]func() (*guess, error)
}

type guessKey struct {
	base manifest.Digest
	pol  manifest.Policy
}

// guess works out what a push to a tree with these entries of ours comes to.
func (s *source) guess(digest manifest.Digest, base manifest.List, pol manifest.Policy) (*guess, error) {
	g := &s.guesses
	g.mu.Lock()
	key := guessKey{digest, pol}
	do := g.all[key]
	if do == nil {
		if g.all == nil {
			g.all = map[guessKey]func() (*guess, error){}
		}
		do = sync.OnceValues(func() (*guess, error) { return s.work(digest, base, pol) })
		g.all[key] = do
	}
	g.mu.Unlock()
	return do()
}

func (s *source) work(digest manifest.Digest, base manifest.List, pol manifest.Policy) (*guess, error) {
	g := &guess{digest: digest, base: base}
	g.ours, _ = s.rules.Filter(base)
	g.after = sync.OnceValues(func() (manifest.List, error) {
		d, err := (&manifest.Comparison{Ours: g.ours, Live: g.ours.Read(), Want: s.list, Policy: pol, Spool: s.spool}).Decide()
		return manifest.Edited(base, d.Ours()), err
	})
	var p manifest.Patch
	var replaced manifest.Slice
	var err error
	if digest != s.list.Digest || !s.rules.Plain() {
		if p, replaced, err = manifest.Delta(g.ours, s.list); err != nil {
			return nil, err
		}
	}
	if g.delta, err = wire.EncodeDelta(p.Edit()); err != nil || p.Empty() {
		return g, err
	}
	ours, want := g.ours, manifest.List(s.list)
	if !want.Traits().HardLinks { // then nothing is sent of what the delta does not name
		ours, want = replaced, manifest.Refs(p.Change)
	}
	err = manifest.Predict(ours, want, pol, func(e *manifest.Entry) {
		file := *e
		file.Path = strings.Clone(e.Path) // it keeps no others in memory
		g.files, g.bytes = append(g.files, &file), g.bytes+e.Size
	})
	return g, err
}
