package svn

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

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
	a.offers(ctx, k)
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
		a.say(ctx, wrap("r takes "+k.why.Needs.Revs()+" too, which came before on the same file", a.columns(), ""))
	}
	if text, ok := a.m.Into.svn.recallResolution(k); ok {
		mine, _ := k.Side(1)
		a.say(ctx, "R resolves it as before:\n"+summarize(plainText(mine), plainText(string(text)), "before", a.columns()))
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
		err := k.Edit(ctx)
		return err == nil, false, err
	case "x":
		err := k.tool(ctx)
		return err == nil, false, err
	case "w":
		err := k.Resolve(ctx, "working")
		return err == nil, false, err
	case "r":
		if len(k.why.Needs) == 0 {
			a.say(ctx, "nothing is missing on this file")
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
	a.say(ctx, keys)
	return false, false, nil
}

// write ends a file whose clashes are all settled.
func (a *assistant) write(ctx context.Context, k *Conflict, s *sheet) (bool, error) {
	return a.survive(ctx, false, a.finishFile(ctx, k, s.text()))
}

// finishFile resolves a file with a text, lints it, and remembers.
func (a *assistant) finishFile(ctx context.Context, k *Conflict, text []byte) error {
	key := k.fingerprint()
	if err := k.ResolveWith(ctx, text); err != nil {
		return err
	}
	a.m.Into.svn.metadata.keep("resolutions", key, text)
	a.say(ctx, k.Path+" is resolved")
	for _, check := range a.m.lint {
		if err := check(ctx, oneFile{a.m.Into.Path, k.Path}); err != nil {
			if nodes.KindOf(err) != nodes.Lint {
				return err
			}
			a.say(ctx, "lint: "+err.Error()+"\nthe file is resolved, but cannot be committed like this: edit it in the checkout")
		}
	}
	return nil
}

// oneFile is a folder of which one file matters.
type oneFile struct{ root, path string }

func (f oneFile) Root() string { return f.root }

func (f oneFile) Touched(context.Context) ([]string, error) { return []string{f.path}, nil }

// recallResolution gives how the same three texts were resolved before.
func (s *Svn) recallResolution(k *Conflict) ([]byte, bool) {
	var text []byte
	ok := s.metadata.recall("resolutions", k.fingerprint(), &text)
	return text, ok
}

// Edit opens the file in $VISUAL or $EDITOR on the person's terminal, and ends
// the conflict when no marker is left in it.
func (k *Conflict) Edit(ctx context.Context) error {
	if k.Kind != textConflict || k.Binary || k.Symlink {
		return &nodes.Error{Kind: nodes.Usage, Message: k.Path + " has no text conflict to edit"}
	}
	if err := k.merge.edit(ctx, filepath.Join(k.merge.Into.Path, k.Path)); err != nil {
		return err
	}
	return k.Resolve(ctx, "working")
}

// edit runs the person's editor. What they set may hold options, so a shell
// splits it, as other programs do; the file is an argument of its own.
func (m *Merge) edit(ctx context.Context, file string) error {
	editor := firstNonEmpty(os.Getenv("VISUAL"), firstNonEmpty(os.Getenv("EDITOR"), "vi"))
	return nodes.Hand(ctx, m.Into.svn.session.Person, []string{"sh", "-c", editor + ` "$1"`, "editor", file}, m.Into.Path, nil)
}

// tool runs the merge tool of $ROLLSH_MERGE_TOOL, which finds the three sides
// and the result in $BASE, $LOCAL, $REMOTE and $MERGED, as with git mergetool.
func (k *Conflict) tool(ctx context.Context) error {
	tool := os.Getenv("ROLLSH_MERGE_TOOL")
	if tool == "" {
		return &nodes.Error{Kind: nodes.Usage, Message: "no merge tool is set", Hint: `ROLLSH_MERGE_TOOL='meld "$LOCAL" "$MERGED" "$REMOTE"'`}
	}
	env := map[string]string{"BASE": k.files[0], "LOCAL": k.files[1], "REMOTE": k.files[2], "MERGED": filepath.Join(k.merge.Into.Path, k.Path)}
	if err := nodes.Hand(ctx, k.merge.Into.svn.session.Person, []string{"sh", "-c", tool}, k.merge.Into.Path, env); err != nil {
		return err
	}
	return k.Resolve(ctx, "working")
}

// editLines lets the person edit the lines of one clash, both sides after each
// other, in a file named like the original.
func (a *assistant) editLines(ctx context.Context, k *Conflict, s *sheet, at int) error {
	c := s.clash(at)
	text, err := a.m.editText(ctx, filepath.Base(k.Path), strings.Join(slices.Concat(c.Mine, c.Theirs), ""))
	if err == nil {
		s.choose(at, splitLines(text))
	}
	return err
}

// sideBySide shows both sides of a clash next to each other.
func sideBySide(c *clash, columns int) string {
	half := max(10, (columns-3)/2)
	var b strings.Builder
	row := func(l, r string) {
		b.WriteString(strings.TrimRight(pad(l, half)+" | "+pad(r, half), " ") + "\n")
	}
	row("mine", "theirs")
	for i := range max(len(c.Mine), len(c.Theirs)) {
		var l, r string
		if i < len(c.Mine) {
			l = c.Mine[i]
		}
		if i < len(c.Theirs) {
			r = c.Theirs[i]
		}
		row(l, r)
	}
	return strings.TrimRight(b.String(), "\n")
}
