package puppet

import (
	"context"
	"time"

	"github.com/rollsh/rollsh/lua"
	"github.com/rollsh/rollsh/nodes"
)

type runArgs struct {
	Set            nodes.Set        `lua:"set,pos" doc:"the nodes"`
	Noop           bool             `lua:"noop" doc:"change nothing, count what would change"`
	Environment    string           `lua:"environment" doc:"Puppet's environment; what the node's configuration says without it"`
	Apply          nodes.RemotePath `lua:"apply" doc:"a manifest on the node, for use without a server"`
	Args           []string         `lua:"args" doc:"more words for Puppet"`
	Sudo           string           `lua:"sudo" doc:"user to run as, usually root; the login without it"`
	Timeout        time.Duration    `lua:"timeout" default:"1800" doc:"seconds that a run may take"`
	AtOnce         nodes.AtOnce     `lua:"at_once" doc:"how many nodes at once; all without it"`
	MaxFailed      int              `lua:"max_failed" default:"0" min:"0" doc:"failures tolerated over the whole call"`
	MaxUnreachable int              `lua:"max_unreachable" default:"0" min:"0" doc:"unreachable nodes tolerated, counted apart"`
	Check          bool             `lua:"check" default:"true" doc:"raise when a node failed; false: look at the Results"`
}

func (a runArgs) each() nodes.EachOpts {
	o := nodes.EachOpts{Op: "puppet.run", AtOnce: a.AtOnce, MaxFailed: a.MaxFailed, MaxUnreachable: a.MaxUnreachable}
	if o.AtOnce.IsZero() {
		o.AtOnce = nodes.AllAtOnce()
	}
	if !a.Check {
		o.OnFailure = nodes.CarryOn
	}
	return o
}

// Module is the puppet module of a session.
func Module(s *nodes.Session) lua.Module {
	return lua.Module{
		Name: "puppet",
		Doc: `Runs Puppet on nodes. The value of each node is {changed, failed, resources, pending, skipped, seconds}, counts of resources.
A run that did not take place or in which something failed is an error.`,
		Funcs: []lua.Func{
			{
				Name: "run", Doc: "Runs Puppet's agent on nodes, or puppet apply with apply=.", Returns: "Results", Outcome: Outcome{}, Mutates: true,
				Example: `puppet.run(nodes "prod", {noop=true, sudo="root"})`, Planned: map[string]any{"failed": 0},
				Do: lua.Go(func(ctx context.Context, a runArgs) (*nodes.Results, error) {
					each := a.each()
					r, err := Run(ctx, s.Dialer, a.Set, each, Options{Noop: a.Noop, Environment: a.Environment, Apply: a.Apply, Args: a.Args, Sudo: a.Sudo, Timeout: a.Timeout})
					if err != nil {
						return nil, err
					}
					if ctx.Err() != nil {
						return nil, nodes.Stopped(ctx)
					}
					return r, each.Err(r)
				}),
			},
		},
	}
}
