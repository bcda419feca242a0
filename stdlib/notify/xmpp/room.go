package xmpp

import (
	"context"
	"time"

	"github.com/rollsh/rollsh/nodes"
)

// mostNicks is how many nicks are tried where ours is taken.
const mostNicks = 5

// join enters the room. Our own presence goes out with a negative priority, so
// that nobody's messages to the account end here.
func (s *session) join(ctx context.Context) error {
	if err := s.put(ctx, "going online", "<presence><priority>-1</priority></presence>"); err != nil {
		return err
	}
	nick := s.cfg.Nick
	for try := 1; ; try++ {
		refused, err := s.enter(ctx, nick)
		if err != nil {
			return err
		}
		if refused == nil {
			return nil
		}
		if refused.condition() != "conflict" || try == mostNicks {
			return roomError(s.cfg.Room, "to let us in", refused)
		}
		nick += "_"
	}
}

// enter asks to be let in as nick and waits for our own presence there, or the
// refusal.
func (s *session) enter(ctx context.Context, nick string) (*stanzaError, error) {
	what := "joining " + quote(s.cfg.Room)
	id := newID()
	w, drop := s.expect(func(st *stanza) bool {
		if !st.is("presence") || !inRoom(st.From, s.cfg.Room) {
			return false
		}
		return st.Type == "error" || st.Type == "" && st.has("110")
	})
	defer drop()
	password := ""
	if p := s.cfg.RoomPassword.Reveal(); p != "" {
		password = "<password>" + esc(p) + "</password>"
	}
	if err := s.put(ctx, what, "<presence id='%s' to='%s/%s'><x xmlns='%s'><history maxstanzas='0'/>%s</x></presence>",
		id, esc(s.cfg.Room), esc(nick), nsMUC, password); err != nil {
		return nil, err
	}
	st, err := s.await(ctx, w, what)
	if err != nil {
		return nil, err
	}
	if r := st.refusal(); r != nil {
		return r, nil
	}
	if st.has("201") {
		return nil, s.unlock(ctx)
	}
	return nil, nil
}

// unlock opens a room that our join made, with the server's own settings
// (XEP-0045 10.1.2).
func (s *session) unlock(ctx context.Context) error {
	s.cfg.Warn("room " + quote(s.cfg.Room) + " did not exist and was made: is room= spelt right?")
	_, err := s.question(ctx, "opening the new room", s.cfg.Room, "set",
		"<query xmlns='"+nsMUCOwner+"'><x xmlns='jabber:x:data' type='submit'/></query>")
	return err
}

// question sends an iq and gives its answer; an answer of type error is an
// error.
func (s *session) question(ctx context.Context, what, to, typ, payload string) (*stanza, error) {
	id := newID()
	w, drop := s.expect(func(st *stanza) bool { return st.is("iq") && st.ID == id })
	defer drop()
	if err := s.put(ctx, what, "<iq type='%s' id='%s' to='%s'>%s</iq>", typ, id, esc(to), payload); err != nil {
		return nil, err
	}
	st, err := s.await(ctx, w, what)
	if err != nil {
		return nil, err
	}
	if r := st.refusal(); r != nil {
		return st, protocol(r.condition(), what+": "+r.condition(), "")
	}
	return st, nil
}

// say sends text to the room and waits until the room sends it back, which is
// the only proof that it was said.
func (s *session) say(ctx context.Context, text string) error {
	id := newID()
	w, drop := s.expect(func(st *stanza) bool {
		return st.is("message") && st.ID == id && inRoom(st.From, s.cfg.Room)
	})
	defer drop()
	what := "announcing in " + quote(s.cfg.Room)
	if err := s.put(ctx, what, "<message type='groupchat' id='%s' to='%s'><body>%s</body></message>",
		id, esc(s.cfg.Room), esc(text)); err != nil {
		return err
	}
	st, err := s.await(ctx, w, what)
	if err != nil {
		return err
	}
	r := st.refusal()
	if r == nil {
		return nil
	}
	if r.condition() == "not-acceptable" { // we are no longer in the room
		err := &nodes.Error{Kind: nodes.Lost, Code: r.condition(), Message: what + ": we are no longer in the room"}
		s.end(err)
		return err
	}
	return roomError(s.cfg.Room, "to take the message", r)
}

// stayIn asks again and again whether we are still in the room (XEP-0410), and
// ends the session when we are not or when nobody answers.
func (s *session) stayIn() {
	tick := time.NewTicker(s.cfg.KeepAlive)
	defer tick.Stop()
	for {
		select {
		case <-s.done:
			return
		case <-tick.C:
		}
		me := s.cfg.Room + "/" + s.nickNow()
		if st, err := s.question(context.Background(), "asking whether we are in the room", me, "get", "<ping xmlns='"+nsPing+"'/>"); err != nil {
			if st == nil || !stillIn(st.refusal().condition()) {
				s.end(err)
			}
		}
	}
}

// stillIn tells the refusals that mean "you are in, but I do not forward
// pings" from those that mean "you are out" (XEP-0410 3).
func stillIn(condition string) bool {
	switch condition {
	case "service-unavailable", "feature-not-implemented", "item-not-found":
		return true
	}
	return false
}

func (s *session) nickNow() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.nick
}

// leave says goodbye: to the room, then to the server, each for a moment only.
func (s *session) leave(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, min(s.cfg.Timeout, 2*time.Second))
	defer cancel()
	s.mu.Lock()
	s.leaving = true
	nick := s.nick
	s.mu.Unlock()
	w, drop := s.expect(func(st *stanza) bool {
		return st.is("presence") && st.Type == "unavailable" && st.has("110")
	})
	defer drop()
	if s.put(ctx, "leaving", "<presence type='unavailable' to='%s/%s'/>", esc(s.cfg.Room), esc(nick)) == nil {
		_, _ = s.await(ctx, w, "leaving")
	}
	if s.put(ctx, "leaving", "</stream:stream>") == nil {
		select {
		case <-s.done:
		case <-ctx.Done():
		}
	}
	s.end(nil)
}
