package svn

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/mattn/go-runewidth"

	"github.com/rollsh/rollsh/nodes"
)

// option is one line of a menu.
type option struct {
	text     string
	commands string // of svn
	do       func(context.Context) (stop bool, err error)
}

// menu offers the numbered choices of a conflict that has no lines to choose
// from, each with the commands behind it.
func (a *assistant) menu(ctx context.Context, k *Conflict) (bool, error) {
	var options []option
	if len(k.why.Needs) > 0 {
		options = append(options, option{text: "begin again and take " + k.why.Needs.Revs() + " too", do: func(ctx context.Context) (bool, error) { return false, a.takeToo(ctx, k) }})
	}
	for _, choice := range k.offered() {
		plan, _ := k.plan(choice, nil)
		do := func(ctx context.Context) (bool, error) {
			return false, a.finish(ctx, k, func(ctx context.Context) error { return k.Resolve(ctx, choice) })
		}
		if k.jointKind() != "" && (choice == "merge" || choice == "theirs" && k.bothMoved() != "") {
			do = func(ctx context.Context) (bool, error) { return a.join(ctx, k, choice) }
		}
		options = append(options, option{k.meaning(choice), commands(plan), do})
	}
	if k.Kind == propertyConflict {
		options = append(options, option{"edit it", "", func(ctx context.Context) (bool, error) { return false, a.finish(ctx, k, k.editProperties) }})
	}
	options = append(options,
		option{"keep it for later", "", func(context.Context) (bool, error) { a.later[k.id()] = true; return false, nil }},
		option{"abandon the whole merge", "", func(ctx context.Context) (bool, error) { return a.abandon(ctx) }})
	items := a.menuLines(ctx, options)
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

// join goes with the person through the files that both sides added, and puts both
// sides into the checkout when all are settled.
func (a *assistant) join(ctx context.Context, k *Conflict, choice string) (stop bool, err error) {
	j, err := k.joint(ctx, choice)
	if err != nil {
		return false, err
	}
	for _, pair := range j.pairs {
		if text, ok := pair.kept(); ok {
			j.texts[pair.Path] = text
			a.say(ctx, pair.Path+" becomes what was chosen before")
			continue
		}
		if stop, err = a.pair(ctx, pair); stop || err != nil {
			return stop, err
		}
		if _, ok := j.texts[pair.Path]; !ok {
			a.later[k.id()] = true
			return false, nil
		}
	}
	if err := k.change(ctx, choice, func(w *work) error { return w.unify(ctx, j) }); err != nil {
		return false, err
	}
	for _, pair := range j.pairs {
		a.m.Into.svn.metadata.keep("resolutions", pair.fingerprint(), j.texts[pair.Path])
	}
	return false, a.resolved(ctx, k.Path, slices.Sorted(maps.Keys(j.texts))...)
}

// pair settles one of them: by its lines, or, where it is binary, as a whole.
func (a *assistant) pair(ctx context.Context, k *Conflict) (stop bool, err error) {
	if s, ok := newSheet(k); ok {
		return a.text(ctx, k, s)
	}
	a.say(ctx, "both sides have their own "+k.Path+":\n  "+strings.Join(k.facts(), "\n  "))
	sides := []string{"mine", "theirs"}
	picked, err := a.person.Choose(ctx, "Which "+k.Path+"?", []string{"keep mine", "take theirs", "keep it all for later"}, false)
	if err != nil || len(picked) != 1 || picked[0] >= len(sides) {
		return err != nil, err
	}
	return false, k.Resolve(ctx, sides[picked[0]])
}

// offered are the choices that a person is asked about: not all that programs have.
func (k *Conflict) offered() []string {
	return slices.DeleteFunc(k.Possible(), func(choice string) bool {
		_, err := k.plan(choice, nil)
		switch choice {
		case "base", "mine-conflict", "theirs-conflict":
			return true
		case "working":
			return err != nil || k.Kind == treeConflict
		case "merge": // which is mine where both sides moved alike
			return err != nil || k.movedAlike()
		case "recommended":
			return k.why.Moved == "" || k.bothMoved() != ""
		case "theirs": // follows a move too
			return err != nil || k.why.Moved != "" && k.bothMoved() == ""
		}
		return err != nil
	})
}

// survive shows a failure that the person can do something about and goes on.
func (a *assistant) survive(ctx context.Context, stop bool, err error) (bool, error) {
	switch nodes.KindOf(err) {
	case nodes.Conflict, nodes.Usage, nodes.Exit, nodes.Lint, nodes.NotFound, nodes.Protocol:
		a.say(ctx, wrap(err.Error(), a.columns(), "  "))
		return stop, nil
	}
	return stop, err
}

// menuLines are the texts of a menu with the commands behind them; where these do
// not fit beside the texts, they are said before.
func (a *assistant) menuLines(ctx context.Context, options []option) []string {
	const numbered = 6 // columns for the number
	beside, before := make([]string, len(options)), make([]string, len(options))
	fits := true
	var said []string
	for i, o := range options {
		beside[i], before[i] = o.text, o.text
		if o.commands != "" {
			beside[i] += "  [" + o.commands + "]"
			said = append(said, wrap(fmt.Sprintf("%d runs %s", i+1, o.commands), a.columns(), "    "))
		}
		fits = fits && runewidth.StringWidth(beside[i])+numbered <= a.columns()
	}
	if fits {
		return beside
	}
	a.say(ctx, strings.Join(said, "\n"))
	return before
}

func commands(plan []action) string {
	var parts []string
	for _, p := range plan {
		parts = append(parts, p.String())
	}
	return strings.Join(parts, "; ")
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
		return w.restart(ctx, "the merge begins again with "+k.why.Needs.Revs()+" too, and puts in what was resolved")
	})
}

func (a *assistant) abandon(ctx context.Context) (bool, error) {
	ok, err := a.person.Confirm(ctx, "Take the whole merge back?")
	if err != nil || !ok {
		return false, err
	}
	return true, a.m.Abandon(ctx)
}
