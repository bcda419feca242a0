package notify_test

import (
	"context"
	"encoding/json"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rollsh/rollsh/nodes"
	"github.com/rollsh/rollsh/nodes/nodetest"
	"github.com/rollsh/rollsh/stdlib/notify"
	"github.com/rollsh/rollsh/stdlib/notify/xmpp"
	"github.com/rollsh/rollsh/stdlib/notify/xmpp/xmpptest"
	"github.com/rollsh/rollsh/stdlib/ssh"
)

var quick = notify.Options{Strict: true, Wait: time.Millisecond, Limit: 10 * time.Second}

// desk gives a desk whose events are kept.
func desk(t *testing.T) (*notify.Desk, *nodetest.Recorder) {
	t.Helper()
	events := &nodetest.Recorder{}
	s := &nodes.Session{Project: t.TempDir(), Events: events}
	s.Here = ssh.NewLocal(s)
	d := notify.New(s)
	t.Cleanup(func() { d.Close(context.Background()) })
	return d, events
}

func must(t *testing.T, c *notify.Channel, err error) *notify.Channel {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestExec(t *testing.T) {
	d, _ := desk(t)
	file := filepath.Join(t.TempDir(), "it's here")
	c, err := d.Exec(notify.Command{Line: "cat >" + nodes.Quote(file) + `; echo "$ROLLSH_ROLL_NAME $ROLLSH_ROLL_STATE" >>` + nodes.Quote(file)}, quick)
	c = must(t, c, err)
	if err := c.Rolled(t.Context(), sample()); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if want := notify.RollNotice(sample()).Text + "\nwww failed\n"; string(got) != want {
		t.Errorf("got %q, want %q", got, want)
	}
	c, err = d.Exec(notify.Command{Words: []string{"sh", "-c", "echo no such room >&2; exit 3"}}, quick)
	e := nodes.AsError(must(t, c, err).Send(t.Context(), "x"), "")
	if e == nil || e.Kind != nodes.Exit || e.Code != "3" || !strings.Contains(e.Message, "no such room") || e.Op != "notify.exec" {
		t.Errorf("got %v", e)
	}
	if _, err := d.Exec(notify.Command{Line: " "}, quick); nodes.KindOf(err) != nodes.Usage {
		t.Errorf("an empty command: %v", err)
	}
}

// A notice of a roll that reaches nobody is warned about with what was to be told.
func TestRollThatNobodyWasToldOf(t *testing.T) {
	d, events := desk(t)
	c, err := d.Exec(notify.Command{Line: "cat >/dev/null; exit 3"}, notify.Options{Tries: 1})
	if err := must(t, c, err).Rolled(t.Context(), sample()); err != nil {
		t.Error(err)
	}
	const want = "'cat >/dev/null; exit 3' was not told how the roll of www ended: notify.exec: the command exited with code 3\n"
	if text := events.Text(nodes.Warned); text != want {
		t.Errorf("warned %q, want %q", text, want)
	}
}

// TestRetries: a failing notice is tried again, then warned about; a strict one
// is an error, a hopeless one is not tried again.
func TestRetries(t *testing.T) {
	d, events := desk(t)
	file := filepath.Join(t.TempDir(), "tries")
	count := func() int {
		text, _ := os.ReadFile(file)
		return strings.Count(string(text), "x")
	}
	send := func(command string, strict bool) error {
		_ = os.Remove(file)
		o := quick
		o.Strict = strict
		c, err := d.Exec(notify.Command{Line: "printf x >>" + nodes.Quote(file) + "; " + command}, o)
		return must(t, c, err).Send(nodes.WithCaller(t.Context(), nodes.Caller{Where: "recipes/prod.lua:7"}), "hello")
	}
	if err := send("exit 1", true); nodes.KindOf(err) != nodes.Exit || count() != 3 {
		t.Errorf("strict: %v after %d tries", err, count())
	}
	if text := events.Text(nodes.Warned); text != "" {
		t.Errorf("strict, and warned too: %s", text)
	}
	if err := send("exit 1", false); err != nil || count() != 3 {
		t.Errorf("not strict: %v after %d tries", err, count())
	}
	if text := events.Text(nodes.Warned); !strings.Contains(text, "was not told") || !strings.Contains(text, "code 1") {
		t.Errorf("warned %q", text)
	}
	if err := send("exit 127", true); err == nil || count() != 1 {
		t.Errorf("hopeless: %v after %d tries", err, count())
	}
	if err := send(`test "$(cat `+nodes.Quote(file)+`)" = xx`, true); err != nil || count() != 2 {
		t.Errorf("well at the second: %v after %d tries", err, count())
	}
}

func TestCancel(t *testing.T) {
	d, _ := desk(t)
	c, err := d.Exec(notify.Command{Line: "sleep 60"}, notify.Options{})
	c = must(t, c, err)
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, cancel)
	start := time.Now()
	if err := c.Send(ctx, "x"); nodes.KindOf(err) != nodes.Cancelled || time.Since(start) > 2*time.Second {
		t.Errorf("%v after %v", err, time.Since(start))
	}
}

// hook posts one notice to a handler and gives the error.
func hook(t *testing.T, format string, n notify.Notice, serve http.HandlerFunc) error {
	t.Helper()
	server := httptest.NewServer(serve)
	t.Cleanup(server.Close)
	d, _ := desk(t)
	o := quick
	o.Limit = time.Second
	c, err := d.Webhook(notify.Hook{URL: nodes.NewSecret(server.URL + "/T0KEN"), Format: format}, o)
	err = must(t, c, err).Deliver(t.Context(), n)
	if err != nil && strings.Contains(err.Error(), "T0KEN") {
		t.Errorf("the token is in %q", err)
	}
	return err
}

func TestWebhookFormats(t *testing.T) {
	hostile := notify.Notice{Text: "<!channel> @everyone *r1* & https://example.org/1 \x1b[31mred\nsecond"}
	for format, want := range map[string]string{
		"slack":   `"text":"\u0026lt;!channel\u0026gt; @everyone *r1* \u0026amp; https://example.org/1 red\nsecond"`,
		"discord": `"allowed_mentions":{"parse":[]}`,
		"json":    `{"text":"\u003c!channel\u003e @everyone *r1* \u0026 https://example.org/1 red\nsecond"}`,
		"teams":   `{"selectAction":{"type":"Action.OpenUrl","url":"https://example.org/1"},"text":"https://example.org/1","type":"TextRun"}`,
	} {
		err := hook(t, format, hostile, func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			if r.Method != http.MethodPost || r.Header.Get("Content-Type") != "application/json" || !json.Valid(body) || !strings.Contains(string(body), want) {
				t.Errorf("%s: %s got %s\nwant %s", format, r.Method, body, want)
			}
			w.WriteHeader(http.StatusNoContent)
		})
		if err != nil {
			t.Errorf("%s: %v", format, err)
		}
	}
}

func TestWebhookRollAsJSON(t *testing.T) {
	var got struct {
		Text string
		Roll struct {
			Name, State string
			To          int
			Nodes       []struct{ Node, State, Why string }
			Changesets  []struct {
				Rev         int
				Author, URL string
				Tickets     []string
			}
		}
	}
	err := hook(t, "json", notify.RollNotice(sample()), func(_ http.ResponseWriter, r *http.Request) {
		if err := json.NewDecoder(r.Body).Decode(&got); err != nil {
			t.Error(err)
		}
	})
	if err != nil || got.Roll.Name != "www" || len(got.Roll.Nodes) != 7 || got.Roll.Changesets[0].URL != "https://trac.example.org/changeset/121" ||
		got.Roll.Changesets[1].Tickets[1] != "15" || got.Text == "" {
		t.Errorf("%v: %+v", err, got)
	}
}

func TestWebhookFailures(t *testing.T) {
	var tries atomic.Int32
	release := make(chan struct{})
	t.Cleanup(func() { close(release) })
	for name, c := range map[string]struct {
		format string
		serve  http.HandlerFunc
		kind   nodes.Kind
		code   string
		tries  int32
	}{
		"500":                  {"json", func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "oops", 500) }, nodes.Protocol, "500", 3},
		"429":                  {"json", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(429) }, nodes.Protocol, "429", 3},
		"404":                  {"slack", func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no_service", 404) }, nodes.Protocol, "404", 1},
		"redirect to a login":  {"json", func(w http.ResponseWriter, r *http.Request) { moved(w, r, 302) }, nodes.Protocol, "302", 1},
		"redirect in a circle": {"json", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, r.URL.Path, 307) }, nodes.Protocol, "307", 0},
		"teams says 200 and no": {"teams", func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, "Webhook message delivery failed with error: 429")
		}, nodes.Protocol, "200", 1},
		"cut":    {"json", func(w http.ResponseWriter, _ *http.Request) { cutOff(t, w) }, nodes.Lost, "", 3},
		"silent": {"json", func(_ http.ResponseWriter, r *http.Request) { wait(r, release) }, nodes.Timeout, "", 3},
	} {
		t.Run(name, func(t *testing.T) {
			tries.Store(0)
			err := hook(t, c.format, notify.Notice{Text: "x"}, func(w http.ResponseWriter, r *http.Request) {
				tries.Add(1)
				_, _ = io.Copy(io.Discard, r.Body)
				c.serve(w, r)
			})
			e := nodes.AsError(err, nodes.Internal)
			if e == nil || e.Kind != c.kind || e.Code != c.code || c.tries != 0 && tries.Load() != c.tries {
				t.Errorf("after %d tries: %v", tries.Load(), err)
			}
		})
	}
	t.Run("redirect that keeps the body", func(t *testing.T) {
		arrived := ""
		err := hook(t, "json", notify.Notice{Text: "x"}, func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/new" {
				http.Redirect(w, r, "/new", http.StatusPermanentRedirect)
				return
			}
			body, _ := io.ReadAll(r.Body)
			arrived = string(body)
		})
		if err != nil || arrived != `{"text":"x"}` {
			t.Errorf("%v, arrived %q", err, arrived)
		}
	})
	t.Run("nobody there", func(t *testing.T) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		_ = l.Close()
		d, _ := desk(t)
		c, err := d.Webhook(notify.Hook{URL: nodes.NewSecret("http://" + l.Addr().String() + "/T0KEN"), Format: "json"}, quick)
		err = must(t, c, err).Send(t.Context(), "x")
		if nodes.KindOf(err) != nodes.Unreachable || strings.Contains(err.Error(), "T0KEN") {
			t.Error(err)
		}
	})
	t.Run("untrusted certificate", func(t *testing.T) {
		server := httptest.NewUnstartedServer(http.NotFoundHandler())
		server.Config.ErrorLog = log.New(io.Discard, "", 0)
		server.StartTLS()
		t.Cleanup(server.Close)
		d, _ := desk(t)
		c, err := d.Webhook(notify.Hook{URL: nodes.NewSecret(server.URL), Format: "json"}, quick)
		e := nodes.AsError(must(t, c, err).Send(t.Context(), "x"), "")
		if e == nil || e.Kind != nodes.Protocol || e.Code != "certificate" || !strings.Contains(e.Hint, "ca=") {
			t.Errorf("got %v", e)
		}
	})
}

// moved redirects to a page that says 200 to whoever GETs it.
func moved(w http.ResponseWriter, r *http.Request, code int) {
	if r.URL.Path == "/login" {
		return
	}
	http.Redirect(w, r, "/login", code)
}

func cutOff(t *testing.T, w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		t.Error(err)
		return
	}
	_ = conn.Close()
}

func wait(r *http.Request, release chan struct{}) {
	select {
	case <-release:
	case <-r.Context().Done():
	}
}

func TestWebhookBadOptions(t *testing.T) {
	d, _ := desk(t)
	for _, h := range []notify.Hook{
		{URL: nodes.NewSecret("hooks.example.org/x"), Format: "json"},
		{URL: nodes.NewSecret("ftp://example.org"), Format: "json"},
		{URL: nodes.NewSecret("https://example.org"), Format: "irc"},
		{URL: nodes.NewSecret("https://example.org"), Format: "json", CA: "missing.pem"},
	} {
		if _, err := d.Webhook(h, quick); nodes.KindOf(err) != nodes.Usage {
			t.Errorf("%q %s: %v", h.URL.Reveal(), h.Format, err)
		}
	}
}

// TestXMPP: the channel as a recipe has it, in a room of a real server.
func TestXMPP(t *testing.T) {
	s := xmpptest.Prosody(t, xmpptest.ProsodyOptions{})
	d, events := desk(t)
	cfg := xmpp.Config{JID: "bot@" + xmpptest.Domain, Password: nodes.NewSecret("bot-pw"), Room: "dev@" + xmpptest.Rooms, Server: s.Addr}
	c, err := d.XMPP(cfg, s.CA, quick)
	if err := must(t, c, err).Rolled(t.Context(), sample()); err != nil {
		t.Fatal(err)
	}
	if text := events.Text(nodes.Warned); !strings.Contains(text, "did not exist") {
		t.Errorf("a room was made; warned %q", text)
	}
	cfg.Password = nodes.NewSecret("wrong")
	c, err = d.XMPP(cfg, s.CA, notify.Options{})
	if err := must(t, c, err).Send(t.Context(), "x"); err != nil {
		t.Errorf("a channel that is not strict: %v", err)
	}
	if text := events.Text(nodes.Warned); !strings.Contains(text, "not-authorized") || strings.Contains(text, "wrong") {
		t.Errorf("warned %q", text)
	}
	if _, err := d.XMPP(cfg, "no-such-file", quick); nodes.KindOf(err) != nodes.Usage {
		t.Errorf("missing ca: %v", err)
	}
}
