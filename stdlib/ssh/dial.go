package ssh

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/rollsh/rollsh/nodes"
)

// connectTimeout holds where ssh_config gives no ConnectTimeout. It covers the
// connection, the key exchange and the login, each; not the time a person takes
// to answer a question.
const connectTimeout = 20 * time.Second

// maxTries is how often a connection is tried that the node drops before it
// greets: so sshd sheds load (MaxStartups 10:30:100).
const maxTries = 8

// guard closes a connection that takes too long to come about, or whose context
// ended.
type guard struct {
	mu      sync.Mutex
	limit   time.Duration
	timer   *time.Timer
	expired bool
	stop    func() bool
}

func newGuard(ctx context.Context, limit time.Duration, c io.Closer) *guard {
	g := &guard{limit: limit}
	g.timer = time.AfterFunc(limit, func() {
		g.mu.Lock()
		g.expired = true
		g.mu.Unlock()
		c.Close()
	})
	g.stop = context.AfterFunc(ctx, func() { c.Close() })
	return g
}

// pause stops the clock while a person is asked; resume starts it anew.
func (g *guard) pause() { g.timer.Stop() }

func (g *guard) resume() { g.timer.Reset(g.limit) }

// end lets go of the connection; it reports whether the time was over.
func (g *guard) end() (expired bool) {
	g.timer.Stop()
	g.stop()
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.expired
}

// dialer makes one connection to one node.
type dialer struct {
	pool     *Pool
	s        *settings
	keys     *hostKeys
	speaks   algorithms
	via      *connection // the jump host's connection, if any
	person   asker       // who answers questions; nil: nobody
	said     *answers    // the same, where answers are kept for a second connection
	tried    []string    // keys that were offered in earlier tries
	hostSeen bool        // the host key was checked in this try
}

// connect dials and logs in. A connection that is dropped before the greeting
// is tried again after a random, growing pause, as one of a few; one that ended
// after too many keys (MaxAuthTries), at once with those that are left.
func (d *dialer) connect(ctx context.Context) (*ssh.Client, error) {
	dropped := false
	for try := 1; ; try++ {
		client, err := d.inTurn(ctx, dropped)
		if err == nil || try == maxTries {
			return client, err
		}
		if errors.Is(err, errMoreKeys) {
			continue
		}
		if dropped = errors.Is(err, errDropped); !dropped {
			return client, err
		}
		pause := time.Duration(float64(min(50<<try, 1500))*(0.5+rand.Float64())) * time.Millisecond
		select {
		case <-ctx.Done():
			return nil, nodes.Stopped(ctx)
		case <-time.After(pause):
		}
	}
}

// afterDrop is how many connections that were dropped are tried again at once: less
// than sshd takes that have not logged in (MaxStartups 10:30:100). The others wait,
// and keep their places in the ramp meanwhile, so that less that is new pushes in.
const afterDrop = 8

// inTurn is once, for one that was dropped when it is its turn.
func (d *dialer) inTurn(ctx context.Context, dropped bool) (*ssh.Client, error) {
	if !dropped {
		return d.once(ctx)
	}
	select {
	case d.pool.narrow <- struct{}{}:
		defer func() { <-d.pool.narrow }()
		return d.once(ctx)
	case <-ctx.Done():
		return nil, nodes.Stopped(ctx)
	}
}

// errMoreKeys marks a login that ended before all keys were offered.
var errMoreKeys = errors.New("there are more keys to offer")

// errDropped marks a connection that ended before or in its greeting.
var errDropped = errors.New("the connection was dropped before the greeting")

func (d *dialer) once(ctx context.Context) (*ssh.Client, error) {
	limit := d.s.seconds("connecttimeout", connectTimeout)
	if limit <= 0 {
		limit = connectTimeout
	}
	conn, err := d.transport(ctx, limit)
	if err != nil {
		return nil, d.unreachable(ctx, err)
	}
	g := newGuard(ctx, limit, conn)
	l := &login{ctx: ctx, s: d.s, keys: d.pool.keys, person: d.person, guard: g, accepted: d.speaks.logins, skip: d.tried}
	defer l.close()
	d.hostSeen = false
	address := net.JoinHostPort(d.s.hostname(), d.s.port())
	c, chans, reqs, err := ssh.NewClientConn(conn, address, d.config(l))
	if g.end() && err != nil {
		err = &nodes.Error{Kind: nodes.Unreachable, Message: fmt.Sprintf("%s does not answer: nothing within %s", d.s.where(), limit), Cause: err}
	}
	if err != nil {
		conn.Close()
		return nil, d.handshakeFailed(ctx, l, conn, err)
	}
	return ssh.NewClient(c, chans, reqs), nil
}

// where is "user@host:port" for messages.
func (s *settings) where() string {
	return s.login() + "@" + net.JoinHostPort(s.hostname(), s.port())
}

// config is the client's side of the handshake.
func (d *dialer) config(l *login) *ssh.ClientConfig {
	c := &ssh.ClientConfig{
		User:              d.s.login(),
		Auth:              l.methods(),
		ClientVersion:     "SSH-2.0-rollsh",
		HostKeyAlgorithms: d.keys.order(d.speaks.hostKeys),
		HostKeyCallback:   func(_ string, peer net.Addr, key ssh.PublicKey) error { return d.checkKey(l, peer, key) },
		AuthCallback: func(c *ssh.ClientAuthContext) (ssh.AuthMethod, error) {
			l.allowed = c.AllowedMethods
			return nil, l.ctx.Err()
		},
	}
	c.Ciphers, c.MACs, c.KeyExchanges, c.RekeyThreshold = d.speaks.ciphers, d.speaks.macs, d.speaks.exchanges, d.s.rekeyBytes()
	return c
}

// checkKey accepts a known host key, and an unknown one only as far as
// StrictHostKeyChecking and the person say.
func (d *dialer) checkKey(l *login, peer net.Addr, key ssh.PublicKey) error {
	if d.hostSeen { // a rekeying; the key was the same or the library has refused it
		return nil
	}
	err := d.keys.verdict(key)
	if err == nil {
		err = d.keys.byAddress(peer, key)
	}
	var stranger *unknownKey
	if errors.As(err, &stranger) {
		err = d.stranger(l, stranger.key)
	}
	d.hostSeen = err == nil
	return err
}

func (d *dialer) stranger(l *login, key ssh.PublicKey) error {
	refusal := d.keys.unknown(key)
	switch d.s.strict() {
	case "yes":
		return refusal
	case "ask":
		if l.person == nil {
			return refusal
		}
		answer, err := d.askKey(l, key)
		if nodes.KindOf(err) == nodes.Cancelled {
			return err
		}
		if err != nil || (answer != "yes" && answer != ssh.FingerprintSHA256(key)) {
			return refusal
		}
	}
	if err := d.keys.add(key); err != nil {
		return err
	}
	d.pool.warn(l.ctx, fmt.Sprintf("noted the host key of %s in %s: %s", d.keys.whose(), d.keys.file(), show(key)))
	return nil
}

func (d *dialer) askKey(l *login, key ssh.PublicKey) (string, error) {
	l.guard.pause()
	defer l.guard.resume()
	d.pool.keys.asking.Lock()
	defer d.pool.keys.asking.Unlock()
	text := fmt.Sprintf("the host key of %s is not known: %s; connect and note it (yes/no/fingerprint)?", d.keys.whose(), show(key))
	return l.person.Ask(l.ctx, nodes.Question{Text: text})
}

// handshakeFailed sorts the failures of a handshake by what to do about them.
func (d *dialer) handshakeFailed(ctx context.Context, l *login, conn net.Conn, err error) error {
	var mine *nodes.Error
	text := err.Error()
	switch {
	case ctx.Err() != nil:
		return nodes.Stopped(ctx)
	case errors.As(err, &mine) && mine.Kind != nodes.Refused:
		return mine
	case d.hostSeen && (len(l.allowed) > 0 || len(l.offers) > 0 || strings.Contains(text, "unable to authenticate")):
		if l.cutShort(err) {
			err = errors.Join(err, errMoreKeys)
		}
		d.tried = l.asked()
		return l.refused(err)
	case !d.hostSeen && isDrop(err) && d.proxySaid(conn) == "":
		return &nodes.Error{
			Kind:    nodes.Unreachable,
			Message: d.s.where() + " closes the connection before it greets",
			Hint:    "sshd sheds load (MaxStartups) or refuses this address",
			Cause:   errors.Join(errDropped, err),
		}
	}
	return &nodes.Error{
		Kind:    nodes.Unreachable,
		Message: d.s.where() + ": no ssh connection: " + strings.TrimPrefix(text, "ssh: handshake failed: ") + d.proxySaid(conn),
		Cause:   err,
	}
}

func (d *dialer) proxySaid(conn net.Conn) string {
	if p, ok := conn.(*proxyConn); ok {
		if said := p.said(); said != "" {
			return ": " + said
		}
	}
	return ""
}

// isDrop reports whether the peer just went away.
func isDrop(err error) bool {
	text := err.Error()
	return errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) ||
		strings.HasSuffix(text, "EOF") || strings.Contains(text, "connection reset by peer") || strings.Contains(text, "broken pipe")
}

// transport opens the stream to the node: through its jump host, its proxy
// command, or directly.
func (d *dialer) transport(ctx context.Context, limit time.Duration) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	address := net.JoinHostPort(d.s.hostname(), d.s.port())
	if d.via != nil {
		return d.via.dial(ctx, "tcp", address)
	}
	if cmd := d.s.first("proxycommand", "none"); !strings.EqualFold(cmd, "none") {
		return startProxy(d.s.expand(cmd))
	}
	nd := net.Dialer{KeepAlive: 15 * time.Second}
	if from := d.s.first("bindaddress", ""); from != "" {
		nd.LocalAddr = &net.TCPAddr{IP: net.ParseIP(from)}
	}
	network := map[string]string{"inet": "tcp4", "inet6": "tcp6"}[strings.ToLower(d.s.first("addressfamily", "any"))]
	if network == "" {
		network = "tcp"
	}
	conn, err := dialName(ctx, nd, network, address)
	if err != nil {
		return nil, err
	}
	return promptly(conn), nil
}

// unreachable explains why there is no stream to the node.
func (d *dialer) unreachable(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nodes.Stopped(ctx)
	}
	why, hint := err.Error(), ""
	var dns *net.DNSError
	var mine *nodes.Error
	switch {
	case errors.As(err, &mine):
		return mine
	case errors.As(err, &dns):
		why, hint = "no address is known for '"+dns.Name+"'", "check the name in the nodes file, or HostName in ~/.ssh/config"
	case errors.Is(err, syscall.ECONNREFUSED):
		why, hint = "connection refused", "the machine is up, but no sshd listens on that port"
	case errors.Is(err, context.DeadlineExceeded) || isTimeout(err):
		why, hint = "no answer in time", "the machine is down, or a firewall drops the packets"
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		why = "no route to it"
	}
	return &nodes.Error{Kind: nodes.Unreachable, Message: "cannot reach " + d.s.where() + ": " + why + d.s.without(), Hint: hint, Cause: err}
}

func isTimeout(err error) bool {
	var t net.Error
	return errors.As(err, &t) && t.Timeout()
}
