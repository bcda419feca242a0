package svn

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/rollsh/rollsh/nodes"
)

// joint is what becomes of a file or folder that both sides added when both are
// kept. svn knows no base of the two; a text that both were copied from is one.
type joint struct {
	k      *Conflict
	copies []string                     // what only theirs has, relative to the checkout, topmost
	pairs  []*Conflict                  // the files that both have and that differ, each like a text conflict
	moves  []action                     // before the texts are written
	texts  map[string][]byte            // what the pairs become, as far as that is settled
	props  map[string]map[string]string // by path what is set; an empty value removes
	kept   []string                     // what the person is told of properties that stay
}

// jointKind is file or folder where both sides added one, moved where both moved a
// file; empty where the conflict is another one.
func (k *Conflict) jointKind() string {
	if k.bothMoved() == "file" {
		return "moved"
	}
	if !k.bothAdded() || k.alike() {
		return ""
	}
	fi, err := os.Lstat(filepath.Join(k.merge.Into.Path, k.Path))
	switch {
	case err == nil && fi.Mode().IsRegular() && k.right.Kind == "file":
		return "file"
	case err == nil && fi.IsDir() && k.right.Kind == "dir":
		return "folder"
	}
	return ""
}

// planJoint lists what keeping both comes to, for a person to read: which files
// there are is only known when it is done.
func (k *Conflict) planJoint() ([]action, error) {
	from := join("^", k.right.Path)
	done := resolveAction("working", k.Path)
	switch k.jointKind() {
	case "file":
		if mine, ok := k.Side(1); k.sides != nil && (!ok || strings.IndexByte(mine, 0) >= 0 || k.sides[2] == nil) {
			return nil, errInapplicable
		}
		return []action{{args: []string{"cat", at(from, k.right.Revision)}}, {path: k.Path}, done}, nil
	case "folder":
		return []action{{args: []string{"copy", at(from+"/NEW", k.right.Revision), k.Path + "/NEW"}}, {path: k.Path + "/BOTH"}, done}, nil
	}
	switch {
	case k.bothMoved() != "":
		return k.planMoved("merge"), nil
	case k.alike():
		return k.planAlike(), nil
	case k.movedAlike():
		return []action{done}, nil
	}
	return nil, errInapplicable
}

// joint reads both sides. Of what both moved the choice says which name stays.
func (k *Conflict) joint(ctx context.Context, choice string) (*joint, error) {
	kind := k.jointKind()
	switch kind {
	case "":
		return nil, k.inapplicable("merge")
	case "moved":
		return k.jointMoved(ctx, choice)
	}
	p, err := k.merge.look(ctx, false)
	if err != nil {
		return nil, err
	}
	j := &joint{k: k, texts: map[string][]byte{}, props: map[string]map[string]string{}}
	if err := j.properties(ctx, k.Path); err != nil {
		return nil, err
	}
	if kind == "file" {
		return j, j.pair(ctx, p, k.Path)
	}
	return j, j.folder(ctx, p)
}

// folder compares a folder of theirs with the one that is here.
func (j *joint) folder(ctx context.Context, p *picture) error {
	list, err := j.k.merge.Into.listAt(ctx, "/"+j.k.right.Path, j.k.right.Revision)
	if err != nil {
		return err
	}
	var both []string
	for _, e := range list {
		rel := j.k.Path + "/" + e.Name
		if j.within(rel) { // comes with it, or not at all
			continue
		}
		fi, err := os.Lstat(filepath.Join(j.k.merge.Into.Path, rel))
		switch {
		case errors.Is(err, fs.ErrNotExist):
			j.copies = append(j.copies, rel)
		case err != nil:
			return diskError(err)
		case fi.IsDir() != (e.Kind == "dir"):
			if err := j.unlike(ctx, rel, fi, e.Kind); err != nil {
				return err
			}
		default:
			if err := j.properties(ctx, rel); err != nil {
				return err
			}
			if !fi.IsDir() {
				both = append(both, rel)
			}
		}
	}
	slices.Sort(j.copies)
	j.copies = topmost(j.copies)
	for _, rel := range both {
		if err := j.pair(ctx, p, rel); err != nil {
			return err
		}
	}
	return nil
}

// theirs is the path of theirs in the repository that belongs to one of the
// checkout.
func (j *joint) theirs(rel string) string {
	under, _ := below(j.k.Path, rel)
	return join0("/"+j.k.right.Path, under)
}

// pair takes a file that both sides have; equal ones need nothing.
func (j *joint) pair(ctx context.Context, p *picture, rel string) error {
	c := j.k.merge.Into
	name := filepath.Join(c.Path, rel)
	theirs, err := c.textAt(ctx, j.theirs(rel), j.k.right.Revision)
	if err != nil {
		return err
	}
	target, err := os.Readlink(name)
	switch link := "link " + target; {
	case err == nil && link == string(theirs):
		return nil
	case err == nil && isLink(splitLines(string(theirs))):
		j.addChild(rel, nil, []byte(link), theirs).Symlink = true
		return nil
	case err == nil:
		return j.addUnlike(rel, side{"symlink", link}, side{"file", string(theirs)})
	case isLink(splitLines(string(theirs))):
		mine, err := readWhole(name)
		return firstError(err, j.addUnlike(rel, side{"file", string(mine)}, side{"symlink", string(theirs)}))
	}
	mine, err := readWhole(name)
	if err != nil || bytes.Equal(mine, theirs) {
		return err
	}
	base, err := j.base(ctx, p, rel)
	if err != nil {
		return err
	}
	return j.add(ctx, rel, rel, base, mine, theirs)
}

// readWhole reads a file that is not too large to be held in memory.
func readWhole(name string) ([]byte, error) {
	fi, err := os.Stat(name)
	if err == nil && fi.Size() > maxPatch {
		return nil, &nodes.Error{Kind: nodes.Refused, Message: name + " is too large to be merged", Hint: "choose mine or theirs"}
	}
	text, err := os.ReadFile(name)
	return text, diskError(err)
}

// add takes a file whose three texts are known, unless they differ in keywords and
// line ends only; at is where mine is now.
func (j *joint) add(ctx context.Context, rel, at string, base, mine, theirs []byte) error {
	properties, err := j.k.merge.Into.localProperties(ctx, at)
	if err != nil {
		return err
	}
	binary := isBinaryType(properties[mimeProperty]) || isBinaryType(j.props[rel][mimeProperty]) ||
		asText(base) == nil || asText(mine) == nil || asText(theirs) == nil
	if binary || !slices.Equal(plainText(string(mine)), plainText(string(theirs))) {
		j.addChild(rel, base, mine, theirs).Binary = binary
	}
	return nil
}

func (j *joint) addChild(rel string, sides ...[]byte) *Conflict {
	child := &Conflict{Path: rel, Kind: textConflict, merge: j.k.merge, sides: &[3]*string{}, why: j.k.why}
	child.settled = func(text []byte) error { j.texts[rel] = text; return child.keep(text) }
	for i, text := range sides {
		side := string(text)
		child.sides[i] = &side
	}
	j.pairs = append(j.pairs, child)
	return child
}

// keep saves what a file becomes until the merge ends, so that it need not be said
// twice.
func (k *Conflict) keep(text []byte) error {
	name := k.keptAs()
	return firstError(diskError(os.MkdirAll(filepath.Dir(name), 0o775)), replaceFile(name, text))
}

// kept gives what keep saved.
func (k *Conflict) kept() (text []byte, ok bool) {
	text, err := os.ReadFile(k.keptAs())
	return text, err == nil
}

// keptAs is the file that keep writes, of this path and these sides.
func (k *Conflict) keptAs() string {
	sum := sha256.Sum256([]byte(k.fingerprint() + k.Path))
	return filepath.Join(k.merge.Into.savedFolder(), hex.EncodeToString(sum[:16]))
}

// mimeProperty says what kind of file it is; svn merges lines only of text.
const mimeProperty = "svn:mime-type"

// isBinaryType reports whether svn takes files of a type for binary.
// Source: svn_mime_type_is_binary in libsvn_subr/validate.c.
func isBinaryType(mime string) bool {
	name, _, _ := strings.Cut(strings.TrimSpace(mime), ";")
	return name != "" && !strings.HasPrefix(name, "text/") && name != "image/x-xbitmap" && name != "image/x-xpixmap"
}

// base reads what both files were copied from; empty where that is nothing.
func (j *joint) base(ctx context.Context, p *picture, rel string) ([]byte, error) {
	mine := segments(join0(j.k.merge.Into.inRepo, rel), p.target.Commits, p.head)
	theirs := segments(j.theirs(rel), p.source.Commits, j.k.right.Revision)
	for _, m := range mine {
		for _, t := range theirs {
			if m.Path != t.Path || m.Lo > t.Hi || t.Lo > m.Hi {
				continue
			}
			text, err := j.k.merge.Into.textAt(ctx, m.Path, min(m.Hi, t.Hi))
			if nodes.KindOf(err) == nodes.NotFound {
				return nil, nil
			}
			return text, err
		}
	}
	return nil, nil
}

// complete makes sure that every pair has a text: what was given, what was given
// before in this merge, or what merges without a clash.
func (j *joint) complete() error {
	var open, whole []string
	for _, k := range j.pairs {
		if _, ok := j.texts[k.Path]; ok {
			continue
		}
		if text, ok := k.kept(); ok {
			j.texts[k.Path] = text
		} else if s, ok := newSheet(k); ok && len(s.clashes) == 0 {
			j.texts[k.Path] = s.text()
		} else if k.Binary || k.Symlink {
			whole = append(whole, k.Path)
		} else {
			open = append(open, k.Path)
		}
	}
	if len(whole) > 0 {
		return &nodes.Error{
			Kind: nodes.Conflict, Message: "both sides have their own " + shorten(whole) + ", which cannot be merged by lines",
			Hint: `m:resolve() at a terminal asks which one, and a policy says it: {["` + j.k.Path + `"] = "merge", ["*` + filepath.Ext(whole[0]) + `"] = "theirs"}`,
		}
	}
	if len(open) > 0 {
		return &nodes.Error{Kind: nodes.Conflict, Message: "both sides have their own lines in " + shorten(open), Hint: "conflict:edit() or m:resolve() at a terminal joins them; or choose mine or theirs"}
	}
	return nil
}

// unify puts both sides into the checkout and ends the conflict.
func (w *work) unify(ctx context.Context, j *joint) error {
	if err := j.complete(); err != nil {
		return err
	}
	return w.whole(func() error { return w.putJoint(ctx, j) })
}

// putJoint does what was settled.
func (w *work) putJoint(ctx context.Context, j *joint) error {
	for _, rel := range j.copies {
		from := at(join("^", j.theirs(rel)), j.k.right.Revision)
		if err := w.act(ctx, action{args: []string{"copy", from, local(rel)}}); err != nil {
			return err
		}
	}
	for _, a := range j.moves {
		if err := w.act(ctx, a); err != nil {
			return err
		}
	}
	for _, k := range j.pairs {
		text := j.texts[k.Path]
		if err := k.keep(text); err != nil {
			return err
		}
		if k.sorts != nil {
			if err := w.putUnlike(ctx, j, k, text); err != nil {
				return err
			}
			continue
		}
		put := action{path: k.Path, write: text}
		if k.Symlink {
			put = action{path: k.Path, link: strings.TrimPrefix(string(text), "link ")}
		}
		if err := w.act(ctx, put); err != nil {
			return err
		}
	}
	if err := w.setProperties(ctx, j); err != nil {
		return err
	}
	return w.settle(ctx, j.k, "working", nil)
}

// properties finds those properties of theirs that mine has not. Where both have
// one, mine stays.
func (j *joint) properties(ctx context.Context, rel string) error {
	c := j.k.merge.Into
	theirs, err := c.properties(ctx, j.theirs(rel), j.k.right.Revision)
	if err != nil {
		return err
	}
	delete(theirs, mergeProperty)
	if len(theirs) == 0 {
		return nil
	}
	mine, err := c.localProperties(ctx, rel)
	if err != nil {
		return err
	}
	for name, value := range mine {
		if other, ok := theirs[name]; ok && other != value {
			j.kept = append(j.kept, fmt.Sprintf("%s keeps its own %s", rel, oneLine(name)))
		}
		delete(theirs, name)
	}
	j.props[rel] = theirs
	return nil
}

// joinWith ends the conflict after fn gave each file that both sides added its
// text.
func (k *Conflict) joinWith(ctx context.Context, fn func(pair *Conflict) error) error {
	j, err := k.joint(ctx, "merge")
	if err != nil {
		return err
	}
	for _, pair := range j.pairs {
		if err := fn(pair); err != nil {
			return err
		}
	}
	return k.change(ctx, "merge", func(w *work) error { return w.unify(ctx, j) })
}
