package postgres

import (
	"context"
	"io"
	"strings"

	"github.com/rollsh/rollsh/nodes"
	"github.com/rollsh/rollsh/stdlib/database"
)

const completed = "\n-- PostgreSQL database dump complete\n"

// complete reports whether the last lines are those of a complete dump.
func complete(end string) bool { return strings.Contains(end, completed) }

// flow pours a dump of the source into a database of the target, in one
// transaction that is committed only when the dump was complete and then has
// run.
func (j *job) flow(ctx context.Context, dump nodes.Cmd, db, then string) error {
	return database.Flow(ctx, j.from.Node().Name, j.to.Node().Name,
		func(ctx context.Context, w io.Writer) error {
			_, err := io.WriteString(w, "BEGIN;\n")
			if err == nil {
				err = j.from.run.Dump(ctx, dump, j.tell.Count(w), complete)
			}
			if err == nil {
				_, err = io.WriteString(w, "\nRESET search_path;\n"+then+"\n;COMMIT;\n")
			}
			return err
		},
		func(ctx context.Context, r io.Reader) error {
			return j.to.run.Load(ctx, j.to.psql(db, "--output=/dev/null"), r)
		})
}
