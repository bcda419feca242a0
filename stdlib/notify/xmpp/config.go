package xmpp

import (
	"crypto/x509"
	"net"
	"strings"
	"time"
	"unicode"

	"github.com/rollsh/rollsh/nodes"
)

// Config says who announces where.
type Config struct {
	JID          string       // bot@example.org, with or without a resource
	Password     nodes.Secret // of the account
	Room         string       // dev@rooms.example.org
	RoomPassword nodes.Secret // empty: none is sent
	Nick         string       // empty: the local part of JID
	Server       string       // host or host:port; empty: as DNS says (SRV), else the domain, port 5222
	DirectTLS    bool         // TLS from the first byte instead of STARTTLS
	Roots        *x509.CertPool
	Timeout      time.Duration // of each wait; 0: 10 s
	KeepAlive    time.Duration // between two questions whether we are still in the room; 0: 60 s

	// FirstRetry and LastRetry bound the wait before a lost connection is made
	// anew; it doubles from one to the other. 0: 1 s and 5 min.
	FirstRetry, LastRetry time.Duration

	// Warn is told what a person should know though nothing failed, such as a
	// room that had to be made. It may be nil.
	Warn func(text string)

	// Reach is why an address may not be connected to. It may be nil.
	Reach func(host, port string) error
}

// checked fills in what is empty and refuses what cannot work.
func (c Config) checked() (Config, error) {
	local, domain, ok := splitBare(c.JID)
	if !ok {
		return c, usage("jid", c.JID, "bot@example.org")
	}
	if _, _, ok := splitBare(c.Room); !ok || strings.Contains(c.Room, "/") {
		return c, usage("room", c.Room, "dev@rooms.example.org")
	}
	if c.Nick == "" {
		c.Nick = local
	}
	if !printable(c.Nick) {
		return c, usage("nick", c.Nick, "a name without control characters")
	}
	if c.Server != "" && c.Server != strings.TrimSpace(c.Server) {
		return c, usage("server", c.Server, domain+":5222")
	}
	orDefault(&c.Timeout, 10*time.Second)
	orDefault(&c.KeepAlive, time.Minute)
	orDefault(&c.FirstRetry, time.Second)
	orDefault(&c.LastRetry, 5*time.Minute)
	if c.Warn == nil {
		c.Warn = func(string) {}
	}
	return c, nil
}

func orDefault(d *time.Duration, def time.Duration) {
	if *d <= 0 {
		*d = def
	}
}

func usage(key, got, want string) error {
	return &nodes.Error{Kind: nodes.Usage, Message: key + ": " + quote(got) + " is not like " + want}
}

func (c Config) user() string {
	local, _, _ := splitBare(c.JID)
	return local
}

func (c Config) domain() string {
	_, domain, _ := splitBare(c.JID)
	return domain
}

// endpoint is where to connect, for people.
func (c Config) endpoint() string {
	if c.Server != "" {
		return withPort(c.Server, c.defaultPort())
	}
	return c.domain()
}

func (c Config) defaultPort() string {
	if c.DirectTLS {
		return "5223"
	}
	return "5222"
}

// splitBare takes local@domain[/resource] apart.
func splitBare(jid string) (local, domain string, ok bool) {
	bare, _, _ := strings.Cut(jid, "/")
	local, domain, found := strings.Cut(bare, "@")
	ok = found && local != "" && domain != "" && printable(bare) &&
		!strings.ContainsAny(bare, " \"&'<>") && !strings.Contains(domain, "@")
	return local, domain, ok
}

// inRoom reports whether from is room itself or one of its occupants.
func inRoom(from, room string) bool {
	bare, _, _ := strings.Cut(from, "/")
	return strings.EqualFold(bare, room)
}

// nickOf gives the nick of an occupant of room; empty when from is not one.
func nickOf(from, room string) string {
	if !inRoom(from, room) {
		return ""
	}
	_, nick, _ := strings.Cut(from, "/")
	return nick
}

func printable(s string) bool {
	return strings.IndexFunc(s, unicode.IsControl) < 0
}

// withPort adds a port where server names none; IPv6 addresses may come with
// or without brackets.
func withPort(server, port string) string {
	if _, _, err := net.SplitHostPort(server); err == nil {
		return server
	}
	return net.JoinHostPort(strings.Trim(server, "[]"), port)
}
