package ssh

import (
	"context"
	"fmt"
	"os"
	"os/user"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/rollsh/rollsh/nodes"
)

// Pool is a [nodes.Dialer] that keeps one connection a node.
type Pool struct {
	session *nodes.Session
	who     account
	keys    *keyring
	ramp    chan struct{} // one place for each handshake under way
	narrow  chan struct{} // and for each that is tried again after a drop
	ids     *counter
	sudo    passwords

	mu     sync.Mutex
	conns  map[string]*slot
	closed bool
	lost   func(nodes.Name) // told when a connection went away; nil: nobody is
	chores sync.WaitGroup   // killing what a cancelled command left
}

// slot is the place of one connection: being made, or made.
type slot struct {
	node  nodes.Name
	ready chan struct{} // closed when conn and err are set
	conn  *connection
	err   error
	stop  context.CancelFunc
	users int // callers who wait for it
}

// Option changes a pool.
type Option func(*Pool)

// SystemConfig names the system-wide ssh_config; /etc/ssh/ssh_config without it.
func SystemConfig(file string) Option { return func(p *Pool) { p.who.system = file } }

// NewPool makes an empty pool for a session: ssh's files are those of its Home,
// questions go to its Person, output to its Events. Nodes that are marked Local
// are served by its Here.
func NewPool(s *nodes.Session, opts ...Option) *Pool {
	login := s.User
	if u, err := user.Current(); err == nil {
		login = u.Username
	}
	host, _ := os.Hostname()
	p := &Pool{
		session: s, keys: newKeyring(), ramp: make(chan struct{}, 64), narrow: make(chan struct{}, afterDrop), conns: map[string]*slot{}, ids: newCounter(fromPool),
		who: account{home: s.Home, user: login, host: host, system: "/etc/ssh/ssh_config", trust: s.Trust},
	}
	for _, o := range opts {
		o(p)
	}
	return p
}

// Dial gives the connection to a node; see [nodes.Dialer].
func (p *Pool) Dial(ctx context.Context, n *nodes.Node) (nodes.Conn, error) {
	if n.Local {
		if p.session.Here == nil {
			return nil, &nodes.Error{Kind: nodes.Internal, Message: "this machine has no connection to itself"}
		}
		return p.session.Here, nil
	}
	c, err := p.dial(ctx, n)
	if err != nil {
		return nil, nodes.At(err, "", n.Name)
	}
	return &nodeConn{c, n.Name}, nil
}

// at is err as one of the node's own.
func (n *nodeConn) at(err error) error { return nodes.At(n.s.own(err), "", n.name) }

// place tells nodes apart by what decides how they are reached. Names do not
// count: a jump host that is a node too is reached once.
func place(n *nodes.Node) string {
	return strings.Join([]string{n.Address(), n.User, fmt.Sprint(n.Port), n.Key, n.Jump, n.Proxy}, "\x00")
}

// dial finds or makes the connection. Callers who come while it is being made
// wait for the same one; it is given up when the last of them has gone.
func (p *Pool) dial(ctx context.Context, n *nodes.Node) (*connection, error) {
	if ctx.Err() != nil {
		return nil, nodes.Stopped(ctx)
	}
	key := place(n)
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return nil, &nodes.Error{Kind: nodes.Cancelled, Message: "rollsh is closing its connections"}
	}
	s := p.conns[key]
	if s == nil || s.dead() {
		s = p.open(ctx, n, key)
	}
	s.users++
	p.mu.Unlock()
	defer p.leave(s)
	select {
	case <-s.ready:
		return s.conn, s.err
	case <-ctx.Done():
		return nil, nodes.Stopped(ctx)
	}
}

// open begins a connection; p.mu is held.
func (p *Pool) open(ctx context.Context, n *nodes.Node, key string) *slot {
	work, stop := context.WithCancel(context.WithoutCancel(ctx))
	s := &slot{node: n.Name, ready: make(chan struct{}), stop: stop}
	p.conns[key] = s
	go func() {
		conn, err := p.connect(work, n)
		p.mu.Lock()
		if err == nil && (p.closed || work.Err() != nil) {
			go conn.close()
			err = &nodes.Error{Kind: nodes.Cancelled, Message: "cancelled"}
		}
		if err != nil {
			p.drop(key, s)
		} else {
			s.conn = conn
		}
		s.err = err
		close(s.ready)
		p.mu.Unlock()
		if err == nil {
			<-conn.lost
			p.forget(key, s)
		}
		stop()
	}()
	return s
}

// dead reports whether the connection was made and is lost.
func (s *slot) dead() bool {
	return endsWithin(s.ready, 0) && s.conn != nil && endsWithin(s.conn.lost, 0)
}

// forget drops a connection that went away, and tells.
func (p *Pool) forget(key string, s *slot) {
	p.mu.Lock()
	p.drop(key, s)
	tell := p.lost
	if p.closed {
		tell = nil
	}
	p.mu.Unlock()
	if tell != nil {
		tell(s.node)
	}
}

// WhenLost has f called, on a goroutine of its own, whenever a connection has gone
// away that was not closed from here.
func (p *Pool) WhenLost(f func(nodes.Name)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lost = f
}

// drop forgets a slot; p.mu is held.
func (p *Pool) drop(key string, s *slot) {
	if p.conns[key] == s {
		delete(p.conns, key)
	}
}

// leave counts a caller out; a connection that nobody waits for any more and
// that is not there yet is given up.
func (p *Pool) leave(s *slot) {
	p.mu.Lock()
	defer p.mu.Unlock()
	s.users--
	select {
	case <-s.ready:
	default:
		if s.users == 0 {
			s.stop()
			for key, other := range p.conns {
				if other == s {
					delete(p.conns, key)
				}
			}
		}
	}
}

// maxJumps bounds a chain of jump hosts; a longer one goes in circles.
const maxJumps = 8

func (p *Pool) connect(ctx context.Context, n *nodes.Node) (*connection, error) {
	s, err := load(ctx, p.who, n)
	if err != nil {
		return nil, err
	}
	c, err := p.reach(ctx, s)
	return c, s.own(err)
}

// reach makes the connection to the node with these settings.
func (p *Pool) reach(ctx context.Context, s *settings) (*connection, error) {
	if err := p.permitted(s); err != nil {
		return nil, err
	}
	keys, err := loadHostKeys(s)
	if err != nil {
		return nil, err
	}
	d := &dialer{pool: p, s: s, keys: keys}
	if p.session.Person != nil {
		d.said = &answers{asker: p.session.Person, given: map[string]string{}}
		d.person = d.said
	}
	if d.speaks, err = s.algorithms(); err != nil {
		return nil, err
	}
	hop, err := p.jump(ctx, s)
	if err != nil {
		return nil, err
	}
	if hop != nil {
		if d.via, err = p.dial(ctx, hop); err != nil {
			return nil, throughJump(err, hop)
		}
	}
	select {
	case p.ramp <- struct{}{}:
		defer func() { <-p.ramp }()
	case <-ctx.Done():
		return nil, nodes.Stopped(ctx)
	}
	client, err := d.connect(ctx)
	if err != nil {
		return nil, err
	}
	return p.newConnection(client, d), nil
}

// permitted is why the policy of the session, where there is one, lets no connection be
// made with these settings. A ProxyCommand is any command, and goes anywhere.
func (p *Pool) permitted(s *settings) error {
	if p.session.Policy != nil && !strings.EqualFold(s.first("proxycommand", "none"), "none") {
		return &nodes.Error{
			Kind: nodes.Policy, Message: "no ProxyCommand (proxy=) is run under a policy: it may do anything",
			Hint: "name a host to go through, with jump= or ProxyJump",
		}
	}
	return p.session.Reach(s.login(), s.hostname(), s.port())
}

// jump is the jump host next to the node, nil for none. The whole chain is
// looked at first: hosts that wait for each other would wait for ever.
func (p *Pool) jump(ctx context.Context, s *settings) (*nodes.Node, error) {
	var next *nodes.Node
	at := s
	for range maxJumps {
		value := at.first("proxyjump", "none")
		if strings.EqualFold(value, "none") {
			return next, nil
		}
		hop, err := jumpNode(at.expand(value))
		if err != nil {
			return nil, err
		}
		if next == nil {
			next = hop
		}
		if at, err = load(ctx, p.who, hop); err != nil {
			return nil, err
		}
	}
	return nil, &nodes.Error{Kind: nodes.Unreachable, Message: "the ProxyJump of " + s.alias + " goes in circles, or over more than 8 hosts"}
}

func throughJump(err error, hop *nodes.Node) error {
	e := *nodes.AsError(err, nodes.Unreachable)
	e.Message = "through the jump host " + string(hop.Name) + ": " + e.Message
	return &e
}

// jumpNode is the last hop of a ProxyJump value; the hops before it are its own
// jump. Source: ssh_config(5), ProxyJump.
func jumpNode(value string) (*nodes.Node, error) {
	before, last := "", value
	if i := strings.LastIndexByte(value, ','); i >= 0 {
		before, last = value[:i], value[i+1:]
	}
	hop := &nodes.Node{Jump: before}
	last = strings.TrimSuffix(strings.TrimPrefix(strings.TrimSpace(last), "ssh://"), "/")
	if i := strings.LastIndexByte(last, '@'); i >= 0 {
		hop.User, last = last[:i], last[i+1:]
	}
	host, port, ok := cutPort(last)
	if _, err := fmt.Sscanf(port+" ", "%d", &hop.Port); host == "" || (ok && err != nil) {
		return nil, &nodes.Error{Kind: nodes.Usage, Message: fmt.Sprintf("ProxyJump %q: [user@]host[:port] is wanted", value)}
	}
	hop.Host, hop.Name = host, nodes.Name(host)
	return hop, nil
}

// cutPort splits "host:port", "[v6]:port", "v6" and "host".
func cutPort(s string) (host, port string, ok bool) {
	if strings.HasPrefix(s, "[") {
		host, rest, _ := strings.Cut(s[1:], "]")
		port, ok = strings.CutPrefix(rest, ":")
		return host, port, ok
	}
	if strings.Count(s, ":") == 1 {
		host, port, _ = strings.Cut(s, ":")
		return host, port, true
	}
	return s, "", false
}

// Live lists the nodes that are connected now, sorted.
func (p *Pool) Live() []nodes.Name {
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []nodes.Name
	for _, s := range p.conns {
		select {
		case <-s.ready:
			out = append(out, s.node)
		default:
		}
	}
	slices.Sort(out)
	return out
}

// Close ends all connections, after giving the killing of cancelled commands a
// moment to finish. It may be called twice.
func (p *Pool) Close() {
	p.mu.Lock()
	p.closed = true
	var open []*slot
	for _, s := range p.conns {
		open = append(open, s)
	}
	p.mu.Unlock()
	waited := make(chan struct{})
	go func() { p.chores.Wait(); close(waited) }()
	select {
	case <-waited:
	case <-time.After(3 * time.Second):
	}
	for _, s := range open {
		s.stop()
		<-s.ready
		if s.conn != nil {
			s.conn.close()
		}
	}
}

// chore runs f, which Close waits for; once the pool is closed nothing new is
// begun.
func (p *Pool) chore(f func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.closed {
		p.chores.Go(f)
	}
}

func (p *Pool) warn(ctx context.Context, text string) {
	c := nodes.CallerOf(ctx)
	p.session.Events.Emit(nodes.Event{Time: time.Now(), Type: nodes.Warned, Op: c.Op, Where: c.Where, Text: text})
}
