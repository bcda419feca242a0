package ssh

import (
	"context"
	"errors"
	"maps"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/rollsh/rollsh/nodes"
)

// second is a second connection to a node, for ending commands where the first
// one has no room for another session (MaxSessions). It is made when it is
// needed, shared, and closed after its last use.
type second struct {
	mu    sync.Mutex // held while it is being made, too
	conn  *connection
	users int
}

// secondLimit is how long it may take to make.
const secondLimit = 3 * time.Second

// signalLimit is how long signals may take to make room instead: half a second
// for those that can be caught.
const signalLimit = 1500 * time.Millisecond

// beside gives the second connection; who got it calls leaveSecond.
func (c *connection) beside(ctx context.Context) (*connection, error) {
	c.second.mu.Lock()
	defer c.second.mu.Unlock()
	if c.second.conn == nil {
		ctx, cancel := context.WithTimeout(ctx, secondLimit)
		defer cancel()
		made, err := c.dialer.again(ctx)
		if err != nil {
			return nil, err
		}
		c.second.conn = made
	}
	c.second.users++
	return c.second.conn, nil
}

func (c *connection) leaveSecond() {
	c.second.mu.Lock()
	defer c.second.mu.Unlock()
	c.second.users--
	if c.second.users == 0 {
		c.second.conn.close()
		c.second.conn = nil
	}
}

// room runs commands of rollsh's own while a command of the person's runs.
type room struct {
	first *connection
	other *connection // the second one, once it was needed
}

// session opens a session: at once on the first connection, else on the second,
// else as soon as the first has room.
func (r *room) session(ctx context.Context) (*ssh.Session, *connection, error) {
	if r.other == nil {
		s, err := r.first.sessionNow(ctx)
		if noRoom(err) == nil {
			return s, r.first, err
		}
		if r.other, err = r.first.beside(ctx); err != nil {
			ctx, cancel := context.WithTimeout(ctx, signalLimit)
			defer cancel()
			s, err := r.first.session(ctx)
			return s, r.first, err
		}
	}
	s, err := r.other.session(ctx)
	return s, r.other, err
}

// run runs a command and drops its output; input is its first line.
func (r *room) run(ctx context.Context, line, input string) error {
	s, on, err := r.session(ctx)
	if err != nil {
		return err
	}
	defer on.release()
	defer s.Close()
	if input != "" {
		s.Stdin = strings.NewReader(input + "\n")
	}
	_, err = within(ctx, func() (struct{}, error) { return struct{}{}, s.Run(line) }, func(struct{}) {})
	var exit *ssh.ExitError
	if errors.As(err, &exit) {
		return nil
	}
	return err
}

func (r *room) leave() {
	if r.other != nil {
		r.first.leaveSecond()
	}
}

// again makes another connection the way that the first one was made, over the
// same jump host, with the host key looked up anew. Nobody is asked anything:
// passwords are those that were given then.
func (d *dialer) again(ctx context.Context) (*connection, error) {
	keys, err := loadHostKeys(d.s)
	if err != nil {
		return nil, err
	}
	other := &dialer{pool: d.pool, s: d.s, keys: keys, speaks: d.speaks, via: d.via, person: d.said.again()}
	client, err := other.connect(ctx)
	if err != nil {
		return nil, err
	}
	c := d.pool.newConnection(client, other)
	c.ahead.off = true
	return c, nil
}

// asker is who answers the questions of a login.
type asker interface {
	Ask(ctx context.Context, q nodes.Question) (string, error)
}

// answers passes questions on and keeps what was answered.
type answers struct {
	asker
	mu    sync.Mutex
	given map[string]string // by the question's text
}

// Ask passes the question on.
func (a *answers) Ask(ctx context.Context, q nodes.Question) (string, error) {
	text, err := a.asker.Ask(ctx, q)
	if err == nil {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.given[q.Text] = text
	}
	return text, err
}

// again is nobody where nothing was asked, else one who gives the same answers
// to the same questions.
func (a *answers) again() asker {
	if a == nil {
		return nil
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.given) == 0 {
		return nil
	}
	return recited(maps.Clone(a.given))
}

// recited are answers by the texts of their questions.
type recited map[string]string

// Ask gives the answer; there is none to a new question.
func (r recited) Ask(_ context.Context, q nodes.Question) (string, error) {
	text, ok := r[q.Text]
	if !ok {
		return "", &nodes.Error{Kind: nodes.Refused, Message: "nobody is asked: " + q.Text}
	}
	return text, nil
}
