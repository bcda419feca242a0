package sync

import (
	"context"

	"github.com/rollsh/rollsh/lua"
	"github.com/rollsh/rollsh/nodes"
)

// foreseePush is sync.push in a plan of a recipe: what it would do, and the
// results that it would give.
func (e *Engine) foreseePush(ctx context.Context, a pushArgs) (lua.Foreseen, error) {
	p, err := e.Plan(ctx, a.To, a.options(a.From, a.Path))
	if err != nil {
		return lua.Foreseen{}, err
	}
	return p.foresee(p.set, true)
}

// foreseeStage gives a Staged of which only its plan is real.
func (e *Engine) foreseeStage(ctx context.Context, a pushArgs) (lua.Foreseen, error) {
	p, err := e.Plan(ctx, a.To, a.options(a.From, a.Path))
	if err != nil {
		return lua.Foreseen{}, err
	}
	f, err := p.foresee(p.set, true)
	f.Value = &Staged{Roll: "planned", e: e, o: p.o, all: p.set, foreseen: p}
	return f, err
}

func (e *Engine) foreseeSync(ctx context.Context, n *nodes.Node, a nodeArgs) (lua.Foreseen, error) {
	p, err := e.Plan(ctx, nodes.Set{Nodes: []*nodes.Node{n}}, a.options(a.From, a.Path))
	if err != nil {
		return lua.Foreseen{}, err
	}
	f, err := p.foresee(p.set, true)
	f.Value, f.Err = p.on[n.Name].stats(), p.on[n.Name].refusal
	return f, err
}

// foreseeSwitch tells in a line what foreseeStage told in full.
func foreseeSwitch(_ context.Context, s *Staged, a setArgs) (lua.Foreseen, error) {
	p, err := s.Plan()
	if err != nil {
		return lua.Foreseen{}, err
	}
	return p.foresee(a.Set, false)
}

func foreseeApply(_ context.Context, p *Plan, _ lua.None) (lua.Foreseen, error) {
	return p.foresee(p.set, true)
}

// foresee tells what is planned on some of the nodes, path by path where that
// is wanted.
func (p *Plan) foresee(set nodes.Set, full bool) (lua.Foreseen, error) {
	r := &nodes.Results{Op: "sync.push"}
	f := lua.Foreseen{Value: r, Err: p.Ready()}
	for _, n := range set.Nodes {
		np, err := p.Node(n.Name)
		if err != nil {
			return f, err
		}
		path, err := p.o.pathOn(n)
		if err != nil {
			return f, err
		}
		on := lua.PlannedOn{Node: n, Text: p.from + " to " + string(path) + ": " + np.summary()}
		if full {
			on.Lines = np.lines(p.o.Drift, 0)
		}
		f.On = append(f.On, on)
		r.List = append(r.List, nodes.Outcome{Node: n, State: nodes.OK, Value: np.stats()})
	}
	return f, nil
}

// stats are those of a push that does what is planned; its times are not known
// and 0.
func (np *NodePlan) stats() Stats {
	return Stats{
		Added: len(np.Added), Changed: len(np.Changed), Deleted: len(np.Deleted), Bytes: np.Bytes,
		Drift: len(np.Drift), Extra: len(np.Extra),
	}
}
