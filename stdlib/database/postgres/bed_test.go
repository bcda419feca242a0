package postgres_test

import (
	"net"
	"strconv"
	"strings"
	"testing"

	"github.com/rollsh/rollsh/nodes"
	"github.com/rollsh/rollsh/nodes/nodetest"
	"github.com/rollsh/rollsh/stdlib/database/postgres"
)

// server is a real PostgreSQL server of its own.
type server struct {
	*nodetest.Postgres
	t *testing.T
}

const password = nodetest.PostgresPassword

func startDatabase(t *testing.T) *server {
	t.Helper()
	return &server{nodetest.StartPostgres(t), t}
}

// sql runs statements as the superuser, without the code under test.
func (d *server) sql(database, statements string) string {
	d.t.Helper()
	cmd := d.Client("psql", database, "-XqAt", "-v", "ON_ERROR_STOP=1")
	cmd.Stdin = strings.NewReader(statements)
	out, err := cmd.CombinedOutput()
	if err != nil {
		d.t.Fatalf("%s: %v\n%s", statements, err, out)
	}
	return strings.TrimSpace(string(out))
}

// dump is all of a database as text, for comparing.
func (d *server) dump(database string) string {
	d.t.Helper()
	out, err := d.Client("pg_dump", database, "--no-privileges").CombinedOutput()
	if err != nil {
		d.t.Fatalf("dump of %s: %v\n%s", database, err, out)
	}
	var keep []string
	for line := range strings.Lines(string(out)) {
		if !strings.HasPrefix(line, `\`) { // \restrict has a random word
			keep = append(keep, line)
		}
	}
	return strings.Join(keep, "")
}

// place is the database for the code under test.
func (d *server) place(name string) postgres.Place {
	on := &nodes.Node{Name: nodes.Name("db" + strconv.Itoa(d.Port)), Local: true}
	p := postgres.Place{}
	p.On, p.Database = nodes.Set{Nodes: []*nodes.Node{on}}, name
	p.User, p.Password, p.Host, p.Port = "admin", nodes.NewSecret(password), "127.0.0.1", d.Port
	return p
}

// same fails unless two texts are equal, and shows where they part.
func same(t *testing.T, what, got, want string) {
	t.Helper()
	if got == want {
		return
	}
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range min(len(g), len(w)) {
		if g[i] != w[i] {
			t.Errorf("%s: line %d\n got  %.300s\n want %.300s", what, i+1, g[i], w[i])
			return
		}
	}
	t.Errorf("%s: %d lines, want %d", what, len(g), len(w))
}

// listen is a port that takes connections and says nothing.
func listen(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l.Addr().(*net.TCPAddr).Port
}
