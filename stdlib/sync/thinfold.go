package sync

import (
	"maps"
	"path"
	"slices"
	"strings"
	"sync"

	"github.com/rollsh/rollsh/nodes"
	"github.com/rollsh/rollsh/stdlib/sync/beneath"
	"github.com/rollsh/rollsh/stdlib/sync/manifest"
	"github.com/rollsh/rollsh/stdlib/sync/wire"
)

// tellsCase refuses names that would be one on a node, such as macOS, that does not
// tell upper from lower case. Of a file, or a link, the case of the name may change:
// wire.Journal.Folds says that it does. It takes a round trip, and where there are
// such names two more and the lists of their folders.
func (c *comparison) tellsCase(j *wire.Journal) error {
	if err := c.recase(j); err != nil {
		return err
	}
	twins, err := c.dec.Twins()
	if err != nil || len(twins) == 0 {
		return err
	}
	if c.t.absentAt(nodes.RemotePath(path.Join(path.Dir(c.t.state), strings.ToUpper(path.Base(c.t.state))))) {
		return nil
	}
	a, b := manifest.Quote(twins[0][0]), manifest.Quote(twins[0][1])
	return &nodes.Error{Kind: nodes.Refused, Message: a + " and " + b + " would be one name" + manifest.Folded}
}

// recase looks for new names that stand on the node for what goes from there.
func (c *comparison) recase(j *wire.Journal) error {
	goes, err := c.goes()
	if err != nil {
		return err
	}
	folders, err := c.freshTwins(goes)
	if err != nil {
		return err
	}
	names, err := c.t.folding(folders)
	if err != nil {
		return err
	}
	other, err := c.t.misnamed(names)
	if err != nil {
		return err
	}
	for _, p := range names {
		switch {
		case !other[p]:
			return lookAgain(manifest.Quote(p) + " appeared on the node since it was looked at")
		case folders[p] || goes[caseless(p)] == manifest.Dir:
			return &nodes.Error{Kind: nodes.Refused, Message: manifest.Quote(p) + " has another name" + manifest.Folded, Hint: manifest.FoldedHint}
		}
		j.Folds = true
	}
	return nil
}

// caseless is the same for names of one folder that differ in case only.
func caseless(p string) string {
	d, name := beneath.Split(p)
	return d + "/" + strings.ToLower(name)
}

// goes holds, caseless, what is deleted and the folders that it is in.
func (c *comparison) goes() (map[string]manifest.Kind, error) {
	goes := map[string]manifest.Kind{}
	err := c.changes(func(one *manifest.Change) {
		if !one.Goes {
			return
		}
		p := one.Path()
		if goes[caseless(p)] != manifest.Dir {
			goes[caseless(p)] = one.Live.Kind
		}
		for d, _ := beneath.Split(p); d != "" && goes[caseless(d)] != manifest.Dir; d, _ = beneath.Split(d) {
			goes[caseless(d)] = manifest.Dir
		}
	})
	return goes, err
}

// freshTwins lists the new names that differ in case only from something in goes in
// the same folder, and whether they are those of folders.
func (c *comparison) freshTwins(goes map[string]manifest.Kind) (map[string]bool, error) {
	twins := map[string]bool{}
	err := c.changes(func(one *manifest.Change) {
		if one.Fresh() && goes[caseless(one.Path())] != 0 {
			twins[one.Path()] = one.Want.Kind == manifest.Dir
		}
	})
	return twins, err
}

// folding gives the names in those of their folders that do not tell upper from
// lower case: in these, any of them is there.
func (t *thin) folding(twins map[string]bool) ([]string, error) {
	var probes []string
	names, folders := slices.Sorted(maps.Keys(twins)), map[string]bool{}
	for _, p := range names {
		if d, _ := beneath.Split(p); !folders[d] {
			folders[d], probes = true, append(probes, p)
		}
	}
	found, err := t.lookAt(probes)
	for i, p := range probes {
		d, _ := beneath.Split(p)
		folders[d] = found[i].Kind != 0
	}
	return slices.DeleteFunc(names, func(p string) bool {
		d, _ := beneath.Split(p)
		return !folders[d]
	}), err
}

// misnamed gives those of the paths of the tree under whose very name nothing
// stands.
func (t *thin) misnamed(paths []string) (map[string]bool, error) {
	f := &foldedNames{t: t}
	other := make([]bool, len(paths))
	err := t.all(len(paths), func(i int) error {
		stands, err := f.stands(paths[i])
		other[i] = !stands
		return err
	})
	out := map[string]bool{}
	for i, p := range paths {
		if other[i] {
			out[p] = true
		}
	}
	return out, err
}

// foldedNames are the names in folders of the tree, each of which is read once.
type foldedNames struct {
	t       *thin
	mu      sync.Mutex
	folders map[string]func() (map[string]bool, error)
}

// stands reports whether something has this very path.
func (f *foldedNames) stands(p string) (bool, error) {
	d, name := beneath.Split(p)
	f.mu.Lock()
	if f.folders == nil {
		f.folders = map[string]func() (map[string]bool, error){}
	}
	read := f.folders[d]
	if read == nil {
		read = sync.OnceValues(func() (map[string]bool, error) { return f.t.namesIn(d) })
		f.folders[d] = read
	}
	f.mu.Unlock()
	names, err := read()
	return names[name], err
}

func (t *thin) namesIn(dir string) (map[string]bool, error) {
	list, err := t.f.ReadDir(t.at(dir))
	if err != nil && !gone(err) {
		return nil, err
	}
	names := make(map[string]bool, len(list))
	for i := range list {
		names[list[i].Name] = true
	}
	return names, nil
}

// looker looks at paths of a switch.
type looker struct {
	t     *thin
	folds bool // as wire.Journal.Folds
	names foldedNames
}

func (t *thin) looker(folds bool) *looker {
	return &looker{t: t, folds: folds, names: foldedNames{t: t}}
}

// at describes what is at a path; of nothing the kind is 0. It is other if it has
// another name: only a burst that changes the case of names knows of such.
func (l *looker) at(p string) (e manifest.Entry, other bool, err error) {
	e, err = l.t.lstat(p)
	switch {
	case gone(err):
		return manifest.Entry{}, false, nil
	case err != nil || !l.folds:
		return e, false, err
	}
	stands, err := l.names.stands(p)
	return e, !stands, err
}

// namedOtherwise gives the paths at which a burst puts something new, and something
// is that has another name.
func (t *thin) namedOtherwise(folds bool, s manifest.Pairs) (map[string]bool, error) {
	if !folds {
		return nil, nil
	}
	var fresh []string
	for p := s.Next(); p != nil; p = s.Next() {
		if p.From == nil {
			fresh = append(fresh, p.Path)
		}
	}
	if s.Err() != nil {
		return nil, s.Err()
	}
	now, err := t.lookAt(fresh)
	if err != nil {
		return nil, err
	}
	there := fresh[:0]
	for i := range now {
		if now[i].Kind != 0 {
			there = append(there, fresh[i])
		}
	}
	return t.misnamed(there)
}
