package svn

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/rollsh/rollsh/nodes"
)

// Choices are the ways to resolve a conflict; which of them a conflict has
// depends on its kind.
var Choices = []string{"mine", "theirs", "base", "working", "mine-conflict", "theirs-conflict", "union", "merge", "recommended"}

// accepts are svn's words for the choices.
var accepts = map[string]string{
	"mine": "mine-full", "theirs": "theirs-full", "base": "base", "working": "working",
	"mine-conflict": "mine-conflict", "theirs-conflict": "theirs-conflict", "union": "working", "merge": "working", "recommended": "recommended",
}

// Resolve ends the conflict: "mine" keeps what the checkout's line has, "theirs"
// takes what is merged, "base" what both came from, "working" what the checkout
// has now, and is refused while conflict markers are in it, "union" the lines of
// both in properties such as svn:ignore, "merge" both of what both sides added or
// moved, where their lines do not clash. svn resolves a path as a whole: other conflicts of the
// same path end with it.
func (k *Conflict) Resolve(ctx context.Context, choice string) error {
	return k.resolve(ctx, choice, nil)
}

// ResolveWith ends the conflict of a file, its own lines or a file that both sides
// added, with a text.
func (k *Conflict) ResolveWith(ctx context.Context, text []byte) error {
	if k.jointKind() == "file" {
		return k.joinWith(ctx, func(pair *Conflict) error { return pair.ResolveWith(ctx, text) })
	}
	if k.Kind != textConflict {
		return &nodes.Error{Kind: nodes.Usage, Message: k.Path + " has no text conflict"}
	}
	return k.resolve(ctx, "working", text)
}

func (k *Conflict) resolve(ctx context.Context, choice string, text []byte) error {
	if k.settled != nil {
		return k.settleAside(choice, text)
	}
	return k.change(ctx, choice, func(w *work) error { return w.settle(ctx, k, choice, text) })
}

// settleAside gives a text to who asked for it.
func (k *Conflict) settleAside(choice string, text []byte) error {
	if choice == "working" {
		choice = "mine" // the checkout has no other text of it
	}
	i := slices.Index([]string{"base", "mine", "theirs"}, choice)
	if none := i == 0 && *k.sides[0] == "" && (k.Binary || k.Symlink); text == nil && i >= 0 && !none {
		return k.settled([]byte(*k.sides[i]))
	}
	if text == nil {
		return k.inapplicable(choice) // neither a side nor lines
	}
	if err := k.checkMarkers(text); err != nil {
		return err
	}
	return k.settled(text)
}

// change resolves the conflict under the checkout's lock, and notes by which
// choice.
func (k *Conflict) change(ctx context.Context, choice string, fn func(*work) error) error {
	return k.merge.change(ctx, "resolve", func(w *work) error {
		if done, err := w.already(ctx, k, choice); done || err != nil {
			return err
		}
		if err := fn(w); err != nil {
			return err
		}
		if w.j == nil {
			return nil
		}
		for i, s := range w.j.Open {
			if s.Path == k.Path {
				w.j.Open[i].Choice = choice
				if choice == "working" {
					w.j.Open[i].Choice = ""
				}
			}
		}
		if k.Kind == treeConflict && choice != "mine" && choice != "working" {
			if err := w.noteOpened(ctx); err != nil {
				return err
			}
		}
		return w.m.Into.writeJournal(w.j)
	})
}

// already reports whether a path was resolved by this choice: svn ends all conflicts
// of a path at once. One that was resolved otherwise is refused, as nothing would
// change.
func (w *work) already(ctx context.Context, k *Conflict, choice string) (bool, error) {
	still, err := k.still(ctx)
	if err != nil || still {
		return false, err
	}
	e := &nodes.Error{Kind: nodes.Refused, Message: k.Path + " is not in conflict any more", Hint: "m:conflicts() lists what is left"}
	if w.j == nil {
		return false, e
	}
	i := slices.IndexFunc(w.j.Open, func(s solution) bool { return s.Path == k.Path })
	switch {
	case i < 0:
		return false, e
	case w.j.Open[i].Choice == choice, w.j.Open[i].Choice == "" && choice == "working":
		return true, nil
	case w.j.Open[i].Choice != "":
		e.Message = k.Path + " is resolved already: " + w.j.Open[i].Choice
	}
	return false, e
}

// settle runs the actions of a choice and makes sure that the conflict is gone.
func (w *work) settle(ctx context.Context, k *Conflict, choice string, text []byte) error {
	plan, err := k.plan(choice, text)
	if errors.Is(err, errInapplicable) {
		return k.inapplicable(choice)
	}
	if err != nil {
		return err
	}
	if err := w.sparing(ctx, plan); err != nil {
		return err
	}
	switch choice {
	case "union":
		return w.unite(ctx, k)
	case "merge", "theirs":
		if choice == "theirs" && k.bothMoved() == "" {
			break
		}
		if k.bothMoved() == "folder" || k.alike() {
			return w.moveFolder(ctx, k, plan)
		}
		if k.movedAlike() {
			break
		}
		j, err := k.joint(ctx, choice)
		if err != nil {
			return err
		}
		return w.unify(ctx, j)
	}
	for _, a := range plan {
		gone, err := w.attempt(ctx, k, a)
		if err != nil || gone {
			return err
		}
	}
	still, err := k.still(ctx)
	if err != nil {
		return err
	}
	if still && choice != "recommended" {
		return &nodes.Error{Kind: nodes.Conflict, Message: "the conflict of " + k.Path + " is still there after " + choice}
	}
	return nil
}

// plan lists the actions of a choice, by the kind of conflict.
func (k *Conflict) plan(choice string, text []byte) ([]action, error) {
	accept, ok := accepts[choice]
	if !ok {
		return nil, &nodes.Error{Kind: nodes.Usage, Message: "'" + oneLine(choice) + "' is no way to resolve a conflict", Hint: strings.Join(Choices, ", ")}
	}
	if k.Kind == treeConflict {
		return k.planTree(choice)
	}
	if choice == "union" {
		return k.planUnion()
	}
	refused := choice == "recommended" || choice == "merge" || k.Binary && strings.HasSuffix(choice, "-conflict") || k.Symlink && strings.HasSuffix(choice, "-conflict")
	if refused {
		return nil, errInapplicable
	}
	if k.Symlink {
		return k.planSymlink(choice)
	}
	var out []action
	if text != nil {
		out = append(out, action{path: k.Path, write: text})
	}
	if k.Kind == textConflict && choice == "working" {
		if err := k.checkMarkers(text); err != nil {
			return nil, err
		}
	}
	return append(out, resolveAction(accept, k.Path)), nil
}

func resolveAction(accept, path string) action {
	return action{args: []string{"resolve", "--accept", accept, local(path)}}
}

// errInapplicable says that a conflict has no such choice.
var errInapplicable = errors.New("no such choice here")

func (k *Conflict) inapplicable(choice string) error {
	return &nodes.Error{
		Kind: nodes.Usage, Message: fmt.Sprintf("'%s' does not resolve the %s conflict of %s", choice, k.Kind, k.Path),
		Hint: "choose of " + strings.Join(k.Possible(), ", "),
	}
}

// Possible lists the choices that the conflict has.
func (k *Conflict) Possible() []string {
	var out []string
	for _, choice := range Choices {
		if _, err := k.plan(choice, nil); !errors.Is(err, errInapplicable) {
			out = append(out, choice)
		}
	}
	return out
}

// planSymlink makes the link anew after the resolve: svn would leave a plain
// file, or follow the link and write what it points to.
func (k *Conflict) planSymlink(choice string) ([]action, error) {
	name := filepath.Join(k.merge.Into.Path, k.Path)
	if i := slices.Index([]string{"base", "mine", "theirs"}, choice); i >= 0 {
		name = k.files[i]
	} else if !isSymlink(name) {
		return nil, &nodes.Error{Kind: nodes.Conflict, Message: k.Path + " is not a symlink now, but a file with what is in conflict", Hint: "choose mine or theirs, or make it a symlink"}
	}
	target, err := linkTarget(name)
	if err != nil {
		return nil, err
	}
	return []action{resolveAction("working", k.Path), {path: k.Path, link: target}}, nil
}

// linkTarget reads where a side of a symlink points: svn leaves it as a link, or
// as a file that says "link TARGET".
func linkTarget(name string) (string, error) {
	if target, err := os.Readlink(name); err == nil {
		return target, nil
	}
	b, err := readSome(name)
	if err != nil {
		return "", diskError(err)
	}
	target, ok := strings.CutPrefix(string(b), "link ")
	if !ok {
		return "", &nodes.Error{Kind: nodes.Refused, Message: name + " is not a symlink any more", Hint: "resolve it by hand, then choose working"}
	}
	return target, nil
}

// marker is a line that svn puts around what is in conflict, and between its
// sides.
var marker = nodes.Pattern(`^(<{7}|>{7}|\|{7})( |$)|^={7}$`)

// marks reports whether a line of a text is a conflict marker: seven signs under
// a line of seven letters underline a heading.
func marks(line, above string) bool {
	return marker().MatchString(line) && (line[0] != '=' || utf8.RuneCountInString(above) != len(line))
}

// checkMarkers refuses a text, nil for the file as it is, with more conflict markers
// in it than the sides account for.
func (k *Conflict) checkMarkers(text []byte) error {
	if text == nil {
		b, err := readSome(filepath.Join(k.merge.Into.Path, k.Path))
		if err != nil {
			return diskError(err)
		}
		text = b
	}
	var sides [3]map[string]int
	for i := range sides {
		side, _ := k.Side(i)
		sides[i] = map[string]int{}
		for line := range strings.Lines(side) {
			sides[i][strings.TrimRight(line, "\r\n")]++
		}
	}
	seen := map[string]int{}
	l, above := "", ""
	for n, line := range bytes.Split(text, []byte("\n")) {
		if l, above = string(bytes.TrimRight(line, "\r")), l; !marks(l, above) {
			continue
		}
		seen[l]++
		base, mine, theirs := sides[0][l], sides[1][l], sides[2][l]
		if seen[l] > max(mine, theirs, mine+theirs-base) {
			return &nodes.Error{
				Kind: nodes.Conflict, Message: fmt.Sprintf("%s still holds conflict markers, in line %d: %s", k.Path, n+1, oneLine(l)),
				Hint: "edit the file, or choose mine or theirs",
			}
		}
	}
	return nil
}

// planTree lists the actions for a tree conflict: svn only marks it as resolved,
// so what theirs means is done by hand.
func (k *Conflict) planTree(choice string) ([]action, error) {
	done := resolveAction("working", k.Path)
	switch choice {
	case "mine", "working":
		return []action{done}, nil
	case "recommended":
		return []action{resolveAction("recommended", k.Path)}, nil
	case "theirs":
		if k.bothMoved() != "" {
			return k.planMoved(choice), nil
		}
		return k.planTheirs(done)
	case "merge":
		return k.planJoint()
	}
	return nil, errInapplicable
}

func (k *Conflict) planTheirs(done action) ([]action, error) {
	here := exists(filepath.Join(k.merge.Into.Path, k.Path))
	remove := removeAction(k.Path)
	fetch := action{args: []string{"copy", at(join("^", k.right.Path), k.right.Revision), local(k.Path)}}
	follow := resolveAction("recommended", k.Path) // ends it where one side moved the file
	follow.try = true
	var plan []action
	if k.why.Moved != "" || !k.why.known {
		plan = append(plan, follow)
	}
	switch {
	case k.tree.Action == "delete" && !here:
		return append(plan, done), nil
	case k.tree.Action == "delete":
		return append(plan, done, remove), nil
	case k.right.Path == "" || k.right.Kind == "none":
		return nil, errInapplicable
	case here:
		return []action{done, remove, fetch}, nil
	}
	return append(plan, done, fetch), nil
}

func exists(name string) bool {
	_, err := os.Lstat(name)
	return err == nil
}
