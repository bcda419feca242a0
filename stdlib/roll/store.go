package roll

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"time"

	"modernc.org/sqlite"

	"github.com/rollsh/rollsh/nodes"
)

// Journal is the project's record of rolls, and its locks. It is opened at the
// first use; looking into a journal that is not there makes none. It is safe
// from many goroutines and many processes.
type Journal struct {
	session *nodes.Session

	mu     sync.Mutex
	db     *sql.DB
	closed bool
}

// NewJournal gives the journal of a session without opening it.
func NewJournal(s *nodes.Session) *Journal { return &Journal{session: s} }

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

// Path is where the journal is kept.
func (j *Journal) Path() string { return filepath.Join(j.session.State, "journal.db") }

// write runs f in one transaction that is on the disk when write returns nil.
func (j *Journal) write(ctx context.Context, f func(*sql.Tx) error) error {
	db, err := j.open(ctx, true)
	if err != nil {
		return err
	}
	var tx *sql.Tx
	err = patiently(ctx, func() (err error) {
		tx, err = db.BeginTx(ctx, nil)
		return err
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
	return patiently(ctx, func() error {
		tx, err := db.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
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

// patiently calls f until the journal is not busy. SQLite waits by itself for a
// lock, but not where the first process to come turns the write-ahead log on,
// or a later one recovers it.
func patiently(ctx context.Context, f func() error) error {
	deadline := time.Now().Add(patience)
	for {
		err := f()
		var failed *sqlite.Error
		if !errors.As(err, &failed) || failed.Code()&0xff != sqliteBusy || time.Now().After(deadline) {
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
	if where := os.Getenv("ROLLSH_JOURNAL"); where != "" {
		return nil, &nodes.Error{
			Kind: nodes.Usage, Message: "ROLLSH_JOURNAL is set, but this rollsh keeps its journal in SQLite only",
			Hint: "unset ROLLSH_JOURNAL; ROLLSH_STATE names another folder",
		}
	}
	switch _, err := os.Stat(j.Path()); {
	case err == nil:
	case !errors.Is(err, fs.ErrNotExist):
		return nil, j.explain(err)
	case !create:
		return nil, nil
	default:
		if err := j.makeFile(); err != nil {
			return nil, j.explain(err)
		}
	}
	db, err := sql.Open("sqlite", j.source())
	if err != nil {
		return nil, j.explain(err)
	}
	db.SetMaxOpenConns(1) // one writer at a time is what SQLite gives anyway
	if err := patiently(ctx, func() error { return migrate(ctx, db) }); err != nil {
		return nil, errors.Join(j.explain(err), db.Close())
	}
	j.db = db
	return db, nil
}

// source is what the driver opens. A transaction that writes takes the write
// lock at its start, so it never fails half-way for another's.
func (j *Journal) source() string {
	q := url.Values{"_txlock": {"immediate"}, "_busy_timeout": {"10000"}, "_synchronous": {"FULL"}, "_journal_mode": {"WAL"}, "_defensive": {"1"}}
	if onNetwork(j.session.State) {
		q.Set("_journal_mode", "DELETE")
		q.Set("_synchronous", "EXTRA")
	}
	u := url.URL{Scheme: "file", Path: j.Path(), RawQuery: q.Encode()}
	return u.String()
}

// makeFile makes the state folder and an empty journal that all users of the
// project can write: SQLite gives the files beside it the same mode, and the
// folder's setgid bit the same group.
func (j *Journal) makeFile() error {
	dir, dirMode, fileMode := j.session.State, fs.FileMode(0o700), fs.FileMode(0o600)
	if j.session.Shared {
		dirMode, fileMode = 0o770|fs.ModeSetgid, 0o660
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return err
	}
	switch err := os.Mkdir(dir, 0o700); {
	case err == nil:
		if err := os.Chmod(dir, dirMode); err != nil {
			return err
		}
	case !errors.Is(err, fs.ErrExist):
		return err
	}
	return placeEmpty(j.Path(), fileMode)
}

// placeEmpty makes an empty file that has its mode from the moment it has its
// name. A file that is there stays as it is.
func placeEmpty(name string, mode fs.FileMode) error {
	f, err := os.CreateTemp(filepath.Dir(name), ".journal-*")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(f.Name()) }() // the name it keeps is the link's
	if err := errors.Join(f.Chmod(mode), f.Close()); err != nil {
		return err
	}
	if err := os.Link(f.Name(), name); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return nil
}

func migrate(ctx context.Context, db *sql.DB) error {
	version, err := versionOf(ctx, db)
	if err != nil || version == schemaVersion {
		return err
	}
	if version > schemaVersion {
		return &nodes.Error{
			Kind: nodes.Refused, Message: fmt.Sprintf("the journal was written by a newer rollsh (schema %d, this one knows %d)", version, schemaVersion),
			Hint: "use the newer rollsh",
		}
	}
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	for _, statement := range schema {
		if _, err := tx.ExecContext(ctx, statement); err != nil {
			return errors.Join(err, ignoreDone(tx.Rollback()))
		}
	}
	// Whoever was first has written it.
	_, err = tx.ExecContext(ctx, `INSERT INTO schema_version (version) SELECT $1 WHERE NOT EXISTS (SELECT 1 FROM schema_version)`, schemaVersion)
	if err != nil {
		return errors.Join(err, ignoreDone(tx.Rollback()))
	}
	return tx.Commit()
}

// versionOf tells the schema's version; 0 for an empty journal. Of all queries,
// only the first here is SQLite's own.
func versionOf(ctx context.Context, db *sql.DB) (int, error) {
	var tables, version int
	err := db.QueryRowContext(ctx, `SELECT count(*) FROM sqlite_master WHERE name = 'schema_version'`).Scan(&tables)
	if err != nil || tables == 0 {
		return 0, err
	}
	err = db.QueryRowContext(ctx, `SELECT version FROM schema_version`).Scan(&version)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, nil
	}
	return version, err
}

// SQLite's primary result codes. Source: sqlite.org/rescode.html.
const (
	sqlitePerm     = 3
	sqliteBusy     = 5
	sqliteReadOnly = 8
	sqliteIOErr    = 10
	sqliteCorrupt  = 11
	sqliteFull     = 13
	sqliteCantOpen = 14
	sqliteNotADB   = 26
)

// explain turns a failure of the journal into one that a person can act on.
func (j *Journal) explain(err error) error {
	var known *nodes.Error
	var failed *sqlite.Error
	switch {
	case err == nil, errors.As(err, &known):
		return err
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return nodes.AsError(err, nodes.Cancelled)
	case errors.Is(err, fs.ErrPermission):
		return j.denied(err)
	case !errors.As(err, &failed):
		return &nodes.Error{Kind: nodes.Failed, Message: "journal " + j.Path() + ": " + err.Error(), Cause: err}
	}
	e := &nodes.Error{Kind: nodes.Failed, Message: "journal " + j.Path() + ": " + failed.Error(), Cause: err}
	switch failed.Code() & 0xff {
	case sqlitePerm, sqliteReadOnly, sqliteCantOpen:
		return j.denied(err)
	case sqliteBusy:
		e.Kind, e.Message = nodes.Timeout, "journal "+j.Path()+" was kept busy by another process for 10 seconds"
	case sqliteFull, sqliteIOErr:
		e.Kind, e.Hint = nodes.Space, "see whether its disk is full"
	case sqliteCorrupt, sqliteNotADB:
		e.Hint = "it is damaged: move it away, or restore it; the nodes are as they were"
	}
	return e
}

func (j *Journal) denied(cause error) error {
	e := &nodes.Error{
		Kind: nodes.Permission, Message: fmt.Sprintf("user %s cannot write the journal %s", j.session.User, j.Path()),
		Hint: "every user of the project must be in the group of " + j.session.State, Cause: cause,
	}
	if !j.session.Shared {
		e.Hint = "see who owns " + j.session.State
	}
	return e
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
