package xmpp_test

import (
	"context"
	"testing"

	"github.com/rollsh/rollsh/nodes"
	"github.com/rollsh/rollsh/stdlib/notify/xmpp"
	"github.com/rollsh/rollsh/stdlib/notify/xmpp/xmpptest"
)

// TestLogins goes through every way to log in, against servers that offer just
// one or several: a server with hashed passwords offers only the hash it has.
func TestLogins(t *testing.T) {
	onlyPlain := `disable_sasl_mechanisms = { "SCRAM-SHA-1", "SCRAM-SHA-256", "SCRAM-SHA-1-PLUS", "SCRAM-SHA-256-PLUS" }`
	for name, start := range map[string]func(t *testing.T) *xmpptest.Server{
		"prosody SCRAM-SHA-256": func(t *testing.T) *xmpptest.Server {
			return xmpptest.Prosody(t, xmpptest.ProsodyOptions{Hash: "SHA-256"})
		},
		"prosody all": func(t *testing.T) *xmpptest.Server {
			return xmpptest.Prosody(t, xmpptest.ProsodyOptions{Plain: true})
		},
		"prosody PLAIN": func(t *testing.T) *xmpptest.Server {
			return xmpptest.Prosody(t, xmpptest.ProsodyOptions{Extra: onlyPlain})
		},
		"ejabberd SCRAM-SHA-1":   func(t *testing.T) *xmpptest.Server { return xmpptest.Ejabberd(t, "sha") },
		"ejabberd SCRAM-SHA-512": func(t *testing.T) *xmpptest.Server { return xmpptest.Ejabberd(t, "sha512") },
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t)
			say(t, client(t, config(t, s, "bot")), "logged in")
			cfg := config(t, s, "bot")
			cfg.Password = nodes.NewSecret("wrong-pw")
			refused(t, cfg, nodes.Auth, "not-authorized")
		})
	}
}

// TestDirectTLS talks TLS from the first byte to a port of Prosody's that
// wants it.
func TestDirectTLS(t *testing.T) {
	s := xmpptest.ProsodyDirect(t)
	cfg := config(t, s, "bot")
	cfg.DirectTLS = true
	say(t, client(t, cfg), "encrypted from the start")
	cfg.DirectTLS = false // the wrong way round: a clear error, and in time
	if e := failed(t, cfg); e.Kind == nodes.Usage || e.Message == "" {
		t.Errorf("got %v", e)
	}
}

// TestNoEncryption: a server without STARTTLS gets nothing from us.
func TestNoEncryption(t *testing.T) {
	s := xmpptest.Prosody(t, xmpptest.ProsodyOptions{Clear: true})
	if e := refused(t, config(t, s, "bot"), nodes.Protocol, "no-starttls"); e.Hint == "" {
		t.Error("no hint")
	}
}

func TestNewRoomIsWarnedOf(t *testing.T) {
	s := xmpptest.Prosody(t, xmpptest.ProsodyOptions{Muc: "muc_room_locking = true"})
	cfg := withRoom(config(t, s, "bot"), "mistyped")
	warned := make(chan string, 1)
	cfg.Warn = func(text string) { warned <- text }
	say(t, client(t, cfg), "first here") // a locked room would refuse the next one in
	select {
	case <-warned:
	default:
		t.Error("a room was made and nobody was told")
	}
	say(t, client(t, withRoom(config(t, s, "dev"), "mistyped")), "second here")
}

func TestBadConfig(t *testing.T) {
	good := xmpp.Config{JID: "bot@roll.test", Room: room}
	for name, change := range map[string]func(*xmpp.Config){
		"jid without @":       func(c *xmpp.Config) { c.JID = "bot" },
		"jid with a quote":    func(c *xmpp.Config) { c.JID = "b'ot@roll.test" },
		"jid with two @":      func(c *xmpp.Config) { c.JID = "bot@a@b" },
		"room without @":      func(c *xmpp.Config) { c.Room = "dev" },
		"room with a nick":    func(c *xmpp.Config) { c.Room = room + "/roll" },
		"nick with newline":   func(c *xmpp.Config) { c.Nick = "a\nb" },
		"server with a space": func(c *xmpp.Config) { c.Server = "chat.example.org " },
	} {
		cfg := good
		change(&cfg)
		if _, err := xmpp.New(cfg); nodes.KindOf(err) != nodes.Usage {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := xmpp.New(good); err != nil {
		t.Error(err)
	}
}

// failed sends, must fail, and gives the error.
func failed(t *testing.T, cfg xmpp.Config) *nodes.Error {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	err := client(t, cfg).Send(ctx, "this must not arrive")
	if err == nil {
		t.Fatal("Send: no error")
	}
	return nodes.AsError(err, nodes.Internal)
}
