package mysql

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/rollsh/rollsh/lua"
	"github.com/rollsh/rollsh/nodes"
)

type copyArgs struct {
	From     place    `lua:"from,required" type:"{on: Node|Set, database: string, user: string?, password: string|Secret|nil, host: string?, port: number?, socket: string?, sudo: string?}" doc:"{on=, database=, user=, password=, host=, port=, socket=, sudo=}: what is copied"`
	To       place    `lua:"to,required" type:"{on: Node|Set, database: string, user: string?, password: string|Secret|nil, host: string?, port: number?, socket: string?, sudo: string?}" doc:"the same: what is replaced"`
	Tables   []string `lua:"tables" doc:"only these tables; all without it"`
	Skip     []string `lua:"skip" doc:"tables that arrive empty"`
	AfterSQL string   `lua:"after_sql" doc:"SQL that is run on the copy before it is put in place"`
}

// place is a Place as a table.
type place struct{ Place }

// UnpackLua reads the table.
func (p *place) UnpackLua(v any) error {
	m, ok := v.(map[string]any)
	if !ok {
		return errors.New("expected {on=NODE, database=NAME}")
	}
	for key, v := range m {
		if err := p.set(key, v); err != nil {
			return err
		}
	}
	if p.On == nil || p.Database == "" {
		return errors.New("expected {on=NODE, database=NAME}: one of them is missing")
	}
	return nil
}

func (p *place) set(key string, v any) error {
	ok := false
	switch key {
	case "on":
		p.On, ok = oneNode(v)
	case "database":
		p.Database, ok = v.(string)
	case "user":
		p.User, ok = v.(string)
	case "host":
		p.Host, ok = v.(string)
	case "sudo":
		p.Sudo, ok = v.(string)
	case "socket":
		var s string
		s, ok = v.(string)
		p.Socket = nodes.RemotePath(s)
	case "port":
		var f float64
		f, ok = v.(float64)
		p.Port = int(f)
		ok = ok && f == float64(p.Port) && p.Port > 0 && p.Port < 65536
	case "password":
		switch v := v.(type) {
		case string:
			p.Password, ok = nodes.NewSecret(v), true
		case nodes.Secret:
			p.Password, ok = v, true
		}
	default:
		return nodes.UnknownKey(key, "on", "database", "user", "password", "host", "port", "socket", "sudo")
	}
	if !ok {
		return fmt.Errorf("%s: expected %s", key, cmp.Or(wanted[key], "string"))
	}
	return nil
}

// wanted says what the keys hold that are no texts.
var wanted = map[string]string{"on": "Node", "port": "the number of a port", "password": "string or Secret"}

// oneNode takes a Node, or a Set of one.
func oneNode(v any) (*nodes.Node, bool) {
	switch v := v.(type) {
	case *nodes.Node:
		return v, true
	case nodes.Set:
		if len(v.Nodes) == 1 {
			return v.Nodes[0], true
		}
	}
	return nil, false
}

// Module is the mysql module of a session.
func Module(s *nodes.Session) lua.Module {
	return lua.Module{
		Name: "mysql",
		Doc:  "Refreshes a database from another, on MariaDB and MySQL. Until the copy is complete the target is untouched.",
		Funcs: []lua.Func{
			{
				Name: "copy", Doc: "Copies a database, with views, routines, triggers and events, and puts it in place of the target's.", Returns: "table", Mutates: true,
				Example: `mysql.copy{ from={on=node "db1", database="shop"}, to={on=node "staging", database="shop"}, after_sql="DELETE FROM sessions" }`,
				Do: lua.Go(func(ctx context.Context, a copyArgs) (Copied, error) {
					return Copy(ctx, s.Dialer, s.Events, Request{From: a.From.Place, To: a.To.Place, Tables: a.Tables, Skip: a.Skip, AfterSQL: a.AfterSQL})
				}),
			},
		},
	}
}
