package roll

import (
	"context"
	_ "embed"

	"github.com/rollsh/rollsh/lua"
	"github.com/rollsh/rollsh/nodes"
)

// rollSource is roll{...} itself.
//
//go:embed roll.lua
var rollSource string

// pendingSource is roll.pending.
//
//go:embed pending.lua
var pendingSource string

// manual is the manual page in short.
const manual = `Rolls one revision to nodes, in order, within budgets, with a journal.

  roll{ name = "www", from = svn.checkout "/srv/www", to = nodes "prod", path = "/var/www",
        after = "sudo systemctl reload php8.2-fpm", check = "curl -sf http://127.0.0.1/health" }

The order: lock, pending, preflight every node, lint, plan, confirm, update, stage on all nodes; then tier by
tier, batch by batch, node by node: before, drain, switch, after, check, undrain; then announce, journal, unlock.
before, after, check are commands run on the node ("local: CMD" on this machine), or functions of the node;
false (or false, reason) fails it. Every step is written down before it begins and when it ended.
A node goes back into service if its tree was not switched, or if it was and its check passes; else it is left
drained, and that is said. When max_failed or max_unreachable is exceeded, nothing more begins.
roll.status shows what is locked and what each node has; roll.history who rolled what, and how it ended.
roll.begin gives the parts: roll itself is a page of Lua over them, to be copied and changed.`

// Module gives recipes roll, over this journal, and the methods by which nodes
// are taken out of service.
func (j *Journal) Module() lua.Module {
	return lua.Module{
		Name: "roll", Doc: manual,
		Call: &lua.Func{
			Name: "roll", Doc: "Rolls a revision to nodes.", Returns: "table",
			Example: `roll{ name="www", from="htdocs", to=nodes "prod", path="/var/www" }`, Do: lua.Script[rollArgs](rollSource).Gives(report{}),
		},
		Funcs:       append(j.askingFuncs(), j.changingFuncs()...),
		NodeMethods: serviceMethods(j.session),
		Classes:     []lua.Class{rollClass(), treeClass()},
	}
}

// rollArgs are checked for roll.lua, which gets them as one table.
type rollArgs struct {
	Name           string           `lua:"name,required" doc:"what is rolled; one roll of a name runs at a time"`
	From           nodes.Tree       `lua:"from,required" doc:"a Checkout, or a folder"`
	To             nodes.Set        `lua:"to,required" doc:"the nodes, in the order of the roll"`
	Path           nodes.RemotePath `lua:"path" doc:"where the tree is on the nodes; without it, what the nodes file says"`
	Rev            revision         `lua:"rev" type:"number|string" default:"HEAD" doc:"the revision, of a Checkout"`
	Only           lua.Raw          `lua:"only" type:"string|string[]" doc:"as in sync.push"`
	Keep           lua.Raw          `lua:"keep" type:"string|string[]" doc:"as in sync.push"`
	Exclude        lua.Raw          `lua:"exclude" type:"string|string[]" doc:"as in sync.push"`
	Delete         string           `lua:"delete" enum:"ours|all|false" doc:"as in sync.push"`
	Empty          bool             `lua:"empty" doc:"as in sync.push"`
	Drift          string           `lua:"drift" enum:"refuse|overwrite|keep" doc:"as in sync.push"`
	Adopt          string           `lua:"adopt" enum:"all" doc:"as in sync.push"`
	Layout         string           `lua:"layout" enum:"tree|release" doc:"as in sync.push"`
	Shared         lua.Raw          `lua:"shared" type:"string|string[]" doc:"as in sync.push"`
	Perms          lua.Raw          `lua:"perms" type:"string|{files: string?, dirs: string?}" doc:"as in sync.push"`
	Owner          string           `lua:"owner" doc:"as in sync.push"`
	HardLinks      lua.Raw          `lua:"hard_links" type:"boolean" doc:"as in sync.push"`
	Setuid         lua.Raw          `lua:"setuid" type:"boolean" doc:"as in sync.push"`
	Bandwidth      lua.Raw          `lua:"bandwidth" type:"number" doc:"as in sync.push"`
	Verify         string           `lua:"verify" enum:"stat|checksum|trust" doc:"as in sync.push"`
	Undo           lua.Raw          `lua:"undo" type:"number" doc:"as in sync.push"`
	AtOnce         nodes.AtOnce     `lua:"at_once" type:"number|string|table" doc:"how many nodes of a tier at once; 1, or what the nodes file says"`
	MaxFailed      int              `lua:"max_failed" default:"0" min:"0" doc:"nodes that may fail over the whole roll"`
	MaxUnreachable int              `lua:"max_unreachable" default:"0" min:"0" doc:"nodes that may be unreachable over the whole roll"`
	Lint           bool             `lua:"lint" default:"true" doc:"lint the files that change before anything is touched"`
	Drain          drain            `lua:"drain" type:"Backend|{drain: string|function?, undrain: string|function?}|false" doc:"a Backend, {drain=, undrain=}, or false; else what the nodes file says"`
	Before         hook             `lua:"before" type:"string|function|false" calls:"n: Node" doc:"a command or function(n), before the node is drained"`
	After          hook             `lua:"after" type:"string|function|false" calls:"n: Node" doc:"the same, after the switch"`
	Check          hook             `lua:"check" type:"string|function|false" calls:"n: Node" doc:"the same, before it goes back into service; else what the nodes file says"`
	Announce       []nodes.Notifier `lua:"announce" type:"Channel|Channel[]" doc:"who is told how it ended"`
	Tracker        nodes.Tracker    `lua:"tracker" doc:"for links to tickets and changesets"`
	Gate           gate             `lua:"gate" type:"number|function|string" calls:"done: Set, left: Set" doc:"after a batch: seconds, function(done, left), or 'ask'"`
}

type nameArgs struct {
	Name string `lua:"name" doc:"of this name only"`
}

type historyArgs struct {
	Name  string `lua:"name" doc:"of this name only"`
	Limit int    `lua:"limit" default:"20" min:"0" doc:"the newest so many; 0: all"`
}

func (j *Journal) askingFuncs() []lua.Func {
	return []lua.Func{
		{
			Name: "history", Doc: "Lists rolls, newest first.", Returns: "table[]",
			Example: `for _, r in ipairs(roll.history{ name="www", limit=5 }) do print(r.id, r.who, r.state) end`,
			Do: lua.Go(func(ctx context.Context, a historyArgs) ([]report, error) {
				list, err := j.History(ctx, a.Name, a.Limit)
				return reports(list), err
			}),
		},
		{
			Name: "status", Doc: "Tells of each name its lock, its last roll, and what each node has.", Returns: "table[]",
			Example: `for _, s in ipairs(roll.status()) do print(s.name, s.lock and s.lock.who) end`,
			Do: lua.Go(func(ctx context.Context, a nameArgs) ([]standing, error) {
				list, err := j.Status(ctx, a.Name)
				return standings(list), err
			}),
		},
		{
			Name: "steps", Doc: "Lists what was meant and done in a roll, step by step.", Returns: "table[]",
			Example: `for _, s in ipairs(roll.steps "20261122-231501-www-ab12") do print(s.node, s.what, s.outcome) end`,
			Do:      lua.Go(func(ctx context.Context, a idArgs) ([]Step, error) { return j.Steps(ctx, a.ID) }),
		},
		{
			Name: "pending", Doc: "Lists the changesets that wait to be rolled, since the last roll of the name.", Returns: "Changesets",
			Example: `roll.pending{ name="www" }:print()`, Do: lua.Script[pendingArgs](pendingSource),
		},
	}
}

type pendingArgs struct {
	Name string `lua:"name" doc:"the name of the roll; not needed where there is only one"`
	To   string `lua:"to" default:"HEAD" doc:"up to this revision"`
}

type idArgs struct {
	ID string `lua:"id,pos" doc:"the roll"`
}

type againArgs struct {
	ID string `lua:"id,pos,optional" doc:"the roll; without it the only one that can be meant"`
}

// again runs the recipe of a roll once more, in a mode that its roll{} enters.
func (j *Journal) again(mode nodes.Mode) lua.Impl {
	return lua.Held(func(c *lua.Call, a againArgs) (any, error) {
		if c.L.Parent != nil {
			return nil, &nodes.Error{Kind: nodes.Usage, Message: "can be called at the top level only, not inside each, parallel or a coroutine"}
		}
		return lua.None{}, c.Block(func(ctx context.Context) error {
			e, err := j.Pick(ctx, a.ID, mode)
			if err != nil {
				return err
			}
			before := *j.session.Recipe
			defer func() { *j.session.Recipe = before }()
			*j.session.Recipe = nodes.Recipe{
				Path: e.Recipe, Args: e.Args, Files: map[string]string{}, Mode: mode, RollID: e.ID,
				Failed: before.Failed, RecipeChanged: before.RecipeChanged, Takeover: before.Takeover,
			}
			return c.Host.RunFile(ctx)
		})
	})
}

type reasonArgs struct {
	ID     string `lua:"id,pos" doc:"the roll"`
	Reason string `lua:"reason,pos" doc:"stands in the history"`
}

type lockArgs struct {
	Name   string `lua:"name,pos" doc:"the name to keep others from rolling"`
	Reason string `lua:"reason,pos" doc:"others read it when they are kept out"`
}

type unlockArgs struct {
	Name     string `lua:"name,pos" doc:"the name to free"`
	Takeover string `lua:"takeover" doc:"why a lock of somebody else, or of a dead roll, is freed"`
}

func (j *Journal) changingFuncs() []lua.Func {
	return []lua.Func{
		{
			Name: "begin", Doc: "Takes the lock of a name and writes the record of a roll.", Returns: "Roll", Acts: true,
			Example: `local R = roll.begin{ name="www", to=nodes "prod" }`, Do: lua.Go(j.luaBegin),
		},
		{
			Name: "resume", Doc: "Runs the recipe of an unfinished roll again, for the nodes that are not done; without id of the only one.", Returns: "nil", Mutates: true,
			Example: `roll.resume()`, Do: j.again(nodes.ModeResume),
		},
		{
			Name: "back", Doc: "Runs the recipe of a roll again to undo what it switched, and only that; without id of the last one, whatever its name.", Returns: "nil", Mutates: true,
			Example: `roll.back()`, Do: j.again(nodes.ModeBack),
		},
		{
			Name: "lock", Doc: "Keeps everybody from rolling a name, until unlock; only the process that locked it still can.", Returns: "nil", Mutates: true,
			Example: `roll.lock("www", "no rolls before Monday")`,
			Do: lua.Go(func(ctx context.Context, a lockArgs) (lua.None, error) {
				return lua.None{}, j.Lock(ctx, a.Name, a.Reason)
			}),
		},
		{
			Name: "unlock", Doc: "Frees a name that was locked.", Returns: "nil", Mutates: true, Example: `roll.unlock "www"`,
			Do: lua.Go(func(ctx context.Context, a unlockArgs) (lua.None, error) {
				if a.Takeover == "" {
					a.Takeover = j.recipe().Takeover
				}
				return lua.None{}, j.Unlock(ctx, a.Name, a.Takeover)
			}),
		},
		{
			Name: "close", Doc: "Leaves an unfinished roll as it is, for good.", Returns: "nil", Mutates: true,
			Example: `roll.close("20261122-231501-www-ab12", "web3 was reinstalled")`,
			Do: lua.Go(func(ctx context.Context, a reasonArgs) (lua.None, error) {
				return lua.None{}, j.CloseRoll(ctx, a.ID, a.Reason)
			}),
		},
	}
}

func (j *Journal) recipe() nodes.Recipe {
	if j.session.Recipe == nil {
		return nodes.Recipe{}
	}
	return *j.session.Recipe
}

type beginArgs struct {
	Name           string            `lua:"name,required" doc:"what is rolled"`
	To             nodes.Set         `lua:"to,required" doc:"the nodes"`
	Plan           planned           `lua:"plan" type:"Plan|string" doc:"the plan that was confirmed, or its digest"`
	From           nodes.Tree        `lua:"from" doc:"the tree, for the record"`
	Rev            revision          `lua:"rev" type:"number|string" default:"HEAD" doc:"the revision that will be asked for; a plain folder has none"`
	Options        map[string]string `lua:"options" doc:"as written, for the record"`
	MaxFailed      int               `lua:"max_failed" default:"0" min:"0" doc:"nodes that may fail"`
	MaxUnreachable int               `lua:"max_unreachable" default:"0" min:"0" doc:"nodes that may be unreachable"`
}

func (j *Journal) luaBegin(ctx context.Context, a beginArgs) (*Roll, error) {
	q := Request{
		Name: a.Name, To: a.To, Digest: string(a.Plan), Options: a.Options, Recipe: j.recipe(),
		MaxFailed: a.MaxFailed, MaxUnreachable: a.MaxUnreachable,
	}
	if a.From != nil {
		q.Source = a.From.Root()
	}
	if q.Recipe.Mode != nodes.ModeResume && q.Recipe.Mode != nodes.ModeBack {
		if err := nodes.CheckFolder(a.From, nodes.Revision(a.Rev)); err != nil {
			return nil, err // before anything is written
		}
		return j.Begin(ctx, q)
	}
	meant, err := j.Find(ctx, q.Recipe.RollID)
	if err == nil && meant.Name != q.Name {
		return j.passOver(ctx, q, meant)
	}
	return j.Reopen(ctx, q)
}

// serviceMethods take nodes out of service and put them back.
func serviceMethods(s *nodes.Session) []lua.Func {
	return []lua.Func{
		{
			Name: "drain", Doc: "Takes the node out of service: through its balancer, or by the drain command of the nodes file.", Returns: "nil", Mutates: true,
			Example: `node("web3"):drain()`,
			Do: lua.OnNode(func(ctx context.Context, n *nodes.Node, _ lua.None) (lua.None, error) {
				return lua.None{}, TakeOut(ctx, s, n)
			}),
		},
		{
			Name: "undrain", Doc: "Puts the node back into service.", Returns: "nil", Mutates: true, Example: `node("web3"):undrain()`,
			Do: lua.OnNode(func(ctx context.Context, n *nodes.Node, _ lua.None) (lua.None, error) {
				return lua.None{}, PutBack(ctx, s, n)
			}),
		},
		{
			Name: "drained", Doc: "Takes the node out of service, calls a function, and puts it back. When that fails or is cancelled, it goes back if its tree was not switched, or if it was and its check passes; else it stays out, and that is said.",
			Returns: "any", Example: `node("web3"):drained(function(n) n:run "uptime" end)`,
			Do: lua.OnNode(func(ctx context.Context, n *nodes.Node, a drainedArgs) (any, error) {
				var value any
				act := func(ctx context.Context) error {
					results, err := a.Fn.Call(ctx, n)
					if len(results) > 0 {
						value = results[0]
					}
					return err
				}
				if planning(s) {
					return nil, planOuting(ctx, s, n, act)
				}
				return value, WhileOut(ctx, s, n, act)
			}),
		},
	}
}

func planning(s *nodes.Session) bool {
	return s.Recipe != nil && (s.Recipe.Mode == nodes.ModePlan || s.Recipe.Mode == nodes.ModePending)
}

type drainedArgs struct {
	Fn lua.Callback `lua:"fn,pos" calls:"n: Node" doc:"called with the node while it is out of service"`
}
