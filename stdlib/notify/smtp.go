package notify

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/smtp"
	"net/textproto"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rollsh/rollsh/nodes"
)

// otherPort is a hint for an address at which something else may answer.
const otherPort = `is server= right? Mail servers mostly answer at port 25 or 587, or at 465 with tls="direct"`

// delivery is one SMTP session.
type delivery struct {
	*mailer
	heard   bool // the greeting of a mail server
	private bool // TLS is on
}

func (m *mailer) Send(ctx context.Context, n Notice) error {
	if host, port, err := net.SplitHostPort(m.addr); err == nil {
		if err := m.reach("", host, port); err != nil {
			return err
		}
	}
	dialer := net.Dialer{}
	conn, err := dialer.DialContext(ctx, "tcp", m.addr)
	if err != nil {
		if ctx.Err() != nil {
			return m.stopped(ctx, "")
		}
		return &nodes.Error{Kind: nodes.Unreachable, Message: "cannot connect to " + m.addr + ": " + reason(err), Hint: "is the mail server up, and is server= right?", Cause: err}
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	d := &delivery{mailer: m}
	if err := d.talk(ctx, conn, n); err != nil {
		return d.failed(ctx, err)
	}
	return nil
}

func reason(err error) string {
	var op *net.OpError
	if errors.As(err, &op) {
		err = op.Err
	}
	return strings.TrimPrefix(err.Error(), "connect: ")
}

// talk takes the notice to the server. It is sent when the server has answered the end
// of its data.
func (d *delivery) talk(ctx context.Context, conn net.Conn, n Notice) error {
	c, err := d.greet(ctx, conn)
	if err != nil {
		return err
	}
	if err := d.login(c); err != nil {
		return err
	}
	if err := c.Mail(d.from.Address); err != nil {
		return err
	}
	unknown, err := d.address(c)
	if err != nil {
		return err
	}
	w, err := c.Data()
	if err != nil {
		return err
	}
	if _, err := w.Write(d.message(n)); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	_ = c.Quit() // the server has taken the message already
	return unknown
}

// greet reads the server's greeting, and begins TLS before or after it.
func (d *delivery) greet(ctx context.Context, conn net.Conn) (*smtp.Client, error) {
	conf := &tls.Config{ServerName: d.host, RootCAs: d.roots, MinVersion: tls.VersionTLS12}
	if d.post.TLS == "direct" {
		private := tls.Client(conn, conf)
		if err := private.HandshakeContext(ctx); err != nil {
			return nil, err
		}
		conn, d.private = private, true
	} else {
		looked := greeting{conn, bufio.NewReader(conn)}
		if err := looked.check(); err != nil {
			return nil, err
		}
		conn = looked
	}
	c, err := smtp.NewClient(conn, d.host)
	if err != nil {
		return nil, err
	}
	d.heard = true
	return c, d.secure(c, conf)
}

// greeting is a connection whose first words can be looked at before they are read.
type greeting struct {
	net.Conn
	in *bufio.Reader
}

func (g greeting) Read(p []byte) (int, error) { return g.in.Read(p) }

// check fails where the first words are no greeting of a mail server; Go's reader would
// wait for more of them.
func (g greeting) check() error {
	first, err := g.in.Peek(4)
	if err != nil {
		return err
	}
	if _, err := strconv.ParseUint(string(first[:3]), 10, 16); err == nil && (first[3] == ' ' || first[3] == '-') {
		return nil
	}
	said, _ := g.in.Peek(g.in.Buffered()) // what is buffered is there
	words, _, _ := strings.Cut(string(said), "\n")
	return &nodes.Error{Kind: nodes.Protocol, Code: "no-smtp", Message: "no mail server answers, but one that says '" + short(line(words), mostWhy) + "'", Hint: otherPort}
}

// secure begins TLS, which only a server on this machine may lack.
func (d *delivery) secure(c *smtp.Client, conf *tls.Config) error {
	if d.post.TLS == "direct" || d.post.TLS == "none" {
		return nil
	}
	if ok, _ := c.Extension("STARTTLS"); ok {
		d.private = true
		return c.StartTLS(conf)
	}
	if d.near() && d.post.User == "" {
		return nil
	}
	return &nodes.Error{
		Kind: nodes.Protocol, Code: "no-starttls", Message: "the server offers no encryption (STARTTLS)",
		Hint: `give tls="direct" or, where that is acceptable, tls="none"`,
	}
}

// login logs in where a user is given.
func (d *delivery) login(c *smtp.Client) error {
	if d.post.User == "" {
		return nil
	}
	if ok, ways := c.Extension("AUTH"); !ok || !slices.Contains(strings.Fields(strings.ToUpper(ways)), "PLAIN") {
		offers := "no login"
		if ok {
			offers = "no login by PLAIN, but by " + line(ways)
		}
		return &nodes.Error{
			Kind: nodes.Protocol, Code: "no-login", Message: "the server offers " + offers,
			Hint: "leave user= and password= out, or give the port at which it takes logins, mostly 587",
		}
	}
	err := c.Auth(smtp.PlainAuth("", d.post.User, d.post.Password.Reveal(), d.host))
	var p *textproto.Error
	if errors.As(err, &p) {
		return &nodes.Error{Kind: nodes.Auth, Code: fmt.Sprint(p.Code), Message: "the server refuses the login of '" + d.post.User + "': " + line(p.Msg), Hint: "check user and password"}
	}
	return err
}

// address names the recipients. Those that the server does not want for good
// are what unknown tells of; they keep the mail from nobody else.
func (d *delivery) address(c *smtp.Client) (unknown, err error) {
	var refused []string
	code := 0
	for _, to := range d.to {
		err := c.Rcpt(to.Address)
		var p *textproto.Error
		if err != nil && (!errors.As(err, &p) || p.Code/100 != 5 || p.Code == wantsMore) {
			return nil, err
		}
		if err != nil {
			refused, code = append(refused, fmt.Sprintf("%s: %d %s", to.Address, p.Code, short(line(p.Msg), mostWhy))), p.Code
		}
	}
	if len(refused) == 0 {
		return nil, nil
	}
	e := &nodes.Error{Kind: nodes.Protocol, Code: fmt.Sprint(code), Message: d.addr + " refuses " + strings.Join(refused, "; ")}
	if len(refused) == len(d.to) {
		return nil, e
	}
	e.Message += " (the others have the mail)"
	return e, nil
}

// wantsMore is the code of a server that takes no mail without TLS (RFC 3207) or a
// login (RFC 4954).
const wantsMore = 530

// failed says at which address the delivery failed, and what to do.
func (d *delivery) failed(ctx context.Context, err error) error {
	var e *nodes.Error
	var p *textproto.Error
	var cert *tls.CertificateVerificationError
	var record tls.RecordHeaderError
	hint := ""
	if !d.heard {
		hint = otherPort
	}
	switch {
	case errors.As(err, &e):
		e.Message = d.at(e.Message)
		return e
	case ctx.Err() != nil:
		return d.stopped(ctx, hint)
	case errors.As(err, &p):
		return &nodes.Error{Kind: nodes.Protocol, Code: fmt.Sprint(p.Code), Message: fmt.Sprintf("%s refuses the mail: %d %s", d.addr, p.Code, short(line(p.Msg), mostWhy)), Hint: d.lacks(p.Code)}
	case errors.As(err, &cert):
		return d.untrusted(cert)
	case errors.As(err, &record) && record.RecordHeader[0] >= '2' && record.RecordHeader[0] <= '5':
		return &nodes.Error{Kind: nodes.Protocol, Code: "tls", Message: d.at("the server does not begin with TLS, it offers it (STARTTLS) or has none"), Hint: `leave tls="direct" out`, Cause: err}
	case errors.As(err, &record):
		return &nodes.Error{Kind: nodes.Protocol, Code: "tls", Message: d.at("the server does not begin with TLS"), Hint: hint, Cause: err}
	}
	return &nodes.Error{Kind: nodes.Lost, Message: d.at(line(err.Error())), Hint: hint, Cause: err}
}

// lacks is a hint for a code by which a server wants more than it was given.
func (d *delivery) lacks(code int) string {
	switch {
	case code != wantsMore:
		return ""
	case !d.private && d.post.TLS == "none":
		return `it takes mail over TLS only: leave tls="none" out`
	case d.post.User == "":
		return `it wants a login: give user= and password=secret "mail"`
	}
	return ""
}

func (d *delivery) untrusted(cert *tls.CertificateVerificationError) error {
	e := &nodes.Error{
		Kind: nodes.Protocol, Code: "certificate", Message: d.at("the certificate is not trusted: " + cert.Err.Error()),
		Hint: "give the file of its CA as ca=",
	}
	var name x509.HostnameError
	if errors.As(cert.Err, &name) {
		e.Hint = "give a name that the certificate has as server="
	}
	return e
}

// at is a message with the server's address before it.
func (m *mailer) at(message string) string {
	if strings.Contains(message, m.addr) {
		return message
	}
	return m.addr + ": " + message
}

// stopped is the end of ctx; no answer in time is said of the server's address.
func (m *mailer) stopped(ctx context.Context, hint string) error {
	e := *nodes.AsError(nodes.Stopped(ctx), nodes.Internal)
	if e.Kind == nodes.Timeout {
		e.Message, e.Hint = m.at(e.Message), hint
	}
	return &e
}
