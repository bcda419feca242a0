package mysql

import (
	"context"
	"crypto/rand"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/rollsh/rollsh/nodes"
)

// Request is a copy of a database.
type Request struct {
	From, To Place
	Tables   []string // only these; empty: all
	Skip     []string // arrive empty
	AfterSQL string   // run on the copy before it is put in place
}

// Copied is what was copied.
type Copied struct {
	Tables  int           `lua:"tables"`
	Bytes   int64         `lua:"bytes"` // of SQL
	Elapsed time.Duration `lua:"seconds"`
}

// cleanup is how long removing what is left over may take.
const cleanup = 30 * time.Second

// job is a copy under way.
type job struct {
	Request
	events   nodes.Sink
	from, to *server
	fresh    string // schema that is filled
	made     bool   // fresh exists, or may
	old      string // schema for the tables that were there

	charset string   // of the source's schema, as SQL
	tables  []string // base tables to be copied
	views   []string
	code    string // views, routines, triggers, events
	copied  Copied
	last    time.Time // of the last progress event
}

// Copy copies a database. See the package's promises.
func Copy(ctx context.Context, d nodes.Dialer, events nodes.Sink, q Request) (Copied, error) {
	if err := q.check(); err != nil {
		return Copied{}, err
	}
	start := time.Now()
	j := &job{Request: q, events: events}
	defer j.close(ctx)
	var err error
	if j.from, err = connect(ctx, d, q.From); err != nil {
		return Copied{}, nodes.At(err, "", q.From.On.Name)
	}
	if j.to, err = connect(ctx, d, q.To); err != nil {
		return Copied{}, nodes.At(err, "", q.To.On.Name)
	}
	mark := strings.ToLower(rand.Text()[:8])
	j.fresh, j.old = q.To.Database+"_new_"+mark, q.To.Database+"_old_"+mark
	for _, step := range []func(context.Context) error{j.survey, j.fill, j.swap} {
		if err := step(ctx); err != nil {
			return Copied{}, err
		}
	}
	j.copied.Elapsed = time.Since(start)
	return j.copied, nil
}

func (q Request) check() error {
	if err := q.From.check("from"); err != nil {
		return err
	}
	if err := q.To.check("to"); err != nil {
		return err
	}
	f, t := q.From, q.To
	if f.On.Name == t.On.Name && f.Database == t.Database && f.Host == t.Host && f.Port == t.Port && f.Socket == t.Socket {
		return usage("from and to are the same database")
	}
	for _, table := range slices.Concat(q.Tables, q.Skip) {
		if table == "" || strings.ContainsAny(table, "\x00\n\r") {
			return usage("'" + nodes.Clean(table) + "' is not a name of a table")
		}
	}
	return nil
}

// survey asks the source what there is, and whether tables= can be taken alone.
func (j *job) survey(ctx context.Context) error {
	rows, err := j.from.query(ctx, "", "SELECT table_name, table_type, COALESCE(engine, '') FROM information_schema.tables WHERE table_schema = "+text(j.From.Database))
	if err != nil {
		return nodes.At(err, "", j.From.On.Name)
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
		return &nodes.Error{Kind: nodes.NotFound, Node: j.From.On.Name, Message: "there is no database " + j.From.Database + ", or it has no tables"}
	}
	for _, t := range slices.Concat(j.Tables, j.Skip) {
		if !slices.Contains(j.tables, t) {
			return &nodes.Error{Kind: nodes.NotFound, Node: j.From.On.Name, Message: "database " + j.From.Database + " has no table " + nodes.Clean(t)}
		}
	}
	if len(odd) > 0 {
		j.events.Emit(nodes.Event{
			Time: time.Now(), Type: nodes.Warned, Op: "mysql.copy", Node: j.From.On.Name,
			Text: "not InnoDB, so the copy may not be of one moment: " + nodes.Clean(strings.Join(odd, ", ")),
		})
	}
	if len(j.Tables) > 0 {
		j.views = nil
		return j.aloneOn(ctx, j.to, j.To.Database)
	}
	return nil
}

// aloneOn refuses tables= where foreign keys join those tables with others.
func (j *job) aloneOn(ctx context.Context, s *server, database string) error {
	list := make([]string, len(j.Tables))
	for i, t := range j.Tables {
		list[i] = text(t)
	}
	in := "(" + strings.Join(list, ", ") + ")"
	joined, err := s.column(ctx, "SELECT CONCAT(table_name, ' -> ', referenced_table_name) FROM information_schema.referential_constraints WHERE constraint_schema = "+
		text(database)+" AND (table_name IN "+in+") <> (referenced_table_name IN "+in+")")
	if err != nil {
		return nodes.At(err, "", s.On.Name)
	}
	if len(joined) > 0 {
		return &nodes.Error{Kind: nodes.Refused, Node: s.On.Name, Message: "foreign keys join these tables with others: " + oneLine(strings.Join(joined, ", ")), Hint: "copy those too"}
	}
	return nil
}

// fill imports everything into the fresh schema and tries the code there.
func (j *job) fill(ctx context.Context) error {
	set, err := j.from.query(ctx, "", "SELECT default_character_set_name, default_collation_name FROM information_schema.schemata WHERE schema_name = "+text(j.From.Database))
	if err != nil {
		return nodes.At(err, "", j.From.On.Name)
	}
	if len(set) != 1 {
		return &nodes.Error{Kind: nodes.NotFound, Node: j.From.On.Name, Message: "there is no database " + j.From.Database}
	}
	j.charset = fmt.Sprintf(" CHARACTER SET %s COLLATE %s", name(set[0][0]), name(set[0][1]))
	err = j.on(ctx, "", "CREATE DATABASE "+name(j.fresh)+j.charset)
	j.made = err == nil || !refused(err)
	if err != nil {
		return err
	}
	full := slices.DeleteFunc(slices.Clone(j.tables), func(t string) bool { return slices.Contains(j.Skip, t) })
	if len(full) > 0 {
		if err := flow(ctx, j.from, j.from.dumpWords(nil, full...), j.to, j.fresh, j.moved); err != nil {
			return err
		}
	}
	if len(j.Skip) > 0 {
		if err := flow(ctx, j.from, j.from.dumpWords([]string{"--no-data"}, j.Skip...), j.to, j.fresh, j.moved); err != nil {
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
		return nodes.At(err, "", j.To.On.Name)
	}
	for _, t := range j.tables {
		if !slices.ContainsFunc(have, func(h string) bool { return strings.EqualFold(h, t) }) {
			return &nodes.Error{Kind: nodes.Lost, Node: j.To.On.Name, Message: "table " + nodes.Clean(t) + " did not arrive"}
		}
	}
	j.copied.Tables = len(j.tables)
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
	return nodes.At(j.to.exec(ctx, schema, sql), "", j.To.On.Name)
}

// moved counts, and tells once a second.
func (j *job) moved(n int) {
	j.copied.Bytes += int64(n)
	if now := time.Now(); now.Sub(j.last) > time.Second {
		j.last = now
		j.events.Emit(nodes.Event{Time: now, Type: nodes.Progress, Op: "mysql.copy", Node: j.To.On.Name, Done: j.copied.Bytes, Unit: "bytes"})
	}
}

// close drops the fresh schema and the password files, also when ctx is over.
func (j *job) close(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanup)
	defer cancel()
	if j.made {
		if err := j.to.exec(ctx, "", "DROP DATABASE IF EXISTS "+name(j.fresh)); err != nil {
			j.events.Emit(nodes.Event{
				Time: time.Now(), Type: nodes.Warned, Op: "mysql.copy", Node: j.To.On.Name,
				Text: "schema " + j.fresh + " may be left behind: " + err.Error(),
			})
		}
	}
	j.to.close(ctx)
	j.from.close(ctx)
}
