package xmpp_test

import (
	"bufio"
	"context"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/rollsh/rollsh/nodes"
	"github.com/rollsh/rollsh/stdlib/notify/xmpp"
	"github.com/rollsh/rollsh/stdlib/notify/xmpp/xmpptest"
)

const (
	header   = `<?xml version='1.0'?><stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' version='1.0'>`
	starttls = `<stream:features><starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/></stream:features>`
)

// liar serves one connection at a time with what no real server would send.
func liar(t *testing.T, serve func(c net.Conn, in *bufio.Reader)) xmpp.Config {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			serve(c, bufio.NewReader(c))
			_ = c.Close()
		}
	}()
	return xmpp.Config{
		JID: "bot@roll.test", Password: nodes.NewSecret("bot-pw"), Room: room,
		Server: l.Addr().String(),
	}
}

func TestHostileServers(t *testing.T) {
	for name, c := range map[string]struct {
		says string
		kind nodes.Kind
		code string
	}{
		"a web server":        {"HTTP/1.1 400 Bad Request\r\n\r\n<html></html>", nodes.Protocol, ""},
		"closes":              {"", nodes.Lost, ""},
		"another domain":      {header + `<stream:error><host-unknown xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>`, nodes.Protocol, "host-unknown"},
		"injects before TLS":  {header + starttls + `<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/><presence/>`, nodes.Protocol, "tls"},
		"refuses TLS":         {header + starttls + `<failure xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>`, nodes.Protocol, "tls"},
		"no TLS after all":    {header + starttls + `<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>`, nodes.Lost, ""},
		"entities":            {`<?xml version='1.0'?><!DOCTYPE x [<!ENTITY a "b">]>` + header, nodes.Protocol, "restricted-xml"},
		"login before TLS":    {header + `<stream:features><mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><mechanism>PLAIN</mechanism></mechanisms></stream:features>`, nodes.Protocol, "no-starttls"},
		"an endless element":  {header + "<stream:features>" + strings.Repeat("<a>", 1<<19), nodes.Lost, ""},
		"an endless name":     {header + "<" + strings.Repeat("a", 2<<20), nodes.Lost, ""},
		"control characters":  {header + "<stream:error><x xmlns='\x1b[31m'/></stream:error>", nodes.Protocol, ""},
		"a text with colours": {header + "<stream:error><conflict xmlns='urn:ietf:params:xml:ns:xmpp-streams'/><text>a\u009b31mb</text></stream:error>", nodes.Protocol, "conflict"},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := liar(t, func(conn net.Conn, in *bufio.Reader) {
				_, _ = in.ReadString('>') // a write to a client that has left fails, rightly
				_, _ = io.WriteString(conn, c.says)
			})
			e := failed(t, cfg)
			if e.Kind != c.kind || c.code != "" && e.Code != c.code {
				t.Errorf("got kind %q code %q, want %q %q: %v", e.Kind, e.Code, c.kind, c.code, e)
			}
			if strings.ContainsAny(e.Error(), "\x1b\u009b") {
				t.Errorf("control characters in %q", e.Error())
			}
		})
	}
}

// TestWaitsEnd: a server that takes the connection and says nothing, and one
// that stops in the middle of everything.
func TestWaitsEnd(t *testing.T) {
	t.Run("silent from the start", func(t *testing.T) {
		hold := make(chan struct{})
		cfg := liar(t, func(net.Conn, *bufio.Reader) { <-hold })
		t.Cleanup(func() { close(hold) })
		cfg.Timeout = time.Second
		if e := failed(t, cfg); e.Kind != nodes.Timeout {
			t.Errorf("got %v", e)
		}
		cfg.Timeout = time.Minute
		cancelled(t, client(t, cfg))
	})
	t.Run("nobody there", func(t *testing.T) {
		cfg := liar(t, nil)
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		cfg.Server = l.Addr().String()
		_ = l.Close()
		if e := failed(t, cfg); e.Kind != nodes.Unreachable || !strings.Contains(e.Message, "refused") || e.Hint == "" {
			t.Errorf("got %v", e)
		}
	})
	t.Run("frozen", func(t *testing.T) { frozen(t) })
}

// cancelled sends and cancels; Send must end within a second.
func cancelled(t *testing.T, c *xmpp.Client) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- c.Send(ctx, "never") }()
	time.AfterFunc(50*time.Millisecond, cancel)
	select {
	case err := <-ended:
		if nodes.KindOf(err) != nodes.Cancelled {
			t.Errorf("got %v", err)
		}
	case <-time.After(2 * time.Second):
		t.Fatal("Send goes on after its context ended")
	}
}

func frozen(t *testing.T) {
	s := xmpptest.Prosody(t, xmpptest.ProsodyOptions{})
	cfg := config(t, s, "bot")
	cfg.Timeout, cfg.KeepAlive = 2*time.Second, 200*time.Millisecond
	c := client(t, cfg)
	say(t, c, "before")
	s.Freeze()
	defer s.Thaw()
	cancelled(t, c)
	err := c.Send(t.Context(), "into the ice")
	if kind := nodes.KindOf(err); kind != nodes.Timeout && kind != nodes.Lost {
		t.Errorf("got kind %q: %v", kind, err)
	}
	s.Thaw()
	deadline := time.Now().Add(20 * time.Second)
	for err = c.Send(t.Context(), "thawed"); err != nil && time.Now().Before(deadline); err = c.Send(t.Context(), "thawed") {
	}
	if err != nil {
		t.Errorf("never came back: %v", err)
	}
}
