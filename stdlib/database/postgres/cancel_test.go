package postgres_test

import (
	"bufio"
	"context"
	"io"
	"testing"

	"github.com/rollsh/rollsh/nodes"
	"github.com/rollsh/rollsh/stdlib/database/postgres"
)

// session is a client of the server that stays.
type session struct {
	t   *testing.T
	in  io.Writer
	out *bufio.Reader
}

func (d *server) session() *session {
	d.t.Helper()
	cmd := d.Client("psql", "postgres", "-XqAt", "-v", "ON_ERROR_STOP=1")
	in, err := cmd.StdinPipe()
	if err != nil {
		d.t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		d.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		d.t.Fatal(err)
	}
	d.t.Cleanup(func() {
		_ = in.Close()
		_ = cmd.Wait() // its input has ended
	})
	return &session{d.t, in, bufio.NewReader(out)}
}

// does runs statements to their end.
func (s *session) does(statements string) {
	s.t.Helper()
	_, err := s.in.Write([]byte(statements + "\nSELECT 'done';\n"))
	if err != nil {
		s.t.Fatal(err)
	}
	for {
		line, err := s.out.ReadString('\n')
		if err != nil {
			s.t.Fatalf("%s: %v", statements, err)
		}
		if line == "done\n" {
			return
		}
	}
}

// until is SQL that waits until the server is at a statement that holds text.
func until(text string) string {
	return `DO $$ BEGIN LOOP PERFORM pg_stat_clear_snapshot();
EXIT WHEN EXISTS (SELECT 1 FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND state = 'active' AND wait_event_type = 'Lock' AND query LIKE '%` + text + `%');
PERFORM pg_sleep(0.01); END LOOP; END $$;`
}

// A database that the server is making is made to its end when the client is gone.
func TestCancelledWhileTheDatabaseIsMade(t *testing.T) {
	source, target := startDatabase(t), startDatabase(t)
	source.sql("postgres", "CREATE DATABASE shop")
	source.sql("shop", shop)
	before := reset(target)
	d, _ := dialer(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	held, watch := target.session(), target.session()
	held.does("BEGIN; LOCK TABLE pg_database IN SHARE MODE;")
	ended := make(chan error, 1)
	go func() {
		_, err := postgres.Copy(ctx, d, nodes.Discard{}, postgres.Request{From: source.place("shop"), To: target.place("shop")})
		ended <- err
	}()
	watch.does(until("CREATE DATABASE"))
	cancel()
	watch.does(until("DROP DATABASE"))
	held.does("COMMIT;")
	if err := <-ended; nodes.KindOf(err) != nodes.Cancelled {
		t.Errorf("%v", err)
	}
	watch.does(`DO $$ BEGIN WHILE EXISTS (SELECT 1 FROM pg_stat_activity WHERE query LIKE 'CREATE DATABASE%') LOOP PERFORM pg_stat_clear_snapshot(), pg_sleep(0.01); END LOOP; END $$;`)
	same(t, "the target", target.dump("shop"), before)
	clean(t, target)
}
