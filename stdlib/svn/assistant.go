package svn

import (
	"context"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/rollsh/rollsh/nodes"
)

// Remaining is a conflict that is left, as plain data for programs.
type Remaining struct {
	Path    string   `lua:"path"`
	Kind    string   `lua:"kind"`
	Why     string   `lua:"why"`
	Choices []string `lua:"choices"`
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
		if _, err := path.Match(glob, ""); err != nil {
			return nil, &nodes.Error{Kind: nodes.Usage, Message: "policy of '" + oneLine(glob) + "': that is no glob of paths", Cause: err}
		}
		if _, ok := accepts[choice]; !ok {
			return nil, &nodes.Error{Kind: nodes.Usage, Message: fmt.Sprintf("policy of '%s': '%s' is no way to resolve a conflict", oneLine(glob), oneLine(choice)), Hint: strings.Join(Choices, ", ")}
		}
	}
	a := &assistant{m: m, person: m.Into.svn.session.Person, later: map[string]bool{}, tried: map[string]bool{}, number: map[string]int{}}
	for {
		list, err := m.Conflicts(ctx)
		if err != nil {
			return nil, err
		}
		if some, err := a.byPolicy(ctx, policy, list); err != nil {
			return nil, err
		} else if some {
			continue
		}
		k := a.first(list)
		if k == nil {
			return remaining(list), nil
		}
		if !ask {
			a.later[k.id()] = true
			continue
		}
		if stop, err := a.handle(ctx, k, list); err != nil || stop {
			return a.left(ctx, interruptedAt(err))
		}
	}
}

// assistant goes through conflicts with a person.
type assistant struct {
	m      *Merge
	person nodes.Person
	later  map[string]bool // kept for later
	tried  map[string]bool // by policy
	number map[string]int  // in the order in which they came up
}

// byPolicy resolves what the policy covers, each path once; some is true when any
// was resolved, so that the list is another one.
func (a *assistant) byPolicy(ctx context.Context, policy Policy, list []*Conflict) (some bool, err error) {
	for _, k := range list {
		choice, ok := policy.choice(k.Path)
		if !ok || a.tried[k.Path] {
			continue
		}
		a.tried[k.Path] = true
		err := policy.resolve(ctx, k, choice)
		switch {
		case ctx.Err() != nil:
			return some, nodes.Stopped(ctx)
		case err == nil:
			a.say(ctx, fmt.Sprintf("%s: %s, by policy", k.Path, choice))
			some = true
		default:
			a.m.Into.svn.warn(ctx, fmt.Sprintf("%s: not %s, as the policy says: %v", k.Path, choice, err))
		}
	}
	return some, nil
}

// resolve ends a conflict by a choice; with merge, what the policy says of the files
// that both sides have is heard too.
func (p Policy) resolve(ctx context.Context, k *Conflict, choice string) error {
	if choice != "merge" || k.jointKind() == "" {
		return k.Resolve(ctx, choice)
	}
	return k.joinWith(ctx, func(pair *Conflict) error {
		choice, _ := p.choice(pair.Path)
		if pair.Path == k.Path || !slices.Contains([]string{"base", "mine", "theirs"}, choice) {
			return nil
		}
		return pair.Resolve(ctx, choice)
	})
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

// interruptedAt tells who interrupts the assistant that nothing is lost.
func interruptedAt(err error) error {
	if nodes.KindOf(err) != nodes.Cancelled {
		return err
	}
	e := *nodes.AsError(err, nodes.Cancelled)
	e.Hint = "what is resolved stays so: the same take goes on, abandon drops it"
	return &e
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
		return nil, &nodes.Error{
			Kind: nodes.Conflict, Message: count(len(list), "conflict") + " left and nobody to ask: " + shorten(names),
			Hint: "give a policy, use conflict:resolve(), or run m:resolve() at a terminal", Cause: err,
		}
	}
	return remaining(list), err
}

// handle resolves one conflict; stop is true when the person wants to end.
func (a *assistant) handle(ctx context.Context, k *Conflict, list []*Conflict) (stop bool, err error) {
	a.say(ctx, a.heading(ctx, k, list))
	if k.Kind == textConflict {
		if s, ok := newSheet(k); ok && len(s.clashes) > 0 {
			return a.text(ctx, k, s)
		}
	}
	return a.menu(ctx, k)
}

func (a *assistant) say(ctx context.Context, text string) { a.m.Into.svn.say(ctx, text) }

// count numbers the conflicts as they come up, and tells how many there are with
// those that are resolved.
func (a *assistant) count(k *Conflict, list []*Conflict) (n, all int) {
	if a.number[k.id()] == 0 {
		a.number[k.id()] = len(a.number) + 1
	}
	all = len(a.number)
	for _, o := range list {
		if a.number[o.id()] == 0 {
			all++
		}
	}
	return a.number[k.id()], all
}

// heading says what is in conflict and who changed it why, on both sides.
func (a *assistant) heading(ctx context.Context, k *Conflict, list []*Conflict) string {
	var b strings.Builder
	n, all := a.count(k, list)
	fmt.Fprintf(&b, "conflict %d of %d: %s", n, all, k.what())
	for _, c := range k.why.Theirs {
		b.WriteString("\n  theirs  " + story(c))
	}
	for _, c := range k.why.Mine {
		b.WriteString("\n  mine    " + story(c))
	}
	for _, c := range k.why.Needs {
		b.WriteString("\n  missing " + story(c))
	}
	for _, f := range k.facts() {
		b.WriteString("\n  " + f)
	}
	return wrap(b.String(), a.columns(), "          ") + a.values(ctx, k)
}

// values draws the properties in conflict; while the repository cannot be asked,
// what svn wrote of them.
func (a *assistant) values(ctx context.Context, k *Conflict) string {
	if k.Kind != propertyConflict {
		return ""
	}
	list, err := k.properties(ctx)
	out := ""
	for _, p := range list {
		out += "\n" + p.show(a.columns())
	}
	if text, readErr := readSome(k.reject); (err != nil || len(list) == 0) && readErr == nil {
		out = "\n" + printable(strings.TrimSpace(string(text)))
	}
	return out
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
