package xmpp

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/rollsh/rollsh/nodes"
)

// connect gives a stream that is encrypted, logged in and bound to an address,
// and that address.
func connect(ctx context.Context, cfg Config) (*stream, string, error) {
	ctx, cancel := context.WithTimeout(ctx, 3*cfg.Timeout)
	defer cancel()
	conn, addr, err := dial(ctx, cfg)
	if err != nil {
		return nil, "", err
	}
	s := newStream(conn, cfg.Timeout)
	stop := s.limit(ctx)
	jid, err := s.begin(ctx, cfg)
	stop()
	if err == nil && ctx.Err() != nil {
		err = ctx.Err()
	}
	if err != nil {
		_ = s.conn.Close()
		return nil, "", s.blame(addr, during(ctx, "logging in", err))
	}
	return s, jid, nil
}

// dial connects to the server named, or to the first of those that DNS names which
// answers, and gives its address.
func dial(ctx context.Context, cfg Config) (conn net.Conn, addr string, err error) {
	var failed error
	for _, addr = range addresses(ctx, cfg) {
		if host, port, err := net.SplitHostPort(addr); err == nil && cfg.Reach != nil {
			if err := cfg.Reach(host, port); err != nil {
				return nil, "", err
			}
		}
		d := net.Dialer{Timeout: cfg.Timeout}
		conn, err := d.DialContext(ctx, "tcp", addr)
		if err == nil {
			return conn, addr, nil
		}
		if ctx.Err() != nil {
			return nil, "", nodes.Stopped(ctx)
		}
		failed = &nodes.Error{
			Kind: nodes.Unreachable, Message: "cannot connect to " + addr + ": " + plainNet(err),
			Hint: "is the chat server up, and is server= right?", Cause: err,
		}
	}
	return nil, "", failed
}

// blame says at which address logging in failed; and what may be wrong with the address
// where nothing that was heard there was XMPP.
func (s *stream) blame(addr string, err error) error {
	e := *nodes.AsError(err, nodes.Internal)
	if e.Kind == nodes.Cancelled {
		return err
	}
	if !strings.Contains(e.Message, addr) {
		e.Message = addr + ": " + e.Message
	}
	if e.Hint == "" && !s.heard {
		e.Hint = otherPort
	}
	return &e
}

// plainNet drops the address that is already in the message.
func plainNet(err error) string {
	var op *net.OpError
	if errors.As(err, &op) {
		err = op.Err
	}
	return strings.TrimPrefix(err.Error(), "connect: ")
}

func addresses(ctx context.Context, cfg Config) []string {
	if cfg.Server != "" {
		return []string{withPort(cfg.Server, cfg.defaultPort())}
	}
	service := "xmpp-client"
	if cfg.DirectTLS {
		service = "xmpps-client"
	}
	var addrs []string
	if _, srvs, err := net.DefaultResolver.LookupSRV(ctx, service, "tcp", cfg.domain()); err == nil {
		for _, srv := range srvs {
			if host := strings.TrimSuffix(srv.Target, "."); host != "" {
				addrs = append(addrs, net.JoinHostPort(host, strconv.Itoa(int(srv.Port))))
			}
		}
	}
	if len(addrs) == 0 {
		addrs = append(addrs, net.JoinHostPort(cfg.domain(), cfg.defaultPort()))
	}
	return addrs
}

// begin takes a fresh connection through TLS, login and binding.
func (s *stream) begin(ctx context.Context, cfg Config) (jid string, err error) {
	if !cfg.DirectTLS {
		if err := s.startTLS(cfg); err != nil {
			return "", err
		}
	}
	if err := s.handshake(ctx, cfg); err != nil {
		return "", err
	}
	offer, err := s.open(cfg.domain())
	if err != nil {
		return "", err
	}
	if err := s.login(cfg, offer.Mechanisms); err != nil {
		return "", err
	}
	if offer, err = s.open(cfg.domain()); err != nil {
		return "", err
	}
	return s.bind(cfg, offer)
}

func (s *stream) startTLS(cfg Config) error {
	offer, err := s.open(cfg.domain())
	if err != nil {
		return err
	}
	if offer.StartTLS == nil {
		return protocol("no-starttls", "the server offers no encryption (STARTTLS)", "switch it on at the server: nothing is sent without it")
	}
	if err := s.send("<starttls xmlns='%s'/>", nsTLS); err != nil {
		return err
	}
	start, err := s.next()
	if err != nil {
		return err
	}
	if start.Name.Space != nsTLS || start.Name.Local != "proceed" {
		return protocol("tls", "the server does not begin TLS: <"+start.Name.Local+">", "")
	}
	if err := s.dec.Skip(); err != nil {
		return err
	}
	if s.in.Buffered() > 0 {
		return protocol("tls", "there is more before TLS than may be: somebody may be injecting", "")
	}
	return nil
}

func (s *stream) handshake(ctx context.Context, cfg Config) error {
	c := tls.Client(s.conn, &tls.Config{ServerName: cfg.domain(), RootCAs: cfg.Roots, MinVersion: tls.VersionTLS12})
	if err := c.HandshakeContext(ctx); err != nil {
		return tlsError(ctx, cfg.domain(), err)
	}
	s.conn, s.heard = c, true
	s.in.Reader.Reset(c)
	return nil
}

// bind gets our full address, and opens a session where an old server wants
// one (RFC 3921).
func (s *stream) bind(cfg Config, offer *features) (string, error) {
	if offer.Bind == nil {
		return "", protocol("no-bind", "the server offers no resource binding", "")
	}
	resource := ""
	if _, r, found := strings.Cut(cfg.JID, "/"); found {
		resource = "<resource>" + esc(r) + "</resource>"
	}
	st, err := s.ask("<bind xmlns='" + nsBind + "'>" + resource + "</bind>")
	if err != nil {
		return "", err
	}
	if offer.Session != nil && offer.Session.Optional == nil {
		if _, err := s.ask("<session xmlns='" + nsSession + "'/>"); err != nil {
			return "", err
		}
	}
	return st.Bound, nil
}

// ask sends an iq of type set and reads to its answer. It is for streams that
// have no reader yet.
func (s *stream) ask(payload string) (*stanza, error) {
	id := newID()
	if err := s.send("<iq type='set' id='%s'>%s</iq>", id, payload); err != nil {
		return nil, err
	}
	for {
		st, err := s.nextStanza()
		if err != nil {
			return nil, err
		}
		if !st.is("iq") || st.ID != id {
			continue
		}
		if r := st.refusal(); r != nil {
			return nil, protocol(r.condition(), "the server refuses the session: "+r.condition(), "")
		}
		return st, nil
	}
}

// newID makes an id that nobody can guess, so that nobody can fake an answer.
func newID() string { return "r" + rand.Text() }

// soon is the deadline of a write that starts now.
func (s *stream) soon() time.Time { return time.Now().Add(s.timeout) }
