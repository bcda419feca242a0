package xmpp

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/xml"
	"errors"
	"io"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/rollsh/rollsh/nodes"
)

// quote writes a text that came from elsewhere so that it is one word, short
// and without control characters.
func quote(s string) string {
	const most = 120
	if r := []rune(s); len(r) > most {
		s = string(r[:most]) + "…"
	}
	return strconv.QuoteToGraphic(s)
}

func protocol(code, message, hint string) *nodes.Error {
	return &nodes.Error{Kind: nodes.Protocol, Code: code, Message: message, Hint: hint}
}

// otherPort is a hint for an address at which something else may answer.
const otherPort = `is server= right? XMPP clients mostly go to port 5222, or 5223 with tls="direct"`

// during says what a read or write failed at. A context that ended wins over
// the network error that its end brought about.
func during(ctx context.Context, what string, err error) error {
	var e *nodes.Error
	var net net.Error
	var syntax *xml.SyntaxError
	if errors.As(err, &syntax) && syntax.Msg == "unexpected EOF" {
		err = io.ErrUnexpectedEOF
	}
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil && !errors.Is(ctx.Err(), context.DeadlineExceeded):
		return nodes.Stopped(ctx)
	case errors.As(err, &e):
		return e
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded), errors.As(err, &net) && net.Timeout():
		return &nodes.Error{Kind: nodes.Timeout, Message: what + ": no answer in time", Cause: err}
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return &nodes.Error{Kind: nodes.Lost, Message: what + ": the server closed the connection", Cause: err}
	case syntax != nil:
		return protocol("not-xml", what+": the answer is not XMPP", otherPort)
	}
	return &nodes.Error{Kind: nodes.Lost, Message: what + ": " + err.Error(), Cause: err}
}

// tlsError tells a certificate that cannot be trusted from a failed handshake.
func tlsError(ctx context.Context, domain string, err error) error {
	var unknown x509.UnknownAuthorityError
	var name x509.HostnameError
	var invalid x509.CertificateInvalidError
	var record tls.RecordHeaderError
	switch {
	case errors.As(err, &unknown):
		return protocol("certificate", "the certificate is not trusted: "+err.Error(),
			"give the file of its CA as ca=, or have the server use one that this machine trusts")
	case errors.As(err, &name):
		return protocol("certificate", "the certificate is not for "+domain+": "+err.Error(),
			"it must name the domain of the jid, whatever host is dialled")
	case errors.As(err, &invalid):
		return protocol("certificate", "the certificate is not valid: "+err.Error(), "")
	case errors.As(err, &record):
		if record.RecordHeader[0] == '<' { // the stream of a server that begins without
			return protocol("tls", "the server does not begin with TLS, it offers it (STARTTLS)", `leave tls="direct" out`)
		}
		return protocol("tls", "the server does not begin with TLS", otherPort)
	}
	return during(ctx, "TLS handshake", err)
}

// wrongCredentials are the SASL conditions that another try with the same
// password cannot mend (RFC 6120 6.5).
var wrongCredentials = []string{"not-authorized", "account-disabled", "credentials-expired", "invalid-authzid"}

func saslError(jid, mechanism string, f failure) error {
	code := f.condition()
	e := &nodes.Error{Kind: nodes.Protocol, Code: code, Message: mechanism + " login of " + quote(jid) + " failed: " + code}
	if slices.Contains(wrongCredentials, code) {
		e.Kind = nodes.Auth
		e.Message = "the server refuses the login of " + quote(jid) + ": " + code
		e.Hint = "check jid and password"
	}
	if f.Text != "" {
		e.Message += ": " + quote(f.Text)
	}
	return e
}

// roomHints says what to do about the conditions by which rooms refuse
// (XEP-0045 7.2).
var roomHints = map[string]string{
	"not-authorized":          "the room wants a password: give room_password=, or check it",
	"registration-required":   "only members may enter: have the room's owner add the jid",
	"forbidden":               "the jid is banned there, or may not speak: ask the room's owner",
	"not-allowed":             "the room does not exist and may not be made by this account: check room=",
	"item-not-found":          "the room does not exist or is locked: check room=",
	"service-unavailable":     "the room is full",
	"conflict":                "the nick is taken, and so were those with _ added: give another nick=",
	"remote-server-not-found": "there is no such chat service: check the part of room= after @",
	"remote-server-timeout":   "there is no such chat service: check the part of room= after @",
}

// roomError says that the room refused to let us in or to take a message.
func roomError(room, what string, se *stanzaError) error {
	code := se.condition()
	e := &nodes.Error{Kind: nodes.Refused, Code: code, Message: "room " + quote(room) + " refuses " + what + ": " + code, Hint: roomHints[code]}
	switch {
	case strings.HasPrefix(code, "remote-server-"):
		e.Kind = nodes.Unreachable
	case se.Type == "wait", code == "policy-violation", code == "undefined-condition":
		e.Kind = nodes.Protocol
	}
	if se.Text != "" {
		e.Message += ": " + quote(se.Text)
	}
	return e
}

// streamHints says what to do about errors of the whole stream (RFC 6120 4.9.3).
var streamHints = map[string]string{
	"host-unknown":     "the server does not serve the domain of the jid",
	"conflict":         "another client logged in with the same resource: leave the resource out of jid=",
	"policy-violation": "the server's rules were broken, perhaps by a text that is too long",
}

func streamError(f failure) error {
	code := f.condition()
	message := "the server ended the stream: " + code
	if f.Text != "" {
		message += ": " + quote(f.Text)
	}
	return protocol(code, message, streamHints[code])
}

// Lasting reports whether trying again without a change is useless, and may
// even lock the account.
func Lasting(err error) bool {
	e := nodes.AsError(err, nodes.Internal)
	if e == nil {
		return false
	}
	switch e.Kind {
	case nodes.Usage, nodes.Auth, nodes.Refused:
		return true
	case nodes.Protocol:
		return slices.Contains([]string{"certificate", "host-unknown", "no-starttls", "no-mechanism", "policy-violation"}, e.Code)
	}
	return false
}
