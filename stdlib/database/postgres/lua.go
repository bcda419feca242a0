package postgres

import (
	"context"

	"github.com/rollsh/rollsh/lua"
	"github.com/rollsh/rollsh/nodes"
	"github.com/rollsh/rollsh/stdlib/database"
)

// Module is the postgres module of a session.
func Module(s *nodes.Session) lua.Module {
	return lua.Module{
		Name: "postgres",
		Doc:  "Refreshes a PostgreSQL database from another. Until the copy is complete the target is untouched.",
		Funcs: []lua.Func{
			{
				Name: "copy", Doc: "Copies a database, with all that is in it, and puts it in place of the target's.", Returns: "table", Mutates: true,
				Example: `postgres.copy{ from={on=node "db1", database="shop"}, to={on=node "staging", database="shop"}, after_sql="DELETE FROM sessions" }`,
				Do:      lua.Go(func(ctx context.Context, q Request) (database.Copied, error) { return Copy(ctx, s.Dialer, s.Events, q) }),
			},
		},
	}
}
