package roll

import (
	"context"
	"database/sql"
	"time"
)

// startTelling writes that people are being told how a roll ended.
func startTelling(ctx context.Context, tx *sql.Tx, e Entry) error {
	if err := endTelling(ctx, tx, e); err != nil { // of an earlier try
		return err
	}
	_, err := tx.ExecContext(ctx, `INSERT INTO telling (roll, since) VALUES ($1, $2)`, e.ID, stamp(time.Now()))
	return err
}

// endTelling writes that all were told, or a notice was kept.
func endTelling(ctx context.Context, tx *sql.Tx, e Entry) error {
	_, err := tx.ExecContext(ctx, `DELETE FROM telling WHERE roll = $1`, e.ID)
	return err
}

// tellingOf reads of which rolls people are being told, or were when the process
// died.
func tellingOf(ctx context.Context, tx *sql.Tx) (map[string]bool, error) {
	rows, err := tx.QueryContext(ctx, `SELECT roll FROM telling`)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }() // rows.Err tells
	out := map[string]bool{}
	for rows.Next() {
		var id string
		if err := rows.Scan(&id); err != nil {
			return nil, err
		}
		out[id] = true
	}
	return out, rows.Err()
}
