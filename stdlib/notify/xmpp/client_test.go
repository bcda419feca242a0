package xmpp_test

import (
	"context"
	"crypto/x509"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rollsh/rollsh/nodes"
	"github.com/rollsh/rollsh/stdlib/notify/xmpp"
	"github.com/rollsh/rollsh/stdlib/notify/xmpp/xmpptest"
)

const room = "dev@" + xmpptest.Rooms

// config is that of the account at the server.
func config(t *testing.T, s *xmpptest.Server, account string) xmpp.Config {
	t.Helper()
	return xmpp.Config{
		JID: account + "@" + xmpptest.Domain, Password: nodes.NewSecret(account + "-pw"), Room: room,
		Server: s.Addr, Roots: s.Roots(t), FirstRetry: 50 * time.Millisecond, LastRetry: 200 * time.Millisecond,
	}
}

func client(t *testing.T, cfg xmpp.Config) *xmpp.Client {
	t.Helper()
	c, err := xmpp.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close(context.Background()) })
	return c
}

// say sends and must not fail.
func say(t *testing.T, c *xmpp.Client, text string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if err := c.Send(ctx, text); err != nil {
		t.Fatalf("Send: %v", err)
	}
}

// refused sends, must fail with the kind and code, and gives the error.
func refused(t *testing.T, cfg xmpp.Config, kind nodes.Kind, code string) *nodes.Error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	err := client(t, cfg).Send(ctx, "this must not arrive")
	if err == nil {
		t.Fatal("Send: no error")
	}
	e := nodes.AsError(err, nodes.Internal)
	if e.Kind != kind || e.Code != code {
		t.Fatalf("got kind %q code %q, want %q %q: %v", e.Kind, e.Code, kind, code, err)
	}
	if strings.Contains(err.Error(), cfg.Password.Reveal()) {
		t.Fatalf("the password is in %q", err)
	}
	return e
}

// servers runs a test against each server that is installed.
func servers(t *testing.T, f func(t *testing.T, s *xmpptest.Server)) {
	t.Helper()
	t.Run("prosody", func(t *testing.T) { f(t, xmpptest.Prosody(t, xmpptest.ProsodyOptions{})) })
	t.Run("ejabberd", func(t *testing.T) { f(t, xmpptest.Ejabberd(t, "sha256")) })
}

// TestAnnounce is the whole of it at both servers; each runs once for all the
// cases since starting them takes longest.
func TestAnnounce(t *testing.T) {
	servers(t, func(t *testing.T, s *xmpptest.Server) {
		t.Run("a second client reads what was said", func(t *testing.T) { readBack(t, s) })
		t.Run("wrong password", func(t *testing.T) {
			cfg := config(t, s, "bot")
			cfg.Password = nodes.NewSecret("wrong-pw")
			if e := refused(t, cfg, nodes.Auth, "not-authorized"); e.Hint == "" {
				t.Error("no hint")
			}
		})
		t.Run("untrusted certificate", func(t *testing.T) {
			cfg := config(t, s, "bot")
			cfg.Roots = x509.NewCertPool()
			if e := refused(t, cfg, nodes.Protocol, "certificate"); !strings.Contains(e.Hint, "ca=") {
				t.Errorf("hint %q does not name ca=", e.Hint)
			}
		})
		t.Run("room password", func(t *testing.T) { roomPassword(t, s) })
		if s.Name == "prosody" {
			t.Run("members only, moderated", func(t *testing.T) { otherRefusals(t, s) })
		}
		t.Run("nick taken", func(t *testing.T) { nickTaken(t, s) })
		t.Run("unknown chat service", func(t *testing.T) {
			cfg := config(t, s, "bot")
			cfg.Room = "dev@nowhere.roll.test"
			kind, code := nodes.Unreachable, "remote-server-not-found"
			if s.Name == "prosody" { // it does not look for servers that are not its own here
				kind, code = nodes.Refused, "not-allowed"
			}
			if e := refused(t, cfg, kind, code); e.Hint == "" {
				t.Error("no hint")
			}
		})
		t.Run("kicked and back", func(t *testing.T) { kicked(t, s) })
		t.Run("server away and back", func(t *testing.T) { awayAndBack(t, s) })
	})
}

func readBack(t *testing.T, s *xmpptest.Server) {
	reader := listen(t, config(t, s, "dev"))
	c := client(t, config(t, s, "bot"))
	const text = "r12 \"ända\" <b>&amp;</b> 'x'\n  ]]> %s €\t\U0001F680"
	say(t, c, text+"\uffff\x1b[31m\x00\x0c\u0085\r\nlast\xff")
	if got, want := reader.wait(t, "r12"), text+"\nlast\uFFFD"; got.Body != want || got.Nick != "bot" {
		t.Errorf("%s said %q, want bot saying %q", got.Nick, got.Body, want)
	}
	long := "long " + strings.Repeat("ö", 30_000)
	say(t, c, long)
	if got := reader.wait(t, "long"); got.Body != long {
		t.Errorf("of %d bytes %d arrived", len(long), len(got.Body))
	}
	manyAtOnce(t, c, reader)
	c.Close(t.Context())
	reader.waitGone(t, "bot")
	if err := c.Send(t.Context(), "after the end"); err == nil {
		t.Error("Send after Close: no error")
	}
}

func roomPassword(t *testing.T, s *xmpptest.Server) {
	owner := listen(t, withRoom(config(t, s, "dev"), "locked"))
	owner.configure(t, "muc#roomconfig_passwordprotectedroom", "1", "muc#roomconfig_roomsecret", "room-pw")
	cfg := withRoom(config(t, s, "bot"), "locked")
	if e := refused(t, cfg, nodes.Refused, "not-authorized"); !strings.Contains(e.Hint, "room_password") {
		t.Errorf("hint %q does not name room_password", e.Hint)
	}
	cfg.RoomPassword = nodes.NewSecret("wrong")
	refused(t, cfg, nodes.Refused, "not-authorized")
	cfg.RoomPassword = nodes.NewSecret("room-pw")
	say(t, client(t, cfg), "let in")
	owner.wait(t, "let in")
}

// otherRefusals are a room for members only, and one that lets us in but not
// speak.
func otherRefusals(t *testing.T, s *xmpptest.Server) {
	owner := listen(t, withRoom(config(t, s, "dev"), "members"))
	owner.configure(t, "muc#roomconfig_membersonly", "1")
	refused(t, withRoom(config(t, s, "bot"), "members"), nodes.Refused, "registration-required")

	owner = listen(t, withRoom(config(t, s, "dev"), "moderated"))
	owner.configure(t, "muc#roomconfig_defaultrole", "visitor", "muc#roomconfig_moderatedroom", "1")
	refused(t, withRoom(config(t, s, "bot"), "moderated"), nodes.Refused, "forbidden")
}

func nickTaken(t *testing.T, s *xmpptest.Server) {
	holder := config(t, s, "dev")
	holder.Nick = "roll"
	reader := listen(t, holder)
	cfg := config(t, s, "bot")
	cfg.Nick = "roll"
	say(t, client(t, cfg), "by another name")
	if got := reader.wait(t, "by another name"); got.Nick != "roll_" {
		t.Errorf("said by %q, want roll_", got.Nick)
	}
}

func manyAtOnce(t *testing.T, c *xmpp.Client, reader *reader) {
	t.Helper()
	var all sync.WaitGroup
	for i := range 20 {
		all.Go(func() {
			if err := c.Send(t.Context(), "one of many "+string(rune('a'+i))); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	for i := range 20 {
		reader.wait(t, "one of many "+string(rune('a'+i)))
	}
}

func kicked(t *testing.T, s *xmpptest.Server) {
	owner := listen(t, withRoom(config(t, s, "dev"), "kicking"))
	c := client(t, withRoom(config(t, s, "bot"), "kicking"))
	say(t, c, "before")
	owner.waitHere(t, "bot")
	owner.kick(t, "bot")
	owner.waitGone(t, "bot")
	owner.waitHere(t, "bot") // comes back without being asked
	say(t, c, "after the kick")
	owner.wait(t, "after the kick")
}

func awayAndBack(t *testing.T, s *xmpptest.Server) {
	c := client(t, config(t, s, "bot"))
	say(t, c, "before")
	s.Kill(t)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	err := c.Send(ctx, "into the void")
	for ; err == nil || nodes.KindOf(err) == nodes.Lost; err = c.Send(ctx, "into the void") {
		if err == nil {
			t.Fatal("Send to a dead server: no error")
		}
	}
	if kind := nodes.KindOf(err); kind != nodes.Unreachable {
		t.Fatalf("kind %q: %v", kind, err)
	}
	s.Start(t)
	reader := listen(t, config(t, s, "dev"))
	reader.waitHere(t, "bot") // in the background, with no Send
	say(t, c, "back")
	reader.wait(t, "back")
}

func withRoom(cfg xmpp.Config, name string) xmpp.Config {
	cfg.Room = name + "@" + xmpptest.Rooms
	return cfg
}
