package trac_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rollsh/rollsh/lua"
	"github.com/rollsh/rollsh/nodes"
	"github.com/rollsh/rollsh/nodes/nodetest"
	"github.com/rollsh/rollsh/stdlib/trac"
)

func session(t *testing.T) *nodes.Session {
	t.Helper()
	return &nodes.Session{Project: t.TempDir(), Events: nodes.Discard{}, Service: nodes.NewService(), Person: &nodetest.Person{}}
}

func open(t *testing.T, url string, o trac.Options) *trac.Tracker {
	t.Helper()
	tr, err := trac.Open(session(t), url, o)
	if err != nil {
		t.Fatal(err)
	}
	return tr
}

func revs(list ...string) []nodes.Revision {
	out := make([]nodes.Revision, len(list))
	for i, r := range list {
		out[i] = nodes.Revision(r)
	}
	return out
}

var bot = trac.Options{User: "bot", Password: nodes.NewSecret("bot-pw")}

// TestTrac is all that needs a real Trac; making one takes longest.
func TestTrac(t *testing.T) {
	b := startTrac(t)
	t.Run("changesets", func(t *testing.T) { changesets(t, b) })
	t.Run("tickets", func(t *testing.T) { tickets(t, b) })
	t.Run("comments", func(t *testing.T) { comments(t, b) })
	t.Run("lua", func(t *testing.T) { luaNames(t, b) })
	t.Run("elsewhere", func(t *testing.T) { elsewhere(t, b) })
	t.Run("refusals", func(t *testing.T) { refusals(t, b) })
	t.Run("login only", func(t *testing.T) { loginOnly(t, b) })
}

func changesets(t *testing.T, b *bed) {
	tr := open(t, b.url, bot)
	got, err := tr.Changesets(t.Context(), revs("4", "r2", "3", "2", "5", "1"))
	if err != nil {
		t.Fatal(err)
	}
	if s := fmt.Sprintf("%s %q", got.Revs(), got.Authors()); s != `r1-5 ["anna" "bob@example.org" "eve" ""]` {
		t.Errorf("got %s", s)
	}
	two := got[1]
	if two.Rev != 2 || two.Message != message || time.Since(two.Date) > time.Hour || !slices.Equal(two.Tickets(), []string{"1", "2"}) {
		t.Errorf("r2: %+v\nwant the message\n%s", two, message)
	}
	if want := (nodes.ChangedPath{Path: "/trunk/b", Action: "D"}); len(got[0].Paths) != 1 || got[0].Paths[0] != want {
		t.Errorf("r4 changed %v", got[0].Paths)
	}
	if three := got[2]; len(three.Paths) != 1 || !strings.HasPrefix(three.Message, "Sun, 22 Nov") {
		t.Errorf("a message that looks like the log: %+v", three)
	}
	if one := open(t, b.url, trac.Options{Repository: "main"}); one.ChangesetURL("5") != b.url+"/changeset/5/main" {
		t.Error(one.ChangesetURL("5"))
	} else if cs, err := one.Changesets(t.Context(), revs("2")); err != nil || len(cs) != 1 || cs[0].Author != "bob@…" {
		t.Errorf("as nobody: %v %v", cs, err)
	}
	for _, unknown := range [][]nodes.Revision{revs("99"), revs("1", "99")} {
		if _, err := tr.Changesets(t.Context(), unknown); nodes.KindOf(err) != nodes.NotFound {
			t.Errorf("%v: %v", unknown, err)
		}
	}
	b.commit("anna", "not yet told to Trac", "mkdir", "trunk/late")
	if _, err := tr.Changesets(t.Context(), revs("5", "6")); nodes.KindOf(err) != nodes.NotFound || !strings.Contains(err.Error(), "r6") {
		t.Errorf("a revision that Trac has not read: %v", err)
	}
	b.admin("changeset", "added", "main", "6")
	if cs, err := tr.Changesets(t.Context(), revs("5", "6")); err != nil || len(cs) != 2 {
		t.Errorf("after the hook: %v %v", cs, err)
	}
	if cs, err := tr.Changesets(t.Context(), revs("HEAD", "2")); err != nil || cs.Revs() != "r2,r6" {
		t.Errorf("the newest: %v %v", cs, err)
	}
}

func tickets(t *testing.T, b *bed) {
	for name, o := range map[string]trac.Options{"bot": bot, "nobody": {}} {
		ticket, err := open(t, b.url, o).Ticket(t.Context(), "#1")
		if err != nil || ticket["summary"] != `broken "login", ü` || ticket["status"] != "new" || ticket["url"] != b.url+"/ticket/1" {
			t.Errorf("%s: %v %v", name, ticket, err)
		}
		if _, err := open(t, b.url, o).Ticket(t.Context(), "77"); nodes.KindOf(err) != nodes.NotFound {
			t.Errorf("%s: an unknown ticket: %v", name, err)
		}
	}
	if _, err := open(t, b.url, bot).Ticket(t.Context(), "1/../2"); nodes.KindOf(err) != nodes.Usage {
		t.Errorf("not a number: %v", err)
	}
}

func comments(t *testing.T, b *bed) {
	tr := open(t, b.url, bot)
	for i := range 2 {
		text := fmt.Sprintf("rolled <b>&amp;</b> \"quoted\" ü %d\nsecond line", i)
		if err := tr.Comment(t.Context(), "1", text); err != nil {
			t.Fatal(err)
		}
		// Trac's own word for it: what its database holds.
		stored := b.run("/usr/bin/python3", "-c", "import sqlite3,sys\nprint(repr(sqlite3.connect(sys.argv[1]).execute(\"select author, newvalue from ticket_change where ticket=1 and field='comment' order by time desc limit 1\").fetchone()))", b.path("env/db/trac.db"))
		if want := fmt.Sprintf(`('bot', 'rolled <b>&amp;</b> "quoted" ü %d\r\nsecond line')`, i); strings.ReplaceAll(strings.TrimSpace(stored), `\r\n`, `\n`) != strings.ReplaceAll(want, `\r\n`, `\n`) {
			t.Errorf("stored %s, want %s", stored, want)
		}
	}
	if ticket, err := tr.Ticket(t.Context(), "1"); err != nil || ticket["status"] != "new" || ticket["summary"] != `broken "login", ü` {
		t.Errorf("a comment changed the ticket: %v %v", ticket, err)
	}
	for name, o := range map[string]trac.Options{"nobody": {}, "a guest": {User: "guest", Password: nodes.NewSecret("bot-pw")}} {
		if err := open(t, b.url, o).Comment(t.Context(), "1", "no"); nodes.KindOf(err) != nodes.Permission {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := tr.Comment(t.Context(), "77", "x"); nodes.KindOf(err) != nodes.NotFound {
		t.Errorf("an unknown ticket: %v", err)
	}
	if err := tr.Comment(t.Context(), "1", " \n"); nodes.KindOf(err) != nodes.Usage {
		t.Errorf("an empty comment: %v", err)
	}
	if err := tr.Comment(t.Context(), "1", "see "+strings.Repeat("x", 30_000)); nodes.KindOf(err) != nodes.Usage || !strings.Contains(err.Error(), "a word of 30000 characters, 'xxx") {
		t.Errorf("a word that Trac takes long to show: %v", err)
	}
	if err := tr.Comment(t.Context(), "2", strings.Repeat(strings.Repeat("ü", 1000)+" ", 3)); err != nil {
		t.Errorf("words that it shows: %v", err)
	}
}

// elsewhere asks at addresses at which no Trac is, or not that page of it.
func elsewhere(t *testing.T, b *bed) {
	dir := t.TempDir()
	for name, text := range map[string]string{"ticket/1": "<title>Our shop</title>", "login": "<title>Log in</title>"} {
		if err := errors.Join(os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755), os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	shop := httptest.NewServer(http.FileServer(http.Dir(dir)))
	defer shop.Close()
	const hint = " (hint: is this the address of a Trac?)"
	for name, c := range map[string]struct {
		url, id string
		opts    trac.Options
		kind    nodes.Kind
		want    string
	}{
		"another site":            {shop.URL, "1", trac.Options{}, nodes.Protocol, shop.URL + "/ticket/1 does not answer with a ticket, but with 'Our shop'" + hint},
		"another site's login":    {shop.URL, "1", bot, nodes.Protocol, shop.URL + "/login does not answer with the login of a Trac, but with 'Log in'" + hint},
		"nothing at that address": {shop.URL, "2", trac.Options{}, nodes.NotFound, shop.URL + "/ticket/2 answers 404" + hint},
		"no such ticket":          {b.url, "77", bot, nodes.NotFound, b.url + "/ticket/77 answers 404: Error: Invalid ticket number – roll (hint: there is a Trac, but no such page: check the address and the number)"},
		"beside Trac":             {b.url + "/other", "1", trac.Options{}, nodes.NotFound, "(hint: there is a Trac, but no such page: check the address and the number)"},
		"nobody there":            {"http://127.0.0.1:1", "1", trac.Options{}, nodes.Unreachable, "cannot connect to 127.0.0.1:1: connection refused (hint: is Trac up, and is its address right?)"},
	} {
		err := open(t, c.url, c.opts).Comment(t.Context(), c.id, "x")
		if nodes.KindOf(err) != c.kind || !strings.HasSuffix(err.Error(), c.want) {
			t.Errorf("%s: %v, want %s", name, err, c.want)
		}
	}
}

func refusals(t *testing.T, b *bed) {
	wrong := open(t, b.url, trac.Options{User: "bot", Password: nodes.NewSecret("wr0ng")})
	_, err := wrong.Ticket(t.Context(), "1")
	if nodes.KindOf(err) != nodes.Auth || strings.Contains(err.Error(), "wr0ng") {
		t.Errorf("wrong password: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := open(t, b.url, bot).Ticket(ctx, "1"); nodes.KindOf(err) != nodes.Cancelled {
		t.Errorf("cancelled: %v", err)
	}
}

// loginOnly takes all rights from those who are not logged in: only the cookie
// of /login opens anything then.
func loginOnly(t *testing.T, b *bed) {
	rights := []string{"BROWSER_VIEW", "CHANGESET_VIEW", "FILE_VIEW", "LOG_VIEW", "TICKET_VIEW"}
	b.admin(append([]string{"permission", "remove", "anonymous"}, rights...)...)
	b.admin(append([]string{"permission", "add", "authenticated"}, rights...)...)
	tick := time.NewTicker(100 * time.Millisecond) // Trac remembers rights for some seconds
	defer tick.Stop()
	for deadline := time.Now().Add(20 * time.Second); ; <-tick.C {
		_, err := open(t, b.url, trac.Options{}).Ticket(t.Context(), "1")
		if nodes.KindOf(err) == nodes.Permission {
			break
		}
		if err != nil || time.Now().After(deadline) {
			t.Fatalf("nobody: %v", err)
		}
	}
	tr := open(t, b.url, bot)
	if _, err := tr.Ticket(t.Context(), "1"); err != nil {
		t.Errorf("bot: %v", err)
	}
	b.run("/usr/bin/python3", "-c", "import sqlite3,sys\nd=sqlite3.connect(sys.argv[1]); d.execute('delete from auth_cookie'); d.commit()", b.path("env/db/trac.db"))
	if _, err := tr.Changesets(t.Context(), revs("2")); err != nil {
		t.Errorf("after the login ran out: %v", err)
	}
}

func luaNames(t *testing.T, b *bed) {
	s := session(t)
	h := lua.New(s, []lua.Module{trac.Module(s)})
	for src, want := range map[string]string{
		`return trac.open("URL"):ticket(1).status`:                                        `"new"`,
		`return trac.open("URL", {user="bot", password="bot-pw"}):comment("#2", "hello")`: "",
		`return #trac.open("URL"):changesets{1, "r2", "3-4"}`:                             "4",
	} {
		values, err := h.Eval(t.Context(), strings.ReplaceAll(src, "URL", b.url))
		got := ""
		if len(values) > 0 {
			got = h.Inspect(values[0])
		}
		if err != nil || got != want && got != "nil" {
			t.Errorf("%s: %s %v", src, got, err)
		}
	}
	for src, want := range map[string]nodes.Kind{
		`trac.open("URL"):changesets("BASE")`: nodes.Usage,
		`trac.open("URL"):changeset("1-2")`:   nodes.Usage,
		`trac.open("URL"):ticket("x")`:        nodes.Usage,
		`trac.open("nowhere")`:                nodes.Usage,
		`trac.open("URL"):changeset(99)`:      nodes.NotFound,
	} {
		if _, err := h.Eval(t.Context(), strings.ReplaceAll(src, "URL", b.url)); nodes.KindOf(err) != want {
			t.Errorf("%s: %v", src, err)
		}
	}
}

// TestOneRequest: a roll's changesets are one request, and thousands of them
// are a few.
func TestOneRequest(t *testing.T) {
	var asked atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		if n := len(r.URL.RawQuery); n > 8000 {
			t.Errorf("a query of %d bytes", n)
		}
		w.Header().Set("Content-Type", "text/plain;charset=utf-8")
		fmt.Fprint(w, "#\n# ChangeLog for / in main\n#\n")
		for piece := range strings.SplitSeq(r.URL.Query().Get("revs"), ",") {
			first, last := 0, 0
			if n, _ := fmt.Sscanf(piece, "%d-%d", &first, &last); n == 1 {
				last = first
			}
			for rev := first; rev <= last; rev++ {
				fmt.Fprintf(w, "\nSun, 22 Nov 2026 23:47:53 GMT anna [%d]\n\t* a (modified)\n\n\tfix %d\n\n", rev, rev)
			}
		}
	}))
	t.Cleanup(server.Close)
	tr := open(t, server.URL, trac.Options{})
	var few, many []nodes.Revision
	for i := 1; i <= 300; i++ {
		few = append(few, nodes.Revision(fmt.Sprint(i)))
	}
	for i := 10001; i < 20000; i += 2 {
		many = append(many, nodes.Revision(fmt.Sprint(i)))
	}
	if cs, err := tr.Changesets(t.Context(), few); err != nil || len(cs) != 300 || cs[299].Message != "fix 300" || asked.Load() != 1 {
		t.Errorf("%v, %d changesets in %d requests", err, len(cs), asked.Load())
	}
	if cs, err := tr.Changesets(t.Context(), many); err != nil || len(cs) != len(many) || asked.Load() > 10 {
		t.Errorf("%v, %d changesets in %d requests", err, len(cs), asked.Load())
	}
}

// TestStrangers: what is no Trac, or a broken one.
func TestStrangers(t *testing.T) {
	for name, c := range map[string]struct {
		serve http.HandlerFunc
		kind  nodes.Kind
	}{
		"a wiki": {func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html><title>Hello \x1b[31m</title>") }, nodes.Protocol},
		"plain text": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/plain")
			fmt.Fprint(w, "hello")
		}, nodes.Protocol},
		"an error":       {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) }, nodes.Protocol},
		"somewhere else": {func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "http://127.0.0.1:1/", 302) }, nodes.Protocol},
		"a half answer": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "99")
			fmt.Fprint(w, "x")
		}, nodes.Lost},
	} {
		server := httptest.NewServer(c.serve)
		_, err := open(t, server.URL, trac.Options{}).Changesets(t.Context(), revs("1"))
		server.Close()
		if nodes.KindOf(err) != c.kind || strings.Contains(err.Error(), "\x1b") {
			t.Errorf("%s: %v", name, err)
		}
		if name == "a half answer" {
			_, err := open(t, server.URL, trac.Options{}).Ticket(t.Context(), "1")
			if nodes.KindOf(err) != nodes.Unreachable {
				t.Errorf("closed: %v", err)
			}
		}
	}
}

func FuzzChangelog(f *testing.F) {
	f.Add("# x\n\nSun, 22 Nov 2026 23:47:53 GMT anna [3]\n\t* a (added)\n\n\tmessage\n")
	f.Add("Sun, 99 Nov 2026 23:47:53 GMT [3]\n")
	f.Fuzz(func(t *testing.T, text string) {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/plain")
			fmt.Fprint(w, text)
		}))
		defer server.Close()
		cs, err := open(t, server.URL, trac.Options{}).Changesets(t.Context(), revs("3"))
		if err == nil && (len(cs) != 1 || cs[0].Rev != 3) {
			t.Errorf("got %v", cs)
		}
	})
}
