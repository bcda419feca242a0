package roll

import (
	"context"
	"database/sql"
	"time"

	"github.com/rollsh/rollsh/nodes"
)

// Take is one time that a roll was taken up again: to go on with it, or to undo
// it.
type Take struct {
	At   time.Time  `lua:"at"`
	Who  string     `lua:"who"`
	Host string     `lua:"host"` // the deploy host
	Mode nodes.Mode `lua:"mode"` // resume or back
}

// insertTake writes who takes a roll up again.
func insertTake(ctx context.Context, tx *sql.Tx, id string, t Take) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO takes (roll, at, who, host, mode) VALUES ($1, $2, $3, $4, $5)`, id, stamp(t.At), t.Who, t.Host, string(t.Mode))
	return err
}

// dropTake forgets one that came to nothing.
func dropTake(ctx context.Context, tx *sql.Tx, id string, t Take) error {
	_, err := tx.ExecContext(ctx, `DELETE FROM takes WHERE roll = $1 AND at = $2`, id, stamp(t.At))
	return err
}

// takesOf reads who took which roll up again, in order: a few in a hundred rolls.
func takesOf(ctx context.Context, tx *sql.Tx) (map[string][]Take, error) {
	rows, err := tx.QueryContext(ctx, `SELECT roll, at, who, host, mode FROM takes ORDER BY at`)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }() // rows.Err tells
	out := map[string][]Take{}
	for rows.Next() {
		var id, at string
		var t Take
		if err := rows.Scan(&id, &at, &t.Who, &t.Host, &t.Mode); err != nil {
			return nil, err
		}
		t.At = unstamp(at)
		out[id] = append(out[id], t)
	}
	return out, rows.Err()
}
