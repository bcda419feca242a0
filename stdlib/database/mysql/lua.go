package mysql

import (
	"context"

	"github.com/rollsh/rollsh/lua"
	"github.com/rollsh/rollsh/nodes"
	"github.com/rollsh/rollsh/stdlib/database"
)

// Module is the mysql module of a session.
func Module(s *nodes.Session) lua.Module {
	return lua.Module{
		Name: "mysql",
		Doc:  "Refreshes a database from another, on MariaDB and MySQL. Until the copy is complete the target is untouched.",
		Funcs: []lua.Func{
			{
				Name: "copy", Doc: "Copies a database, with views, routines, triggers and events, and puts it in place of the target's.", Returns: "table", Mutates: true,
				Example: `mysql.copy{ from={on=node "db1", database="shop"}, to={on=node "staging", database="shop"}, after_sql="DELETE FROM sessions" }`,
				Do:      lua.Go(func(ctx context.Context, q Request) (database.Copied, error) { return Copy(ctx, s.Dialer, s.Events, q) }),
			},
		},
	}
}
