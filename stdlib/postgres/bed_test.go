package postgres_test

import (
	"bytes"
	"context"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rollsh/rollsh/nodes"
	"github.com/rollsh/rollsh/nodes/nodetest"
	"github.com/rollsh/rollsh/stdlib/postgres"
)

// database is a real PostgreSQL server of its own. Its superuser is admin, with
// the password pg:pw\.
type database struct {
	t    *testing.T
	port int
}

const password = `pg:pw\`

// program finds one of the server's programs, which Debian keeps off the PATH.
func program(t *testing.T, name string) string {
	t.Helper()
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/" + name) // the pattern is right
	if len(found) > 0 {
		return found[len(found)-1]
	}
	if p := nodetest.Program(name); p != "" {
		return p
	}
	nodetest.Need(t, "postgresql")
	return ""
}

// unprivileged makes a command run as nobody where the test is root, since
// PostgreSQL refuses root.
func unprivileged(t *testing.T, cmd *exec.Cmd, dir string) *exec.Cmd {
	t.Helper()
	cmd.Dir = dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if os.Geteuid() != 0 {
		return cmd
	}
	nobody, err := user.Lookup("nobody")
	if err != nil {
		t.Fatal(err)
	}
	uid, _ := strconv.Atoi(nobody.Uid)
	gid, _ := strconv.Atoi(nobody.Gid)
	if err := os.Chown(dir, uid, gid); err != nil {
		t.Fatal(err)
	}
	cmd.SysProcAttr.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	return cmd
}

func startDatabase(t *testing.T) *database {
	t.Helper()
	nodetest.Need(t, "psql", "pg_dump")
	dir, err := os.MkdirTemp("", "pg") //nolint:usetesting // a socket\'s path has little room, and t.TempDir is long
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	port, err := nodetest.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	pass := filepath.Join(dir, "pass")
	if err := os.WriteFile(pass, []byte(password+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	data := filepath.Join(dir, "data")
	install := unprivileged(t, exec.Command(program(t, "initdb"), "-D", data, "-U", "admin", "--auth=scram-sha-256", "--pwfile="+pass, "--no-sync", "--locale=C.UTF-8", "-E", "UTF8"), dir)
	if out, err := install.CombinedOutput(); err != nil {
		t.Fatalf("initdb: %v\n%s", err, out)
	}
	d := &database{t, port}
	var log bytes.Buffer
	cmd := unprivileged(t, exec.Command(program(t, "postgres"), "-D", data, "-p", strconv.Itoa(port), "-k", dir, "-c", "listen_addresses=127.0.0.1", "-c", "fsync=off", "-c", "shared_buffers=8MB"), dir)
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGQUIT) // the server ends its children itself
		_ = cmd.Wait()
	})
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for d.client(psql, "postgres", "-c", "SELECT 1").Run() != nil {
		select {
		case <-ctx.Done():
			t.Fatalf("postgres is not ready\n%s", log.String())
		case <-tick.C:
		}
	}
	return d
}

func (d *database) client(program, database string, args ...string) *exec.Cmd {
	cmd := exec.Command(program, append([]string{"-h", "127.0.0.1", "-p", strconv.Itoa(d.port), "-U", "admin", "-w", "-d", database}, args...)...)
	cmd.Env = append(os.Environ(), "PGPASSWORD="+password)
	return cmd
}

// sql runs statements as the superuser, without the code under test.
func (d *database) sql(database, statements string) string {
	d.t.Helper()
	cmd := d.client(psql, database, "-XqAt", "-v", "ON_ERROR_STOP=1")
	cmd.Stdin = strings.NewReader(statements)
	out, err := cmd.CombinedOutput()
	if err != nil {
		d.t.Fatalf("%s: %v\n%s", statements, err, out)
	}
	return strings.TrimSpace(string(out))
}

// dump is all of a database as text, for comparing.
func (d *database) dump(database string) string {
	d.t.Helper()
	out, err := d.client(dumper, database, "--no-privileges").CombinedOutput()
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

// The real programs, whatever a test puts before them on the PATH.
var (
	dumper = nodetest.Program("pg_dump")
	psql   = nodetest.Program("psql")
)

// place is the database for the code under test.
func (d *database) place(name string) postgres.Place {
	return postgres.Place{
		On: &nodes.Node{Name: nodes.Name("db" + strconv.Itoa(d.port)), Local: true}, Database: name, User: "admin",
		Password: nodes.NewSecret(password), Host: "127.0.0.1", Port: d.port,
	}
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
