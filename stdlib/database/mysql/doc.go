// Package mysql refreshes a database from another, such as staging from
// production, on MariaDB and MySQL.
//
//	mysql.copy{
//		from = { on=node "db1", database="shop" },
//		to   = { on=node "staging", database="shop", user="root", password=secret "staging-db" },
//		skip = { "access_log" },
//		after_sql = "UPDATE customers SET mail = CONCAT('c', id, '@example.org')",
//	}
//
// What it promises:
//
//   - Until the whole dump has arrived (its exit code and its last line say so),
//     was imported into a fresh schema, its views, routines, triggers and events
//     were made there, and after_sql has run on it, the target is untouched.
//   - Then all tables are swapped by one RENAME TABLE, and the code (views,
//     routines, triggers, events) is made anew. Only between these two can a
//     failure leave the new tables with code missing; the error then says so, and
//     the old tables are kept in a schema that it names.
//   - Whatever fails before leaves no schema and no file behind, as far as the
//     target can still be reached.
//   - The dump is consistent where the tables are InnoDB; others are warned of.
//   - Passwords go through a file of mode 600 on the node that is removed again,
//     never through an argument or the environment.
//
// skip= names tables that arrive empty. tables= copies only these tables with
// their triggers, and is refused where foreign keys lead from others to them or
// back. Tables that the source has not are taken away, but not with tables=.
//
// The dump goes through this machine, unpacked. Users and grants are not copied;
// code keeps its DEFINER.
//
// Sources: mariadb-dump(1), MariaDB's and MySQL's manuals on RENAME TABLE (no
// triggers, no views across schemas); tried on MariaDB 10.11.
package mysql
