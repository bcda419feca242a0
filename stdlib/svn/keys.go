package svn

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/mattn/go-runewidth"

	"github.com/rollsh/rollsh/nodes"
)

// keys is the help of the text screen.
const keys = `these lines:
  o mine    b both, mine first     e edit them
  t theirs  B both, theirs first   v side by side
  n next    p previous             u undo
the rest of the file:
  O mine    T theirs
the whole file:
  E edit it       x merge tool
  w as it is in the checkout
  R as it was resolved before
  r take the missing changesets too
  s keep it for later
the merge:
  q stop here     A abandon all of it`

// text goes through the clashes of a file. A clash is drawn when it comes up and
// when the person comes back to it or presses Enter.
func (a *assistant) text(ctx context.Context, k *Conflict, s *sheet) (bool, error) {
	at, drawn := 0, -1
	if len(s.clashes) > 0 {
		a.offers(ctx, k)
	}
	for {
		if at = s.next(at); at < 0 {
			back, stop, err := a.settled(ctx, k, s)
			if back < 0 || err != nil {
				return stop, err
			}
			at, drawn = back, -1
			continue
		}
		if at != drawn {
			a.say(ctx, a.draw(k, s, at))
			drawn = at
		}
		key, err := a.person.Ask(ctx, nodes.Question{Text: "key"})
		if err != nil {
			return true, err
		}
		key = strings.TrimSpace(key)
		next, done, stop, err := a.key(ctx, k, s, at, key)
		if stop, err = a.survive(ctx, stop, err); done || stop || err != nil {
			return stop, err
		}
		if slices.Contains([]string{"", "u", "n", "p"}, key) {
			drawn = -1
		}
		at = next
	}
}

// draw shows a clash, and the keys that most conflicts are resolved with; all of
// them are behind the question mark.
func (a *assistant) draw(k *Conflict, s *sheet, at int) string {
	head := fmt.Sprintf("%s, %d of %d", k.Path, at+1, len(s.clashes))
	if h := s.hint(at); h != "" {
		head += " (" + h + ")"
	}
	words := "o mine, t theirs, b both, e edit, s later, q stop, ? all keys"
	if len(k.why.Needs) > 0 {
		words = "r take " + k.why.Needs.Revs() + " too, " + words
	}
	return head + "\n" + s.show(at, a.columns()) + "\n" + wrap(words, a.columns(), "")
}

// settled shows what a file becomes and writes it when the person agrees; back is
// the clash to go on with when not.
func (a *assistant) settled(ctx context.Context, k *Conflict, s *sheet) (back int, stop bool, err error) {
	mine, _ := k.Side(1)
	changes := summarize(plainText(mine), plainText(string(s.text())), "result", a.columns())
	if changes == "" {
		changes = "nothing of mine changes"
	}
	a.say(ctx, k.Path+" is settled:\n"+changes)
	key, err := a.person.Ask(ctx, nodes.Question{Text: "Enter writes it, u undoes the last choice"})
	if err != nil {
		return -1, true, err
	}
	if strings.TrimSpace(key) == "u" {
		return max(0, s.back()), false, nil
	}
	stop, err = a.write(ctx, k, s)
	return -1, stop, err
}

func (a *assistant) columns() int { return columnsOf(a.person) }

// columnsOf is how wide a person's terminal is; 80 without one.
func columnsOf(p nodes.Person) int {
	if n := nodes.Columns(p); n > 0 {
		return n
	}
	return 80
}

// offers tells what could save the work: missing changesets, and how the same
// conflict was resolved before.
func (a *assistant) offers(ctx context.Context, k *Conflict) {
	if len(k.why.Needs) > 0 {
		a.say(ctx, wrap("r takes "+k.why.Needs.Revs()+" too, without which this conflicts", a.columns(), ""))
	}
	if text, ok := a.m.Into.svn.recallResolution(k); ok {
		mine, _ := k.Side(1)
		changes := summarize(plainText(mine), plainText(string(text)), "before", a.columns())
		a.say(ctx, "R resolves it as before:\n"+firstNonEmpty(changes, "nothing of mine changes"))
	}
}

// summarize shows what a text, of that name, changes in mine.
func summarize(from, to []string, name string, columns int) string {
	var b strings.Builder
	for _, h := range diffLines(from, to) {
		drawLines(&b, "mine", from[h.lo:h.hi], nil, columns)
		drawLines(&b, name, h.lines, from[h.lo:h.hi], columns)
	}
	return strings.TrimRight(b.String(), "\n")
}

// key does what a key says; next is the clash to be shown then.
func (a *assistant) key(ctx context.Context, k *Conflict, s *sheet, at int, key string) (next int, done, stop bool, err error) {
	n := len(s.clashes)
	switch key {
	case "o", "t", "b", "B":
		lines, _ := s.side(at, key)
		s.choose(at, lines)
		return at, false, false, nil
	case "O", "T":
		for i := s.next(at); i >= 0; i = s.next(i) {
			lines, _ := s.side(i, key)
			s.choose(i, lines)
		}
		return at, false, false, nil
	case "n":
		return (at + 1) % n, false, false, nil
	case "p":
		return (at + n - 1) % n, false, false, nil
	case "u":
		return max(0, s.back()), false, false, nil
	case "e":
		return at, false, false, a.editLines(ctx, k, s, at)
	case "":
		return at, false, false, nil
	case "v":
		a.say(ctx, sideBySide(s.clash(at), a.columns()))
		return at, false, false, nil
	}
	done, stop, err = a.fileKey(ctx, k, key)
	return at, done, stop, err
}

// fileKey does what a key says for the whole file.
func (a *assistant) fileKey(ctx context.Context, k *Conflict, key string) (done, stop bool, err error) {
	switch key {
	case "E":
		err := a.finish(ctx, k, k.Edit)
		return err == nil, false, err
	case "x":
		err := a.finish(ctx, k, k.tool)
		return err == nil, false, err
	case "w":
		err := a.finish(ctx, k, func(ctx context.Context) error { return k.Resolve(ctx, "working") })
		return err == nil, false, err
	case "r":
		if len(k.why.Needs) == 0 {
			a.say(ctx, "no earlier changeset would help here")
			return false, false, nil
		}
		err := a.takeToo(ctx, k)
		return err == nil, false, err
	case "R":
		text, ok := a.m.Into.svn.recallResolution(k)
		if !ok {
			a.say(ctx, "this conflict was not resolved before")
			return false, false, nil
		}
		err := a.finishFile(ctx, k, text)
		return err == nil, false, err
	case "s":
		a.later[k.id()] = true
		return true, false, nil
	case "q":
		return true, true, nil
	case "A":
		stop, err := a.abandon(ctx)
		return stop, stop, err
	}
	if key != "?" {
		a.say(ctx, "'"+oneLine(key)+"' is no key; these are:")
	}
	a.say(ctx, keys)
	return false, false, nil
}

// write ends a file whose clashes are all settled.
func (a *assistant) write(ctx context.Context, k *Conflict, s *sheet) (bool, error) {
	return a.survive(ctx, false, a.finishFile(ctx, k, s.text()))
}

// finishFile resolves a file with a text, lints it, and remembers.
func (a *assistant) finishFile(ctx context.Context, k *Conflict, text []byte) error {
	return a.finish(ctx, k, func(ctx context.Context) error { return k.ResolveWith(ctx, text) })
}

// finish ends a conflict by what resolves it, lints its file, and remembers the
// text for the next time.
func (a *assistant) finish(ctx context.Context, k *Conflict, resolve func(context.Context) error) error {
	key, name := k.fingerprint(), filepath.Join(a.m.Into.Path, k.Path)
	if err := resolve(ctx); err != nil {
		return err
	}
	if k.settled != nil {
		return nil // the whole of both sides is resolved later
	}
	if still, err := k.still(ctx); err != nil || still {
		return err
	}
	fi, err := os.Lstat(name)
	if err != nil || !fi.Mode().IsRegular() {
		return a.resolved(ctx, k.Path)
	}
	if text, err := readSome(name); err == nil && k.Kind == textConflict && !k.Binary {
		a.m.Into.svn.metadata.keep("resolutions", key, text)
	}
	return a.resolved(ctx, k.Path, k.Path)
}

// resolved tells that a path is resolved, and what lint says of its files.
func (a *assistant) resolved(ctx context.Context, path string, files ...string) error {
	a.say(ctx, path+" is resolved")
	if len(files) == 0 {
		return nil
	}
	for _, check := range a.m.lint {
		if err := check(ctx, someFiles{a.m.Into.Path, files}); err != nil {
			if nodes.KindOf(err) != nodes.Lint {
				return err
			}
			a.say(ctx, "lint: "+err.Error()+"\nthe file is resolved, but cannot be committed like this: edit it in the checkout")
		}
	}
	return nil
}

// someFiles is a folder of which some files matter.
type someFiles struct {
	root  string
	paths []string
}

func (f someFiles) Root() string { return f.root }

func (f someFiles) Touched(context.Context) ([]string, error) { return f.paths, nil }

// recallResolution gives how the same three texts were resolved before.
func (s *Svn) recallResolution(k *Conflict) ([]byte, bool) {
	var text []byte
	ok := s.metadata.recall("resolutions", k.fingerprint(), &text)
	return text, ok
}

// sideBySide shows both sides of a clash next to each other, long lines in several
// rows.
func sideBySide(c *clash, columns int) string {
	half := max(10, (columns-3)/2)
	var b strings.Builder
	row := func(l, r string) {
		b.WriteString(strings.TrimRight(pad(l, half)+" | "+pad(r, half), " ") + "\n")
	}
	row("mine", "theirs")
	for i := range max(len(c.Mine), len(c.Theirs)) {
		l, r := rows(c.Mine, i, half), rows(c.Theirs, i, half)
		for n := range max(len(l), len(r)) {
			row(at0(l, n), at0(r, n))
		}
	}
	return strings.TrimRight(b.String(), "\n")
}

// rows breaks one of the lines where a number of columns ends; none where there is
// no such line.
func rows(lines []string, i, columns int) []string {
	if i >= len(lines) {
		return nil
	}
	return strings.Split(runewidth.Wrap(strings.TrimRight(printable(lines[i]), "\n"), columns), "\n")
}

// at0 is an item of a list; empty behind its end.
func at0(list []string, i int) string {
	if i < len(list) {
		return list[i]
	}
	return ""
}
