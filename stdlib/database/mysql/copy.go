package mysql

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
	From Place `lua:"from,required" doc:"{on=, database=, user=, password=, host=, port=, socket=, sudo=}: what is copied"`
	To   Place `lua:"to,required" doc:"the same: what is replaced"`
	database.What
}

// job is a copy under way.
type job struct {
	Request
	tell     database.Progress
	from, to *server
	fresh    string // schema that is filled
	made     bool   // fresh exists, or may
	old      string // schema for the tables that were there

	charset string   // of the source's schema, as SQL
	tables  []string // base tables to be copied
	views   []string
	code    string // views, routines, triggers, events
}

// Copy copies a database. See the package's promises.
func Copy(ctx context.Context, d nodes.Dialer, events nodes.Sink, q Request) (database.Copied, error) {
	if err := q.check(); err != nil {
		return database.Copied{}, err
	}
	start := time.Now()
	j := &job{Request: q, tell: database.Progress{Op: "mysql.copy", To: q.To.Node().Name, Events: events}}
	defer j.close(ctx)
	var err error
	if j.from, err = connect(ctx, d, q.From); err != nil {
		return database.Copied{}, nodes.At(err, "", q.From.Node().Name)
	}
	if j.to, err = connect(ctx, d, q.To); err != nil {
		return database.Copied{}, nodes.At(err, "", q.To.Node().Name)
	}
	j.fresh, j.old = q.To.Beside()
	for _, step := range []func(context.Context) error{j.survey, j.fill, j.swap} {
		if err := step(ctx); err != nil {
			return database.Copied{}, err
		}
	}
	return database.Copied{Tables: len(j.tables), Bytes: j.tell.Bytes, Elapsed: time.Since(start)}, nil
}

func (q Request) check() error {
	if err := q.From.check("from"); err != nil {
		return err
	}
	if err := q.To.check("to"); err != nil {
		return err
	}
	if q.From.Same(q.To.Place) && q.From.Socket == q.To.Socket {
		return database.Usage("from and to are the same database")
	}
	return q.What.Check()
}

// survey asks the source what there is, and whether tables= can be taken alone.
func (j *job) survey(ctx context.Context) error {
	rows, err := j.from.query(ctx, "", "SELECT table_name, table_type, COALESCE(engine, '') FROM information_schema.tables WHERE table_schema = "+text(j.From.Database))
	if err != nil {
		return nodes.At(err, "", j.From.Node().Name)
	}
	var odd []string
	for _, r := range rows {
		switch {
		case r[1] == "VIEW":
			j.views = append(j.views, r[0])
		case len(j.Tables) == 0 || slices.Contains(j.Tables, r[0]):
			j.tables = append(j.tables, r[0])
			if r[2] != "InnoDB" {
				odd = append(odd, r[0]+" ("+r[2]+")")
			}
		}
	}
	if len(rows) == 0 {
		return &nodes.Error{Kind: nodes.NotFound, Node: j.From.Node().Name, Message: "there is no database " + j.From.Database + ", or it has no tables"}
	}
	for _, t := range slices.Concat(j.Tables, j.Skip) {
		if !slices.Contains(j.tables, t) {
			return j.From.Lacks(t)
		}
	}
	if len(odd) > 0 {
		j.tell.Warn(j.From.Node().Name, "not InnoDB, so the copy may not be of one moment: "+nodes.Clean(strings.Join(odd, ", ")))
	}
	if len(j.Tables) > 0 {
		j.views = nil
		return j.aloneOn(ctx, j.to, j.To.Database)
	}
	return nil
}

// aloneOn refuses tables= where foreign keys join those tables with others.
func (j *job) aloneOn(ctx context.Context, s *server, schema string) error {
	list := make([]string, len(j.Tables))
	for i, t := range j.Tables {
		list[i] = text(t)
	}
	in := "(" + strings.Join(list, ", ") + ")"
	joined, err := s.column(ctx, "SELECT CONCAT(table_name, ' -> ', referenced_table_name) FROM information_schema.referential_constraints WHERE constraint_schema = "+
		text(schema)+" AND (table_name IN "+in+") <> (referenced_table_name IN "+in+")")
	if err != nil {
		return nodes.At(err, "", s.Node().Name)
	}
	if len(joined) > 0 {
		return &nodes.Error{Kind: nodes.Refused, Node: s.Node().Name, Message: "foreign keys join these tables with others: " + database.OneLine(strings.Join(joined, ", ")), Hint: "copy those too"}
	}
	return nil
}

// fill imports everything into the fresh schema and tries the code there.
func (j *job) fill(ctx context.Context) error {
	set, err := j.from.query(ctx, "", "SELECT default_character_set_name, default_collation_name FROM information_schema.schemata WHERE schema_name = "+text(j.From.Database))
	if err != nil {
		return nodes.At(err, "", j.From.Node().Name)
	}
	if len(set) != 1 {
		return &nodes.Error{Kind: nodes.NotFound, Node: j.From.Node().Name, Message: "there is no database " + j.From.Database}
	}
	j.charset = fmt.Sprintf(" CHARACTER SET %s COLLATE %s", name(set[0][0]), name(set[0][1]))
	err = j.on(ctx, "", "CREATE DATABASE "+name(j.fresh)+j.charset)
	j.made = err == nil || !refused(err)
	if err != nil {
		return err
	}
	full := slices.DeleteFunc(slices.Clone(j.tables), func(t string) bool { return slices.Contains(j.Skip, t) })
	if len(full) > 0 {
		if err := j.flow(ctx, j.from.dumpWords(nil, full...)); err != nil {
			return err
		}
	}
	if len(j.Skip) > 0 {
		if err := j.flow(ctx, j.from.dumpWords([]string{"--no-data"}, j.Skip...)); err != nil {
			return err
		}
	}
	if err := j.arrived(ctx); err != nil {
		return err
	}
	if err := j.readCode(ctx); err != nil {
		return err
	}
	if err := j.on(ctx, j.fresh, j.code); err != nil {
		return err
	}
	return j.on(ctx, j.fresh, j.AfterSQL)
}

// arrived compares what is in the fresh schema with what was to come.
func (j *job) arrived(ctx context.Context) error {
	have, err := j.to.column(ctx, "SELECT table_name FROM information_schema.tables WHERE table_type <> 'VIEW' AND table_schema = "+text(j.fresh))
	if err != nil {
		return nodes.At(err, "", j.To.Node().Name)
	}
	for _, t := range j.tables {
		if !slices.ContainsFunc(have, func(h string) bool { return strings.EqualFold(h, t) }) {
			return &nodes.Error{Kind: nodes.Lost, Node: j.To.Node().Name, Message: "table " + nodes.Clean(t) + " did not arrive"}
		}
	}
	return nil
}

// readCode dumps what is not tables: with tables= their triggers only.
func (j *job) readCode(ctx context.Context) error {
	bare := []string{"--no-data", "--no-create-info", "--triggers"}
	var dumps [][]string
	if len(j.Tables) > 0 {
		dumps = append(dumps, j.from.dumpWords(bare, j.tables...))
	} else {
		dumps = append(dumps, j.from.dumpWords(append(bare, "--routines", "--events")))
		if len(j.views) > 0 {
			dumps = append(dumps, j.from.dumpWords([]string{"--no-data"}, j.views...))
		}
	}
	for _, words := range dumps {
		part, err := j.from.code(ctx, words)
		if err != nil {
			return err
		}
		j.code += part + "\n"
	}
	return nil
}

// on runs statements on the target; none are fine.
func (j *job) on(ctx context.Context, schema, sql string) error {
	if strings.TrimSpace(sql) == "" {
		return nil
	}
	return nodes.At(j.to.exec(ctx, schema, sql), "", j.To.Node().Name)
}

// close drops the fresh schema and the password files, also when ctx is over.
func (j *job) close(ctx context.Context) {
	ctx, cancel := database.Cleanup(ctx)
	defer cancel()
	if j.made {
		if err := j.to.exec(ctx, "", "DROP DATABASE IF EXISTS "+name(j.fresh)); err != nil {
			j.tell.Warn(j.To.Node().Name, "schema "+j.fresh+" may be left behind: "+err.Error())
		}
	}
	j.to.close(ctx)
	j.from.close(ctx)
}
