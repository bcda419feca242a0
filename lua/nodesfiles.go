package lua

import (
	"context"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	glua "github.com/yuin/gopher-lua"

	"github.com/rollsh/rollsh/nodes"
)

type newNodesArgs struct {
	List []nodeFields `lua:"list,pos" type:"{name: string?, tier: string?, vars: table?, host: string?, port: number?, user: string?, key: string?, jump: string?, proxy: string?, tags: string|string[]|nil, path: string?, at_once: number|string|nil, drain: string?, undrain: string?, check: string?}[]" doc:"a table for each node, with the keys of a nodes file"`
}

// nodeFields reads a node that a recipe writes out.
type nodeFields struct{ node *nodes.Node }

// UnpackLua reads the keys of a nodes file.
func (f *nodeFields) UnpackLua(v any) (err error) {
	m, ok := v.(map[string]any)
	if !ok {
		return usage("expected a table such as {name=\"web1\", host=\"10.0.0.1\"}")
	}
	f.node, err = nodes.FromFields(m)
	return err
}

func (h *Host) nodesModule() Module {
	return Module{
		Name: "nodes", Doc: "Nodes files; help \"nodes-files\" tells what may stand in one.",
		Call: &Func{
			Name: "nodes", Doc: "Reads nodes/NAME: its nodes, in its order.", Returns: "Set", Example: `local web = nodes "prod"`,
			Do: Go(func(_ context.Context, a nameArgs) (nodes.Set, error) { return h.loadNodes(a.Name) }),
		},
		Funcs: []Func{
			{Name: "new", Doc: "Makes a set of nodes that no file names.", Returns: "Set", Example: `nodes.new{ {name="web1", host="10.0.0.1"} }`, Do: Pure(newNodes)},
			{
				Name: "files", Doc: "Lists the nodes files of the project.", Returns: "string[]", Example: `for _, name in ipairs(nodes.files()) do print(name) end`,
				Do: Go(func(context.Context, None) ([]string, error) { return nodes.FileNames(nodes.Folder(h.Session.Project)) }),
			},
		},
	}
}

func newNodes(a newNodesArgs) (nodes.Set, error) {
	set := nodes.Set{}
	for _, f := range a.List {
		set.Nodes = append(set.Nodes, f.node)
	}
	return set, set.Check()
}

func (h *Host) loadNodes(name string) (nodes.Set, error) {
	if h.Session.Project == "" {
		return nodes.Set{}, &nodes.Error{
			Kind: nodes.NotFound, Message: "no project here, so no nodes files",
			Hint: "a project is a folder with recipes/ or nodes/; `rollsh init` makes one",
		}
	}
	if err := h.trustNodes(); err != nil {
		return nodes.Set{}, err
	}
	return nodes.Load(nodes.Folder(h.Session.Project), name)
}

// trustNodes is why the nodes files, which say what is run on nodes and here, may not
// be gone by: one of them can be written by the user.
func (h *Host) trustNodes() error {
	if h.Session.Policy == nil {
		return nil
	}
	folder := filepath.Join(h.Session.Project, "nodes")
	if err := h.Session.Trust(folder); err != nil {
		return err
	}
	return filepath.WalkDir(folder, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return nil // what cannot be read says nothing
		}
		return h.Session.Trust(path)
	})
}

type nodeArgs struct {
	Which Raw `lua:"which,pos" type:"string|{name: string?, tier: string?, vars: table?, host: string?, port: number?, user: string?, key: string?, jump: string?, proxy: string?, tags: string|string[]|nil, path: string?, at_once: number|string|nil, drain: string?, undrain: string?, check: string?}" doc:"a name, FILE/NAME, or a table with the keys of a nodes file"`
}

func (h *Host) nodeModule() Module {
	return Module{
		Name: "node", Doc: "One node by name.",
		Call: &Func{
			Name: "node", Doc: "Finds a node in the nodes files, then among the hosts of ssh_config.", Returns: "Node", Example: `node("web1"):run "uptime"`,
			Do: Held(h.findNode),
		},
	}
}

func (h *Host) findNode(c *Call, a nodeArgs) (any, error) {
	if name, ok := a.Which.v.(glua.LString); ok {
		var n *nodes.Node
		err := c.Block(func(context.Context) (err error) {
			n, err = h.nodeNamed(string(name))
			return err
		})
		return n, err
	}
	var f nodeFields
	if err := f.UnpackLua(h.plain(a.Which.v)); err != nil {
		return nil, err
	}
	return f.node, nil
}

// nodeNamed looks in the nodes files, then among the hosts of ssh_config.
// Outside a project any name will do that ssh takes.
func (h *Host) nodeNamed(name string) (*nodes.Node, error) {
	if h.Session.Project == "" {
		return nodes.FromFields(map[string]any{"name": name})
	}
	if err := h.trustNodes(); err != nil {
		return nil, err
	}
	n, err := nodes.Find(nodes.Folder(h.Session.Project), name)
	if nodes.KindOf(err) != nodes.NotFound || h.Session.SSHHosts == nil {
		return n, err
	}
	hosts := h.Session.SSHHosts()
	if slices.Contains(hosts, name) {
		return nodes.FromFields(map[string]any{"name": name})
	}
	if near := nodes.Suggest(name, hosts); near != "" && !strings.HasPrefix(nodes.AsError(err, nodes.NotFound).Hint, "did you mean") {
		e := *nodes.AsError(err, nodes.NotFound)
		e.Hint = "did you mean '" + near + "', as ssh_config has it?"
		return nil, &e
	}
	return nil, err
}
