// Package postgres refreshes a PostgreSQL database from another, such as staging
// from production.
//
//	postgres.copy{
//		from = { on=node "db1", database="shop" },
//		to   = { on=node "staging", database="shop", user="postgres", sudo="postgres" },
//		skip = { "access_log" },
//		after_sql = "UPDATE customers SET mail = 'c' || id || '@example.org'",
//	}
//
// What it promises:
//
//   - The copy is made in a fresh database, in one transaction that is committed
//     only when the whole dump has arrived (its exit code and its last lines say
//     so) and after_sql has run. Until then the target is untouched.
//   - Then the clients of the target are disconnected and the two databases
//     change names in one transaction; the old one is dropped.
//   - With tables= the tables are replaced in the target itself, in one
//     transaction; it fails, and nothing is changed, where others depend on them.
//   - Whatever fails before leaves no database and no file behind, as far as the
//     target can still be reached.
//   - Passwords go through a file of mode 600 on the node that is removed again,
//     never through an argument or the environment.
//
// skip= names tables that arrive empty. Names may have a schema, "log.access".
//
// The objects belong to the owner of the target's database. Roles, grants and
// settings of the database (ALTER DATABASE ... SET) are not copied, and those of
// the target are lost with the old database: put what is needed into after_sql.
// The dump goes through this machine, unpacked.
//
// Sources: the manual of PostgreSQL 15: pg_dump, psql, ALTER DATABASE, libpq's
// password file; tried on PostgreSQL 15.
package postgres
