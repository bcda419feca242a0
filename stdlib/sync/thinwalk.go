package sync

import (
	"crypto/sha256"
	"io"
	"path"
	"slices"
	"strings"
	"sync"

	"github.com/rollsh/rollsh/nodes"
	"github.com/rollsh/rollsh/stdlib/sync/manifest"
)

// inFlight is how many requests to one node are under way over SFTP.
const inFlight = 16

// walker lists a tree over SFTP.
type walker struct {
	t     *thin
	rules *manifest.Rules
	slots chan struct{}
	wg    sync.WaitGroup
	mu    sync.Mutex
	out   manifest.Listing
	err   error
}

func (t *thin) walk(rules *manifest.Rules) (manifest.Listing, error) {
	w := &walker{t: t, rules: rules, slots: make(chan struct{}, inFlight)}
	w.out.Held = map[string]bool{}
	w.wg.Add(1)
	go w.dir("", !rules.Partial())
	w.wg.Wait()
	slices.SortFunc(w.out.Entries, func(a, b manifest.Entry) int { return strings.Compare(a.Path, b.Path) })
	return w.out, w.err
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
			w.out.Entries = append(w.out.Entries, e)
		} else {
			w.out.Held[d] = true
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

// hash reads files over SFTP to know what is in them.
func (t *thin) hash(live []manifest.Entry, indexes []int) error {
	var wg sync.WaitGroup
	slots := make(chan struct{}, inFlight)
	errs := make(chan error, len(indexes))
	for _, i := range indexes {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			r, err := t.f.Open(t.at(live[i].Path))
			if err != nil {
				if nodes.KindOf(err) != nodes.Permission {
					errs <- err
				}
				return
			}
			defer r.Close()
			h := sha256.New()
			n, err := io.Copy(h, r)
			if err != nil {
				errs <- err
			} else if n == live[i].Size {
				copy(live[i].Sum[:], h.Sum(nil))
			}
		})
	}
	wg.Wait()
	select {
	case err := <-errs:
		return err
	default:
		return nil
	}
}

// discard removes a stage or an undo. For whoever looks it goes at once: of one
// that lost only some of its files, nobody could tell what to do with it. What is
// left when that is cut short is swept later.
func (t *thin) discard(dir string) error {
	trash := path.Join(t.state, trashName+path.Base(dir))
	if t.clear(trash) == nil && t.f.Rename(nodes.RemotePath(dir), nodes.RemotePath(trash)) == nil {
		dir = trash
	}
	return t.clear(dir)
}

// trashName begins the names of what is on its way out, as the agent has it.
const trashName = "trash-"

// clear removes what is at name, with all in it, in any order.
func (t *thin) clear(name string) error {
	st, err := t.f.Lstat(nodes.RemotePath(name))
	if nodes.KindOf(err) == nodes.NotFound {
		return nil
	} else if err != nil {
		return err
	}
	if st.Mode.IsDir() {
		list, err := t.f.ReadDir(nodes.RemotePath(name))
		if err != nil {
			return err
		}
		for _, e := range list {
			if err := t.clear(path.Join(name, e.Name)); err != nil {
				return err
			}
		}
	}
	return t.f.Remove(nodes.RemotePath(name))
}
