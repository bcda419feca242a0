package postgres

import (
	"bytes"
	"context"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/rollsh/rollsh/nodes"
	"github.com/rollsh/rollsh/stdlib/database"
)

// Place is a database on a node. Host may be the folder of the socket.
type Place struct {
	database.Place
	Service string `lua:"service"` // the database to be in while others are renamed; empty: postgres
}

// server is a Place that is connected: its node and its password file.
type server struct {
	Place
	run  database.Client
	pass *database.File // nil: none
}

func connect(ctx context.Context, d nodes.Dialer, p Place) (*server, error) {
	conn, err := d.Dial(ctx, p.Node())
	if err != nil {
		return nil, err
	}
	if p.Service == "" {
		p.Service = "postgres"
	}
	s := &server{Place: p, run: database.Client{Conn: conn, Failure: failure}}
	res, err := conn.Run(ctx, nodes.Cmd{Line: "command -v psql && command -v pg_dump", Quiet: true, Timeout: time.Minute})
	if err != nil {
		return nil, err
	}
	if !res.OK() {
		return nil, &nodes.Error{Kind: nodes.NotFound, Message: "psql and pg_dump are not installed there", Hint: "apt-get install postgresql-client"}
	}
	return s, s.writePassword(ctx)
}

// writePassword makes a password file that fits every database.
func (s *server) writePassword(ctx context.Context) error {
	if s.Password.Reveal() == "" {
		return nil
	}
	text := "*:*:*:*:" + strings.NewReplacer(`\`, `\\`, `:`, `\:`).Replace(s.Password.Reveal()) + "\n"
	var err error
	s.pass, err = database.WriteFile(ctx, s.run.Conn, s.Sudo, text)
	return err
}

// close removes the password file.
func (s *server) close(ctx context.Context) {
	if s != nil {
		s.pass.Remove(ctx)
	}
}

// command is one of PostgreSQL's programs, connected to a database.
func (s *server) command(program, db string, args ...string) nodes.Cmd {
	words := []string{program, "--no-password", "--dbname=" + db}
	if s.User != "" {
		words = append(words, "--username="+s.User)
	}
	if s.Host != "" {
		words = append(words, "--host="+s.Host)
	}
	if s.Port != 0 {
		words = append(words, "--port="+strconv.Itoa(s.Port))
	}
	env := map[string]string{"PGCONNECT_TIMEOUT": "20", "PGCLIENTENCODING": "UTF8", "LC_ALL": "C.UTF-8"}
	if f := s.pass.Path(); f != "" {
		env["PGPASSFILE"] = f
	}
	return nodes.Cmd{Argv: append(words, args...), Env: env, Sudo: s.Sudo, Quiet: true}
}

// psql is a client that stops at the first error and says its code.
func (s *server) psql(db string, args ...string) nodes.Cmd {
	return s.command("psql", db, append([]string{"--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", "--set=VERBOSITY=verbose"}, args...)...)
}

// The output of psql is read by separators that no name can hold for long:
// ASCII's own for fields and records.
const (
	fieldEnd  = "\x1f"
	recordEnd = "\x1e"
)

// query runs statements and gives the rows.
func (s *server) query(ctx context.Context, db, sql string) ([][]string, error) {
	var out bytes.Buffer
	c := s.psql(db, "--no-align", "--tuples-only", "--field-separator="+fieldEnd, "--record-separator="+recordEnd)
	c.Stdin, c.Stdout = strings.NewReader(sql+"\n"), &out
	res, err := s.run.Conn.Run(ctx, c)
	if err != nil {
		return nil, err
	}
	if !res.OK() {
		return nil, failure(res, "the database refuses")
	}
	var rows [][]string
	for record := range strings.SplitSeq(strings.TrimSuffix(out.String(), "\n"), recordEnd) {
		if record = strings.TrimSuffix(record, "\n"); record != "" {
			rows = append(rows, strings.Split(record, fieldEnd))
		}
	}
	return rows, nil
}

// name quotes an identifier, text a string.
func name(s string) string { return `"` + strings.ReplaceAll(s, `"`, `""`) + `"` }

func text(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

// state is the SQLSTATE that VERBOSITY=verbose puts before a message.
var state = nodes.Pattern(`(?m)^(?:psql:.*)?[A-Z]+: +([0-9A-Z]{5}): (.*)`)

var plainFailures = []struct {
	pattern func() *regexp.Regexp
	kind    nodes.Kind
	hint    string
}{
	{nodes.Pattern(`authentication failed|no password supplied|role ".*" does not exist|no pg_hba.conf entry`), nodes.Auth, "check user= and password=, or give sudo="},
	{nodes.Pattern(`database ".*" does not exist|no matching tables`), nodes.NotFound, ""},
	{nodes.Pattern(`permission denied`), nodes.Permission, ""},
	{nodes.Pattern(`connection to server .* failed|could not translate host name`), nodes.Unreachable, "is the database running, and are host= and port= right?"},
}

// failure makes an error of a program that ended badly.
func failure(res nodes.Result, what string) error {
	e := database.Failure(res, what)
	if m := state().FindStringSubmatch(string(res.Stderr)); m != nil {
		e.Kind, e.Code, e.Message = nodes.Protocol, m[1], what+": "+database.OneLine(m[2])
		switch m[1] {
		case "2BP01":
			e.Kind, e.Hint = nodes.Refused, "copy what depends on it too"
		case "42501":
			e.Kind = nodes.Permission
		case "42P01", "3D000", "3F000":
			e.Kind = nodes.NotFound
		}
		return e
	}
	for _, f := range plainFailures {
		if f.pattern().Match(res.Stderr) {
			e.Kind, e.Hint = f.kind, f.hint
			break
		}
	}
	return e
}
