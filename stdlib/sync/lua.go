package sync

import (
	"context"

	"github.com/rollsh/rollsh/lua"
	"github.com/rollsh/rollsh/nodes"
)

// manual is the manual page in short.
const manual = `Brings a folder to nodes and puts it in place there, whole.

  sync.push{from = "site", to = nodes "prod", path = "/var/www"}

  local staged = sync.stage{from = co, to = web, path = "/var/www"}
  staged:plan():print()
  web:each(function(n) n:drained(function() staged:switch(n) end) end)

  sync.undo{to = node "web2", path = "/var/www"}

Until every changed byte is on the node, checked and on its disk, the live tree
is untouched; when one node cannot be staged, none is switched. Then all files
are switched, each atomically, in one burst of renames whose milliseconds are
printed; a reader in that moment may see both revisions: drain first, where that
matters. Killed before the burst: entirely old. Killed inside it: the next push
or undo finishes it, or undoes it, and says which. What is replaced is kept for
undo. Only files that a roll put there are deleted; one that was changed on the
node since is refused (kind "changed"), not overwritten.

With layout="release" the tree is path/current, a link to one of path/releases:
a new release is built of hard links to the live one and of what changed, and
the switch is one rename. undo leads the link back; undo=N says how many older
releases are kept. Files there that no roll put there go along; what the
application writes all the time belongs in shared={"uploads/"}. docs/sync.md
tells what PHP's caches need.

What rollsh keeps lies beside the tree in .rollsh-NAME (0700), or in .rollsh in
it where the parent is not writable or is another filesystem. .svn, .git and
.rollignore (gitignore's syntax, at the root of the source) are never sent. An
element of only= without wildcards is a path from the root of the tree.`

type treeArgs struct {
	Only    []string `lua:"only" doc:"globs or paths; outside them nothing is compared, changed or deleted"`
	Exclude []string `lua:"exclude" doc:"globs that are not sent and never deleted"`
	Keep    []string `lua:"keep" doc:"globs of node-local files: never changed, deleted or sent"`
	Delete  string   `lua:"delete" default:"ours" enum:"ours|all|false" doc:"ours: files that a roll put there and that the source has no more; all: whatever is not in the source"`
	Empty   bool     `lua:"empty" doc:"a source, or what a wildcard of only= matches in it, that holds no files may delete what is on the nodes; without it that is refused: a wrong from= would delete all"`
	Drift   string   `lua:"drift" default:"refuse" enum:"refuse|overwrite|keep" doc:"about files changed on the node since a roll put them there"`
	Adopt   string   `lua:"adopt" enum:"all" doc:"all: files that no roll put there become ours"`
	Layout  string   `lua:"layout" default:"tree" enum:"tree|release" doc:"release: whole trees in path/releases, and path/current leads to the live one"`
	Shared  []string `lua:"shared" doc:"with release: paths that all releases share, in path/shared; one that ends in / is made there"`
	Perms   Perms    `lua:"perms" type:"string|{files: string?, dirs: string?}" doc:"\"source\", or {files=\"0644\", dirs=\"0755\"}"`
	Owner   string   `lua:"owner" doc:"user, user:group or :group that all shall belong to, names of the node; or \"source\": as in the source, by name. Without it owners are left alone"`
	Hard    bool     `lua:"hard_links" doc:"hard links in the source become hard links; else files of their own"`
	Setuid  bool     `lua:"setuid" doc:"send setuid and setgid bits of files too"`
	Verify  string   `lua:"verify" default:"stat" enum:"stat|checksum|trust" doc:"how the node's tree is compared with what rolls left: stat: by size, time and permissions; checksum: by content; trust: only what is to be changed, and a sample"`
	Speed   int64    `lua:"bandwidth" doc:"bytes a second that contents may take, to all nodes together"`
	Undo    int      `lua:"undo" default:"5" min:"0" doc:"how many rolls of the tree are kept for undo"`
}

type pushArgs struct {
	From nodes.Tree       `lua:"from,required" doc:"a Checkout, or a folder"`
	To   nodes.Set        `lua:"to,required" doc:"where to"`
	Path nodes.RemotePath `lua:"path" doc:"the tree on the nodes, absolute; else the path of the nodes file"`
	treeArgs
}

type nodeArgs struct {
	From nodes.Tree       `lua:"from,pos" doc:"a Checkout, or a folder"`
	Path nodes.RemotePath `lua:"path,pos,optional" doc:"the tree on the node, absolute; else the path of the nodes file"`
	treeArgs
}

func (a *treeArgs) options(from nodes.Tree, path nodes.RemotePath) Options {
	o := Options{
		From: from, Path: path, Only: a.Only, Exclude: a.Exclude, Keep: a.Keep, Delete: a.Delete, Empty: a.Empty, Drift: a.Drift,
		Adopt: a.Adopt == "all", Layout: a.Layout, Shared: a.Shared, Perms: a.Perms, Owner: a.Owner, Hard: a.Hard, Setuid: a.Setuid, Verify: a.Verify, Undo: a.Undo, Speed: a.Speed,
	}
	if o.Delete == "false" {
		o.Delete = "none"
	}
	if o.Undo <= 0 {
		o.Undo = -1
	}
	return o
}

type undoArgs struct {
	To    nodes.Set        `lua:"to,required" doc:"where"`
	Path  nodes.RemotePath `lua:"path" doc:"the tree on the nodes, absolute; else the path of the nodes file"`
	Roll  string           `lua:"roll" doc:"what roll_id() gave; else the last roll there"`
	Force bool             `lua:"force" doc:"put back over files changed since"`
}

type driftArgs struct {
	To      nodes.Set        `lua:"to,required" doc:"where"`
	Path    nodes.RemotePath `lua:"path" doc:"the tree on the nodes, absolute; else the path of the nodes file"`
	From    nodes.Tree       `lua:"from" doc:"compare with this; else with what rolls left there"`
	Only    []string         `lua:"only" doc:"globs or paths; nothing else is looked at"`
	Exclude []string         `lua:"exclude" doc:"globs that are not looked at"`
	Keep    []string         `lua:"keep" doc:"the same"`
	Perms   Perms            `lua:"perms" type:"string|{files: string?, dirs: string?}" doc:"with from=: as the tree is rolled"`
	Verify  string           `lua:"verify" default:"stat" enum:"stat|checksum" doc:"checksum reads every file"`
}

type setArgs struct {
	Set nodes.Set `lua:"set,pos" doc:"the nodes"`
}

type nameArgs struct {
	Name string `lua:"name,pos" doc:"of a node"`
}

type fileArgs struct {
	File string `lua:"file,pos" doc:"path in the tree"`
}

// Module gives recipes the engine.
func (e *Engine) Module() lua.Module {
	return lua.Module{Name: "sync", Doc: manual, Funcs: e.records(), NodeMethods: []lua.Func{{
		Name: "sync", Doc: "Brings a folder to the node and puts it in place, as sync.push does for a set.", Returns: "table", Mutates: true,
		Example: `node("web1"):sync("site", "/var/www", {only = {"index.html"}})`,
		Do:      lua.OnNode(e.syncNode), Foresee: lua.OnNode(e.foreseeSync),
	}}, Classes: []lua.Class{e.stagedClass(), e.planClass(), driftClass()}}
}

func (e *Engine) records() []lua.Func {
	return []lua.Func{
		{
			Name: "push", Doc: "Stages a folder on all nodes and, when all have it, switches all.", Returns: "Results", Outcome: Stats{}, Mutates: true,
			Example: `sync.push{from = "site", to = nodes "prod", path = "/var/www"}`,
			Do: lua.Go(func(ctx context.Context, a pushArgs) (*nodes.Results, error) {
				return e.Push(ctx, a.To, a.options(a.From, a.Path))
			}),
			Foresee: lua.Go(e.foreseePush),
		},
		{
			Name: "stage", Doc: "Brings a folder onto the nodes' disks, beside the live tree, on all or on none.", Returns: "Staged", Mutates: true,
			Example: `local staged = sync.stage{from = "site", to = nodes "prod", path = "/var/www"}`,
			Do: lua.Go(func(ctx context.Context, a pushArgs) (*Staged, error) {
				return e.Stage(ctx, a.To, a.options(a.From, a.Path))
			}),
			Foresee: lua.Go(e.foreseeStage),
		},
		{
			Name: "plan", Doc: "Says what a push would do, node by node and file by file. Changes nothing.", Returns: "Plan",
			Example: `sync.plan{from = "site", to = nodes "prod", path = "/var/www"}:print()`,
			Do: lua.Go(func(ctx context.Context, a pushArgs) (*Plan, error) {
				return e.Plan(ctx, a.To, a.options(a.From, a.Path))
			}),
		},
		{
			Name: "check", Doc: "Raises what is wrong with the arguments of a push. Contacts nothing, changes nothing.", Returns: "nil",
			Example: `sync.check{from = "site", to = nodes "prod", path = "/var/www", perms = {files = "0644"}}`,
			Do: lua.Pure(func(a pushArgs) (lua.None, error) {
				o := a.options(a.From, a.Path)
				return lua.None{}, o.fit(a.To)
			}),
		},
		{
			Name: "preflight", Doc: "Looks whether a push could be done: reachable, writable, room for this very change. Changes nothing.", Returns: "Results", Outcome: Preflight{},
			Example: `for name, r in sync.preflight{from = "site", to = nodes "prod", path = "/var/www"}:iter() do print(name, r.value.free) end`,
			Do: lua.Go(func(ctx context.Context, a pushArgs) (*nodes.Results, error) {
				return e.Preflight(ctx, a.To, a.options(a.From, a.Path))
			}),
		},
		{
			Name: "undo", Doc: "Puts back what a roll replaced, added and deleted.", Returns: "Results", Outcome: Stats{}, Mutates: true,
			Example: `sync.undo{to = node "web2", path = "/var/www"}`,
			Do: lua.Go(func(ctx context.Context, a undoArgs) (*nodes.Results, error) {
				return e.Undo(ctx, a.To, a.Path, a.Roll, a.Force)
			}),
		},
		{
			Name: "drift", Doc: "Lists what was changed, removed and added on the nodes since the last roll, or against a source.", Returns: "Results", Outcome: (*Drift)(nil),
			Example: `for name, r in sync.drift{to = nodes "prod", path = "/var/www"}:iter() do print(name, #r.value.changed) end`,
			Do: lua.Go(func(ctx context.Context, a driftArgs) (*nodes.Results, error) {
				return e.Drift(ctx, a.To, Options{From: a.From, Path: a.Path, Only: a.Only, Exclude: a.Exclude, Keep: a.Keep, Perms: a.Perms, Verify: a.Verify})
			}),
		},
	}
}

func (e *Engine) syncNode(ctx context.Context, n *nodes.Node, a nodeArgs) (Stats, error) {
	res, err := e.Push(ctx, nodes.Set{Nodes: []*nodes.Node{n}}, a.options(a.From, a.Path))
	if err != nil {
		return Stats{}, err
	}
	v, _ := res.List[0].Value.(Stats)
	return v, nil
}

func (e *Engine) stagedClass() lua.Class {
	return lua.Class{
		Name: "Staged", Doc: "What waits on nodes' disks to be switched; no connection is needed to keep it.", Of: (*Staged)(nil),
		String: lua.StringOf(func(s *Staged) string { return "staged " + s.Roll + " on " + s.all.Fold() }),
		Fields: []lua.Field{lua.FieldOf("roll_id", "string", "the roll that sync.undo takes", func(s *Staged) any { return s.Roll })},
		Funcs: []lua.Func{
			{
				Name: "plan", Doc: "What the switch will do.", Returns: "Plan", Example: "staged:plan():print()",
				Do: lua.PureMethod(func(s *Staged, _ lua.None) (*Plan, error) { return s.Plan() }),
			},
			{
				Name: "switch", Doc: "Puts the stage in place on a node or a set; kind \"changed\" when a node moved on since.", Returns: "Results", Outcome: Stats{}, Mutates: true,
				Example: "staged:switch(n)", Foresee: lua.Method(foreseeSwitch),
				Do: lua.Method(func(ctx context.Context, s *Staged, a setArgs) (*nodes.Results, error) { return s.Switch(ctx, a.Set) }),
			},
			{
				Name: "drop", Doc: "Throws the stage away where it was not switched.", Returns: "nil", Mutates: true, Example: "staged:drop()",
				Do: lua.Method(func(ctx context.Context, s *Staged, _ lua.None) (lua.None, error) { return lua.None{}, s.Drop(ctx) }),
			},
		},
	}
}

func (e *Engine) planClass() lua.Class {
	return lua.Class{
		Name: "Plan", Doc: "What a push would do.", Of: (*Plan)(nil),
		String: lua.StringOf(func(p *Plan) string { return "plan " + p.Digest }),
		Fields: []lua.Field{lua.FieldOf("digest", "string", "binds files, nodes, order and options", func(p *Plan) any { return p.Digest })},
		Funcs: []lua.Func{
			{
				Name: "print", Doc: "Shows the plan, equal nodes together.", Returns: "nil", Example: "plan:print()",
				Do: lua.Method(func(_ context.Context, p *Plan, _ lua.None) (lua.None, error) {
					if e.session.Person != nil {
						e.session.Person.Show(fitted(e.session.Person, p.Text()))
					}
					return lua.None{}, nil
				}),
			},
			{
				Name: "node", Doc: "What would be done to one node: lists of paths, added, changed and deleted; attributes lists those of changed of which only permissions (was, perms), owner or time change.", Returns: "table", Example: `print(#plan:node("web1").changed)`,
				Do: lua.PureMethod(func(p *Plan, a nameArgs) (*NodePlan, error) { return p.Node(nodes.Name(a.Name)) }),
			},
			{
				Name: "ready", Doc: "Raises what a stage would fail with, as far as that can be foreseen: drift that is refused (kind \"changed\"), files in the way, too little room (\"space\").", Returns: "nil", Example: "plan:ready()",
				Do: lua.PureMethod(func(p *Plan, _ lua.None) (lua.None, error) { return lua.None{}, p.Ready() }),
			},
			{
				Name: "apply", Doc: "Does what the plan says, or raises kind \"changed\".", Returns: "Results", Outcome: Stats{}, Mutates: true, Example: "plan:apply()", Foresee: lua.Method(foreseeApply),
				Do: lua.Method(func(ctx context.Context, p *Plan, _ lua.None) (*nodes.Results, error) { return p.Apply(ctx) }),
			},
		},
	}
}

func driftClass() lua.Class {
	list := func(name, doc string, get func(*Drift) []Found) lua.Field {
		return lua.FieldOf(name, "{path: string, what: string, owner: string, time: string, as_rolled: boolean}[]", doc, func(d *Drift) any { return get(d) })
	}
	return lua.Class{
		Name: "Drift", Doc: "How a tree on a node differs from what was rolled.", Of: (*Drift)(nil),
		String: lua.StringOf((*Drift).String),
		Fields: []lua.Field{
			list("changed", "files changed there", func(d *Drift) []Found { return d.Changed }),
			list("missing", "files deleted there, or not sent yet (what is \"unsent\")", func(d *Drift) []Found { return d.Missing }),
			list("extra", "files that no roll put there, or that the source has no more (what is \"obsolete\")", func(d *Drift) []Found { return d.Extra }),
		},
		Funcs: []lua.Func{{
			Name: "diff", Doc: "How a file there differs from the source, as diff -u shows it; from= must have been given.", Returns: "string", Bound: true,
			Example: `print(drift.web1.value.diff("index.php"))`,
			Do:      lua.Method(func(ctx context.Context, d *Drift, a fileArgs) (string, error) { return d.Diff(ctx, a.File) }),
		}, {
			Name: "adopt", Doc: "Copies a file as it is on the node over the one in the source, to be looked at and committed; from= must have been given.",
			Returns: "nil", Mutates: true, Example: `drift.web1.value:adopt("index.php")`,
			Do: lua.Method(func(ctx context.Context, d *Drift, a fileArgs) (lua.None, error) {
				return lua.None{}, d.Adopt(ctx, a.File)
			}),
		}},
	}
}
