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

	"modernc.org/sqlite"

	"github.com/rollsh/rollsh/nodes"
)

// file is a journal in SQLite, in the session's State.
type file struct{ session *nodes.Session }

// Path is where the journal is kept when it is a file.
func (j *Journal) Path() string { return file{j.session}.name() }

func (f file) name() string { return filepath.Join(f.session.State, "journal.db") }

func (f file) open(_ context.Context, create bool) (*sql.DB, error) {
	switch _, err := os.Stat(f.name()); {
	case err == nil:
	case !errors.Is(err, fs.ErrNotExist):
		return nil, err
	case !create:
		return nil, nil
	default:
		if err := f.makeFile(); err != nil {
			return nil, err
		}
	}
	db, err := sql.Open("sqlite", f.source())
	if err == nil {
		db.SetMaxOpenConns(1) // one writer at a time is what SQLite gives anyway
	}
	return db, err
}

func (file) made(ctx context.Context, q querier) (bool, error) {
	var tables int
	err := q.QueryRowContext(ctx, `SELECT count(*) FROM sqlite_master WHERE name = 'schema_version'`).Scan(&tables)
	return tables > 0, err
}

func (file) reading() *sql.TxOptions { return &sql.TxOptions{ReadOnly: true} }

// alone has nothing to do: a transaction that writes takes the write lock when
// it begins, see source.
func (file) alone(context.Context, *sql.Tx) error { return nil }

// busy is where SQLite does not wait by itself for a lock: where the first
// process to come turns the write-ahead log on, or a later one recovers it.
func (file) busy(err error) bool {
	var failed *sqlite.Error
	return errors.As(err, &failed) && failed.Code()&0xff == sqliteBusy
}

// source is what the driver opens. A transaction that writes takes the write
// lock at its start, so it never fails half-way for another's.
func (f file) source() string {
	q := url.Values{"_txlock": {"immediate"}, "_busy_timeout": {"10000"}, "_synchronous": {"FULL"}, "_journal_mode": {"WAL"}, "_defensive": {"1"}}
	if onNetwork(f.session.State) {
		q.Set("_journal_mode", "DELETE")
		q.Set("_synchronous", "EXTRA")
	}
	u := url.URL{Scheme: "file", Path: f.name(), RawQuery: q.Encode()}
	return u.String()
}

// makeFile makes the state folder and an empty journal that all users of the
// project can write: SQLite gives the files beside it the same mode, and the
// folder's setgid bit the same group.
func (f file) makeFile() error {
	dir, dirMode, fileMode := f.session.State, fs.FileMode(0o700), fs.FileMode(0o600)
	if f.session.Shared {
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
	return placeEmpty(f.name(), fileMode)
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

func (f file) explain(err error) *nodes.Error {
	if errors.Is(err, fs.ErrPermission) {
		return f.denied(err)
	}
	var failed *sqlite.Error
	if !errors.As(err, &failed) {
		return nil
	}
	e := &nodes.Error{Kind: nodes.Failed, Message: "journal " + f.name() + ": " + failed.Error(), Cause: err}
	switch failed.Code() & 0xff {
	case sqlitePerm, sqliteReadOnly, sqliteCantOpen:
		return f.denied(err)
	case sqliteBusy:
		e.Kind, e.Message = nodes.Timeout, "journal "+f.name()+" was kept busy by another process for 10 seconds"
	case sqliteFull, sqliteIOErr:
		e.Kind, e.Hint = nodes.Space, "see whether its disk is full"
	case sqliteCorrupt, sqliteNotADB:
		e.Hint = "it is damaged: move it away, or restore it; the nodes are as they were"
	}
	return e
}

func (f file) denied(cause error) *nodes.Error {
	e := &nodes.Error{
		Kind: nodes.Permission, Message: fmt.Sprintf("user %s cannot write the journal %s", f.session.User, f.name()),
		Hint: "every user of the project must be in the group of " + f.session.State, Cause: cause,
	}
	if !f.session.Shared {
		e.Hint = "see who owns " + f.session.State
	}
	return e
}
