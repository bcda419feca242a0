package haproxy

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/rollsh/rollsh/nodes"
)

// Config says where a backend is. On, Socket and Backend must be given.
type Config struct {
	On      nodes.Set        // the balancers: every one of them is told
	Socket  nodes.RemotePath // HAProxy's runtime socket on them
	Backend string
	Wait    time.Duration // for sessions to end, and for a server to be up; 0: do not wait
	Last    bool          // drain the last server too
	Sudo    string        // user to reach the socket as; empty: the login
	// Server gives a node's name in the backend; nil: the node's name.
	Server func(context.Context, *nodes.Node) (string, error)
}

// Backend is one backend on all its balancers. It is a nodes.Balancer and safe
// from many goroutines.
type Backend struct {
	dialer nodes.Dialer
	cfg    Config

	mu    sync.Mutex // held while a server is drained, so that two do not both see the other serve
	ways  map[nodes.Name]way
	waysM sync.Mutex
}

// longest is how long names of backends, servers and sockets may be.
const longest = 200

var (
	// names are what HAProxy takes as names of backends and servers; nothing
	// else goes into a command.
	names = nodes.Pattern(`^[A-Za-z0-9_.:-]+$`)

	// sockets leaves out what socat takes for syntax.
	sockets = nodes.Pattern(`^/[A-Za-z0-9_./@+=-]+$`)
)

func fits(pattern *regexp.Regexp, s string) bool { return len(s) <= longest && pattern.MatchString(s) }

// New checks the configuration; nothing is contacted.
func New(d nodes.Dialer, c Config) (*Backend, error) {
	if len(c.On.Nodes) == 0 {
		return nil, &nodes.Error{Kind: nodes.Usage, Message: "on: no balancer"}
	}
	if !fits(names(), c.Backend) {
		return nil, &nodes.Error{Kind: nodes.Usage, Message: "backend: '" + nodes.Clean(c.Backend) + "' is not a name of HAProxy's"}
	}
	if !fits(sockets(), string(c.Socket)) {
		return nil, &nodes.Error{Kind: nodes.Usage, Message: "socket: '" + nodes.Clean(string(c.Socket)) + "' is not an absolute path of plain characters"}
	}
	if c.Server == nil {
		c.Server = func(_ context.Context, n *nodes.Node) (string, error) { return string(n.Name), nil }
	}
	return &Backend{dialer: d, cfg: c, ways: map[nodes.Name]way{}}, nil
}

// String is "web on lb[1-2]".
func (b *Backend) String() string { return b.cfg.Backend + " on " + b.cfg.On.Fold() }

// Drain takes the node out of service and waits for its sessions to end.
func (b *Backend) Drain(ctx context.Context, n *nodes.Node) error {
	return b.DrainWithin(ctx, n, b.cfg.Wait)
}

// DrainWithin is Drain with its own time to wait.
func (b *Backend) DrainWithin(ctx context.Context, n *nodes.Node, wait time.Duration) error {
	server, err := b.server(ctx, n)
	if err != nil {
		return err
	}
	if err := b.startDrain(ctx, server); err != nil {
		return err
	}
	if wait <= 0 {
		return nil
	}
	left := 0
	done, err := b.poll(ctx, wait, func(ctx context.Context) (bool, error) {
		st, err := b.state(ctx, server)
		left = st.Sessions
		return left == 0, err
	})
	if err == nil && !done {
		err = &nodes.Error{
			Kind: nodes.Timeout, Message: fmt.Sprintf("%s is drained, but has %s left after %s", b.at(server), nodes.Count(left, "session"), wait),
			Hint: "give a longer wait=, or wait=0 to go on with sessions open",
		}
	}
	return err
}

func (b *Backend) startDrain(ctx context.Context, server string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, lb := range b.cfg.On.Nodes {
		rows, err := b.look(ctx, lb)
		if err != nil {
			return err
		}
		if err := b.mayDrain(lb, rows, server); err != nil {
			return err
		}
	}
	return b.set(ctx, server, "drain")
}

// mayDrain refuses for servers in maintenance and for the last that serves.
func (b *Backend) mayDrain(lb *nodes.Node, rows []row, server string) error {
	others, own := 0, (*row)(nil)
	for i := range rows {
		switch {
		case rows[i].server == server:
			own = &rows[i]
		case rows[i].admin == "ready" && rows[i].up:
			others++
		}
	}
	switch {
	case own == nil:
		return b.unknown(lb, server)
	case own.admin == "maint":
		return &nodes.Error{
			Kind: nodes.Refused, Node: lb.Name, Message: b.at(server) + " is in maintenance: somebody took it out",
			Hint: "leave the node out, or put it back first with ready",
		}
	case others == 0 && own.admin == "ready" && own.up && !b.cfg.Last:
		return &nodes.Error{
			Kind: nodes.Refused, Node: lb.Name, Message: b.at(server) + " is the last server there that serves",
			Hint: "give last=true if nobody needs to be served",
		}
	}
	return nil
}

func (b *Backend) unknown(lb *nodes.Node, server string) error {
	return &nodes.Error{
		Kind: nodes.NotFound, Node: lb.Name, Message: "haproxy knows no server " + b.at(server),
		Hint: "give the servers' names as server=, such as \"www-{name}\" or {web1=\"s1\"}",
	}
}

// Ready puts the node back into service and waits until HAProxy says that it is
// up.
func (b *Backend) Ready(ctx context.Context, n *nodes.Node) error {
	server, err := b.server(ctx, n)
	if err != nil {
		return err
	}
	if err := b.set(ctx, server, "ready"); err != nil {
		return err
	}
	if b.cfg.Wait <= 0 {
		return nil
	}
	done, err := b.poll(ctx, b.cfg.Wait, func(ctx context.Context) (bool, error) {
		st, err := b.state(ctx, server)
		return st.Up, err
	})
	if err == nil && !done {
		err = &nodes.Error{Kind: nodes.Timeout, Message: fmt.Sprintf("%s is ready, but its health check does not pass after %s", b.at(server), b.cfg.Wait)}
	}
	return err
}

// State is how all balancers treat the node. It fails with Changed where they
// do not agree.
func (b *Backend) State(ctx context.Context, n *nodes.Node) (nodes.BalancerState, error) {
	server, err := b.server(ctx, n)
	if err != nil {
		return nodes.BalancerState{}, err
	}
	return b.state(ctx, server)
}

// Sessions counts the sessions that are open to the node, on all balancers.
func (b *Backend) Sessions(ctx context.Context, n *nodes.Node) (int, error) {
	st, err := b.State(ctx, n)
	return st.Sessions, err
}

func (b *Backend) state(ctx context.Context, server string) (nodes.BalancerState, error) {
	var sum nodes.BalancerState
	var said []string
	agreed := true
	for i, lb := range b.cfg.On.Nodes {
		rows, err := b.look(ctx, lb)
		if err != nil {
			return sum, err
		}
		own := find(rows, server)
		if own == nil {
			return sum, b.unknown(lb, server)
		}
		if i == 0 {
			sum.Admin, sum.Up = own.admin, true
		}
		agreed = agreed && own.admin == sum.Admin
		sum.Up = sum.Up && own.up
		sum.Sessions += own.sessions
		said = append(said, string(lb.Name)+" says "+own.admin)
	}
	if !agreed {
		return sum, &nodes.Error{Kind: nodes.Changed, Message: "the balancers do not agree about " + b.at(server) + ": " + strings.Join(said, ", ")}
	}
	return sum, nil
}

// set gives the server a state on every balancer and checks that it has it.
func (b *Backend) set(ctx context.Context, server, state string) error {
	for i, lb := range b.cfg.On.Nodes {
		err := b.setOn(ctx, lb, server, state)
		if err == nil {
			continue
		}
		e := *nodes.AsError(nodes.At(err, "", lb.Name), nodes.Internal)
		if i > 0 {
			e.Message += fmt.Sprintf(" (%s already: %s)", state, nodes.Set{Nodes: b.cfg.On.Nodes[:i]}.Fold())
		}
		return &e
	}
	return nil
}

func (b *Backend) setOn(ctx context.Context, lb *nodes.Node, server, state string) error {
	answer, err := b.tell(ctx, lb, "set server "+b.at(server)+" state "+state)
	if err != nil {
		return err
	}
	if text := oneLine(answer); text != "" {
		return refusal(b.at(server), text)
	}
	rows, err := b.look(ctx, lb)
	if err != nil {
		return err
	}
	own := find(rows, server)
	if own == nil {
		return b.unknown(lb, server)
	}
	if own.admin != state {
		return &nodes.Error{Kind: nodes.Protocol, Code: "state", Message: fmt.Sprintf("haproxy took 'state %s' for %s, but it is %s", state, b.at(server), own.admin)}
	}
	return nil
}

// refusal says what HAProxy's text means.
func refusal(at, text string) error {
	e := &nodes.Error{Kind: nodes.Protocol, Code: "refused", Message: "haproxy refuses the command for " + at + ": " + text}
	switch {
	case strings.HasPrefix(text, "No such"), strings.HasPrefix(text, "Can't find"):
		e.Kind, e.Code = nodes.NotFound, ""
	case strings.HasPrefix(text, "Permission denied"):
		e.Kind, e.Code, e.Hint = nodes.Permission, "", "the socket needs 'level admin' in haproxy.cfg"
	}
	return e
}

func (b *Backend) server(ctx context.Context, n *nodes.Node) (string, error) {
	s, err := b.cfg.Server(ctx, n)
	if err != nil {
		return "", nodes.At(err, "", n.Name)
	}
	if !fits(names(), s) {
		return "", &nodes.Error{Kind: nodes.Usage, Node: n.Name, Message: "server: '" + nodes.Clean(s) + "' is not a name of HAProxy's"}
	}
	return s, nil
}

func (b *Backend) at(server string) string { return b.cfg.Backend + "/" + server }

// poll asks again, less and less often, until done says yes or wait is over.
func (b *Backend) poll(ctx context.Context, wait time.Duration, done func(context.Context) (bool, error)) (bool, error) {
	end := time.Now().Add(wait)
	for every := 50 * time.Millisecond; ; every = min(every*3/2, time.Second) {
		ok, err := done(ctx)
		if ok || err != nil {
			return ok, err
		}
		left := time.Until(end)
		if left <= 0 {
			return false, nil
		}
		timer := time.NewTimer(min(every, left))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return false, nodes.Stopped(ctx)
		}
	}
}
