package svn

import (
	"context"

	"github.com/rollsh/rollsh/lua"
	"github.com/rollsh/rollsh/nodes"
)

type mergeArgs struct {
	From string    `lua:"from" doc:"the source, a URL or '^/trunk'; may be left out while a merge is under way"`
	Into *Checkout `lua:"into,required" doc:"the checkout that is merged into"`
}

func mergeFunc(v *Svn) lua.Func {
	return lua.Func{
		Name: "merge", Doc: "Opens merging from one line of development into a checkout of another; one under way there is found again.",
		Example: `local m = svn.merge{from = "^/trunk", into = co}`, Returns: "Merge",
		Do: lua.Go(func(ctx context.Context, a mergeArgs) (*Merge, error) { return v.Merge(ctx, a.From, a.Into) }),
	}
}

type availableArgs struct {
	Author string `lua:"author" doc:"only of this author"`
	Ticket string `lua:"ticket" doc:"only where the message names this ticket"`
	Path   string `lua:"path" doc:"only where this is part of a path that it touched"`
	Grep   string `lua:"grep" doc:"only where the message matches this regular expression"`
	Since  string `lua:"since" doc:"not older than this date, such as 2026-11-01"`
	Before string `lua:"before" doc:"older than this date"`
	All    bool   `lua:"all" doc:"merges from the target itself and mere bookkeeping too"`
}

type pickArgs struct {
	Revs Revisions `lua:"revs,pos,required" type:"number|string|table|Changesets" doc:"such as '120-123,130', or 'all'"`
}

type blockArgs struct {
	Revs   Revisions `lua:"revs,pos,required" type:"number|string|table|Changesets" doc:"such as '120-123,130'"`
	Reason string    `lua:"reason,pos,required" doc:"why they are not to be merged"`
}

type takeArgs struct {
	Revs       Revisions `lua:"revs,pos,required" type:"number|string|table|Changesets" doc:"such as '120-123,130', or 'all'"`
	RecordOnly bool      `lua:"record_only" doc:"only note them as merged"`
	Resolve    bool      `lua:"resolve" doc:"resolve conflicts with the assistant"`
	Alone      bool      `lua:"alone" doc:"refuse where others are taken already and not committed: they would be committed too"`
}

func (a takeArgs) take(ctx context.Context, m *Merge) (Taken, error) {
	if a.Alone {
		return m.TakeAlone(ctx, a.Revs, a.RecordOnly)
	}
	return m.Take(ctx, a.Revs, a.RecordOnly)
}

type mergeCommitArgs struct {
	Message string `lua:"message" doc:"the log message; m:message()"`
	Lint    bool   `lua:"lint" default:"true" doc:"check the files before"`
}

type assistArgs struct {
	Policy map[string]string `lua:"policy" doc:"globs of paths, and how their conflicts are resolved"`
	Ask    bool              `lua:"ask" default:"true" doc:"ask the person about the rest"`
}

// takenTable is what take and rollback give.
type takenTable struct {
	Files     []string    `lua:"files"`
	Conflicts []*Conflict `lua:"conflicts"`
}

func (t Taken) table() takenTable { return takenTable{Files: t.Files, Conflicts: t.Conflicts} }

func mergeClass() lua.Class {
	return lua.Class{
		Name: "Merge", Doc: "Merging from one line of development into a checkout of another.", Of: (*Merge)(nil),
		String: lua.StringOf(func(m *Merge) string { return "merge from " + m.path + " into " + m.Into.Path }),
		Fields: []lua.Field{
			lua.FieldOf("from", "string", "the URL of the source", func(m *Merge) any { return m.From }),
			lua.FieldOf("into", "Checkout", "the checkout", func(m *Merge) any { return m.Into }),
		},
		Funcs: append(append(mergeLists(), mergeChanges()...), mergeEnds()...),
	}
}

func mergeLists() []lua.Func {
	return []lua.Func{
		{
			Name: "state", Doc: "Tells what is under way in the checkout: who, host, picks, step, since; nil for nothing.",
			Example: `local s = m:state() if s then print(s.who, s.picks) end`, Returns: "table?",
			Do: lua.Method(func(ctx context.Context, m *Merge, _ lua.None) (*State, error) { return m.State(ctx) }),
		},
		{
			Name: "available", Doc: "Lists what can be taken: not merged, not blocked, no merges from the target itself, no mere bookkeeping.",
			Example: `m:available{author = "alice"}:print()`, Returns: "Changesets",
			Do: lua.Method(func(ctx context.Context, m *Merge, a availableArgs) (nodes.Changesets, error) {
				l, err := m.Available(ctx, Filter(a))
				return l.Changesets, err
			}),
		},
		{
			Name: "integrated", Doc: "Lists what is merged.", Example: `m:integrated():print()`, Returns: "Changesets",
			Do: lua.Method(func(ctx context.Context, m *Merge, _ lua.None) (nodes.Changesets, error) { return m.Integrated(ctx) }),
		},
		{
			Name: "blocked", Doc: "Lists what is not to be merged, with who said so, when and why as note.", Example: `m:blocked():print()`, Returns: "Changesets",
			Do: lua.Method(func(ctx context.Context, m *Merge, _ lua.None) (nodes.Changesets, error) { return m.Blocked(ctx) }),
		},
		{
			Name: "preview", Doc: "Tells, without touching a working copy, whether a take would conflict, where, and which earlier changesets it needs: the fewest with which less is in conflict. related are all earlier ones on the same files.",
			Example: `local p = m:preview "120-123" if not p.clean then p.needs:print() end`, Returns: "table",
			Do: lua.Method(func(ctx context.Context, m *Merge, a pickArgs) (Preview, error) { return m.Preview(ctx, a.Revs) }),
		},
		{
			Name: "conflicts", Doc: "Lists the conflicts that are left.", Example: `for _, c in ipairs(m:conflicts()) do print(c.path, c.kind, c.why) end`, Returns: "Conflict[]",
			Do: lua.Method(func(ctx context.Context, m *Merge, _ lua.None) ([]*Conflict, error) { return m.Conflicts(ctx) }),
		},
		{
			Name: "message", Doc: "Composes the log message of what is under way.", Example: `print(m:message())`, Returns: "string",
			Do: lua.Method(func(ctx context.Context, m *Merge, _ lua.None) (string, error) { return m.Message(ctx) }),
		},
	}
}

func mergeChanges() []lua.Func {
	return []lua.Func{
		{
			Name: "block", Doc: "Notes, in the checkout, that revisions are not to be merged, with a reason. m:commit commits it.",
			Example: `m:block("125", "waits for the new prices")`, Returns: "Changesets", Mutates: true,
			Do: lua.Method(func(ctx context.Context, m *Merge, a blockArgs) (nodes.Changesets, error) {
				return m.Block(ctx, a.Revs, a.Reason)
			}),
		},
		{
			Name: "unblock", Doc: "Takes blocks back, in the checkout.", Example: `m:unblock "125"`, Returns: "Changesets", Mutates: true,
			Do: lua.Method(func(ctx context.Context, m *Merge, a pickArgs) (nodes.Changesets, error) {
				return m.Unblock(ctx, a.Revs)
			}),
		},
		{
			Name: "take", Doc: "Merges revisions into the checkout and commits nothing. Conflicts are in the result; after they are resolved the same call goes on.",
			Example: `local t = m:take("120-123,130") print(#t.files, #t.conflicts)`, Returns: "table", Mutates: true,
			Do: lua.Method(func(ctx context.Context, m *Merge, a takeArgs) (takenTable, error) {
				t, err := a.take(ctx, m)
				for err == nil && a.Resolve && len(t.Conflicts) > 0 {
					var left []Remaining
					if left, err = m.Assist(ctx, nil, true); err != nil {
						break
					}
					if s, stateErr := m.State(ctx); stateErr == nil && s == nil { // abandoned
						return takenTable{}, nil
					}
					t, err = a.take(ctx, m)
					if len(left) > 0 {
						break
					}
				}
				return t.table(), err
			}),
		},
		{
			Name: "rollback", Doc: "Undoes, in the checkout, revisions that are merged, or all that a commit of the target merged.",
			Example: `m:rollback(130)`, Returns: "table", Mutates: true,
			Do: lua.Method(func(ctx context.Context, m *Merge, a pickArgs) (takenTable, error) {
				t, err := m.Rollback(ctx, a.Revs)
				return t.table(), err
			}),
		},
		{
			Name: "resolve", Doc: "Resolves conflicts, first by a policy for globs of paths, then with the person at the terminal; gives what is left.",
			Example: `local left = m:resolve{policy = {["*.lock"] = "theirs"}, ask = false}`, Returns: "table[]", Mutates: true,
			Do: lua.Method(func(ctx context.Context, m *Merge, a assistArgs) ([]Remaining, error) {
				return m.Assist(ctx, a.Policy, a.Ask)
			}),
		},
	}
}

func mergeEnds() []lua.Func {
	return []lua.Func{
		{
			Name: "commit", Doc: "Commits what is under way, after its files passed lint, and tells the revision. Fails with kind conflict while one is left.",
			Example: `m:commit{message = m:message()}`, Returns: "integer", Mutates: true,
			Do: lua.Method(func(ctx context.Context, m *Merge, a mergeCommitArgs) (int, error) {
				return m.Commit(ctx, a.Message, a.Lint)
			}),
		},
		{
			Name: "abandon", Doc: "Takes the whole merge back; the checkout is as it was before.", Example: `m:abandon()`, Returns: "nil", Mutates: true,
			Do: lua.Method(func(ctx context.Context, m *Merge, _ lua.None) (lua.None, error) { return lua.None{}, m.Abandon(ctx) }),
		},
	}
}

type choiceArgs struct {
	Choice string `lua:"choice,pos,required" enum:"mine|theirs|base|working|mine-conflict|theirs-conflict|union|merge|recommended" doc:"which side"`
}

func conflictClass() lua.Class {
	side := func(name, doc string, i int) lua.Field {
		return lua.FieldOf(name, "string?", doc, func(k *Conflict) any {
			if text, ok := k.Side(i); ok {
				return text
			}
			return nil
		})
	}
	return lua.Class{
		Name: "Conflict", Doc: "A conflict that a merge left in a checkout.", Of: (*Conflict)(nil),
		String: lua.StringOf(func(k *Conflict) string { return k.Path + " (" + k.Kind + ")" }),
		Fields: []lua.Field{
			lua.FieldOf("path", "string", "relative to the checkout", func(k *Conflict) any { return k.Path }),
			lua.FieldOf("kind", "string", "text, property or tree", func(k *Conflict) any { return k.Kind }),
			side("base", "the text that both sides come from", 0), side("mine", "the text of the checkout's line", 1), side("theirs", "the text that is merged", 2),
			lua.FieldOf("authors", "{mine: string[], theirs: string[]}", "mine and theirs: who changed it", func(k *Conflict) any { return k.Authors() }),
			lua.FieldOf("why", "string", "what is in conflict, who changed it, what is missing", func(k *Conflict) any { return k.Sentence() }),
			lua.FieldOf("needs", "Changesets", "the fewest earlier ones, not merged yet, without which it conflicts", func(k *Conflict) any { return k.why.Needs }),
			lua.FieldOf("choices", "string[]", "what resolve takes here", func(k *Conflict) any { return k.Possible() }),
		},
		Funcs: []lua.Func{
			{
				Name: "resolve", Doc: "Ends the conflict by a choice; svn resolves a path as a whole.", Example: `c:resolve "theirs"`, Returns: "nil", Mutates: true,
				Do: lua.Method(func(ctx context.Context, k *Conflict, a choiceArgs) (lua.None, error) {
					return lua.None{}, k.Resolve(ctx, a.Choice)
				}),
			},
			{
				Name: "edit", Doc: "Opens the file in $EDITOR, or the values of properties, and ends the conflict when no marker is left in it.", Example: `c:edit()`, Returns: "nil", Mutates: true,
				Do: lua.Method(func(ctx context.Context, k *Conflict, _ lua.None) (lua.None, error) { return lua.None{}, k.Edit(ctx) }),
			},
		},
	}
}
