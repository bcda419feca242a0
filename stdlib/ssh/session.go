package ssh

import (
	"golang.org/x/crypto/ssh"
)

// session is one session on a connection.
type session struct {
	*ssh.Session
	ch *sessionChannel
}

// sessionChannel is the channel of a session.
type sessionChannel struct {
	ssh.Channel
	eager bool // the node's answer to exec is not waited for
}

// SendRequest sends a request, and waits for the answer where one is wanted. An
// eager exec wants none (RFC 4254, section 6.5): what is written to the command
// may follow at once. A node that refuses it closes the session, or is silent.
func (c *sessionChannel) SendRequest(name string, wantReply bool, payload []byte) (bool, error) {
	if !c.eager || name != "exec" {
		return c.Channel.SendRequest(name, wantReply, payload)
	}
	_, err := c.Channel.SendRequest(name, false, payload)
	return err == nil, err
}

// opener is a connection on which one session is opened.
type opener struct {
	ssh.Conn
	opened *sessionChannel
}

// OpenChannel opens the session's channel and keeps it.
func (o *opener) OpenChannel(name string, data []byte) (ssh.Channel, <-chan *ssh.Request, error) {
	ch, requests, err := o.Conn.OpenChannel(name, data)
	if err != nil {
		return nil, nil, err
	}
	o.opened = &sessionChannel{Channel: ch}
	return o.opened, requests, nil
}

// openSession opens a session.
func openSession(on ssh.Conn) (*session, error) {
	o := &opener{Conn: on}
	s, err := (&ssh.Client{Conn: o}).NewSession()
	if err != nil {
		return nil, err
	}
	return &session{s, o.opened}, nil
}
