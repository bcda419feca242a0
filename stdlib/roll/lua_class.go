package roll

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/rollsh/rollsh/lua"
	"github.com/rollsh/rollsh/nodes"
)

// rollClass is a roll under way.
func rollClass() lua.Class {
	return lua.Class{
		Name: "Roll", Doc: "A roll under way, as roll.begin gives it.", Of: (*Roll)(nil),
		String: lua.StringOf(func(r *Roll) string { return "roll " + r.Entry().ID }),
		Fields: []lua.Field{
			lua.FieldOf("id", "string", "its name in the journal", func(r *Roll) any { return r.Entry().ID }),
			lua.FieldOf("name", "string", "what is rolled", func(r *Roll) any { return r.Entry().Name }),
			lua.FieldOf("from", "number|string|nil", "the oldest revision that a node has", func(r *Roll) any { return luaRevision(r.Entry().From) }),
			lua.FieldOf("to", "number|string|nil", "the revision that is rolled", func(r *Roll) any { return luaRevision(r.Entry().To) }),
			lua.FieldOf("walking", "boolean", "a plan that goes through every step, since it is asked to assume that one fails", func(r *Roll) any {
				return r.plan && r.journal.session.Recipe != nil && r.journal.session.Recipe.FailAt != ""
			}),
			lua.FieldOf("planning", "boolean", "nothing is written and nothing may be changed", func(r *Roll) any { return r.plan }),
			lua.FieldOf("mode", "string", "plan, pending, resume, back, or empty for a roll as such", func(r *Roll) any { return string(r.mode) }),
			lua.FieldOf("ended", "boolean", "finish was called", func(r *Roll) any { return r.over() }),
		},
		Funcs: slices.Concat(rollChecks(), rollFacts(), rollSteps()),
	}
}

type preflightArgs struct {
	Path nodes.RemotePath `lua:"path,pos,optional" doc:"the tree's folder, where the nodes file gives none"`
}

type atArgs struct {
	From nodes.Tree `lua:"from,pos" doc:"a Checkout, or a folder"`
	Rev  revision   `lua:"rev,pos,optional" type:"number|string" doc:"the revision; HEAD"`
}

type pinArgs struct {
	From       revision   `lua:"from" type:"number|string" doc:"what the nodes have"`
	To         revision   `lua:"to" type:"number|string" doc:"what is rolled"`
	Changesets changesets `lua:"changesets" type:"Changesets" doc:"what that brings"`
	Undo       string     `lua:"undo" doc:"the roll_id of what sync staged"`
	Plan       planned    `lua:"plan" type:"Plan|string" doc:"the plan, or its digest"`
}

type textArgs struct {
	Text string `lua:"text,pos" doc:"the text"`
}

type gateArgs struct {
	Gate gate      `lua:"gate,pos" type:"number|function|string" calls:"done: Set, left: Set" doc:"seconds, function(done, left), or 'ask'"`
	Done nodes.Set `lua:"done,pos" doc:"the nodes that are through"`
	Left nodes.Set `lua:"left,pos" doc:"those that are not"`
}

type outlineArgs struct {
	To     nodes.Set    `lua:"to,required" doc:"the nodes"`
	Drain  drain        `lua:"drain" type:"Backend|{drain: string|function?, undrain: string|function?}|false" doc:"as in roll"`
	Before hook         `lua:"before" type:"string|function|false" calls:"n: Node" doc:"as in roll"`
	After  hook         `lua:"after" type:"string|function|false" calls:"n: Node" doc:"as in roll"`
	Check  hook         `lua:"check" type:"string|function|false" calls:"n: Node" doc:"as in roll"`
	AtOnce nodes.AtOnce `lua:"at_once" type:"number|string|table" doc:"as in roll"`
}

type setArgs struct {
	Nodes nodes.Set `lua:"nodes,pos" doc:"the nodes"`
}

// placed says where a recipe called, in an error that is raised later.
func placed(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	e := *nodes.AsError(err, nodes.Internal)
	e.Where = cmp.Or(e.Where, nodes.CallerOf(ctx).Where)
	return &e
}

// rollChecks look and ask; they change nothing on a node.
func rollChecks() []lua.Func {
	return []lua.Func{
		{
			Name: "preflight", Doc: "Looks at every node at once and gives those that can be rolled. Raises when more fail than the budgets allow; the error that they do allow is the second value, to be raised at the end.", Returns: "Set, table?",
			Example: `local ready, tolerated = R:preflight "/var/www"`,
			Do: lua.Method(func(ctx context.Context, r *Roll, a preflightArgs) (lua.Many, error) {
				good, tolerated, err := r.Preflight(ctx, a.Path)
				return lua.Many{good, placed(ctx, tolerated)}, err
			}),
		},
		{
			Name: "at", Doc: "Gives a tree as it is at a revision, without changing the checkout; it lasts as long as the roll.", Returns: "Tree",
			Example: `local tree = R:at(co, "HEAD")`,
			Do: lua.Method(func(ctx context.Context, r *Roll, a atArgs) (*Look, error) {
				return r.At(ctx, a.From, nodes.Revision(a.Rev))
			}),
		},
		{
			Name: "pin", Doc: "Writes what is rolled, as far as it is known. A plan other than the one that was pinned before raises kind changed.", Returns: "nil",
			Example: `R:pin{ to=123, plan=plan }`,
			Do: lua.Method(func(ctx context.Context, r *Roll, a pinArgs) (lua.None, error) {
				return lua.None{}, r.Pin(ctx, Pin{From: nodes.Revision(a.From), To: nodes.Revision(a.To), Changesets: nodes.Changesets(a.Changesets), Undo: a.Undo, Digest: string(a.Plan)})
			}),
		},
		{
			Name: "outline", Doc: "Writes what would be done in which order, for a plan.", Returns: "string", Example: `say(R:outline{ to=web, check="true" })`,
			Do: lua.PureMethod(luaOutline),
		},
		{
			Name: "backwards", Doc: "Says what undoing this roll on some nodes means: whose roll it is, and a question for confirm with the revisions that they go back to.", Returns: "string, string",
			Example: `local whose, question = R:backwards(web)`,
			Do: lua.Method(func(ctx context.Context, r *Roll, a setArgs) (lua.Many, error) {
				whose, question, err := r.Backwards(ctx, a.Nodes)
				return lua.Many{whose, question}, err
			}),
		},
		{
			Name: "confirm", Doc: "Asks the person; no raises kind refused.", Returns: "nil", Example: `R:confirm "roll?"`,
			Do: lua.Method(func(ctx context.Context, r *Roll, a textArgs) (lua.None, error) {
				return lua.None{}, r.Confirm(ctx, a.Text)
			}),
		},
		{
			Name: "gate", Doc: "Between batches: waits so many seconds, asks the person, or calls a function; no raises kind refused.", Returns: "nil",
			Example: `R:gate("ask", web:only "web1", web:except "web1")`,
			Do: lua.Method(func(ctx context.Context, r *Roll, a gateArgs) (lua.None, error) {
				return lua.None{}, r.Gate(ctx, a.Gate.gate(), a.Done, a.Left)
			}),
		},
	}
}

// rollFacts tell of the roll itself.
func rollFacts() []lua.Func {
	return []lua.Func{
		{
			Name: "left", Doc: "Tells how many nodes may still fail and how many may still be unreachable; less than 0: spent.", Returns: "number, number",
			Example: `local failed, unreachable = R:left()`,
			Do: lua.PureMethod(func(r *Roll, _ lua.None) (lua.Many, error) {
				failed, unreachable := r.Left()
				return lua.Many{failed, unreachable}, nil
			}),
		},
		{
			Name: "state", Doc: "Tells the state of a node in this roll.", Returns: "string", Example: `print(R:state(node "web1"))`,
			Do: lua.PureMethod(func(r *Roll, a nodeArgs) (State, error) { return r.StateOf(a.Node) }),
		},
		{
			Name: "out", Doc: "Whether a node is out of service, be it since an earlier roll.", Returns: "boolean", Example: `print(R:out(node "web1"))`,
			Do: lua.PureMethod(func(r *Roll, a nodeArgs) (bool, error) {
				e, err := r.node(a.Node)
				return e.Out, err
			}),
		},
		{
			Name: "undo", Doc: "Tells what sync.undo takes as roll= to undo a node of this roll; nil when there is nothing to undo.", Returns: "string?",
			Example: `sync.undo{ to=n, path="/var/www", roll=R:undo(n) }`,
			Do: lua.PureMethod(func(r *Roll, a nodeArgs) (any, error) {
				e, err := r.node(a.Node)
				if e.Undo == "" {
					return nil, err
				}
				return e.Undo, err
			}),
		},
		{
			Name: "go_on", Doc: "Raises kind cancelled when somebody asked to stop.", Returns: "nil", Example: `R:go_on()`,
			Do: lua.PureMethod(func(r *Roll, _ lua.None) (lua.None, error) { return lua.None{}, r.GoOn() }),
		},
	}
}

type nodeArgs struct {
	Node *nodes.Node `lua:"node,pos" doc:"the node"`
}

type stepArgs struct {
	Nodes nodes.Set `lua:"nodes,pos" doc:"a Node, or a Set at once"`
	State State     `lua:"state,pos" doc:"what it is when the step ends well: staged drained switched checked done undone"`
	Fn    hook      `lua:"fn,pos,optional" type:"string|function|false" calls:"n: Node" doc:"a command or function(n); nil or false: there is no step"`
	What  string    `lua:"what,pos,optional" doc:"what the step does, in a word"`
}

type outingArgs struct {
	Node  *nodes.Node  `lua:"node,pos" doc:"the node"`
	Drain drain        `lua:"drain" type:"Backend|{drain: string|function?, undrain: string|function?}|false" doc:"as in roll"`
	Check hook         `lua:"check" type:"string|function|false" calls:"n: Node" doc:"as in roll"`
	Fn    lua.Callback `lua:"fn,pos" calls:"n: Node" doc:"called while it is out of service"`
}

type finishArgs struct {
	Why  string `lua:"why,pos,optional" doc:"what ended it early; nil: it went through"`
	Kind string `lua:"kind,pos,optional" doc:"the kind of that error"`
}

func (a finishArgs) err() error {
	if a.Why == "" && a.Kind == "" {
		return nil
	}
	return &nodes.Error{Kind: nodes.Kind(a.Kind), Message: a.Why}
}

// rollSteps act on nodes, or write.
func rollSteps() []lua.Func {
	return []lua.Func{
		{
			Name: "step", Doc: "Does one thing to a node, or to all of a set at once: intent on disk, the act, outcome on disk. Gives what the function returned.", Returns: "any", Mutates: true,
			Example: `R:step(n, "switched", function() staged:switch(n) end)`, Do: lua.Method(luaStep), Foresee: lua.Method(foreseeStep),
		},
		{
			Name: "drained", Doc: "As node:drained, each step written down; a node without drain stays in service.", Returns: "nil", Mutates: true,
			Example: `R:drained(n, {check="true"}, function() R:step(n, "switched", function() staged:switch(n) end) end)`, Do: lua.Method(luaOuting), Foresee: lua.Method(foreseeOuting),
		},
		{
			Name: "notice", Doc: "Keeps an announcement that reached nobody.", Returns: "nil", Example: `R:notice "the room is away"`,
			Do: lua.Method(func(ctx context.Context, r *Roll, a textArgs) (lua.None, error) {
				return lua.None{}, r.Notice(ctx, a.Text)
			}),
		},
		{
			Name: "result", Doc: "Gives the roll as finish would write it.", Returns: "table", Example: `print(R:result().state)`,
			Do: lua.PureMethod(func(r *Roll, a finishArgs) (report, error) { return reportOf(r.Ending(a.err())), nil }),
		},
		{
			Name: "conclude", Doc: "Writes how the roll ended, before people are told of it, and gives it; no step can follow. It is over then, whatever becomes of this process; its lock is kept until finish.", Returns: "table",
			Example: `channel:rolled(R:conclude())`,
			Do: lua.Method(func(ctx context.Context, r *Roll, a finishArgs) (report, error) {
				e, err := r.Conclude(ctx, a.err())
				return reportOf(e), err
			}),
		},
		{
			Name: "finish", Doc: "Writes how the roll ended and frees its lock. A second call changes nothing.", Returns: "table", Example: `R:finish()`,
			Do: lua.Method(func(ctx context.Context, r *Roll, a finishArgs) (report, error) {
				e, err := r.Finish(ctx, a.err())
				return reportOf(e), err
			}),
		},
	}
}

func luaStep(ctx context.Context, r *Roll, a stepArgs) (any, error) {
	if a.Fn.none() {
		return nil, nil
	}
	var value any
	err := r.Step(ctx, a.Nodes, a.State, a.What, func(ctx context.Context) (err error) {
		if len(a.Nodes.Nodes) != 1 {
			value, err = a.Fn.call(ctx, a.Nodes)
			return err
		}
		value, err = a.Fn.run(ctx, r.journal.session, a.Nodes.Nodes[0])
		return err
	})
	return value, err
}

func luaOuting(ctx context.Context, r *Roll, a outingArgs) (lua.None, error) {
	by, err := rotation(r.journal.session, a.Node, a.Drain, a.Check)
	if err != nil {
		return lua.None{}, err
	}
	return lua.None{}, r.WhileOut(ctx, a.Node, by, func(ctx context.Context) error {
		_, err := a.Fn.Call(ctx, a.Node)
		return err
	})
}

func luaOutline(r *Roll, a outlineArgs) (string, error) {
	w := Words{Before: a.Before.words(), After: a.After.words(), Check: a.Check.words()}
	if a.Check.off {
		w.Check = "no check"
	}
	if !a.AtOnce.IsZero() {
		w.AtOnce = a.AtOnce.String()
	}
	return Outline(a.To, func(n *nodes.Node) (Rotation, error) { return rotation(r.journal.session, n, a.Drain, a.Check) }, w, r.journal.session.Person)
}

// treeClass is a tree at a revision.
func treeClass() lua.Class {
	return lua.Class{
		Name: "Tree", Doc: "A tree as it is at a revision.", Of: (*Look)(nil),
		String: lua.StringOf(func(l *Look) string { return l.Root() }),
		Fields: []lua.Field{lua.FieldOf("root", "string", "where it can be looked at", func(l *Look) any { return l.Root() })},
		Funcs: []lua.Func{
			{
				Name: "revision", Doc: "Tells the revision; nil for a plain folder.", Returns: "number|string|nil", Example: `print(tree:revision())`,
				Do: lua.Method(func(ctx context.Context, l *Look, _ lua.None) (any, error) {
					rev, err := l.Revision(ctx)
					return luaRevision(rev), err
				}),
			},
		},
	}
}

// revision is a revision as recipes write it: 123, "123", "r123" or "HEAD".
type revision nodes.Revision

// UnpackLua reads a number or a string.
func (r *revision) UnpackLua(v any) error {
	switch v := v.(type) {
	case float64:
		if v == float64(int64(v)) && v >= 0 {
			*r = revision(strconv.FormatInt(int64(v), 10))
			return nil
		}
	case string:
		if digits, ok := strings.CutPrefix(v, "r"); ok {
			if _, err := strconv.Atoi(digits); err == nil {
				v = digits
			}
		}
		*r = revision(v)
		return nil
	}
	return errors.New("expected a revision, such as 123 or \"HEAD\"")
}

// luaRevision is a number where it can be one; nil for none.
func luaRevision(r nodes.Revision) any {
	if n, err := strconv.Atoi(string(r)); err == nil {
		return n
	}
	if r == "" {
		return nil
	}
	return string(r)
}

// changesets is a list of them as one object.
type changesets nodes.Changesets

// UnpackLua takes the object.
func (c *changesets) UnpackLua(v any) error {
	list, ok := v.(nodes.Changesets)
	if !ok {
		return errors.New("expected Changesets")
	}
	*c = changesets(list)
	return nil
}

// planned is the digest of a plan.
type planned string

// UnpackLua takes a digest, or an object that has one.
func (p *planned) UnpackLua(v any) error {
	switch v := v.(type) {
	case string:
		*p = planned(v)
		return nil
	case interface{ PlanDigest() string }:
		*p = planned(v.PlanDigest())
		return nil
	}
	return errors.New("expected a plan, or plan.digest")
}
