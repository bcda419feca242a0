package nodetest

import (
	"bytes"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

// Postgres is a PostgreSQL server of its own, on loopback, with TLS off. Its
// superuser is admin, with [PostgresPassword].
type Postgres struct {
	Port    int
	clients map[string]string // as they were when it was started, whatever a test puts on the PATH later
}

// PostgresPassword holds what is special in password files and URLs.
const PostgresPassword = `pg:pw\`

// StartPostgres starts a server; it ends with the test.
func StartPostgres(t TB) *Postgres {
	t.Helper()
	Need(t, "psql", "pg_dump")
	dir, err := os.MkdirTemp("", "pg") // a socket's path has little room, and t.TempDir is long
	if err != nil {
		t.Fatalf("%v", err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	port, err := FreePort()
	if err != nil {
		t.Fatalf("%v", err)
	}
	pass, data := filepath.Join(dir, "pass"), filepath.Join(dir, "data")
	if err := os.WriteFile(pass, []byte(PostgresPassword+"\n"), 0o644); err != nil {
		t.Fatalf("%v", err)
	}
	install := asNobody(t, exec.Command(postgresProgram(t, "initdb"), "-D", data, "-U", "admin", "--auth=scram-sha-256", "--pwfile="+pass, "--no-sync", "--locale=C.UTF-8", "-E", "UTF8"), dir)
	if out, err := install.CombinedOutput(); err != nil {
		t.Fatalf("initdb: %v\n%s", err, out)
	}
	p := &Postgres{port, map[string]string{"psql": Program("psql"), "pg_dump": Program("pg_dump")}}
	var log bytes.Buffer
	cmd := asNobody(t, exec.Command(postgresProgram(t, "postgres"), "-D", data, "-p", strconv.Itoa(port), "-k", dir, "-c", "listen_addresses=127.0.0.1", "-c", "fsync=off", "-c", "shared_buffers=8MB"), dir)
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		t.Fatalf("%v", err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGQUIT) // the server ends its children itself
		_ = cmd.Wait()
	})
	deadline := time.Now().Add(time.Minute)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for p.Client("psql", "postgres", "-c", "SELECT 1").Run() != nil {
		if time.Now().After(deadline) {
			t.Fatalf("postgres is not ready\n%s", log.String())
		}
		<-tick.C
	}
	return p
}

// Client is psql or pg_dump as the superuser.
func (p *Postgres) Client(program, database string, args ...string) *exec.Cmd {
	cmd := exec.Command(p.clients[program], append([]string{"-h", "127.0.0.1", "-p", strconv.Itoa(p.Port), "-U", "admin", "-w", "-d", database}, args...)...)
	cmd.Env = append(os.Environ(), "PGPASSWORD="+PostgresPassword)
	return cmd
}

// URL is a database's address, with the password.
func (p *Postgres) URL(database string) string {
	u := url.URL{Scheme: "postgres", User: url.UserPassword("admin", PostgresPassword), Host: "127.0.0.1:" + strconv.Itoa(p.Port), Path: "/" + database, RawQuery: "sslmode=disable"}
	return u.String()
}

// postgresProgram finds one of the server's programs, which Debian keeps off the
// PATH.
func postgresProgram(t TB, name string) string {
	t.Helper()
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/" + name) // the pattern is right
	if len(found) > 0 {
		return found[len(found)-1]
	}
	if p := Program(name); p != "" {
		return p
	}
	Need(t, "postgresql")
	return ""
}

// asNobody makes a command run as nobody where the test is root, since
// PostgreSQL refuses root.
func asNobody(t TB, cmd *exec.Cmd, dir string) *exec.Cmd {
	t.Helper()
	cmd.Dir = dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if os.Geteuid() != 0 {
		return cmd
	}
	nobody, err := user.Lookup("nobody")
	if err != nil {
		t.Fatalf("%v", err)
	}
	uid, _ := strconv.Atoi(nobody.Uid)
	gid, _ := strconv.Atoi(nobody.Gid)
	if err := os.Chown(dir, uid, gid); err != nil {
		t.Fatalf("%v", err)
	}
	cmd.SysProcAttr.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	return cmd
}
