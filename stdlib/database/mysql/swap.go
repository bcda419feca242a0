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

// swap puts the fresh tables in place of the old ones. Tables with triggers
// cannot leave their schema, so triggers go first on both sides: those of the
// old tables are kept and made again if the renaming fails.
func (j *job) swap(ctx context.Context) error {
	db := j.To.Database
	if err := j.on(ctx, "", "CREATE DATABASE IF NOT EXISTS "+name(db)+j.charset+"; CREATE DATABASE "+name(j.old)); err != nil {
		j.giveBack(ctx, "")
		return err
	}
	there, err := j.to.column(ctx, "SELECT table_name FROM information_schema.tables WHERE table_type <> 'VIEW' AND table_schema = "+text(db))
	if err != nil {
		return nodes.At(err, "", j.To.Node().Name)
	}
	leaving := there
	if len(j.Tables) > 0 {
		leaving = slices.DeleteFunc(slices.Clone(there), func(t string) bool { return !slices.Contains(j.Tables, t) })
	}
	triggers, err := j.takeTriggers(ctx, db, leaving)
	if err == nil {
		_, err = j.takeTriggers(ctx, j.fresh, j.tables)
	}
	if err == nil {
		err = j.on(ctx, "", j.renaming(leaving))
	}
	if err != nil {
		j.giveBack(ctx, triggers)
		return err
	}
	return j.finish(ctx)
}

// renaming is one statement: all tables change places, or none. Without tables it is
// empty.
func (j *job) renaming(leaving []string) string {
	var moves []string
	for _, t := range leaving {
		moves = append(moves, name(j.To.Database)+"."+name(t)+" TO "+name(j.old)+"."+name(t))
	}
	for _, t := range j.tables {
		moves = append(moves, name(j.fresh)+"."+name(t)+" TO "+name(j.To.Database)+"."+name(t))
	}
	if len(moves) == 0 {
		return ""
	}
	return "RENAME TABLE " + strings.Join(moves, ", ")
}

// takeTriggers drops the triggers of tables and gives what makes them again.
func (j *job) takeTriggers(ctx context.Context, schema string, tables []string) (string, error) {
	rows, err := j.to.query(ctx, "", "SELECT trigger_name, event_object_table FROM information_schema.triggers WHERE trigger_schema = "+text(schema))
	if err != nil {
		return "", nodes.At(err, "", j.To.Node().Name)
	}
	var drops, owners []string
	for _, r := range rows {
		if slices.Contains(tables, r[1]) {
			drops = append(drops, "DROP TRIGGER "+name(schema)+"."+name(r[0])+";")
			owners = append(owners, r[1])
		}
	}
	if len(drops) == 0 {
		return "", nil
	}
	again := ""
	if schema == j.To.Database {
		slices.Sort(owners)
		words := j.to.dumpWords([]string{"--no-data", "--no-create-info", "--triggers"}, slices.Compact(owners)...)
		if again, err = j.to.code(ctx, words); err != nil {
			return "", err
		}
	}
	return again, j.on(ctx, "", strings.Join(drops, "\n"))
}

// giveBack makes the triggers of the old tables again and drops the schema that
// was made for them.
func (j *job) giveBack(ctx context.Context, triggers string) {
	ctx, cancel := database.Cleanup(ctx)
	defer cancel()
	err := j.on(ctx, j.To.Database, triggers)
	if err == nil {
		err = j.on(ctx, "", "DROP DATABASE IF EXISTS "+name(j.old))
	}
	if err != nil {
		j.tell.Warn(j.To.Node().Name, "the old tables are in place, but their triggers or schema "+j.old+" need a look: "+err.Error())
	}
}

// finishing is how long making the code in the target may take.
const finishing = 5 * time.Minute

// finish makes the code in the target and drops the old tables. It goes on when
// ctx ends: the new tables are in place, and half of it helps nobody.
func (j *job) finish(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), finishing)
	defer cancel()
	err := j.dropExtraViews(ctx)
	if err == nil {
		err = j.on(ctx, j.To.Database, j.code)
	}
	if err != nil {
		e := *nodes.AsError(err, nodes.Internal)
		e.Message = fmt.Sprintf("the new tables are in place, but views, routines, triggers or events are not (the old tables are in schema %s): %s", j.old, e.Message)
		return &e
	}
	return j.on(ctx, "", "DROP DATABASE "+name(j.old))
}

// dropExtraViews takes away views that the source has not.
func (j *job) dropExtraViews(ctx context.Context) error {
	if len(j.Tables) > 0 {
		return nil
	}
	there, err := j.to.column(ctx, "SELECT table_name FROM information_schema.views WHERE table_schema = "+text(j.To.Database))
	if err != nil {
		return nodes.At(err, "", j.To.Node().Name)
	}
	for _, v := range there {
		if !slices.Contains(j.views, v) {
			if err := j.on(ctx, j.To.Database, "DROP VIEW "+name(v)); err != nil {
				return err
			}
		}
	}
	return nil
}
