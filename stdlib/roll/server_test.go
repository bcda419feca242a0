package roll_test

import (
	"strings"
	"sync"
	"testing"

	"github.com/rollsh/rollsh/nodes"
	"github.com/rollsh/rollsh/nodes/nodetest"
	"github.com/rollsh/rollsh/stdlib/roll"
)

// Two deploy hosts with one journal in PostgreSQL: one of many who begin at once
// gets the lock, and everybody reads what it did.
func TestJournalInPostgres(t *testing.T) {
	db := nodetest.StartPostgres(t)
	t.Setenv("ROLLSH_JOURNAL", db.URL("postgres"))
	host := func(name string) *roll.Journal {
		s := session(t.TempDir())
		s.Host = name
		return journal(t, s)
	}
	first, second := host("deploy1"), host("deploy2")
	if list, err := second.History(t.Context(), "", 0); err != nil || len(list) != 0 {
		t.Fatalf("before there is one: %v %v", list, err)
	}
	if out, _ := db.Client("psql", "postgres", "-XqAtc", `\dt`).Output(); len(out) > 0 {
		t.Errorf("looking made tables: %s", out)
	}
	r := raceForTheLock(t, first, second)
	if err := r.Pin(t.Context(), roll.Pin{From: "4", To: "5", Changesets: nodes.Changesets{{Rev: 5, Author: "bob", Message: "caf\u00e9, fixes #7"}}}); err != nil {
		t.Fatal(err)
	}
	for _, n := range r.Set().Nodes {
		step(t, r, n, roll.Staged, roll.Drained, roll.Switched, roll.Done)
	}
	if _, err := r.Finish(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	for _, j := range []*roll.Journal{first, second} {
		list, err := j.History(t.Context(), "www", 1)
		if err != nil || len(list) != 1 || list[0].State != roll.RollDone || states(list[0]) != "web1=done web2=done" || list[0].Changesets[0].Message != "caf\u00e9, fixes #7" || list[0].Args[0] != "a b" {
			t.Errorf("%+v %v", list, err)
		}
		all, err := j.Status(t.Context(), "")
		if err != nil || len(all) != 1 || len(all[0].Locks) != 0 || all[0].Nodes[1].Rev != "5" {
			t.Errorf("%+v %v", all, err)
		}
	}
	if steps, err := second.Steps(t.Context(), r.Entry().ID); err != nil || len(steps) != 8 || steps[7].Outcome != "ok" {
		t.Errorf("%+v %v", steps, err)
	}
	if out, _ := db.Client("psql", "postgres", "-XqAtc", "SELECT state, to_rev FROM rolls").Output(); string(out) != "done|5\n" {
		t.Errorf("psql reads %q", out)
	}
	if out, err := db.Client("psql", "postgres", "-XqAtc", "DROP TABLE takes; UPDATE schema_version SET version = 1").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if list, err := host("deploy3").History(t.Context(), "www", 1); err != nil || len(list) != 1 { // brought up to date
		t.Errorf("%+v %v", list, err)
	}
}

// raceForTheLock begins a roll many times at once, and gives the one that could.
func raceForTheLock(t *testing.T, hosts ...*roll.Journal) *roll.Roll {
	t.Helper()
	var wg sync.WaitGroup
	var mu sync.Mutex
	var won []*roll.Roll
	for i := range 8 {
		wg.Go(func() {
			r, err := hosts[i%len(hosts)].Begin(t.Context(), roll.Request{Name: "www", To: web("web1", "web2"), Recipe: nodes.Recipe{Path: "/srv/prod.lua", Args: []string{"a b"}}})
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				won = append(won, r)
			} else {
				wantKind(t, err, nodes.Locked, "'www' is locked by anna on deploy")
			}
		})
	}
	wg.Wait()
	if len(won) != 1 {
		t.Fatalf("%d got the lock", len(won))
	}
	return won[0]
}

// What is wrong with the address is said, and never the password.
func TestJournalServerIsAway(t *testing.T) {
	for address, want := range map[string]struct {
		kind nodes.Kind
		text string
	}{
		"postgres://anna:geheim@127.0.0.1:1/journal?sslmode=disable": {nodes.Unreachable, "postgres://anna:xxxxx@127.0.0.1:1/journal"},
		"mysql://127.0.0.1/journal":                                  {nodes.Usage, "postgres://USER@HOST/DATABASE"},
		"postgres://anna:ge heim@[x":                                 {nodes.Usage, "does not name a database"},
	} {
		t.Setenv("ROLLSH_JOURNAL", address)
		_, err := journal(t, session(t.TempDir())).Begin(t.Context(), roll.Request{Name: "www", To: web("web1")})
		wantKind(t, err, want.kind, want.text)
		if strings.Contains(err.Error(), "heim") {
			t.Error(err)
		}
	}
}
