package xmpp

import (
	"bufio"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"time"
)

// most is how many bytes one element of a stream may have. A room's greeting
// and a long announcement come nowhere near it.
const most = 1 << 20

var errTooLong = errors.New("the server sent an element of more than 1 MB")

// bounded is a reader that gives up on an element that never ends.
type bounded struct {
	*bufio.Reader
	left int
}

// ReadByte is what xml.Decoder reads by.
func (b *bounded) ReadByte() (byte, error) {
	if b.left <= 0 {
		return 0, errTooLong
	}
	b.left--
	return b.Reader.ReadByte()
}

// stream is one XML stream each way over one connection. Reading is for one
// goroutine at a time; writing is for any.
type stream struct {
	conn    net.Conn
	in      *bounded
	dec     *xml.Decoder
	timeout time.Duration
	write   sync.Mutex
	heard   bool // XMPP, or TLS, of the server
}

func newStream(conn net.Conn, timeout time.Duration) *stream {
	return &stream{conn: conn, in: &bounded{Reader: bufio.NewReader(conn)}, timeout: timeout}
}

// limit bounds all reading and writing until the stop it gives is called: by
// the stream's timeout and by ctx.
func (s *stream) limit(ctx context.Context) (stop func()) {
	deadline := time.Now().Add(s.timeout)
	if d, ok := ctx.Deadline(); ok && d.Before(deadline) {
		deadline = d
	}
	_ = s.conn.SetDeadline(deadline)
	cancel := context.AfterFunc(ctx, func() { _ = s.conn.SetDeadline(time.Unix(1, 0)) })
	return func() {
		if cancel() {
			_ = s.conn.SetDeadline(time.Time{})
		}
	}
}

// send writes one piece of XML. Every argument must have gone through esc.
func (s *stream) send(format string, args ...any) error {
	s.write.Lock()
	defer s.write.Unlock()
	_, err := fmt.Fprintf(s.conn, format, args...)
	return err
}

// sendBy is send with a deadline of its own, for a stream that has a reader.
func (s *stream) sendBy(deadline time.Time, format string, args ...any) error {
	s.write.Lock()
	defer s.write.Unlock()
	_ = s.conn.SetWriteDeadline(deadline)
	_, err := fmt.Fprintf(s.conn, format, args...)
	return err
}

// open starts a new stream, as after connecting, after TLS and after SASL, and
// reads what the server offers.
func (s *stream) open(domain string) (*features, error) {
	s.dec = xml.NewDecoder(s.in)
	if err := s.send("<?xml version='1.0'?><stream:stream to='%s' version='1.0' xml:lang='en' xmlns='%s' xmlns:stream='%s'>",
		esc(domain), nsClient, nsStream); err != nil {
		return nil, err
	}
	if err := s.greeted(); err != nil {
		return nil, err
	}
	root, err := s.next()
	if err != nil {
		return nil, err
	}
	if root.Name.Local != "stream" || root.Name.Space != nsStream {
		return nil, protocol("invalid-namespace", "the answer is no XMPP stream but <"+root.Name.Local+">", otherPort)
	}
	s.heard = true
	start, err := s.next()
	if err != nil {
		return nil, err
	}
	if start.Name.Local != "features" || start.Name.Space != nsStream {
		return nil, protocol("unsupported-version", "the server offers no features: it speaks no XMPP 1.0", "")
	}
	var f features
	return &f, s.dec.DecodeElement(&f, &start)
}

// greeted waits for the first byte of an answer and fails where that begins no XML: a
// parser would wait for more from what is no XMPP server.
func (s *stream) greeted() error {
	first, err := s.in.Peek(1)
	if err != nil {
		return err
	}
	const alert = 0x15 // of TLS (RFC 8446 5.1)
	switch first[0] {
	case '<', ' ', '\t', '\r', '\n':
		return nil
	case alert:
		return protocol("tls", "the server wants TLS from the first byte", `give tls="direct"`)
	}
	said, _ := s.in.Peek(s.in.Buffered()) // what is buffered is there
	words, _, _ := strings.Cut(string(said), "\n")
	return protocol("not-xml", "no XMPP server answers, but one that says "+quote(strings.TrimSpace(words)), otherPort)
}

// next reads to the start of the next element. The end of the stream is io.EOF,
// a stream error is an error.
func (s *stream) next() (xml.StartElement, error) {
	s.in.left = most
	for {
		t, err := s.dec.Token()
		if err != nil {
			return xml.StartElement{}, err
		}
		switch t := t.(type) {
		case xml.StartElement:
			if t.Name.Space == nsStream && t.Name.Local == "error" {
				var f failure
				if err := s.dec.DecodeElement(&f, &t); err != nil {
					return t, err
				}
				return t, streamError(f)
			}
			return t, nil
		case xml.EndElement:
			return xml.StartElement{}, io.EOF
		case xml.Directive, xml.Comment:
			return xml.StartElement{}, protocol("restricted-xml", "the server sent XML that XMPP forbids", "")
		case xml.CharData:
			s.in.left = most // white space between stanzas keeps the line open
		}
	}
}

// nextStanza reads one message, presence or iq.
func (s *stream) nextStanza() (*stanza, error) {
	start, err := s.next()
	if err != nil {
		return nil, err
	}
	var st stanza
	if err := s.dec.DecodeElement(&st, &start); err != nil {
		return nil, err
	}
	return &st, nil
}
