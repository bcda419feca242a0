package haproxy

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/rollsh/rollsh/lua"
	"github.com/rollsh/rollsh/nodes"
)

type backendArgs struct {
	On      nodes.Set        `lua:"on,required" doc:"the balancers; here for this machine"`
	Socket  nodes.RemotePath `lua:"socket,required" doc:"HAProxy's runtime socket on them, such as /run/haproxy/admin.sock"`
	Backend string           `lua:"backend,required" doc:"the backend's name in haproxy.cfg"`
	Server  serverNames      `lua:"server" type:"string|table|function" calls:"n: Node" doc:"the servers' names: a text with {name} in it, a table by node, or function(n); the node's name without it, and for nil"`
	Wait    time.Duration    `lua:"wait" default:"30" doc:"seconds for sessions to end and for a server to be up; 0: do not wait"`
	Last    bool             `lua:"last" doc:"drain the last server that serves, too"`
	Sudo    string           `lua:"sudo" doc:"user to reach the socket as; the login without it"`
}

// serverNames gives a node's name in the backend.
type serverNames struct {
	template string
	table    map[string]string
	fn       lua.Callback
}

// UnpackLua reads a template, a table or a function.
func (n *serverNames) UnpackLua(v any) error {
	switch v := v.(type) {
	case string:
		n.template = v
		return nil
	case map[string]any:
		n.table = map[string]string{}
		for node, name := range v {
			s, ok := name.(string)
			if !ok {
				return errors.New("expected the servers' names as {web1=\"s1\"}")
			}
			n.table[node] = s
		}
		return nil
	case lua.Callback:
		n.fn = v
		return nil
	}
	return errors.New("expected a text such as \"www-{name}\", a table such as {web1=\"s1\"}, or a function")
}

func (n serverNames) of(ctx context.Context, node *nodes.Node) (string, error) {
	if n.fn.IsZero() {
		return n.written(string(node.Name)), nil
	}
	results, err := n.fn.Call(ctx, node)
	if err != nil {
		return "", err
	}
	if len(results) == 0 || results[0] == nil {
		return string(node.Name), nil
	}
	name, ok := results[0].(string)
	if !ok {
		return "", &nodes.Error{Kind: nodes.Usage, Message: "server= gave no text"}
	}
	return name, nil
}

func (n serverNames) written(name string) string {
	if s, ok := n.table[name]; ok {
		return s
	}
	if n.template != "" {
		return strings.ReplaceAll(n.template, "{name}", name)
	}
	return name
}

type nodeArgs struct {
	Node *nodes.Node `lua:"node,pos" doc:"the node that the server stands for"`
}

type drainArgs struct {
	Node *nodes.Node `lua:"node,pos" doc:"the node that the server stands for"`
	Wait waitFor     `lua:"wait" type:"number" doc:"seconds for sessions to end; the backend's without it, 0: do not wait"`
}

// waitFor is a number of seconds, or that none was given.
type waitFor struct {
	given   bool
	seconds float64
}

// UnpackLua reads a number.
func (w *waitFor) UnpackLua(v any) error {
	f, ok := v.(float64)
	if !ok || f < 0 || f > 1e6 {
		return errors.New("expected seconds")
	}
	*w = waitFor{true, f}
	return nil
}

// Module is the haproxy module of a session.
func Module(s *nodes.Session) lua.Module {
	return lua.Module{
		Name: "haproxy",
		Doc:  "Takes nodes out of service and puts them back through HAProxy's runtime socket. Give a Backend as drain= to roll{}, or to set:balance.",
		Funcs: []lua.Func{
			{
				Name: "backend", Doc: "Names a backend; nothing is contacted yet.", Returns: "Backend",
				Example: `local lb = haproxy.backend{ on=here, socket="/run/haproxy/admin.sock", backend="web" }`,
				Do: lua.Pure(func(a backendArgs) (*Backend, error) {
					return New(s.Dialer, Config{On: a.On, Socket: a.Socket, Backend: a.Backend, Server: a.Server.of, Wait: a.Wait, Last: a.Last, Sudo: a.Sudo})
				}),
			},
		},
		Classes: []lua.Class{backendClass()},
	}
}

func backendClass() lua.Class {
	return lua.Class{
		Name: "Backend", Doc: "A backend of HAProxy, on all its balancers.", Of: (*Backend)(nil), String: lua.StringOf((*Backend).String),
		Funcs: []lua.Func{
			{
				Name: "drain", Doc: "Takes a node out of service and waits until it has no sessions.", Returns: "nil", Mutates: true, Example: `lb:drain(node "web3", {wait=60})`,
				Do: lua.Method(func(ctx context.Context, b *Backend, a drainArgs) (lua.None, error) {
					if a.Wait.given {
						return lua.None{}, b.DrainWithin(ctx, a.Node, time.Duration(a.Wait.seconds*float64(time.Second)))
					}
					return lua.None{}, b.Drain(ctx, a.Node)
				}),
			},
			{
				Name: "ready", Doc: "Puts a node back into service and waits until it is up.", Returns: "nil", Mutates: true, Example: `lb:ready(node "web3")`,
				Do: lua.Method(func(ctx context.Context, b *Backend, a nodeArgs) (lua.None, error) {
					return lua.None{}, b.Ready(ctx, a.Node)
				}),
			},
			{
				Name: "sessions", Doc: "Counts the sessions that are open to a node.", Returns: "integer", Example: `print(lb:sessions(node "web3"))`,
				Do: lua.Method(func(ctx context.Context, b *Backend, a nodeArgs) (int, error) { return b.Sessions(ctx, a.Node) }),
			},
			{
				Name: "state", Doc: "Tells how the balancers treat a node: admin (ready, drain or maint), up, sessions.", Returns: "table", Example: `print(lb:state(node "web3").admin)`,
				Do: lua.Method(func(ctx context.Context, b *Backend, a nodeArgs) (nodes.BalancerState, error) {
					return b.State(ctx, a.Node)
				}),
			},
		},
	}
}
