package mysql

import (
	"context"

	"github.com/rollsh/rollsh/lua"
	"github.com/rollsh/rollsh/nodes"
)

type copyArgs struct {
	From     place    `lua:"from,required" doc:"{on=, database=, user=, password=, host=, port=, socket=, sudo=}: what is copied"`
	To       place    `lua:"to,required" doc:"the same: what is replaced"`
	Tables   []string `lua:"tables" doc:"only these tables; all without it"`
	Skip     []string `lua:"skip" doc:"tables that arrive empty"`
	AfterSQL string   `lua:"after_sql" doc:"SQL that is run on the copy before it is put in place"`
}

// place is a Place as a table.
type place struct {
	On       nodes.Set        `lua:"on,required" type:"Node|Set"`
	Database string           `lua:"database,required"`
	User     string           `lua:"user"`
	Password nodes.Secret     `lua:"password"`
	Host     string           `lua:"host"`
	Port     int              `lua:"port"`
	Socket   nodes.RemotePath `lua:"socket"`
	Sudo     string           `lua:"sudo"`
}

func (p place) of() Place {
	var on *nodes.Node
	if len(p.On.Nodes) == 1 {
		on = p.On.Nodes[0]
	}
	return Place{On: on, Database: p.Database, User: p.User, Password: p.Password, Host: p.Host, Port: p.Port, Socket: p.Socket, Sudo: p.Sudo}
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
					return Copy(ctx, s.Dialer, s.Events, Request{From: a.From.of(), To: a.To.of(), Tables: a.Tables, Skip: a.Skip, AfterSQL: a.AfterSQL})
				}),
			},
		},
	}
}
