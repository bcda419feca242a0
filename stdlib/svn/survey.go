package svn

import (
	"context"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/rollsh/rollsh/nodes"
)

// survey is a look at the whole working copy.
type survey struct {
	*base
	entries []statusXML // that are not as svn put them there, in the order of svn
}

// base is what svn's database says of the versioned paths of a working copy. It
// changes with the database, not with the files.
type base struct {
	stamp  string               // of the database
	revs   map[string]int       // base revision of each path, "." is the top
	dates  map[string]time.Time // when each path was last changed; not of the top, nor of what was added here
	lo, hi int                  // of revs
}

// bases keeps the last base that was read.
type bases struct {
	mu   sync.Mutex
	last *base
}

// at gives the base with a stamp; nil when it is not known.
func (k *bases) at(stamp string) *base {
	k.mu.Lock()
	defer k.mu.Unlock()
	if stamp == "" || k.last == nil || k.last.stamp != stamp {
		return nil
	}
	return k.last
}

func (k *bases) keep(b *base) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.last = b
}

// survey reads every versioned path with its base revision: by a short answer of
// svn, of what differs from the base, where the database is as it was last time.
func (c *Checkout) survey(ctx context.Context) (*survey, error) {
	stamp := stampOf(c.wcRoot)
	if b := c.bases.at(stamp); b != nil {
		entries, err := c.entries(ctx)
		if err != nil || stampOf(c.wcRoot) == stamp {
			return &survey{b, entries}, err
		}
		stamp = stampOf(c.wcRoot)
	}
	w, err := c.surveyAll(ctx)
	if err == nil && stampOf(c.wcRoot) == stamp {
		w.stamp = stamp
		c.bases.keep(w.base)
	}
	return w, err
}

func (c *Checkout) surveyAll(ctx context.Context) (*survey, error) {
	w := &survey{base: &base{revs: map[string]int{}, dates: map[string]time.Time{}, lo: -1, hi: -1}}
	k := c.status("-v")
	k.read = each("entry", func(e statusXML) error {
		w.add(e)
		return nil
	})
	if _, err := c.client.must(ctx, k); err != nil {
		return nil, err
	}
	if w.lo < 0 {
		return nil, &nodes.Error{Kind: nodes.Protocol, Message: "svn tells no revision of " + c.Path}
	}
	return w, nil
}

func (w *survey) add(e statusXML) {
	if e.WC.Item != "normal" || e.status().own() {
		w.entries = append(w.entries, e)
	}
	if t := e.WC.Commit.when(); !e.WC.Copied && e.Path != "." && !t.IsZero() {
		w.dates[e.Path] = t
	}
	n := number(e.WC.Revision)
	if n < 0 || e.WC.Item == "added" || e.WC.Item == "external" || e.WC.Copied || e.WC.FileExtern {
		return
	}
	w.revs[e.Path] = n
	if w.lo < 0 || n < w.lo {
		w.lo = n
	}
	w.hi = max(w.hi, n)
}

// own lists what is changed or broken, without unversioned files.
func (w *survey) own() []Status {
	var out []Status
	for _, e := range w.entries {
		if s := e.status(); s.own() {
			out = append(out, s)
		}
	}
	return out
}

func (w *survey) conflicts() []Status {
	return slices.DeleteFunc(w.own(), func(s Status) bool { return !s.Conflicted() })
}

// settle tells which revision the checkout is at. After a commit its paths have
// several base revisions: that does not matter where nothing else changed
// between them. uniform is false where it matters; rev is then the top's.
func (c *Checkout) settle(ctx context.Context, w *survey) (rev int, uniform bool, err error) {
	if w.lo == w.hi {
		return w.hi, true, nil
	}
	commits, err := c.client.log(ctx, logQuery{url: at(c.URL, w.hi), lo: w.lo + 1, hi: w.hi, paths: true})
	if err != nil {
		return 0, false, err
	}
	for _, commit := range commits {
		for _, p := range commit.Paths {
			if rel, ok := below(c.inRepo, p.Path); ok && w.baseOf(rel) < commit.Rev {
				return w.revs["."], false, nil
			}
		}
	}
	return w.hi, true, nil
}

// baseOf is the base revision of a path, or of the nearest folder above it that
// the working copy has.
func (b *base) baseOf(rel string) int {
	for rel != "" && rel != "." {
		if n, ok := b.revs[rel]; ok {
			return n
		}
		rel = filepath.Dir(rel)
	}
	return b.revs["."]
}
