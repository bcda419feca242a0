package mysql_test

import (
	"context"
	"os/exec"
	"testing"
	"time"

	"github.com/rollsh/rollsh/nodes"
	"github.com/rollsh/rollsh/stdlib/database/mysql"
)

// hold has a client use a table of the target until release is called.
func (d *server) hold(table string) (release func()) {
	d.t.Helper()
	cmd := exec.Command("mariadb", "--no-defaults", "--socket="+d.socket, "-uroot", "-BN", "--unbuffered", "shop")
	in, err := cmd.StdinPipe()
	if err != nil {
		d.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		d.t.Fatal(err)
	}
	if _, err := in.Write([]byte("SELECT COUNT(*), SLEEP(1000) FROM " + table + ";\n")); err != nil {
		d.t.Fatal(err)
	}
	d.until("SELECT 1 FROM information_schema.processlist WHERE info LIKE 'SELECT COUNT(*), SLEEP%'")
	return func() {
		_ = in.Close()
		d.sql("", "KILL "+d.sql("", "SELECT id FROM information_schema.processlist WHERE info LIKE 'SELECT COUNT(*), SLEEP%' LIMIT 1"))
		_ = cmd.Wait() // it was killed
	}
}

// until waits until a query gives something.
func (d *server) until(query string) {
	d.t.Helper()
	ctx, cancel := context.WithTimeout(d.t.Context(), time.Minute)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for d.sql("", query) == "" {
		select {
		case <-tick.C:
		case <-ctx.Done():
			d.t.Fatal(query)
		}
	}
}

// What the server is at goes on there when its client is ended.
func TestCancelledWhileTablesAreRenamed(t *testing.T) {
	source, target := startDatabase(t), startDatabase(t)
	source.sql("", shop)
	before := reset(target)
	d, events, _ := dialer(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	release := target.hold("gone")
	ended := make(chan error, 1)
	go func() {
		_, err := mysql.Copy(ctx, d, events, mysql.Request{From: source.place("shop"), To: target.place("shop")})
		ended <- err
	}()
	target.until("SELECT 1 FROM information_schema.processlist WHERE info LIKE 'RENAME TABLE%' AND state LIKE '%lock%'")
	began := time.Now()
	cancel()
	err := <-ended
	if nodes.KindOf(err) != nodes.Cancelled || time.Since(began) > 10*time.Second {
		t.Errorf("after %v: %v", time.Since(began), err)
	}
	if text := events.Text(nodes.Warned); text != "" {
		t.Errorf("warned: %s", text)
	}
	release()
	same(t, "the target", target.dump("shop"), before)
	clean(t, target)
}

// A database may hold no tables.
func TestCopyOfViewsAlone(t *testing.T) {
	db := startDatabase(t)
	db.sql("", "CREATE DATABASE views; CREATE VIEW views.one AS SELECT 1 AS a")
	d, _, _ := dialer(t)
	if got, err := mysql.Copy(t.Context(), d, nodes.Discard{}, mysql.Request{From: db.place("views"), To: db.place("shop")}); err != nil || got.Tables != 0 {
		t.Errorf("%+v %v", got, err)
	}
	if got := db.sql("shop", "SELECT a FROM one"); got != "1" {
		t.Errorf("got %q", got)
	}
	clean(t, db)
}
