package mysql_test

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rollsh/rollsh/nodes"
	"github.com/rollsh/rollsh/nodes/nodetest"
	"github.com/rollsh/rollsh/stdlib/database/mysql"
)

// dumper is the real program, whatever a test puts before it on the PATH.
var dumper = nodetest.Program("mariadb-dump")

// server is a real MariaDB server of its own.
type server struct {
	t      *testing.T
	socket string
}

func startDatabase(t *testing.T) *server {
	t.Helper()
	nodetest.Need(t, "mariadbd", "mariadb", "mariadb-dump", "mariadb-install-db")
	dir, err := os.MkdirTemp("", "my") //nolint:usetesting // a socket\'s path has little room, and t.TempDir is long
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	who, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	data := filepath.Join(dir, "data")
	install := exec.Command("mariadb-install-db", "--no-defaults", "--user="+who.Username, "--datadir="+data, "--auth-root-authentication-method=normal", "--skip-test-db")
	if out, err := install.CombinedOutput(); err != nil {
		t.Fatalf("mariadb-install-db: %v\n%s", err, out)
	}
	d := &server{t, filepath.Join(dir, "s")}
	var log bytes.Buffer
	cmd := exec.Command(nodetest.Program("mariadbd"), "--no-defaults", "--user="+who.Username, "--datadir="+data, "--socket="+d.socket,
		"--pid-file="+filepath.Join(dir, "pid"), "--skip-networking", "--innodb-buffer-pool-size=16M", "--innodb-flush-log-at-trx-commit=0")
	cmd.Stdout, cmd.Stderr = &log, &log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		_ = cmd.Wait() // it was killed
	})
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for exec.CommandContext(ctx, "mariadb-admin", "--no-defaults", "--socket="+d.socket, "-uroot", "ping").Run() != nil {
		select {
		case <-ctx.Done():
			t.Fatalf("mariadbd is not ready\n%s", log.String())
		case <-tick.C:
		}
	}
	return d
}

// sql runs statements as root, without the code under test.
func (d *server) sql(schema, statements string) string {
	d.t.Helper()
	cmd := exec.Command("mariadb", "--no-defaults", "--socket="+d.socket, "-uroot", "-BN", "--default-character-set=utf8mb4", schema)
	cmd.Stdin = strings.NewReader(statements)
	out, err := cmd.CombinedOutput()
	if err != nil {
		d.t.Fatalf("%s: %v\n%s", statements, err, out)
	}
	return strings.TrimSpace(string(out))
}

// dump is all of a schema as text, for comparing.
func (d *server) dump(schema string) string {
	d.t.Helper()
	out, err := exec.Command(dumper, "--no-defaults", "--socket="+d.socket, "-uroot", "--skip-comments", "--order-by-primary",
		"--routines", "--triggers", "--events", "--hex-blob", schema).CombinedOutput()
	if err != nil {
		d.t.Fatalf("dump of %s: %v\n%s", schema, err, out)
	}
	return string(out)
}

// place is the schema for the code under test.
func (d *server) place(schema string) mysql.Place {
	on := &nodes.Node{Name: nodes.Name("db" + filepath.Base(filepath.Dir(d.socket))), Local: true}
	p := mysql.Place{Socket: nodes.RemotePath(d.socket)}
	p.On, p.Database, p.User = nodes.Set{Nodes: []*nodes.Node{on}}, schema, "root"
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
