package postgres

import (
	"bytes"
	"context"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/rollsh/rollsh/nodes"
)

// Place is a database on a node.
type Place struct {
	On       *nodes.Node
	Database string
	User     string // and the following: empty means libpq's own defaults
	Password nodes.Secret
	Host     string // a name, an address, or the folder of the socket
	Port     int
	Sudo     string // user to run the programs as; empty: the login
	Service  string // the database to be in while others are renamed; empty: postgres
}

// databaseName leaves out what libpq takes for an address or an option.
var databaseName = nodes.Pattern(`^[A-Za-z0-9_$][A-Za-z0-9_$-]{0,47}$`)

func (p Place) check(which string) error {
	switch {
	case p.On == nil:
		return usage(which + ".on: expected one node")
	case p.Port < 0 || p.Port > 65535:
		return usage(fmt.Sprintf("%s.port: %d is not the number of a port", which, p.Port))
	case !databaseName().MatchString(p.Database):
		return usage(which + ".database: '" + nodes.Clean(p.Database) + "' is not a name that can be copied")
	case strings.ContainsAny(p.User+p.Host+p.Password.Reveal(), "\n\r\x00"):
		return usage(which + ": user, password and host are one line each")
	}
	return nil
}

func usage(message string) error { return &nodes.Error{Kind: nodes.Usage, Message: message} }

// server is a Place that is connected: its node and its password file.
type server struct {
	Place
	conn nodes.Conn
	pass string // file on the node; empty: none
}

func connect(ctx context.Context, d nodes.Dialer, p Place) (*server, error) {
	conn, err := d.Dial(ctx, p.On)
	if err != nil {
		return nil, err
	}
	if p.Service == "" {
		p.Service = "postgres"
	}
	s := &server{Place: p, conn: conn}
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
	line := `umask 077 && f=$(mktemp) && cat >"$f" && echo "$f"`
	res, err := s.conn.Run(ctx, nodes.Cmd{Line: line, Stdin: strings.NewReader(text), Sudo: s.Sudo, Quiet: true, Timeout: time.Minute})
	if err != nil {
		return err
	}
	s.pass = strings.TrimSpace(string(res.Stdout))
	if !res.OK() || !strings.HasPrefix(s.pass, "/") {
		s.pass = ""
		return failure(res, "cannot write a file for the password")
	}
	return nil
}

// close removes the password file.
func (s *server) close(ctx context.Context) {
	if s != nil && s.pass != "" {
		_, _ = s.conn.Run(ctx, nodes.Cmd{Argv: []string{"rm", "-f", "--", s.pass}, Sudo: s.Sudo, Quiet: true, Timeout: 10 * time.Second}) // it is for its user only
	}
}

// command is one of PostgreSQL's programs, connected to a database.
func (s *server) command(program, database string, args ...string) nodes.Cmd {
	words := []string{program, "--no-password", "--dbname=" + database}
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
	if s.pass != "" {
		env["PGPASSFILE"] = s.pass
	}
	return nodes.Cmd{Argv: append(words, args...), Env: env, Sudo: s.Sudo, Quiet: true}
}

// psql is a client that stops at the first error and says its code.
func (s *server) psql(database string, args ...string) nodes.Cmd {
	return s.command("psql", database, append([]string{"--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", "--set=VERBOSITY=verbose"}, args...)...)
}

// The output of psql is read by separators that no name can hold for long:
// ASCII's own for fields and records.
const (
	fieldEnd  = "\x1f"
	recordEnd = "\x1e"
)

// query runs statements and gives the rows.
func (s *server) query(ctx context.Context, database, sql string) ([][]string, error) {
	var out bytes.Buffer
	c := s.psql(database, "--no-align", "--tuples-only", "--field-separator="+fieldEnd, "--record-separator="+recordEnd)
	c.Stdin, c.Stdout = strings.NewReader(sql+"\n"), &out
	res, err := s.conn.Run(ctx, c)
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
	e := &nodes.Error{Kind: nodes.Exit, Message: what, Signal: res.Signal, Stderr: string(res.Stderr)}
	if res.Signal == "" {
		e.Code = fmt.Sprint(res.Code)
	}
	if m := state().FindStringSubmatch(string(res.Stderr)); m != nil {
		e.Kind, e.Code, e.Message = nodes.Protocol, m[1], what+": "+oneLine(m[2])
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
	if said := oneLine(string(res.Stderr)); said != "" {
		e.Message += ": " + said
	}
	for _, f := range plainFailures {
		if f.pattern().Match(res.Stderr) {
			e.Kind, e.Hint = f.kind, f.hint
			break
		}
	}
	return e
}

func oneLine(s string) string {
	s = strings.Join(strings.Fields(nodes.Clean(s)), " ")
	if r := []rune(s); len(r) > 300 {
		s = "…" + string(r[len(r)-300:])
	}
	return s
}
