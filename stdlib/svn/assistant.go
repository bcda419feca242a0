package svn

import (
	"context"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/rollsh/rollsh/nodes"
)

// Remaining is a conflict that is left, as plain data for programs.
type Remaining struct {
	Path    string   `lua:"path" json:"path"`
	Kind    string   `lua:"kind" json:"kind"`
	Why     string   `lua:"why" json:"why"`
	Choices []string `lua:"choices" json:"choices"`
}

// Policy says how conflicts of paths that match a glob are resolved; "*.lock"
// matches in every folder, a pattern with a slash the whole path.
type Policy map[string]string

func (p Policy) choice(name string) (string, bool) {
	globs := make([]string, 0, len(p))
	for g := range p {
		globs = append(globs, g)
	}
	slices.Sort(globs)
	for _, g := range globs {
		target := path.Base(name)
		if strings.Contains(g, "/") {
			target = name
		}
		if ok, err := path.Match(g, target); err == nil && ok {
			return p[g], true
		}
	}
	return "", false
}

// Assist resolves conflicts: first by the policy, then with the person, one
// after the other. It gives what is left: what the person kept for later, or,
// with ask false, what no policy covers.
func (m *Merge) Assist(ctx context.Context, policy Policy, ask bool) ([]Remaining, error) {
	for glob, choice := range policy {
		if _, ok := accepts[choice]; !ok {
			return nil, &nodes.Error{Kind: nodes.Usage, Message: fmt.Sprintf("policy of '%s': '%s' is no way to resolve a conflict", oneLine(glob), oneLine(choice)), Hint: strings.Join(Choices, ", ")}
		}
	}
	a := &assistant{m: m, person: m.Into.svn.session.Person, later: map[string]bool{}}
	for {
		list, err := m.Conflicts(ctx)
		if err != nil {
			return nil, err
		}
		k := a.first(list)
		if k == nil {
			return remaining(list), nil
		}
		if choice, ok := policy.choice(k.Path); ok && !a.tried[k.Path] {
			a.tried = with(a.tried, k.Path)
			if err := k.Resolve(ctx, choice); err == nil {
				m.Into.svn.say(ctx, fmt.Sprintf("%s: %s, by policy", k.Path, choice))
				continue
			}
		}
		if !ask {
			a.later[k.id()] = true
			continue
		}
		if stop, err := a.handle(ctx, k, list); err != nil || stop {
			return a.left(ctx, err)
		}
	}
}

func with(set map[string]bool, key string) map[string]bool {
	if set == nil {
		set = map[string]bool{}
	}
	set[key] = true
	return set
}

// assistant goes through conflicts with a person.
type assistant struct {
	m      *Merge
	person nodes.Person
	later  map[string]bool // kept for later
	tried  map[string]bool // by policy
}

func (k *Conflict) id() string { return k.Kind + "\x00" + k.Path }

func (a *assistant) first(list []*Conflict) *Conflict {
	for _, k := range list {
		if !a.later[k.id()] {
			return k
		}
	}
	return nil
}

func remaining(list []*Conflict) []Remaining {
	out := []Remaining{}
	for _, k := range list {
		out = append(out, Remaining{Path: k.Path, Kind: k.Kind, Why: k.Sentence(), Choices: k.Possible()})
	}
	return out
}

// left gives what is left after the person stopped. Where nobody could be asked,
// that is a conflict, not a refusal.
func (a *assistant) left(ctx context.Context, err error) ([]Remaining, error) {
	list, listErr := a.m.Conflicts(ctx)
	if listErr != nil {
		return nil, firstError(err, listErr)
	}
	if nodes.KindOf(err) == nodes.Refused && len(list) > 0 {
		var names []string
		for _, k := range list {
			names = append(names, k.Path+" ("+k.Kind+")")
		}
		return nil, &nodes.Error{Kind: nodes.Conflict, Message: count(len(list), "conflict") + " left and nobody to ask: " + shorten(names),
			Hint: "give a policy, use conflict:resolve(), or run m:resolve() at a terminal", Cause: err}
	}
	return remaining(list), err
}

// handle resolves one conflict; stop is true when the person wants to end.
func (a *assistant) handle(ctx context.Context, k *Conflict, list []*Conflict) (stop bool, err error) {
	a.say(ctx, a.heading(k, list))
	if k.Kind == textConflict {
		if s, ok := newSheet(k); ok && len(s.clashes) > 0 {
			return a.text(ctx, k, s)
		}
	}
	return a.menu(ctx, k)
}

func (a *assistant) say(ctx context.Context, text string) { a.m.Into.svn.say(ctx, text) }

// heading says what is in conflict and who changed it why, on both sides.
func (a *assistant) heading(k *Conflict, list []*Conflict) string {
	var b strings.Builder
	fmt.Fprintf(&b, "conflict %d of %d: %s", slices.Index(list, k)+1, len(list), k.what())
	for _, c := range k.why.Theirs {
		b.WriteString("\n  theirs  " + story(c))
	}
	for _, c := range k.why.Mine {
		b.WriteString("\n  mine    " + story(c))
	}
	for _, c := range k.why.Needs {
		b.WriteString("\n  missing " + story(c))
	}
	if k.reject != "" {
		if text, err := readSome(k.reject); err == nil {
			b.WriteString("\n" + printable(strings.TrimSpace(string(text))))
		}
	}
	return b.String()
}

// story is a changeset in one line.
func story(c nodes.Changeset) string {
	text := fmt.Sprintf("r%d %s %s: %s", c.Rev, oneLine(c.Author), c.Date.Local().Format("2006-01-02"), oneLine(c.Subject()))
	for _, t := range c.Tickets() {
		if !strings.Contains(text, "#"+t) {
			text += " #" + t
		}
	}
	return text
}

// option is one line of a menu.
type option struct {
	text string
	do   func(context.Context) (stop bool, err error)
}

// menu offers the numbered choices of a conflict that has no lines to choose
// from, each with the commands behind it.
func (a *assistant) menu(ctx context.Context, k *Conflict) (bool, error) {
	var options []option
	if len(k.why.Needs) > 0 {
		options = append(options, option{"begin again and take " + k.why.Needs.Revs() + " too", func(ctx context.Context) (bool, error) { return false, a.takeToo(ctx, k) }})
	}
	for _, choice := range k.Possible() {
		plan, err := k.plan(choice, nil)
		if choice == "base" || strings.HasSuffix(choice, "-conflict") || choice == "working" && k.Kind == treeConflict || err != nil && choice != "working" {
			continue
		}
		options = append(options, option{k.meaning(choice) + commands(plan), func(ctx context.Context) (bool, error) { return false, k.Resolve(ctx, choice) }})
	}
	options = append(options,
		option{"keep it for later", func(context.Context) (bool, error) { a.later[k.id()] = true; return false, nil }},
		option{"abandon the whole merge", func(ctx context.Context) (bool, error) { return a.abandon(ctx) }})
	items := make([]string, len(options))
	for i, o := range options {
		items[i] = o.text
	}
	picked, err := a.person.Choose(ctx, "What shall become of "+k.Path+"?", items, false)
	if err != nil {
		return true, err
	}
	if len(picked) != 1 || picked[0] < 0 || picked[0] >= len(options) {
		a.later[k.id()] = true
		return false, nil
	}
	stop, err := options[picked[0]].do(ctx)
	return a.survive(ctx, stop, err)
}

// survive shows a failure that the person can do something about and goes on.
func (a *assistant) survive(ctx context.Context, stop bool, err error) (bool, error) {
	switch nodes.KindOf(err) {
	case nodes.Conflict, nodes.Usage, nodes.Exit, nodes.Lint, nodes.NotFound, nodes.Protocol:
		a.say(ctx, err.Error())
		return stop, nil
	}
	return stop, err
}

func commands(plan []action) string {
	var parts []string
	for _, p := range plan {
		parts = append(parts, p.String())
	}
	if len(parts) == 0 {
		return ""
	}
	return "  [" + strings.Join(parts, "; ") + "]"
}

// meaning says in plain words what a choice does to this conflict.
func (k *Conflict) meaning(choice string) string {
	switch {
	case choice == "recommended":
		return "follow the move, as svn proposes"
	case k.Kind == treeConflict && choice == "mine":
		if exists(filepath.Join(k.merge.Into.Path, k.Path)) {
			return "keep what is here"
		}
		return "leave it away"
	case k.Kind == treeConflict && k.tree.Action == "delete":
		return "delete it here too"
	case k.Kind == treeConflict:
		return "take what is merged"
	case choice == "working":
		return "as it is in the checkout now"
	case choice == "mine":
		return "keep mine"
	}
	return "take " + choice
}

// takeToo begins the merge again with what is missing.
func (a *assistant) takeToo(ctx context.Context, k *Conflict) error {
	return a.m.change(ctx, "take", func(w *work) error {
		if w.j == nil || w.j.last() == nil || w.j.last().Kind != "merge" {
			return &nodes.Error{Kind: nodes.Usage, Message: "only a take of single revisions can be begun again with more"}
		}
		also, err := ParseRevisions(k.why.Needs.Revs())
		if err != nil {
			return err
		}
		o := w.j.last()
		had, err := ParseRevisions(o.Revs)
		if err != nil {
			return err
		}
		before, _ := ParseRevisions(o.Also)
		o.Revs, o.Also = had.set.union(also.set).String(), before.set.union(also.set).String()
		return w.restart(ctx)
	})
}

func (a *assistant) abandon(ctx context.Context) (bool, error) {
	ok, err := a.person.Confirm(ctx, "Take the whole merge back?")
	if err != nil || !ok {
		return false, err
	}
	return true, a.m.Abandon(ctx)
}

// keys is the help of the text screen.
const keys = `o mine   t theirs   b both, mine first   B both, theirs first   e edit these lines
O mine for the rest   T theirs for the rest   n next   p previous   u undo
E edit the whole file   x merge tool   v both files   w as it is in the checkout
r take the missing changesets too   R as resolved before
s keep this file for later   q stop here   A abandon the whole merge   ? this`

// text goes through the clashes of a file.
func (a *assistant) text(ctx context.Context, k *Conflict, s *sheet) (bool, error) {
	at := 0
	a.offers(ctx, k)
	for {
		if at = s.next(at); at < 0 {
			return a.write(ctx, k, s)
		}
		head := fmt.Sprintf("%s, %d of %d", k.Path, at+1, len(s.clashes))
		if h := s.hint(at); h != "" {
			head += " (" + h + ")"
		}
		a.say(ctx, head+"\n"+s.show(at, a.columns()))
		key, err := a.person.Ask(ctx, nodes.Question{Text: "o t b B e O T n p u E x v w r R s q A ?"})
		if err != nil {
			return true, err
		}
		next, done, stop, err := a.key(ctx, k, s, at, strings.TrimSpace(key))
		if stop, err = a.survive(ctx, stop, err); done || stop || err != nil {
			return stop, err
		}
		at = next
	}
}

func (a *assistant) columns() int {
	if n := nodes.Columns(a.person); n > 0 {
		return n
	}
	return 80
}

// offers tells what could save the work: missing changesets, and how the same
// conflict was resolved before.
func (a *assistant) offers(ctx context.Context, k *Conflict) {
	if len(k.why.Needs) > 0 {
		a.say(ctx, "r takes "+k.why.Needs.Revs()+" too, which came before on the same file")
	}
	if text, ok := a.m.Into.svn.recallResolution(k); ok {
		mine, _ := k.Side(1)
		a.say(ctx, "R resolves it as before:\n"+summarize(plainText(mine), plainText(string(text)), a.columns()))
	}
}

// summarize shows what a text changes in another.
func summarize(from, to []string, columns int) string {
	var b strings.Builder
	for _, h := range diffLines(from, to) {
		drawLines(&b, "mine", from[h.lo:h.hi], nil, columns)
		drawLines(&b, "before", h.lines, from[h.lo:h.hi], columns)
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

func (f oneFile) Root() string                              { return f.root }
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
	dir, remove, err := a.m.Into.svn.scratch("edit")
	if err != nil {
		return err
	}
	defer remove()
	name := filepath.Join(dir, filepath.Base(k.Path))
	c := s.clash(at)
	if err := os.WriteFile(name, []byte(strings.Join(slices.Concat(c.Mine, c.Theirs), "")), 0o600); err != nil {
		return diskError(err)
	}
	if err := a.m.edit(ctx, name); err != nil {
		return err
	}
	text, err := readSome(name)
	if err != nil {
		return diskError(err)
	}
	s.choose(at, splitLines(string(text)))
	return nil
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
