package mysql_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rollsh/rollsh/lua"
	"github.com/rollsh/rollsh/nodes"
	"github.com/rollsh/rollsh/nodes/nodetest"
	"github.com/rollsh/rollsh/stdlib/database"
	"github.com/rollsh/rollsh/stdlib/database/mysql"
	"github.com/rollsh/rollsh/stdlib/ssh"
)

// shop has all that is hard to copy: foreign keys with names, triggers, views,
// routines, events, odd names, blobs, four-byte characters.
const shop = "CREATE DATABASE shop CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci; USE shop;\n" +
	"CREATE TABLE customers (id INT PRIMARY KEY AUTO_INCREMENT, mail VARCHAR(100), photo BLOB) ENGINE=InnoDB;\n" +
	"CREATE TABLE orders (id INT PRIMARY KEY, customer INT, note TEXT, CONSTRAINT fk_customer FOREIGN KEY (customer) REFERENCES customers (id)) ENGINE=InnoDB;\n" +
	"CREATE TABLE `odd ``name; --` (a INT PRIMARY KEY) ENGINE=InnoDB;\n" +
	"CREATE TABLE access_log (id INT PRIMARY KEY, line TEXT) ENGINE=InnoDB;\n" +
	"INSERT INTO customers VALUES (1, 'ä@example.org', X'00FF0A27'), (2, '\U0001F680', NULL);\n" +
	"INSERT INTO orders SELECT seq, 1 + seq % 2, REPEAT('x\\n', 100) FROM seq_1_to_3000;\n" +
	"INSERT INTO access_log VALUES (1, 'private');\n" +
	"CREATE VIEW big AS SELECT id, mail FROM customers WHERE id > 1; CREATE VIEW bigger AS SELECT * FROM big;\n" +
	"DELIMITER ;;\n" +
	"CREATE TRIGGER stamp BEFORE INSERT ON orders FOR EACH ROW BEGIN SET NEW.note = CONCAT('new ', NEW.note); END;;\n" +
	"CREATE PROCEDURE total() BEGIN SELECT COUNT(*) FROM orders; END;;\n" +
	"CREATE EVENT nightly ON SCHEDULE EVERY 1 DAY DO DELETE FROM access_log;;\n" +
	"DELIMITER ;\n"

// old is what the target has before.
const old = "CREATE DATABASE shop; USE shop; CREATE TABLE orders (id INT PRIMARY KEY, customer INT, CONSTRAINT fk_customer FOREIGN KEY (customer) REFERENCES orders (id));\n" +
	"INSERT INTO orders VALUES (1, NULL); CREATE TABLE gone (a INT); CREATE VIEW gone_view AS SELECT * FROM gone;\n" +
	"CREATE TRIGGER before_old BEFORE INSERT ON orders FOR EACH ROW SET NEW.id = 7;\n" +
	"CREATE PROCEDURE total() SELECT 0;\n"

func dialer(t *testing.T) (nodes.Dialer, *nodetest.Recorder, *nodes.Session) {
	t.Helper()
	t.Setenv("TMPDIR", t.TempDir())
	events := &nodetest.Recorder{}
	s := &nodes.Session{Project: t.TempDir(), Home: t.TempDir(), Events: events, Service: nodes.NewService(), Person: &nodetest.Person{}}
	pool := ssh.NewPool(s)
	t.Cleanup(pool.Close)
	s.Dialer, s.Here = pool, ssh.NewLocal(s)
	return pool, events, s
}

// clean fails when a copy left a schema or a password file behind.
func clean(t *testing.T, d *server) {
	t.Helper()
	if left := d.sql("", "SHOW DATABASES LIKE 'shop\\_%'"); left != "" {
		t.Errorf("schemas left behind: %s", left)
	}
	if files, _ := filepath.Glob(filepath.Join(os.Getenv("TMPDIR"), "*")); len(files) > 0 {
		t.Errorf("files left behind: %v", files)
	}
}

func TestCopy(t *testing.T) {
	source, target := startDatabase(t), startDatabase(t)
	source.sql("", shop)
	t.Run("into nothing", func(t *testing.T) {
		d, _, _ := dialer(t)
		got, err := mysql.Copy(t.Context(), d, nodes.Discard{}, mysql.Request{From: source.place("shop"), To: target.place("shop")})
		if err != nil || got.Tables != 4 || got.Bytes < 100_000 {
			t.Fatalf("%+v %v", got, err)
		}
		same(t, "the copy", target.dump("shop"), source.dump("shop"))
		if set := target.sql("", "SELECT default_collation_name FROM information_schema.schemata WHERE schema_name='shop'"); set != "utf8mb4_unicode_ci" {
			t.Errorf("the new schema's own default is %s", set)
		}
		clean(t, target)
	})
	t.Run("over another", func(t *testing.T) { over(t, source, target) })
	t.Run("only some tables", func(t *testing.T) { some(t, source, target) })
	t.Run("failures leave the target alone", func(t *testing.T) { failures(t, source, target) })
	t.Run("lua", func(t *testing.T) {
		_, _, s := dialer(t)
		h := lua.New(s, []lua.Module{mysql.Module(s), {Values: map[string]any{"db": &nodes.Node{Name: "db", Local: true}}}})
		src := fmt.Sprintf(`return mysql.copy{ from={on=db, database="shop", user="root", socket=%q}, to={on=db, database="shop", user="root", socket=%q}, skip="access_log" }.tables`, source.socket, target.socket)
		values, err := h.Eval(t.Context(), src)
		if err != nil || len(values) != 1 || h.Inspect(values[0]) != "4" {
			t.Errorf("%v %v", values, err)
		}
		for _, bad := range []string{strings.Replace(src, "user=", "usr=", 1), strings.Replace(src, "on=db, ", "", 1), strings.Replace(src, source.socket, target.socket, 1)} {
			if _, err := h.Eval(t.Context(), bad); nodes.KindOf(err) != nodes.Usage {
				t.Errorf("%s: %v", bad, err)
			}
		}
	})
}

func reset(target *server) string {
	target.sql("", "DROP DATABASE IF EXISTS shop;"+old)
	return target.dump("shop")
}

func over(t *testing.T, source, target *server) {
	reset(target)
	d, events, _ := dialer(t)
	target.sql("", `CREATE OR REPLACE USER refresh@localhost IDENTIFIED BY 'p"w\\ #1'; GRANT ALL ON *.* TO refresh@localhost;`)
	to := target.place("shop")
	to.User, to.Password = "refresh", nodes.NewSecret(`p"w\ #1`)
	_, err := mysql.Copy(t.Context(), d, events, mysql.Request{
		From: source.place("shop"), To: to,
		What: database.What{Skip: []string{"access_log"}, AfterSQL: "UPDATE customers SET mail = CONCAT('c', id);"},
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := target.sql("shop", "SELECT COUNT(*) FROM orders; SELECT mail FROM bigger; SELECT COUNT(*) FROM access_log; CALL total(); SELECT HEX(photo) FROM customers WHERE id=1"); got != "3000\nc2\n0\n3000\n00FF0A27" {
		t.Errorf("got %q", got)
	}
	if got := target.sql("shop", "INSERT INTO orders VALUES (9999, 1, 'x'); SELECT note FROM orders WHERE id = 9999; SHOW TABLES LIKE 'gone%'; SELECT event_name FROM information_schema.events"); got != "new x\nnightly" {
		t.Errorf("got %q", got)
	}
	if out, err := exec.Command("mariadb", "--no-defaults", "--socket="+target.socket, "-uroot", "shop", "-e", "INSERT INTO orders VALUES (10000, 99, '')").CombinedOutput(); err == nil || !strings.Contains(string(out), "fk_customer") {
		t.Errorf("the foreign key does not hold: %s", out)
	}
	if text := events.Text(nodes.Warned); text != "" {
		t.Errorf("warned: %s", text)
	}
	clean(t, target)
}

func some(t *testing.T, source, target *server) {
	reset(target)
	d, _, _ := dialer(t)
	q := mysql.Request{From: source.place("shop"), To: target.place("shop"), What: database.What{Tables: []string{"odd `name; --", "access_log"}}}
	if _, err := mysql.Copy(t.Context(), d, nodes.Discard{}, q); err != nil {
		t.Fatal(err)
	}
	if got := target.sql("shop", "SELECT COUNT(*) FROM access_log; SELECT COUNT(*) FROM orders; SELECT COUNT(*) FROM gone_view; INSERT INTO orders VALUES (5, NULL); SELECT MAX(id) FROM orders"); got != "1\n1\n0\n7" {
		t.Errorf("got %q", got)
	}
	target.sql("shop", "CREATE TABLE child (a INT PRIMARY KEY, o INT, FOREIGN KEY (o) REFERENCES orders (id))")
	before := target.dump("shop")
	q.Tables = []string{"orders"}
	_, err := mysql.Copy(t.Context(), d, nodes.Discard{}, q)
	if nodes.KindOf(err) != nodes.Refused || !strings.Contains(err.Error(), "child -> orders") {
		t.Errorf("a foreign key from outside: %v", err)
	}
	same(t, "after the refusal", target.dump("shop"), before)
	clean(t, target)
}

func failures(t *testing.T, source, target *server) {
	before := reset(target)
	good := mysql.Request{From: source.place("shop"), To: target.place("shop")}
	for _, c := range []struct {
		name   string
		change func(t *testing.T, q *mysql.Request)
		kind   nodes.Kind
		says   string
	}{
		{"wrong password", func(_ *testing.T, q *mysql.Request) { q.To.Password = nodes.NewSecret("s3cret") }, nodes.Auth, "password="},
		{"no such database", func(_ *testing.T, q *mysql.Request) { q.From.Database = "none" }, nodes.NotFound, "none"},
		{"no such table", func(_ *testing.T, q *mysql.Request) { q.Skip = []string{"nope"} }, nodes.NotFound, "nope"},
		{"no server", func(_ *testing.T, q *mysql.Request) { q.From.Socket = "/nowhere" }, nodes.Unreachable, "running"},
		{"after_sql fails", func(_ *testing.T, q *mysql.Request) { q.AfterSQL = "UPDATE nope SET a = 1" }, nodes.NotFound, "nope"},
		{"a dump that is cut off and exits with 0", func(t *testing.T, _ *mysql.Request) { wrap(t, `"$real" "$@" | head -c 20000`) }, nodes.Lost, "not complete"},
		{"a dump that fails in the middle", func(t *testing.T, _ *mysql.Request) { wrap(t, `"$real" "$@" | head -c 20000; exit 2`) }, nodes.Exit, "dump failed"},
		{"a dump that is no SQL", func(t *testing.T, _ *mysql.Request) { wrap(t, `echo "SELECT * FROM oops;"; "$real" "$@"`) }, nodes.NotFound, "oops"},
		{"a password with a newline", func(_ *testing.T, q *mysql.Request) { q.To.Password = nodes.NewSecret("a\nb") }, nodes.Usage, ""},
		{"a database that is an option", func(_ *testing.T, q *mysql.Request) { q.To.Database = "-uroot" }, nodes.Usage, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			d, events, _ := dialer(t)
			q := good
			c.change(t, &q)
			_, err := mysql.Copy(t.Context(), d, events, q)
			if text := events.Text(nodes.Warned); text != "" {
				t.Errorf("warned of what is not there: %s", text)
			}
			if nodes.KindOf(err) != c.kind || !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "s3cret") {
				t.Errorf("kind %q: %v", nodes.KindOf(err), err)
			}
			same(t, "the target", target.dump("shop"), before)
			clean(t, target)
		})
	}
	t.Run("cancelled", func(t *testing.T) {
		d, _, _ := dialer(t)
		wrap(t, `"$real" "$@"; sleep 60`)
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(1500*time.Millisecond, cancel)
		_, err := mysql.Copy(ctx, d, nodes.Discard{}, good)
		if nodes.KindOf(err) != nodes.Cancelled {
			t.Errorf("%v", err)
		}
		same(t, "the target", target.dump("shop"), before)
		clean(t, target)
	})
	t.Run("a view that is broken at the source", func(t *testing.T) {
		d, _, _ := dialer(t)
		source.sql("shop", "CREATE TABLE base (a INT) ENGINE=MyISAM; CREATE VIEW broken AS SELECT * FROM base; DROP TABLE base; CREATE TABLE mine (a INT) ENGINE=MyISAM")
		events := &nodetest.Recorder{}
		_, err := mysql.Copy(t.Context(), d, events, good)
		if err == nil || !strings.Contains(err.Error(), "broken") {
			t.Errorf("%v", err)
		}
		if text := events.Text(nodes.Warned); !strings.Contains(text, "mine (MyISAM)") {
			t.Errorf("warned %q", text)
		}
		source.sql("shop", "DROP VIEW broken; DROP TABLE mine")
		same(t, "the target", target.dump("shop"), before)
		clean(t, target)
	})
}

// wrap puts a script in front of mariadb-dump; $real is the real one.
func wrap(t *testing.T, script string) {
	t.Helper()
	real, err := exec.LookPath("mariadb-dump")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	text := "#!/bin/sh\nreal=" + real + "\ncase \"$*\" in *--version*) exec \"$real\" --version;; *--no-data*) exec \"$real\" \"$@\";; esac\n" + script + "\n"
	if err := os.WriteFile(filepath.Join(dir, "mariadb-dump"), []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
}
