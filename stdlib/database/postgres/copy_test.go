package postgres_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rollsh/rollsh/lua"
	"github.com/rollsh/rollsh/nodes"
	"github.com/rollsh/rollsh/nodes/nodetest"
	"github.com/rollsh/rollsh/stdlib/database"
	"github.com/rollsh/rollsh/stdlib/database/postgres"
	"github.com/rollsh/rollsh/stdlib/ssh"
)

// shop has what is hard to copy: foreign keys, triggers, functions, views,
// sequences, a second schema, odd names, binary data.
const shop = `
CREATE TABLE customers (id serial PRIMARY KEY, mail text, photo bytea);
CREATE TABLE orders (id int PRIMARY KEY, customer int REFERENCES customers, note text);
CREATE TABLE "odd ""name; --" (a int);
CREATE SCHEMA log; CREATE TABLE log.access (id int, line text);
INSERT INTO customers (mail, photo) VALUES ('ä@example.org', '\x00ff0a27'), (E'\U0001F680\\ \t', NULL);
INSERT INTO orders SELECT i, 1 + i % 2, repeat(E'x\n', 100) FROM generate_series(1, 3000) i;
INSERT INTO log.access VALUES (1, 'private');
CREATE VIEW big AS SELECT id, mail FROM customers WHERE id > 1;
CREATE FUNCTION stamp() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.note = 'new ' || NEW.note; RETURN NEW; END $$;
CREATE TRIGGER stamp BEFORE INSERT ON orders FOR EACH ROW EXECUTE FUNCTION stamp();
`

// old is what the target has before.
const old = `CREATE TABLE orders (id int PRIMARY KEY); INSERT INTO orders VALUES (7); CREATE TABLE gone (a int);`

func dialer(t *testing.T) (nodes.Dialer, *nodes.Session) {
	t.Helper()
	t.Setenv("TMPDIR", t.TempDir())
	s := &nodes.Session{Project: t.TempDir(), Home: t.TempDir(), Events: nodes.Discard{}, Service: nodes.NewService(), Person: &nodetest.Person{}}
	pool := ssh.NewPool(s)
	t.Cleanup(pool.Close)
	s.Dialer, s.Here = pool, ssh.NewLocal(s)
	return pool, s
}

// clean fails when a copy left a database or a password file behind.
func clean(t *testing.T, d *server) {
	t.Helper()
	if left := d.sql("postgres", `SELECT datname FROM pg_database WHERE datname LIKE 'shop\_%'`); left != "" {
		t.Errorf("databases left behind: %s", left)
	}
	if files, _ := filepath.Glob(filepath.Join(os.Getenv("TMPDIR"), "*")); len(files) > 0 {
		t.Errorf("files left behind: %v", files)
	}
}

func TestCopy(t *testing.T) {
	source, target := startDatabase(t), startDatabase(t)
	source.sql("postgres", "CREATE DATABASE shop")
	source.sql("shop", shop)
	t.Run("into nothing", func(t *testing.T) {
		d, _ := dialer(t)
		got, err := postgres.Copy(t.Context(), d, nodes.Discard{}, postgres.Request{From: source.place("shop"), To: target.place("shop")})
		if err != nil || got.Tables != 4 || got.Bytes < 100_000 {
			t.Fatalf("%+v %v", got, err)
		}
		same(t, "the copy", target.dump("shop"), source.dump("shop"))
		clean(t, target)
	})
	t.Run("over another", func(t *testing.T) { over(t, source, target) })
	t.Run("only some tables", func(t *testing.T) { some(t, source, target) })
	t.Run("failures leave the target alone", func(t *testing.T) { failures(t, source, target) })
	t.Run("lua", func(t *testing.T) {
		_, s := dialer(t)
		h := lua.New(s, []lua.Module{postgres.Module(s), {Values: map[string]any{"db": &nodes.Node{Name: "db", Local: true}}}})
		src := fmt.Sprintf(`local p = "pg:pw\\" return postgres.copy{ from={on=db, database="shop", user="admin", password=p, host="127.0.0.1", port=%d},
			to={on=db, database="shop", user="admin", password=p, host="127.0.0.1", port=%d}, skip="log.access" }.tables`, source.Port, target.Port)
		values, err := h.Eval(t.Context(), src)
		if err != nil || len(values) != 1 || h.Inspect(values[0]) != "4" {
			t.Errorf("%v %v", values, err)
		}
		for _, bad := range []string{strings.Replace(src, "user=", "usr=", 1), strings.Replace(src, "port=", "port=0.", 1)} {
			if _, err := h.Eval(t.Context(), bad); nodes.KindOf(err) != nodes.Usage {
				t.Errorf("%s: %v", bad, err)
			}
		}
	})
}

func reset(target *server) string {
	target.sql("postgres", "DROP DATABASE IF EXISTS shop WITH (FORCE)")
	target.sql("postgres", "CREATE DATABASE shop")
	target.sql("shop", old)
	return target.dump("shop")
}

// over replaces a database that has another owner, and a client that keeps
// coming back.
func over(t *testing.T, source, target *server) {
	reset(target)
	target.sql("postgres", "CREATE ROLE app LOGIN; ALTER DATABASE shop OWNER TO app")
	d, _ := dialer(t)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for ctx.Err() == nil {
			c := target.Client("psql", "shop", "-c", "SELECT pg_sleep(0.3)")
			_ = c.Run() // it is thrown out again and again
		}
	}()
	_, err := postgres.Copy(t.Context(), d, nodes.Discard{}, postgres.Request{
		From: source.place("shop"), To: target.place("shop"),
		What: database.What{Skip: []string{"log.access"}, AfterSQL: "UPDATE customers SET mail = 'c' || id;"},
	})
	stop()
	<-ended
	if err != nil {
		t.Fatal(err)
	}
	got := target.sql("shop", `SELECT count(*) FROM orders; SELECT mail FROM big; SELECT count(*) FROM log.access; SELECT to_regclass('gone') IS NULL;
		SELECT encode(photo, 'hex') FROM customers WHERE id = 1; INSERT INTO orders VALUES (9999, 1, 'x'); SELECT note FROM orders WHERE id = 9999;
		SELECT string_agg(DISTINCT tableowner, ',') FROM pg_tables WHERE schemaname IN ('public', 'log'); SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = 'shop';
		SET ROLE app; INSERT INTO customers (mail) VALUES ('new') RETURNING id;`)
	if got != "3000\nc2\n0\nt\n00ff0a27\nnew x\napp\napp\n3" {
		t.Errorf("got %q", got)
	}
	clean(t, target)
}

func some(t *testing.T, source, target *server) {
	reset(target)
	d, _ := dialer(t)
	q := postgres.Request{From: source.place("shop"), To: target.place("shop"), What: database.What{Tables: []string{`odd "name; --`, "customers"}, AfterSQL: "UPDATE customers SET mail = 'x'"}}
	if _, err := postgres.Copy(t.Context(), d, nodes.Discard{}, q); err != nil {
		t.Fatal(err)
	}
	if got := target.sql("shop", `SELECT count(*) FROM "odd ""name; --"; SELECT id FROM orders; SELECT count(*) FROM customers WHERE mail = 'x'; SELECT count(*) FROM gone`); got != "0\n7\n2\n0" {
		t.Errorf("got %q", got)
	}
	target.sql("shop", "CREATE TABLE child (o int REFERENCES customers)")
	before := target.dump("shop")
	_, err := postgres.Copy(t.Context(), d, nodes.Discard{}, q)
	if nodes.KindOf(err) != nodes.Refused {
		t.Errorf("a foreign key from outside: %v", err)
	}
	same(t, "after the refusal", target.dump("shop"), before)
	clean(t, target)
}

func failures(t *testing.T, source, target *server) {
	before := reset(target)
	good := postgres.Request{From: source.place("shop"), To: target.place("shop")}
	cutOff := `"$real" "$@" | head -c 20000`
	for _, c := range []struct {
		name   string
		change func(t *testing.T, q *postgres.Request)
		kind   nodes.Kind
		says   string
	}{
		{"wrong password", func(_ *testing.T, q *postgres.Request) { q.To.Password = nodes.NewSecret("s3cret") }, nodes.Auth, "password="},
		{"no such database", func(_ *testing.T, q *postgres.Request) { q.From.Database = "none" }, nodes.NotFound, "none"},
		{"no such table", func(_ *testing.T, q *postgres.Request) { q.Skip = []string{"nope"} }, nodes.NotFound, "nope"},
		{"no server", func(_ *testing.T, q *postgres.Request) { q.From.Port = 1 }, nodes.Unreachable, "running"},
		{"after_sql fails", func(_ *testing.T, q *postgres.Request) { q.AfterSQL = "UPDATE nope SET a = 1" }, nodes.NotFound, "nope"},
		{"cut off, exit 0", func(t *testing.T, _ *postgres.Request) { wrap(t, cutOff) }, nodes.Lost, "not complete"},
		{"cut off, exit 0, some tables", func(t *testing.T, q *postgres.Request) { q.Tables = []string{"customers", "orders"}; wrap(t, cutOff) }, nodes.Lost, "not complete"},
		{"the dump fails in the middle", func(t *testing.T, _ *postgres.Request) { wrap(t, cutOff+"; exit 2") }, nodes.Exit, "dump failed"},
		{"the dump is no SQL", func(t *testing.T, _ *postgres.Request) { wrap(t, `echo "SELECT * FROM oops;"; "$real" "$@"`) }, nodes.NotFound, "oops"},
		{"a password with a newline", func(_ *testing.T, q *postgres.Request) { q.To.Password = nodes.NewSecret("a\nb") }, nodes.Usage, ""},
		{"an address as a database", func(_ *testing.T, q *postgres.Request) { q.To.Database = "host=elsewhere" }, nodes.Usage, ""},
		{"itself", func(_ *testing.T, q *postgres.Request) { q.To = q.From }, nodes.Usage, "same"},
	} {
		t.Run(c.name, func(t *testing.T) {
			d, _ := dialer(t)
			q := good
			c.change(t, &q)
			_, err := postgres.Copy(t.Context(), d, nodes.Discard{}, q)
			if nodes.KindOf(err) != c.kind || !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "s3cret") {
				t.Errorf("kind %q: %v", nodes.KindOf(err), err)
			}
			same(t, "the target", target.dump("shop"), before)
			clean(t, target)
		})
	}
	for name, change := range map[string]func(t *testing.T, q *postgres.Request){
		"cancelled in the dump":                   func(t *testing.T, _ *postgres.Request) { wrap(t, `"$real" "$@"; sleep 60`) },
		"cancelled at a server that says nothing": func(t *testing.T, q *postgres.Request) { q.From.Port = listen(t) },
	} {
		t.Run(name, func(t *testing.T) {
			d, _ := dialer(t)
			q := good
			change(t, &q)
			ctx, cancel := context.WithCancel(t.Context())
			time.AfterFunc(1500*time.Millisecond, cancel)
			if _, err := postgres.Copy(ctx, d, nodes.Discard{}, q); nodes.KindOf(err) != nodes.Cancelled {
				t.Errorf("%v", err)
			}
			same(t, "the target", target.dump("shop"), before)
			clean(t, target)
		})
	}
}

// wrap puts a script in front of pg_dump; $real is the real one.
func wrap(t *testing.T, script string) {
	t.Helper()
	dir := t.TempDir()
	text := "#!/bin/sh\nreal=" + nodetest.Program("pg_dump") + "\n" + script + "\n"
	if err := os.WriteFile(filepath.Join(dir, "pg_dump"), []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
}
