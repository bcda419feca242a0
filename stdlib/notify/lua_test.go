package notify_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rollsh/rollsh/lua"
	"github.com/rollsh/rollsh/nodes"
	"github.com/rollsh/rollsh/nodes/nodetest"
	"github.com/rollsh/rollsh/stdlib/notify"
	"github.com/rollsh/rollsh/stdlib/ssh"
)

// eval runs Lua in a new host; the values are written as print writes them.
func eval(t *testing.T, s *nodes.Session, src string) (string, error) {
	t.Helper()
	h := lua.New(s, []lua.Module{notify.Module(s)})
	values, err := h.Eval(t.Context(), src)
	var out []string
	for _, v := range values {
		out = append(out, h.Inspect(v))
	}
	return strings.Join(out, " "), err
}

func luaSession(t *testing.T) *nodes.Session {
	t.Helper()
	s := &nodes.Session{Project: t.TempDir(), Events: &nodetest.Recorder{}, User: "anna", Host: "deploy1", Service: nodes.NewService(), Person: &nodetest.Person{}}
	s.Here = ssh.NewLocal(s)
	return s
}

func TestLua(t *testing.T) {
	s := luaSession(t)
	file := filepath.Join(s.Project, "told")
	got, err := eval(t, s, `return notify.exec("cat >`+file+`"):rolled{ id="1", name="www", from=120, to="123", seconds=3,
		nodes={ web1="done", web2="failed", cdn1="done" }, order={"web2", "cdn1", "web1"}, why={ web2="http 500" },
		drained={"web2"}, reason="1 of 3 failed" }`)
	if err != nil || got != "true" {
		t.Fatalf("%s %v", got, err)
	}
	text, err := os.ReadFile(file)
	if want := "anna on deploy1 rolled www r120 -> r123 to web[1-2],cdn1: FAILED after 3.0 s\n  1 of 3 failed\n" +
		"  failed: web2 (http 500)\n  done: cdn1,web1\n  STILL DRAINED: web2\n"; err != nil || string(text) != want {
		t.Errorf("%v: got %q, want %q", err, text, want)
	}
	got, err = eval(t, s, `return notify.exec({"sh", "-c", "exit 4"}, {tries=1}):send "x"`)
	if err != nil || !strings.HasPrefix(got, "false") || !strings.Contains(got, "code 4") {
		t.Errorf("a notice that failed: %s %v", got, err)
	}
	if _, err = eval(t, s, `notify.exec("exit 4", {tries=1, strict=true}):send "x"`); nodes.KindOf(err) != nodes.Exit {
		t.Errorf("a strict one: %v", err)
	}
}

func TestLuaArguments(t *testing.T) {
	for _, c := range []struct{ src, want string }{
		{`notify.xmpp{ jid="bot@example.org", password="x", room="dev@rooms.example.org", roompassword="y" }`, "room_password"},
		{`notify.xmpp{ jid="bot", password="x", room="dev@rooms.example.org" }`, "jid"},
		{`notify.xmpp{ jid="bot@example.org", password="x", room="dev@rooms.example.org", tls="off" }`, "tls"},
		{`notify.webhook{ url="https://example.org/TOKEN", format="irc" }`, "format"},
		{`notify.mail{ server="localhost", from="a@example.org" }`, "to"},
		{`notify.exec(12)`, "string"},
		{`notify.exec("true"):rolled{ to="12" }`, "name"},
	} {
		_, err := eval(t, luaSession(t), c.src)
		if nodes.KindOf(err) != nodes.Usage || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "TOKEN") {
			t.Errorf("%s: %v", c.src, err)
		}
	}
	got, err := eval(t, luaSession(t), `return tostring(notify.webhook{ url="https://example.org/TOKEN" })`)
	if err != nil || strings.Contains(got, "TOKEN") || !strings.Contains(got, "example.org") {
		t.Errorf("%s %v", got, err)
	}
}
