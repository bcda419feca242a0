package sync

import (
	"crypto/sha256"
	"io"
	"slices"
	"strings"

	"github.com/rollsh/rollsh/nodes"
	"github.com/rollsh/rollsh/stdlib/sync/manifest"
	"github.com/rollsh/rollsh/stdlib/sync/wire"
)

// scan lists the tree as it is read. The scanner must be closed.
func (t *thin) scan(rules *manifest.Rules) *manifest.Scanner {
	return manifest.ScanBy(t.folder, rules, inFlight)
}

// folder gives what is in a folder of the tree, sorted by path, without what went
// while the tree was looked at.
func (t *thin) folder(dir string) ([]manifest.Entry, error) {
	if t.work.Err() != nil {
		return nil, nodes.Stopped(t.work)
	}
	names, err := t.f.ReadDir(t.at(dir))
	if dir != "" && gone(err) {
		return nil, nil
	} else if err != nil {
		return nil, closed(err)
	}
	out := make([]manifest.Entry, len(names))
	var links []*manifest.Entry
	for i := range names {
		out[i] = asEntry(&names[i])
		if out[i].Path = manifest.Join(dir, names[i].Name); out[i].Kind == manifest.Link {
			links = append(links, &out[i])
		}
	}
	err = t.all(len(links), func(i int) (err error) {
		if links[i].Link, err = t.f.ReadLink(t.at(links[i].Path)); gone(err) {
			links[i].Kind, err = 0, nil
		}
		return err
	})
	out = slices.DeleteFunc(out, func(e manifest.Entry) bool { return e.Kind == 0 })
	slices.SortFunc(out, func(a, b manifest.Entry) int { return strings.Compare(a.Path, b.Path) })
	return out, err
}

// closed says what can be done about a folder that must not be looked at.
func closed(err error) error {
	if e := *nodes.AsError(err, nodes.Failed); e.Kind == nodes.Permission {
		e.Hint = wire.ClosedHint
		return &e
	}
	return err
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

// hash reads files over SFTP to know what is in them. One that must not be read, or
// that went, is left unknown.
func (t *thin) hash(files []*manifest.Entry) error {
	return t.atOnce(hashing, len(files), func(k int) error {
		err := t.sum(files[k])
		if nodes.KindOf(err) == nodes.Permission || gone(err) {
			return nil
		}
		return err
	})
}

// sum notes what is in a file.
func (t *thin) sum(e *manifest.Entry) error {
	r, err := t.f.Open(t.at(e.Path))
	if err != nil {
		return err
	}
	defer func() { go r.Close() }() // nobody waits for it
	h := sha256.New()
	n, err := until(t.work, func() (int64, error) { return io.Copy(h, r) })
	if err == nil && n == e.Size {
		copy(e.Sum[:], h.Sum(nil))
	}
	return err
}
