package xmpp

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/rollsh/rollsh/nodes"
)

// session is one login, in one room, with a goroutine that reads everything
// that comes: it hands answers to those who wait for them, answers every
// question, and notices when we are put out of the room.
type session struct {
	*stream
	cfg Config
	jid string

	done chan struct{} // closed when the session is over; err then says why

	mu      sync.Mutex
	err     error
	nick    string // ours in the room, as the room says; empty before the join
	leaving bool
	waiters map[*waiter]struct{}
}

// waiter waits for the first stanza that match accepts.
type waiter struct {
	match func(*stanza) bool
	got   chan *stanza
}

// openSession connects, logs in and joins the room.
func openSession(ctx context.Context, cfg Config) (*session, error) {
	st, jid, err := connect(ctx, cfg)
	if err != nil {
		return nil, err
	}
	s := &session{stream: st, cfg: cfg, jid: jid, done: make(chan struct{}), waiters: map[*waiter]struct{}{}}
	go s.read()
	if err := s.join(ctx); err != nil {
		s.end(err)
		return nil, err
	}
	go s.stayIn()
	return s, nil
}

// read runs until the stream ends.
func (s *session) read() {
	for {
		st, err := s.nextStanza()
		if err != nil {
			s.end(during(context.Background(), "chat at "+s.cfg.endpoint(), err))
			return
		}
		s.dispatch(st)
	}
}

func (s *session) dispatch(st *stanza) {
	if st.is("iq") && (st.Type == "get" || st.Type == "set") {
		s.answer(st)
		return
	}
	s.noteRoom(st)
	s.mu.Lock()
	defer s.mu.Unlock()
	for w := range s.waiters {
		if w.match(st) {
			delete(s.waiters, w)
			w.got <- st
		}
	}
}

// answer answers a question; a server drops clients that do not.
func (s *session) answer(st *stanza) {
	to := ""
	if st.From != "" {
		to = " to='" + esc(st.From) + "'"
	}
	typ, payload := "result", ""
	if st.Type != "get" || st.Ping == nil {
		typ, payload = "error", "<error type='cancel'><service-unavailable xmlns='"+nsStanzas+"'/></error>"
	}
	if err := s.sendBy(s.soon(), "<iq type='%s' id='%s'%s>%s</iq>", typ, esc(st.ID), to, payload); err != nil {
		s.end(during(context.Background(), "chat at "+s.cfg.endpoint(), err))
	}
}

// noteRoom keeps our nick as the room has it, and ends the session when the
// room puts us out: what comes next is a new join, with backoff.
func (s *session) noteRoom(st *stanza) {
	if !st.is("presence") || !st.has("110") {
		return
	}
	nick := nickOf(st.From, s.cfg.Room)
	if nick == "" {
		return
	}
	s.mu.Lock()
	leaving := s.leaving
	if st.Type == "" && !leaving {
		s.nick = nick
	}
	s.mu.Unlock()
	if st.Type == "unavailable" && !leaving && !st.has("303") {
		s.end(&nodes.Error{Kind: nodes.Lost, Message: "room " + quote(s.cfg.Room) + " put us out: " + whyOut(st)})
	}
}

func whyOut(st *stanza) string {
	switch {
	case st.Destroy != nil:
		return "it was destroyed"
	case st.has("301"):
		return "banned"
	case st.has("307"):
		return "kicked"
	case st.has("321"), st.has("322"):
		return "it is for members only now"
	case st.has("332"):
		return "the chat service shuts down"
	}
	return "it did not say why"
}

// end closes the connection; the first reason stays.
func (s *session) end(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return
	}
	s.err = err
	if err == nil {
		s.err = errors.New("left")
	}
	_ = s.conn.SetWriteDeadline(time.Now()) // so that closing TLS waits for nobody
	_ = s.conn.Close()
	close(s.done)
}

// expect must be called before the question is sent; drop when the answer is
// no longer wanted.
func (s *session) expect(match func(*stanza) bool) (w *waiter, drop func()) {
	w = &waiter{match: match, got: make(chan *stanza, 1)}
	s.mu.Lock()
	s.waiters[w] = struct{}{}
	s.mu.Unlock()
	return w, func() {
		s.mu.Lock()
		delete(s.waiters, w)
		s.mu.Unlock()
	}
}

// await waits for w, bounded by ctx and the timeout.
func (s *session) await(ctx context.Context, w *waiter, what string) (*stanza, error) {
	timer := time.NewTimer(s.cfg.Timeout)
	defer timer.Stop()
	select {
	case st := <-w.got:
		return st, nil
	case <-ctx.Done():
		return nil, nodes.Stopped(ctx)
	case <-timer.C:
		return nil, &nodes.Error{Kind: nodes.Timeout, Message: what + ": no answer within " + s.cfg.Timeout.String()}
	case <-s.done:
		return nil, s.reason(what)
	}
}

func (s *session) reason(what string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := *nodes.AsError(s.err, nodes.Lost)
	e.Message = what + ": " + e.Message
	return &e
}

// put sends with a deadline and says what failed.
func (s *session) put(ctx context.Context, what, format string, args ...any) error {
	if err := s.sendBy(s.soon(), format, args...); err != nil {
		select {
		case <-s.done:
			return s.reason(what)
		default:
			return during(ctx, what, err)
		}
	}
	return nil
}

func (s *session) over() bool {
	select {
	case <-s.done:
		return true
	default:
		return false
	}
}
