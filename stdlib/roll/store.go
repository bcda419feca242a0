package roll

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/rollsh/rollsh/nodes"
)

// Journal is the project's record of rolls, and its locks: a file of SQLite in
// the session's State, or tables in the PostgreSQL database that ROLLSH_JOURNAL
// names, where several deploy hosts share nodes. It is opened at the first use;
// looking into a journal that is not there makes none. It is safe from many
// goroutines and many processes.
type Journal struct {
	session *nodes.Session
	keeper  keeper
	mine    sync.Map // tokens of the names that this process has locked for a person

	mu     sync.Mutex
	db     *sql.DB
	closed bool
}

// keeper is where a journal lives.
type keeper interface {
	// name is what messages call it.
	name() string
	// open connects to it; it makes one where there is none only for create, and
	// else gives nil.
	open(ctx context.Context, create bool) (*sql.DB, error)
	// made reports whether there are tables in it.
	made(ctx context.Context, q querier) (bool, error)
	// reading are the options of a transaction that sees one state throughout.
	reading() *sql.TxOptions
	// alone keeps other writers out until the transaction ends.
	alone(ctx context.Context, tx *sql.Tx) error
	// busy reports whether other processes were in the way for a moment.
	busy(err error) bool
	// explain puts a failure of its own into words; nil for others.
	explain(err error) *nodes.Error
}

// querier is a database or a transaction.
type querier interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// NewJournal gives the journal of a session without opening it.
func NewJournal(s *nodes.Session) *Journal {
	if address := os.Getenv("ROLLSH_JOURNAL"); address != "" {
		return &Journal{session: s, keeper: server{address}}
	}
	return &Journal{session: s, keeper: file{s}}
}

// shared reports whether the journal is seen by all who roll the project.
func (j *Journal) shared() bool {
	_, private := j.keeper.(file)
	return !private || j.session.Shared
}

// Close ends the use of the file; what is written after it fails.
func (j *Journal) Close() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.closed = true
	if j.db == nil {
		return nil
	}
	err := j.db.Close()
	j.db = nil
	return err
}

// write runs f in one transaction that is on the disk when write returns nil.
func (j *Journal) write(ctx context.Context, f func(*sql.Tx) error) error {
	db, err := j.open(ctx, true)
	if err != nil {
		return err
	}
	var tx *sql.Tx
	err = j.patiently(ctx, func() (err error) {
		if tx, err = db.BeginTx(ctx, nil); err != nil {
			return err
		}
		if err = j.keeper.alone(ctx, tx); err != nil {
			return errors.Join(err, ignoreDone(tx.Rollback()))
		}
		return nil
	})
	if err != nil {
		return j.explain(err)
	}
	return j.end(tx, f(tx))
}

// read runs f on one state of the journal; not at all when there is none yet.
func (j *Journal) read(ctx context.Context, f func(*sql.Tx) error) error {
	db, err := j.open(ctx, false)
	if err != nil || db == nil {
		return err
	}
	return j.patiently(ctx, func() error {
		tx, err := db.BeginTx(ctx, j.keeper.reading())
		if err != nil {
			return j.explain(err)
		}
		return j.end(tx, f(tx))
	})
}

// end commits, or rolls back for an error.
func (j *Journal) end(tx *sql.Tx, err error) error {
	if err != nil {
		return errors.Join(j.explain(err), ignoreDone(tx.Rollback()))
	}
	return j.explain(tx.Commit())
}

// patience is how long other processes may keep the journal busy.
const patience = 10 * time.Second

// patiently calls f until the journal is not busy.
func (j *Journal) patiently(ctx context.Context, f func() error) error {
	deadline := time.Now().Add(patience)
	for {
		err := f()
		if err == nil || !j.keeper.busy(err) || time.Now().After(deadline) {
			return err
		}
		select {
		case <-ctx.Done():
			return nodes.Stopped(ctx)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// ignoreDone drops the error of ending a transaction that its context ended.
func ignoreDone(err error) error {
	if errors.Is(err, sql.ErrTxDone) {
		return nil
	}
	return err
}

func (j *Journal) open(ctx context.Context, create bool) (*sql.DB, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.db != nil {
		return j.db, nil
	}
	if j.closed {
		return nil, &nodes.Error{Kind: nodes.Internal, Message: "the journal is closed"}
	}
	db, err := j.keeper.open(ctx, create)
	if err != nil || db == nil {
		return nil, j.explain(err)
	}
	var ready bool
	err = j.patiently(ctx, func() (err error) {
		ready, err = j.migrate(ctx, db, create)
		return err
	})
	if err != nil || !ready {
		return nil, errors.Join(j.explain(err), db.Close())
	}
	j.db = db
	return db, nil
}

// migrate makes what tables are missing, also those that an older rollsh did not
// know; ready is false where there are none and none are to be made.
func (j *Journal) migrate(ctx context.Context, db *sql.DB, create bool) (ready bool, err error) {
	made, err := j.keeper.made(ctx, db)
	if err != nil || !made && !create {
		return false, err
	}
	if made {
		var version int
		err := db.QueryRowContext(ctx, `SELECT version FROM schema_version`).Scan(&version)
		switch {
		case version > schemaVersion:
			return false, newer(version)
		case err == nil && version == schemaVersion:
			return true, nil
		case err != nil && !errors.Is(err, sql.ErrNoRows):
			return false, err
		}
	}
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return false, err
	}
	if err := j.makeTables(ctx, tx); err != nil {
		return false, errors.Join(err, ignoreDone(tx.Rollback()))
	}
	return true, tx.Commit()
}

func (j *Journal) makeTables(ctx context.Context, tx *sql.Tx) error {
	if err := j.keeper.alone(ctx, tx); err != nil {
		return err
	}
	for _, statement := range schema {
		if _, err := tx.ExecContext(ctx, statement); err != nil {
			return err
		}
	}
	// Whoever was first has written it.
	_, err := tx.ExecContext(ctx, `INSERT INTO schema_version (version) SELECT CAST($1 AS INTEGER) WHERE NOT EXISTS (SELECT 1 FROM schema_version)`, schemaVersion)
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, `UPDATE schema_version SET version = $1 WHERE version < $1`, schemaVersion)
	return err
}

func newer(version int) error {
	return &nodes.Error{
		Kind: nodes.Refused, Message: fmt.Sprintf("the journal was written by a newer rollsh (schema %d, this one knows %d)", version, schemaVersion),
		Hint: "use the newer rollsh",
	}
}

// explain turns a failure of the journal into one that a person can act on.
func (j *Journal) explain(err error) error {
	var known *nodes.Error
	switch {
	case err == nil, errors.As(err, &known):
		return err
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return nodes.AsError(err, nodes.Cancelled)
	}
	if e := j.keeper.explain(err); e != nil {
		return e
	}
	return &nodes.Error{Kind: nodes.Failed, Message: "journal " + j.keeper.name() + ": " + err.Error(), Cause: err}
}

// timeLayout has a fixed width, so times sort as texts.
const timeLayout = "2006-01-02T15:04:05.000000Z"

func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(timeLayout)
}

func unstamp(s string) time.Time {
	t, err := time.Parse(timeLayout, s)
	if err != nil {
		return time.Time{}
	}
	return t
}
