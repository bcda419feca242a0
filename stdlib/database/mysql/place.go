package mysql

import (
	"bytes"
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/rollsh/rollsh/nodes"
	"github.com/rollsh/rollsh/stdlib/database"
)

// Place is a database on a node.
type Place struct {
	database.Place
	Socket nodes.RemotePath `lua:"socket"`
}

func (p Place) check(which string) error { return p.Check(which, string(p.Socket)) }

// server is a Place that is connected: its programs and its password file.
type server struct {
	Place
	run     database.Client
	client  string // mariadb or mysql
	dumper  string // mariadb-dump or mysqldump
	maria   bool
	options *database.File // of credentials; nil: none
}

const probe = `c=$(command -v mariadb || command -v mysql) && d=$(command -v mariadb-dump || command -v mysqldump) && echo "$c" && echo "$d" && "$d" --version`

func connect(ctx context.Context, d nodes.Dialer, p Place) (*server, error) {
	conn, err := d.Dial(ctx, p.Node())
	if err != nil {
		return nil, err
	}
	s := &server{Place: p, run: database.Client{Conn: conn, Failure: failure}}
	res, err := conn.Run(ctx, nodes.Cmd{Line: probe, Quiet: true, Timeout: time.Minute})
	if err != nil {
		return nil, err
	}
	lines := strings.Split(string(res.Stdout), "\n")
	if !res.OK() || len(lines) < 3 {
		return nil, &nodes.Error{Kind: nodes.NotFound, Message: "mariadb and mariadb-dump (or mysql and mysqldump) are not installed there", Hint: "apt-get install mariadb-client"}
	}
	s.client, s.dumper, s.maria = lines[0], lines[1], strings.Contains(lines[2], "MariaDB")
	return s, s.writeOptions(ctx)
}

// writeOptions puts user, password and address into a file that only the user
// of the programs can read.
func (s *server) writeOptions(ctx context.Context) error {
	text := "[client]\n"
	for _, o := range [][2]string{{"user", s.User}, {"password", s.Password.Reveal()}, {"host", s.Host}, {"socket", string(s.Socket)}} {
		if o[1] != "" {
			text += o[0] + "=\"" + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(o[1]) + "\"\n"
		}
	}
	if s.Port != 0 {
		text += "port=" + strconv.Itoa(s.Port) + "\n"
	}
	if text == "[client]\n" {
		return nil
	}
	var err error
	s.options, err = database.WriteFile(ctx, s.run.Conn, s.Sudo, text)
	return err
}

// close removes the password file.
func (s *server) close(ctx context.Context) {
	if s != nil {
		s.options.Remove(ctx)
	}
}

// words begins a command with the credentials, which must come first.
func (s *server) words(program string, args ...string) []string {
	words := []string{program}
	if f := s.options.Path(); f != "" {
		words = append(words, "--defaults-extra-file="+f)
	}
	return append(append(words, "--default-character-set=utf8mb4"), args...)
}

// exec runs statements; schema may be empty.
func (s *server) exec(ctx context.Context, schema, sql string) error {
	_, err := s.query(ctx, schema, sql)
	return err
}

// query runs statements and gives the rows, unescaped.
func (s *server) query(ctx context.Context, schema, sql string) ([][]string, error) {
	args := []string{"--batch", "--skip-column-names"}
	if schema != "" {
		args = append(args, "--database="+schema)
	}
	var out bytes.Buffer
	res, err := s.run.Conn.Run(ctx, nodes.Cmd{Argv: s.words(s.client, args...), Stdin: strings.NewReader(sql + "\n"), Stdout: &out, Sudo: s.Sudo, Quiet: true})
	if err != nil {
		return nil, err
	}
	if !res.OK() {
		return nil, failure(res, "the database refuses")
	}
	var rows [][]string
	for line := range strings.Lines(out.String()) {
		fields := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		for i := range fields {
			fields[i] = unescape.Replace(fields[i])
		}
		rows = append(rows, fields)
	}
	return rows, nil
}

var unescape = strings.NewReplacer(`\\`, `\`, `\t`, "\t", `\n`, "\n", `\0`, "\x00")

// column is a query for one column.
func (s *server) column(ctx context.Context, sql string) ([]string, error) {
	rows, err := s.query(ctx, "", sql)
	out := make([]string, len(rows))
	for i, r := range rows {
		out[i] = r[0]
	}
	return out, err
}

// name quotes an identifier, text a string.
func name(s string) string { return "`" + strings.ReplaceAll(s, "`", "``") + "`" }

func text(s string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `''`).Replace(s) + "'"
}

// errorLine is the client's and the dump's form of the server's errors.
var errorLine = nodes.Pattern(`(?:ERROR |error: )(\d{4,5})[ :]`)

// failure makes an error of a program that ended badly.
func failure(res nodes.Result, what string) error {
	e := database.Failure(res, what)
	m := errorLine().FindStringSubmatch(string(res.Stderr))
	if m == nil {
		return e
	}
	e.Kind, e.Code = nodes.Protocol, m[1]
	switch m[1] {
	case "1045", "1698":
		e.Kind, e.Hint = nodes.Auth, "check user= and password="
	case "1044", "1142", "1227", "1370", "1419":
		e.Kind = nodes.Permission
	case "1049", "1146":
		e.Kind = nodes.NotFound
	case "2002", "2003", "2005":
		e.Kind, e.Hint = nodes.Unreachable, "is the database running, and are host=, port= or socket= right?"
	}
	return e
}

// refused reports whether the server itself said no: nothing was done then.
func refused(err error) bool {
	kind := nodes.KindOf(err)
	return kind == nodes.Auth || kind == nodes.Permission
}
