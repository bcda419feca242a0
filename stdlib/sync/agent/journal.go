//go:build linux

package agent

import (
	"encoding/json"
	"errors"

	"github.com/rollsh/rollsh/stdlib/sync/manifest"
	"github.com/rollsh/rollsh/stdlib/sync/wire"
)

// journal is the plan of one switch, on the disk before anything of the tree
// is touched. It holds all that is needed to finish the switch, to undo it
// half way, and to undo it later.
type journal struct {
	Roll     string
	Seq      int             // of the marker that it was made against
	Base     manifest.Digest // of what was ours then
	MakeRoot bool            // the tree did not exist
	Keep     int             // how many undos are kept
	Undoes   string          // the undo folder that this puts back; empty for a roll

	Change []byte // manifest.Encode: what is put in place
	Source []int  // per change: N of s/N; -1 for none
	Touch  []bool // per change: the file stays, only permissions or time are set
	Old    []byte // manifest.Encode: what stood at every path that is changed or deleted

	Was        wire.Marker // the marker before
	OursChange []byte      // manifest.Encode: with OursGone, turns what is ours afterwards into what was
	OursGone   []byte      // manifest.EncodePaths
	Bytes      int64
	Files      int

	change, old []manifest.Entry
}

func (j *journal) encode() ([]byte, error) {
	j.Change, j.Old = manifest.Encode(j.change), manifest.Encode(j.old)
	return json.Marshal(j)
}

func decodeJournal(b []byte) (*journal, error) {
	j := &journal{}
	if err := json.Unmarshal(b, j); err != nil {
		return nil, err
	}
	var err error
	if j.change, err = manifest.Decode(j.Change); err != nil {
		return nil, err
	}
	if j.old, err = manifest.Decode(j.Old); err != nil {
		return nil, err
	}
	if len(j.Source) != len(j.change) || len(j.Touch) != len(j.change) {
		return nil, errors.New("its parts do not fit together")
	}
	return j, nil
}

// op is one kind of step of a burst.
type op byte

const (
	opMkdir  op = 'm'
	opPut    op = 'p' // rename a prepared file or link over the path
	opUnlink op = 'u'
	opRmdir  op = 'r'
	opMode   op = 'c' // permissions of a folder
	opTouch  op = 't' // permissions and time of a file
)

// step is one system call of a burst, as good as.
type step struct {
	op    op
	path  string
	entry *manifest.Entry // what is wanted; for opUnlink and opRmdir what goes
	at    int             // index of entry in its list
}

// burst lists, in order, the steps that turn the entries from into to; both
// hold all paths concerned, sorted. Readers that follow references from old to
// new files are never led to nothing: folders come first, then new files, then
// changed ones, then deletes, then empty folders; only what changes its type is
// cleared before. touch tells which entries of to keep their file.
func burst(from, to []manifest.Entry, touch func(path string) bool) []step {
	b := burster{from: index(from), to: index(to)}
	b.clear(from)
	b.folders(to)
	b.files(to, touch)
	b.deletes(from)
	b.modes(from, to)
	return b.steps
}

type burster struct {
	from, to map[string]*manifest.Entry
	cleared  map[string]bool
	steps    []step
}

func index(list []manifest.Entry) map[string]*manifest.Entry {
	m := make(map[string]*manifest.Entry, len(list))
	for i := range list {
		m[list[i].Path] = &list[i]
	}
	return m
}

func (b *burster) add(o op, e *manifest.Entry, at int) {
	b.steps = append(b.steps, step{o, e.Path, e, at})
}

// clear takes away what changes its type: a folder with all that goes from it,
// or a file where a folder must be.
func (b *burster) clear(from []manifest.Entry) {
	b.cleared = map[string]bool{}
	turns := map[string]bool{} // folders that become something else
	for i := range from {
		e := &from[i]
		if to := b.to[e.Path]; to != nil && (e.Kind == manifest.Dir) != (to.Kind == manifest.Dir) {
			b.cleared[e.Path] = true
			turns[e.Path] = e.Kind == manifest.Dir
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

func (b *burster) remove(e *manifest.Entry, at int) {
	if e.Kind == manifest.Dir {
		b.add(opRmdir, e, at)
	} else {
		b.add(opUnlink, e, at)
	}
}

func (b *burster) folders(to []manifest.Entry) {
	for i := range to {
		e := &to[i]
		if e.Kind == manifest.Dir && (b.from[e.Path] == nil || b.cleared[e.Path]) {
			b.add(opMkdir, e, i)
		} else if e.Kind == manifest.Dir && b.from[e.Path].Mode&0o300 != 0o300 {
			open := *e
			open.Mode = b.from[e.Path].Mode | 0o700
			b.add(opMode, &open, i)
		}
	}
}

func (b *burster) files(to []manifest.Entry, touch func(string) bool) {
	for _, fresh := range []bool{true, false} {
		for i := range to {
			e := &to[i]
			if e.Kind == manifest.Dir || (b.from[e.Path] == nil) != fresh {
				continue
			}
			if touch(e.Path) {
				b.add(opTouch, e, i)
			} else {
				b.add(opPut, e, i)
			}
		}
	}
}

func (b *burster) deletes(from []manifest.Entry) {
	for _, folders := range []bool{false, true} {
		for i := len(from) - 1; i >= 0; i-- {
			e := &from[i]
			if b.to[e.Path] == nil && !b.cleared[e.Path] && (e.Kind == manifest.Dir) == folders {
				b.remove(e, i)
			}
		}
	}
}

// modes sets the permissions of folders last, deepest first, so that closed
// ones do not stop the work in them.
func (b *burster) modes(_, to []manifest.Entry) {
	for i := len(to) - 1; i >= 0; i-- {
		if to[i].Kind == manifest.Dir {
			b.add(opMode, &to[i], i)
		}
	}
}
