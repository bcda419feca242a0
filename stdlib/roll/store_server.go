package roll

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"

	"github.com/lib/pq"

	"github.com/rollsh/rollsh/nodes"
)

// server is a journal in PostgreSQL; its address is a URL as libpq takes it. A
// password may stand there, in PGPASSWORD or in ~/.pgpass; it is in no message.
// Source of the URL: postgresql.org/docs/current/libpq-connect.html.
type server struct{ address string }

func (s server) name() string {
	u, err := url.Parse(s.address)
	if err != nil {
		return "ROLLSH_JOURNAL" // what it holds may be a password
	}
	u.RawQuery = ""
	return u.Redacted()
}

// connectLimit bounds how long a server may take to answer, in seconds.
const connectLimit = "10"

func (s server) open(context.Context, bool) (*sql.DB, error) {
	u, err := url.Parse(s.address)
	if err != nil || u.Scheme != "postgres" && u.Scheme != "postgresql" {
		return nil, &nodes.Error{
			Kind: nodes.Usage, Message: "ROLLSH_JOURNAL does not name a database",
			Hint: "write postgres://USER@HOST/DATABASE, the password in ~/.pgpass; or unset it to keep the journal in a file",
		}
	}
	q := u.Query()
	for key, value := range map[string]string{"connect_timeout": connectLimit, "application_name": "rollsh"} {
		if !q.Has(key) {
			q.Set(key, value)
		}
	}
	u.RawQuery = q.Encode()
	c, err := pq.NewConnector(u.String())
	if err != nil {
		return nil, err
	}
	db := sql.OpenDB(c)
	db.SetMaxOpenConns(2) // a step, and a heartbeat beside it
	return db, nil
}

func (server) made(ctx context.Context, q querier) (made bool, err error) {
	err = q.QueryRowContext(ctx, `SELECT to_regclass('schema_version') IS NOT NULL`).Scan(&made)
	return made, err
}

func (server) reading() *sql.TxOptions {
	return &sql.TxOptions{ReadOnly: true, Isolation: sql.LevelRepeatableRead}
}

// writers is the advisory lock that whoever writes holds.
const writers = 0x726f6c6c7368 // "rollsh"

// alone waits for other writers, for as long as they may take. A client that
// went silent in a transaction does not keep the others out for long.
func (server) alone(ctx context.Context, tx *sql.Tx) error {
	_, err := tx.ExecContext(ctx, fmt.Sprintf(`SET LOCAL lock_timeout = '%ds'; SET LOCAL idle_in_transaction_session_timeout = '%ds'; SELECT pg_advisory_xact_lock(%d)`,
		int(patience.Seconds()), 3*int(patience.Seconds()), int64(writers)))
	return err
}

// Conditions of PostgreSQL. Source: postgresql.org/docs/current/errcodes-appendix.html.
const (
	pgSerialization = "40001"
	pgDeadlock      = "40P01"
	pgStarting      = "57P03"
	pgTooMany       = "53300"
	pgLockTimeout   = "55P03"
	pgNoPrivilege   = "42501"
	pgNoPassword    = "28P01"
	pgNoLogin       = "28000"
	pgNoDatabase    = "3D000"
	pgDiskFull      = "53100"
	pgReadOnly      = "25006"
)

func (server) busy(err error) bool {
	switch codeOf(err) {
	case pgSerialization, pgDeadlock, pgStarting, pgTooMany:
		return true
	}
	return false
}

func codeOf(err error) string {
	var failed *pq.Error
	if errors.As(err, &failed) {
		return string(failed.Code)
	}
	return ""
}

func (s server) explain(err error) *nodes.Error {
	e := &nodes.Error{Kind: nodes.Failed, Message: "journal " + s.name() + ": " + strings.TrimPrefix(err.Error(), "pq: "), Cause: err}
	var away *net.OpError
	switch code := codeOf(err); {
	case errors.As(err, &away):
		e.Kind, e.Hint = nodes.Unreachable, "see whether the database server is up, and ROLLSH_JOURNAL names it"
	case errors.Is(err, pq.ErrSSLNotSupported):
		e.Kind, e.Hint = nodes.Protocol, "have the server use TLS; on a network that only you use, add ?sslmode=disable to ROLLSH_JOURNAL"
	case code == pgLockTimeout:
		e.Kind, e.Message = nodes.Timeout, "journal "+s.name()+" was kept busy by another process for 10 seconds"
	case code == pgNoPassword, code == pgNoLogin:
		e.Kind, e.Hint = nodes.Auth, "check the user in ROLLSH_JOURNAL, and the password in ~/.pgpass or PGPASSWORD"
	case code == pgNoPrivilege, code == pgReadOnly:
		e.Kind, e.Hint = nodes.Permission, "every user of the project wants SELECT, INSERT, UPDATE and DELETE on its tables; who comes first makes them"
	case code == pgNoDatabase:
		e.Kind, e.Hint = nodes.NotFound, "createdb makes it; rollsh makes its tables"
	case code == pgDiskFull:
		e.Kind = nodes.Space
	}
	return e
}
