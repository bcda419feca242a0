package sync

import (
	"crypto/sha256"
	"io"
	"slices"
	"strings"
	"sync"

	"github.com/rollsh/rollsh/nodes"
	"github.com/rollsh/rollsh/stdlib/sync/manifest"
)

// walker lists a tree over SFTP.
type walker struct {
	t     *thin
	rules *manifest.Rules
	slots chan struct{}
	wg    sync.WaitGroup
	mu    sync.Mutex
	out   manifest.Slice
	held  map[string]bool // as of manifest.Scanner
	err   error
}

func (t *thin) walk(rules *manifest.Rules) (live manifest.Slice, held map[string]bool, err error) {
	w := &walker{t: t, rules: rules, slots: make(chan struct{}, inFlight), held: map[string]bool{}}
	w.wg.Add(1)
	go w.dir("", !rules.Partial())
	w.wg.Wait()
	slices.SortFunc(w.out, func(a, b manifest.Entry) int { return strings.Compare(a.Path, b.Path) })
	return w.out, w.held, w.err
}

func (w *walker) fail(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err == nil {
		w.err = err
	}
}

func (w *walker) dir(d string, inside bool) {
	defer w.wg.Done()
	w.slots <- struct{}{}
	defer func() { <-w.slots }()
	if w.t.ctx.Err() != nil {
		w.fail(nodes.Stopped(w.t.ctx))
		return
	}
	list, err := w.t.f.ReadDir(w.t.at(d))
	if err != nil {
		w.fail(err)
		return
	}
	for i := range list {
		e, err := w.entry(d, &list[i])
		if err != nil {
			w.fail(err)
			return
		}
		v := w.rules.Judge(e.Path, e.Kind == manifest.Dir, inside)
		if e.Kind == manifest.Dir && v != manifest.Skipped {
			w.wg.Add(1)
			go w.dir(e.Path, v == manifest.In)
		}
		w.mu.Lock()
		if v == manifest.In {
			w.out = append(w.out, e)
		} else {
			w.held[d] = true
		}
		w.mu.Unlock()
	}
}

func (w *walker) entry(d string, st *nodes.FileInfo) (manifest.Entry, error) {
	e := asEntry(st)
	e.Path = manifest.Join(d, st.Name)
	var err error
	if e.Kind == manifest.Link {
		e.Link, err = w.t.f.ReadLink(w.t.at(e.Path))
	}
	return e, err
}

func asEntry(st *nodes.FileInfo) manifest.Entry {
	e := manifest.Entry{Kind: manifest.Other, Mode: unixMode(st.Mode), UID: uint32(st.UID), GID: uint32(st.GID)}
	switch {
	case st.Mode.IsRegular():
		e.Kind, e.Size, e.Mtime = manifest.File, st.Size, st.ModTime.UnixNano()
	case st.Mode.IsDir():
		e.Kind = manifest.Dir
	case st.Mode&unixLink != 0:
		e.Kind, e.Mode = manifest.Link, 0
	}
	return e
}

// hashing is how many files are read at the same time: one may have 8 MB under way.
const hashing = 16

// hash reads files over SFTP to know what is in them. One that must not be read is
// left unknown.
func (t *thin) hash(files []*manifest.Entry) error {
	return t.atOnce(hashing, len(files), func(k int) error {
		e := files[k]
		r, err := t.f.Open(t.at(e.Path))
		if nodes.KindOf(err) == nodes.Permission {
			return nil
		} else if err != nil {
			return err
		}
		defer func() { go r.Close() }() // nobody waits for it
		h := sha256.New()
		n, err := until(t.work, func() (int64, error) { return io.Copy(h, r) })
		if err == nil && n == e.Size {
			copy(e.Sum[:], h.Sum(nil))
		}
		return err
	})
}
