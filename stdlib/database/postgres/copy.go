package postgres

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/rollsh/rollsh/nodes"
	"github.com/rollsh/rollsh/stdlib/database"
)

// Request is a copy of a database.
type Request struct {
	From Place `lua:"from,required" doc:"{on=, database=, user=, password=, host=, port=, sudo=, service=}: what is copied"`
	To   Place `lua:"to,required" doc:"the same: what is replaced"`
	database.What
}

// disconnects is how long getting the target's clients off it may take.
const disconnects = 20 * time.Second

// job is a copy under way.
type job struct {
	Request
	tell     database.Progress
	from, to *server
	fresh    string // database that is filled
	old      string // what the target is called before it is dropped
	made     bool   // fresh exists, or may
	tables   int    // that are copied
}

// Copy copies a database. See the package's promises.
func Copy(ctx context.Context, d nodes.Dialer, events nodes.Sink, q Request) (database.Copied, error) {
	if err := q.check(); err != nil {
		return database.Copied{}, err
	}
	start := time.Now()
	j := &job{Request: q, tell: database.Progress{Op: "postgres.copy", To: q.To.Node().Name, Events: events}}
	defer j.close(ctx)
	var err error
	if j.from, err = connect(ctx, d, q.From); err != nil {
		return database.Copied{}, nodes.At(err, "", q.From.Node().Name)
	}
	if j.to, err = connect(ctx, d, q.To); err != nil {
		return database.Copied{}, nodes.At(err, "", q.To.Node().Name)
	}
	j.fresh, j.old = q.To.Beside()
	steps := []func(context.Context) error{j.survey, j.fill, j.swap}
	if len(q.Tables) > 0 {
		steps = []func(context.Context) error{j.survey, j.replaceTables}
	}
	for _, step := range steps {
		if err := step(ctx); err != nil {
			return database.Copied{}, err
		}
	}
	return database.Copied{Tables: j.tables, Bytes: j.tell.Bytes, Elapsed: time.Since(start)}, nil
}

func (q Request) check() error {
	if err := q.From.Check("from"); err != nil {
		return err
	}
	if err := q.To.Check("to"); err != nil {
		return err
	}
	if q.From.Same(q.To.Place) {
		return database.Usage("from and to are the same database")
	}
	if t := q.To; t.Database == t.Service || t.Service == "" && t.Database == "postgres" {
		return database.Usage("to.database: the database that administration goes through cannot be replaced")
	}
	return q.What.Check()
}

// pattern is a table's name as pg_dump matches it exactly: quoted, with its
// schema where it has one.
func pattern(table string) string {
	schema, rest, found := strings.Cut(table, ".")
	if !found {
		return name(table)
	}
	return name(schema) + "." + name(rest)
}

// survey counts the source's tables and finds those that are named.
func (j *job) survey(ctx context.Context) error {
	rows, err := j.from.query(ctx, j.From.Database, `SELECT schemaname, tablename FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema');`)
	if err != nil {
		return nodes.At(err, "", j.From.Node().Name)
	}
	for _, t := range slices.Concat(j.Tables, j.Skip) {
		known := func(r []string) bool { return t == r[1] || t == r[0]+"."+r[1] }
		if !slices.ContainsFunc(rows, known) {
			return j.From.Lacks(t)
		}
	}
	j.tables = len(rows)
	if len(j.Tables) > 0 {
		j.tables = len(j.Tables)
	}
	return nil
}

// dump is a dump of the source without owners and grants.
func (j *job) dump(args ...string) nodes.Cmd {
	words := append([]string{"--no-owner", "--no-privileges", "--strict-names"}, args...)
	for _, t := range j.Skip {
		words = append(words, "--exclude-table-data="+pattern(t))
	}
	return j.from.command("pg_dump", j.From.Database, words...)
}

// fill makes the fresh database like the source's, owned like the target's, and
// imports into it.
func (j *job) fill(ctx context.Context) error {
	set, err := j.from.query(ctx, j.From.Database, `SELECT pg_encoding_to_char(encoding), datcollate, datctype FROM pg_database WHERE datname = current_database();`)
	if err != nil || len(set) != 1 {
		return nodes.At(err, "", j.From.Node().Name)
	}
	owner, err := j.service(ctx, "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = "+text(j.To.Database)+" UNION ALL SELECT current_user LIMIT 1;")
	if err != nil {
		return err
	}
	j.made = true
	create := fmt.Sprintf("CREATE DATABASE %s TEMPLATE template0 OWNER %s ENCODING %s LC_COLLATE %s LC_CTYPE %s;",
		name(j.fresh), name(owner[0][0]), text(set[0][0]), text(set[0][1]), text(set[0][2]))
	if _, err := j.service(ctx, create); err != nil {
		return err
	}
	return j.flow(ctx, j.dump(), j.fresh, j.give(owner[0][0])+j.AfterSQL)
}

// give hands everything to owner, when that is somebody else.
func (j *job) give(owner string) string {
	return `DO $rollsh$ DECLARE r record; BEGIN
IF current_user <> ` + text(owner) + ` THEN
FOR r IN SELECT nspname FROM pg_namespace WHERE nspowner = current_user::regrole AND nspname !~ '^pg_' AND nspname <> 'information_schema' LOOP
EXECUTE format('ALTER SCHEMA %I OWNER TO %I', r.nspname, ` + text(owner) + `); END LOOP;
FOR r IN SELECT c.oid::regclass AS n, c.relkind AS k FROM pg_class c JOIN pg_namespace s ON s.oid = c.relnamespace
WHERE c.relowner = current_user::regrole AND s.nspname !~ '^pg_' AND s.nspname <> 'information_schema' AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
AND NOT EXISTS (SELECT 1 FROM pg_depend d WHERE d.objid = c.oid AND d.deptype = 'e') LOOP
EXECUTE format('ALTER %s %s OWNER TO %I', CASE r.k WHEN 'v' THEN 'VIEW' WHEN 'm' THEN 'MATERIALIZED VIEW' WHEN 'f' THEN 'FOREIGN TABLE' ELSE 'TABLE' END, r.n, ` + text(owner) + `); END LOOP;
FOR r IN SELECT c.oid::regclass AS n FROM pg_class c JOIN pg_namespace s ON s.oid = c.relnamespace
WHERE c.relowner = current_user::regrole AND s.nspname !~ '^pg_' AND c.relkind = 'S' LOOP
EXECUTE format('ALTER SEQUENCE %s OWNER TO %I', r.n, ` + text(owner) + `); END LOOP;
FOR r IN SELECT p.oid::regprocedure AS n FROM pg_proc p JOIN pg_namespace s ON s.oid = p.pronamespace
WHERE p.proowner = current_user::regrole AND s.nspname !~ '^pg_' AND s.nspname <> 'information_schema'
AND NOT EXISTS (SELECT 1 FROM pg_depend d WHERE d.objid = p.oid AND d.deptype = 'e') LOOP
EXECUTE format('ALTER ROUTINE %s OWNER TO %I', r.n, ` + text(owner) + `); END LOOP;
END IF; END $rollsh$;
`
}

// replaceTables puts tables in place of the target's, in one transaction.
func (j *job) replaceTables(ctx context.Context) error {
	args := []string{"--clean", "--if-exists"}
	for _, t := range j.Tables {
		args = append(args, "--table="+pattern(t))
	}
	owner, err := j.service(ctx, "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = "+text(j.To.Database)+";")
	if err != nil {
		return err
	}
	if len(owner) != 1 {
		return &nodes.Error{Kind: nodes.NotFound, Node: j.To.Node().Name, Message: "there is no database " + j.To.Database, Hint: "leave tables= out once to make it"}
	}
	return j.flow(ctx, j.dump(args...), j.To.Database, j.AfterSQL)
}

// swap gives the fresh database the target's name. A client that comes back in
// between makes the renaming fail; it is sent away again for a while.
func (j *job) swap(ctx context.Context) error {
	there, err := j.service(ctx, "SELECT datname FROM pg_database WHERE datname = "+text(j.To.Database)+";")
	if err != nil {
		return err
	}
	rename := "ALTER DATABASE " + name(j.fresh) + " RENAME TO " + name(j.To.Database) + ";"
	if len(there) > 0 {
		rename = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = " + text(j.To.Database) + " AND pid <> pg_backend_pid();\n" +
			"BEGIN; ALTER DATABASE " + name(j.To.Database) + " RENAME TO " + name(j.old) + "; " + rename + " COMMIT;"
	}
	for end := time.Now().Add(disconnects); ; {
		_, err := j.service(ctx, rename)
		if err == nil {
			break
		}
		if nodes.AsError(err, nodes.Internal).Code != "55006" || time.Now().After(end) { // object in use
			return err
		}
		if err := pause(ctx); err != nil {
			return err
		}
	}
	j.made = false
	if len(there) == 0 {
		return nil
	}
	ctx, cancel := database.Cleanup(ctx)
	defer cancel()
	if _, err := j.service(ctx, "DROP DATABASE "+name(j.old)+" WITH (FORCE);"); err != nil {
		j.tell.Warn(j.To.Node().Name, "the copy is in place; the old database is left as "+j.old+": "+err.Error())
	}
	return nil
}

// pause waits before something is tried again.
func pause(ctx context.Context) error {
	timer := time.NewTimer(200 * time.Millisecond)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return nodes.Stopped(ctx)
	}
}

// service runs statements on the target, outside of what is replaced.
func (j *job) service(ctx context.Context, sql string) ([][]string, error) {
	rows, err := j.to.query(ctx, j.to.Service, sql)
	return rows, nodes.At(err, "", j.To.Node().Name)
}

// close drops the fresh database and the password files, also when ctx is over.
func (j *job) close(ctx context.Context) {
	ctx, cancel := database.Cleanup(ctx)
	defer cancel()
	if j.made {
		if err := j.dropFresh(ctx); err != nil {
			j.tell.Warn(j.To.Node().Name, "database "+j.fresh+" may be left behind: "+err.Error())
		}
	}
	j.to.close(ctx)
	j.from.close(ctx)
}

// dropFresh drops the fresh database. Where the client that made it was ended, the
// server may be making it yet: what it is at is ended first.
func (j *job) dropFresh(ctx context.Context) error {
	end := "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND usename = current_user AND position(" +
		text(name(j.fresh)) + " IN query) > 0;"
	for {
		ended, err := j.service(ctx, end)
		if err != nil {
			return err
		}
		if len(ended) == 0 {
			break
		}
		if err := pause(ctx); err != nil {
			return err
		}
	}
	_, err := j.service(ctx, "DROP DATABASE IF EXISTS "+name(j.fresh)+" WITH (FORCE);")
	return err
}
