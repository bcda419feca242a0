package postgres

import (
	"context"

	"github.com/rollsh/rollsh/lua"
	"github.com/rollsh/rollsh/nodes"
)

type copyArgs struct {
	From     place    `lua:"from,required" doc:"{on=, database=, user=, password=, host=, port=, sudo=, service=}: what is copied"`
	To       place    `lua:"to,required" doc:"the same: what is replaced"`
	Tables   []string `lua:"tables" doc:"only these tables; all without it"`
	Skip     []string `lua:"skip" doc:"tables that arrive empty"`
	AfterSQL string   `lua:"after_sql" doc:"SQL that is run on the copy before it is put in place"`
}

// place is a Place as a table.
type place struct {
	On       nodes.Set    `lua:"on,required" type:"Node|Set"`
	Database string       `lua:"database,required"`
	User     string       `lua:"user"`
	Password nodes.Secret `lua:"password"`
	Host     string       `lua:"host"`
	Port     int          `lua:"port"`
	Sudo     string       `lua:"sudo"`
	Service  string       `lua:"service"`
}

func (p place) of() Place {
	var on *nodes.Node
	if len(p.On.Nodes) == 1 {
		on = p.On.Nodes[0]
	}
	return Place{On: on, Database: p.Database, User: p.User, Password: p.Password, Host: p.Host, Port: p.Port, Sudo: p.Sudo, Service: p.Service}
}

// Module is the postgres module of a session.
func Module(s *nodes.Session) lua.Module {
	return lua.Module{
		Name: "postgres",
		Doc:  "Refreshes a PostgreSQL database from another. Until the copy is complete the target is untouched.",
		Funcs: []lua.Func{
			{
				Name: "copy", Doc: "Copies a database, with all that is in it, and puts it in place of the target's.", Returns: "table", Mutates: true,
				Example: `postgres.copy{ from={on=node "db1", database="shop"}, to={on=node "staging", database="shop"}, after_sql="DELETE FROM sessions" }`,
				Do: lua.Go(func(ctx context.Context, a copyArgs) (Copied, error) {
					return Copy(ctx, s.Dialer, s.Events, Request{From: a.From.of(), To: a.To.of(), Tables: a.Tables, Skip: a.Skip, AfterSQL: a.AfterSQL})
				}),
			},
		},
	}
}
