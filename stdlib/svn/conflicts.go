package svn

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"github.com/rollsh/rollsh/nodes"
)

// Kinds of conflicts.
const (
	textConflict     = "text"
	propertyConflict = "property"
	treeConflict     = "tree"
)

// Conflict is one conflict that a merge left in the checkout. A path can have
// several, of different kinds.
type Conflict struct {
	Path    string // relative to the checkout
	Kind    string // text, property or tree
	Binary  bool
	Symlink bool

	merge  *Merge
	files  [3]string // base, mine, theirs: paths of the sides; empty where there is none
	left   conflictVersion
	right  conflictVersion
	tree   treeConflictXML
	reject string // what svn wrote of a property conflict
	why    Why

	sides   *[3]*string             // base, mine and theirs where svn put none beside the file; nil: files has them
	settled func(text []byte) error // takes the resolved text instead of svn; nil: svn is told
	sorts   *[2]string              // what mine and theirs are where they are not of one sort: file, symlink or folder
}

// maxSide bounds a side of a conflict that is shown or merged as text.
const maxSide = 8 << 20

// Conflicts lists what is left to be resolved. While the repository cannot be
// reached, it does not know who changed what, and says so.
func (m *Merge) Conflicts(ctx context.Context) ([]*Conflict, error) {
	entries, err := m.Into.entries(ctx)
	if err != nil {
		return nil, err
	}
	return m.conflictsAmong(ctx, entries)
}

// conflictsAmong reads the conflicts of a status, with who changed what.
func (m *Merge) conflictsAmong(ctx context.Context, entries []statusXML) ([]*Conflict, error) {
	list, err := m.rawConflicts(ctx, entries)
	if err != nil || len(list) == 0 {
		return list, err
	}
	err = m.explain(ctx, list)
	if nodes.KindOf(err) == nodes.Unreachable {
		m.Into.svn.warn(ctx, "who changed what in conflict is not known: "+err.Error())
		return list, nil
	}
	if err == nil {
		err = m.readSides(ctx, list)
	}
	return list, err
}

// readSides reads from the repository the texts of tree conflicts, of which svn
// puts none beside the file.
func (m *Merge) readSides(ctx context.Context, list []*Conflict) error {
	var files []*Conflict
	for _, k := range list {
		if k.Kind == treeConflict && (k.left.Kind == "file" || k.right.Kind == "file") {
			files = append(files, k)
		}
	}
	return parallel(ctx, len(files), func(ctx context.Context, i int) error {
		k := files[i]
		k.sides = &[3]*string{}
		if text, err := readSome(filepath.Join(m.Into.Path, k.Path)); err == nil && !isSymlink(filepath.Join(m.Into.Path, k.Path)) {
			k.sides[1] = asText(text)
		}
		for n, v := range map[int]conflictVersion{0: k.left, 2: k.right} {
			if v.Kind != "file" {
				continue
			}
			text, err := m.Into.textAt(ctx, "/"+v.Path, v.Revision)
			if err != nil {
				return err
			}
			k.sides[n] = asText(text)
		}
		return nil
	})
}

// asText gives what is text and not too large to be shown.
func asText(b []byte) *string {
	if len(b) > maxSide || bytes.IndexByte(b, 0) >= 0 {
		return nil
	}
	text := string(b)
	return &text
}

// rawConflicts reads the conflicts of a status without asking the repository.
func (m *Merge) rawConflicts(ctx context.Context, entries []statusXML) ([]*Conflict, error) {
	c := m.Into
	var targets []string
	for _, e := range entries {
		if e.status().Conflicted() {
			targets = append(targets, local(e.Path))
		}
	}
	if len(targets) == 0 {
		return nil, nil
	}
	file, err := targetsFile(targets)
	if err != nil {
		return nil, err
	}
	defer os.Remove(file)
	var infos []infoXML
	k := c.here("info", "--xml", "--targets", file)
	k.locals, k.read = true, collect("entry", &infos)
	if _, err := c.client.must(ctx, k); err != nil {
		return nil, err
	}
	var out []*Conflict
	for _, i := range infos {
		out = append(out, m.conflictsOf(i)...)
	}
	return out, nil
}

func (m *Merge) conflictsOf(i infoXML) []*Conflict {
	var out []*Conflict
	for _, x := range i.Conflicts {
		k := &Conflict{Path: i.Path, Kind: textConflict, merge: m}
		k.left, k.right = sides(x.Versions)
		if x.Type == "property" {
			k.Kind, k.reject = propertyConflict, m.below(i.Path, x.PropFile)
			if slices.ContainsFunc(out, func(o *Conflict) bool { return o.Kind == propertyConflict }) {
				continue // all properties of a path are one conflict, in one file
			}
		} else {
			k.files = [3]string{m.below(i.Path, x.BaseFile), m.below(i.Path, x.MineFile), m.below(i.Path, x.TheirFile)}
			k.Binary = x.MineFile == ""
			k.Symlink = isSymlink(k.files[2]) || isSymlink(k.files[0])
			if k.Binary {
				k.files[1] = filepath.Join(m.Into.Path, i.Path)
			}
		}
		out = append(out, k)
	}
	for _, t := range i.Trees {
		k := &Conflict{Path: i.Path, Kind: treeConflict, tree: t, merge: m}
		k.left, k.right = sides(t.Versions)
		out = append(out, k)
	}
	return out
}

func sides(list []conflictVersion) (left, right conflictVersion) {
	for _, v := range list {
		if v.Side == "source-left" {
			left = v
		} else if v.Side == "source-right" {
			right = v
		}
	}
	return left, right
}

// below makes the absolute path of a file that svn names beside a conflict.
func (m *Merge) below(path, name string) string {
	switch {
	case name == "":
		return ""
	case filepath.IsAbs(name):
		return name
	}
	return filepath.Join(m.Into.Path, filepath.Dir(path), filepath.Base(name))
}

func isSymlink(name string) bool {
	fi, err := os.Lstat(name)
	return err == nil && fi.Mode()&os.ModeSymlink != 0
}

// Side gives the text of a side: 0 base, 1 mine, 2 theirs. ok is false where the
// side is missing or not text.
func (k *Conflict) Side(i int) (text string, ok bool) {
	if k.sides != nil {
		if k.Binary || k.Symlink || k.sides[i] == nil {
			return "", false
		}
		return *k.sides[i], true
	}
	if k.Kind != textConflict || k.Binary || k.Symlink || k.files[i] == "" {
		return "", false
	}
	b, err := readSome(k.files[i])
	if err != nil || bytes.IndexByte(b, 0) >= 0 {
		return "", false
	}
	return string(b), true
}

// readSome reads a file that is not too large to be shown.
func readSome(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxSide+1))
	if err == nil && len(b) > maxSide {
		err = errors.New("too large")
	}
	return b, err
}

// fingerprint names a conflict by what is in conflict: the same sides give the
// same name, in a merge that begins anew as in another one.
func (k *Conflict) fingerprint() string {
	h := sha256.New()
	fmt.Fprintf(h, "%s\x00", k.Kind)
	switch k.Kind {
	case textConflict:
		if k.sides != nil {
			for _, text := range k.sides {
				fmt.Fprintf(h, "%d\x00%s", len(*text), *text)
			}
			break
		}
		for _, f := range k.files {
			b, err := os.ReadFile(f)
			if target, linkErr := os.Readlink(f); linkErr == nil {
				b, err = []byte("-> "+target), nil
			}
			fmt.Fprintf(h, "%v %d\x00", err == nil, len(b))
			h.Write(b)
		}
	case propertyConflict:
		b, _ := os.ReadFile(k.reject)
		fmt.Fprintf(h, "%s\x00%s", k.Path, b)
	default:
		t := k.tree
		fmt.Fprintf(h, "%s\x00%s %s %s %s %v %v", k.Path, t.Kind, t.Reason, t.Action, t.Operation, k.left, k.right)
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// solution is a conflict as it was met, and how it was resolved.
type solution struct {
	Path   string `json:"path"`
	Kind   string `json:"kind"`
	Print  string `json:"print"`
	Choice string `json:"choice,omitempty"` // as given to Resolve
	Saved  string `json:"saved,omitempty"`  // name of the resolved text in the saved folder

	Values map[string]string `json:"values,omitempty"` // of properties that the person edited
}

// meet notes the conflicts that svn left and resolves those that were resolved
// before, when the merge begins anew. It gives how many wait.
func (w *work) meet(ctx context.Context) (int, error) {
	w.j.Open = nil
	tried := map[string]bool{}  // by kind, path and print
	for again := true; again; { // a resolution may bring up other conflicts
		list, err := w.look(ctx)
		if err != nil {
			return 0, err
		}
		w.j.Open, again = nil, false
		for _, k := range list {
			met := solution{Path: k.Path, Kind: k.Kind, Print: k.fingerprint()}
			i := slices.IndexFunc(w.j.Resolutions, func(s solution) bool { return s.Print == met.Print && s.Path == k.Path && s.Kind == k.Kind })
			if name := k.id() + "\x00" + met.Print; i >= 0 && !tried[name] {
				tried[name], again = true, true
				if w.replay(ctx, k, w.j.Resolutions[i]) == nil {
					continue
				}
			}
			w.j.Open = append(w.j.Open, met)
		}
	}
	return len(w.j.Open), nil
}

// look reads the conflicts as they are now, and notes what the merge added.
func (w *work) look(ctx context.Context) ([]*Conflict, error) {
	entries, err := w.m.Into.entries(ctx)
	if err != nil {
		return nil, err
	}
	w.seen = entries
	list, err := w.m.rawConflicts(ctx, entries)
	if err != nil {
		return nil, err
	}
	return list, w.noteAdded(ctx, entries)
}

// noteOpened notes the conflicts that came up as another one was resolved.
func (w *work) noteOpened(ctx context.Context) error {
	list, err := w.look(ctx)
	for _, k := range list {
		if !slices.ContainsFunc(w.j.Open, func(s solution) bool { return s.Path == k.Path && s.Kind == k.Kind }) {
			w.j.Open = append(w.j.Open, solution{Path: k.Path, Kind: k.Kind, Print: k.fingerprint()})
		}
	}
	return err
}

// replay resolves a conflict as it was resolved before in this merge.
func (w *work) replay(ctx context.Context, k *Conflict, s solution) error {
	if s.Saved != "" {
		text, err := os.ReadFile(filepath.Join(w.m.Into.savedFolder(), s.Saved))
		if err != nil {
			return diskError(err)
		}
		return w.settle(ctx, k, "working", text)
	}
	switch {
	case s.Values != nil:
		return w.putProperties(ctx, k, s.Values)
	case s.Choice == "":
		return errors.New("not known")
	}
	if k.Kind == treeConflict { // where it was moved to
		if err := w.m.explain(ctx, []*Conflict{k}); err != nil {
			return err
		}
	}
	return w.settle(ctx, k, s.Choice, nil)
}

// keepResolved saves how those of the open conflicts were resolved that are not in
// conflict any more.
func (w *work) keepResolved(ctx context.Context) error {
	if len(w.j.Open) == 0 {
		return nil
	}
	left, err := w.m.Into.leftConflicts(ctx)
	if err != nil {
		return err
	}
	w.j.Open = slices.DeleteFunc(w.j.Open, func(s solution) bool {
		return slices.ContainsFunc(left, func(c Status) bool { return c.Path == s.Path })
	})
	return w.keepSolutions()
}

// keepSolutions saves how the open conflicts were resolved, by whatever means.
func (w *work) keepSolutions() error {
	for _, s := range w.j.Open {
		if s.Kind == textConflict && s.Saved == "" {
			text, err := readSome(filepath.Join(w.m.Into.Path, s.Path))
			if err == nil && os.MkdirAll(w.m.Into.savedFolder(), 0o775) == nil {
				if err := replaceFile(filepath.Join(w.m.Into.savedFolder(), s.Print), text); err != nil {
					return err
				}
				s.Saved = s.Print
			}
		}
		if s.Saved != "" || s.Choice != "" || s.Values != nil {
			w.j.Resolutions = append(w.j.Resolutions, s)
		}
	}
	w.j.Open = nil
	return nil
}

// artefacts are the files that svn put beside conflicts, by relative path.
func (w *work) artefacts(ctx context.Context, entries []statusXML) (map[string]bool, error) {
	out := map[string]bool{}
	list, err := w.m.rawConflicts(ctx, entries)
	for _, k := range list {
		for _, f := range append(k.files[:], k.reject) {
			if rel, relErr := filepath.Rel(w.m.Into.Path, f); f != "" && relErr == nil && rel != k.Path {
				out[filepath.ToSlash(rel)] = true
			}
		}
	}
	return out, err
}

func copyInto(w io.Writer) func(io.Reader) error {
	return func(r io.Reader) error { _, err := io.Copy(w, r); return err }
}
