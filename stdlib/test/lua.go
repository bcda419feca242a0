package test

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/rollsh/rollsh/lua"
	"github.com/rollsh/rollsh/nodes"
)

const manual = `Tries recipes on nodes that rollsh starts itself: real sshd processes on this machine.

  local live = test.nodes "app[1-3] check='test -s ~/www/index.php'"
  local project = test.project{ nodes = { prod = live } }
  test.case("a roll reaches every node", function()
    local r = project:run "recipes/prod.lua"
    test.equal(r.code, 0, r.stderr)
    test.equal(live.app1:run("cat ~/www/version").stdout, "7\n")
  end)

rollsh test runs recipes/*_test.lua and tests/*.lua, each in an empty home: without keys and agent, a recipe reaches
the nodes of its test only. What is pushed, put or written to a node goes below its home: a path of this machine, such as
/var/www, is refused. Commands of the recipe run on this machine, as you; with bash as your login shell they begin in the
node's home.`

type textArgs struct {
	Text string `lua:"text,pos" doc:"as in a nodes file; addresses are not used, paths are below the node's home (www)"`
}

type projectArgs struct {
	Nodes sets              `lua:"nodes" type:"table<string, Set>" doc:"Sets, by the name of the nodes file that they replace"`
	Files map[string]string `lua:"files" doc:"texts that replace files of the copy, by their paths in the project"`
}

type runArgs struct {
	Recipe string   `lua:"recipe,pos" doc:"the recipe, or another word of rollsh's command line"`
	Args   []string `lua:"args,pos,optional" doc:"its arguments, as on the command line"`
}

type caseArgs struct {
	Name string       `lua:"name,pos" doc:"what is claimed"`
	Fn   lua.Callback `lua:"fn,pos" doc:"raises when it does not hold"`
}

type equalArgs struct {
	Got  lua.Raw `lua:"got,pos,optional" type:"any" doc:"what came; nil too"`
	Want lua.Raw `lua:"want,pos,optional" type:"any" doc:"what should come; nil too"`
	What string  `lua:"what,pos,optional" doc:"what it is about, for the message"`
}

type raisesArgs struct {
	Kind string       `lua:"kind,pos" doc:"the kind of error"`
	Fn   lua.Callback `lua:"fn,pos" doc:"what is to raise it"`
}

// sets are the nodes files of a project.
type sets map[string]nodes.Set

// UnpackLua takes a table of Sets and Nodes.
func (s *sets) UnpackLua(v any) error {
	table, ok := v.(map[string]any)
	if !ok {
		return errors.New("expected a table of Sets by name")
	}
	*s = sets{}
	for name, v := range table {
		switch v := v.(type) {
		case nodes.Set:
			(*s)[name] = v
		case *nodes.Node:
			(*s)[name] = nodes.Set{Nodes: []*nodes.Node{v}}
		default:
			return fmt.Errorf("expected a Set for '%s'", name)
		}
	}
	return nil
}

// ran is what a run gives.
type ran struct {
	Code   int    `lua:"code"`
	Signal string `lua:"signal"`
	Stdout string `lua:"stdout"`
	Stderr string `lua:"stderr"`
}

// Module has the records of this room.
func (s *Stand) Module() lua.Module {
	return lua.Module{
		Name: "test", Doc: manual,
		Funcs: []lua.Func{
			{
				Name: "nodes", Doc: "Starts nodes for this test.", Returns: "Set", Mutates: true,
				Example: `local live = test.nodes "app[1-3] check='test -s ~/www/index.php'"`,
				Do:      lua.Go(func(_ context.Context, a textArgs) (nodes.Set, error) { return s.Nodes(a.Text) }),
			},
			{
				Name: "project", Doc: "Makes a scratch copy of this project: its recipes, lib and nodes files, with a journal of its own.",
				Returns: "TestProject", Mutates: true, Example: `local project = test.project{ nodes = { prod = live } }`,
				Do: lua.Go(func(_ context.Context, a projectArgs) (*Project, error) { return s.Project(a.Nodes, a.Files) }),
			},
			{
				Name: "case", Doc: "Runs a case and says how it ended; the next one runs all the same.", Returns: "boolean",
				Example: `test.case("one and one", function() test.equal(1 + 1, 2) end)`,
				Do: lua.Go(func(ctx context.Context, a caseArgs) (bool, error) {
					return s.Case(ctx, a.Name, func(ctx context.Context) error {
						_, err := a.Fn.Call(ctx)
						return err
					})
				}),
			},
			{
				Name: "equal", Doc: "Raises when two values are not equal; tables are compared by what is in them.", Returns: "nil",
				Example: `test.equal({1, 2}, {1, 2})`, Do: lua.Held(equal),
			},
			{
				Name: "raises", Doc: "Calls a function that must raise an error of a kind, and gives the error.", Returns: "table",
				Example: `test.raises("notfound", function() node "web9" end)`, Do: lua.Go(raises),
			},
		},
		Classes: []lua.Class{projectClass()},
	}
}

func equal(c *lua.Call, a equalArgs) (any, error) {
	got, want := c.Host.Inspect(a.Got), c.Host.Inspect(a.Want)
	if got == want {
		return lua.None{}, nil
	}
	text := "got  " + got + "\nwant " + want
	if a.What != "" {
		text = strings.TrimRight(a.What, "\n") + "\n" + text
	}
	return nil, &nodes.Error{Kind: nodes.Failed, Message: text}
}

func raises(ctx context.Context, a raisesArgs) (error, error) {
	_, err := a.Fn.Call(ctx)
	switch kind := nodes.KindOf(err); {
	case err == nil:
		return nil, &nodes.Error{Kind: nodes.Failed, Message: "nothing was raised; " + a.Kind + " should have been"}
	case kind == nodes.Cancelled && a.Kind != string(kind):
		return nil, err
	case string(kind) != a.Kind:
		return nil, &nodes.Error{Kind: nodes.Failed, Message: fmt.Sprintf("raised %s, not %s: %v", kind, a.Kind, err), Cause: err}
	}
	return err, nil
}

func projectClass() lua.Class {
	return lua.Class{
		Name: "TestProject", Doc: "A scratch copy of a project.", Of: (*Project)(nil),
		String: lua.StringOf(func(p *Project) string { return p.Path }),
		Fields: []lua.Field{lua.FieldOf("path", "string", "its folder", func(p *Project) any { return p.Path })},
		Funcs: []lua.Func{{
			Name: "run", Doc: "Runs a recipe of the copy with --yes, as a command line would; how it ended is in the result.",
			Returns: "table", Mutates: true, Planned: map[string]any{"code": 0},
			Example: `local r = project:run("recipes/prod.lua", {"1234", "--node=app1"})`,
			Do: lua.Method(func(ctx context.Context, p *Project, a runArgs) (ran, error) {
				r, err := p.Run(ctx, append([]string{a.Recipe}, a.Args...)...)
				return ran{Code: r.Code, Signal: r.Signal, Stdout: string(r.Stdout), Stderr: string(r.Stderr)}, err
			}),
		}},
	}
}
