package notify

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"mime"
	"mime/quotedprintable"
	"net"
	"net/mail"
	"net/smtp"
	"net/textproto"
	"strings"
	"time"

	"github.com/rollsh/rollsh/nodes"
)

// Post is how mail is sent.
type Post struct {
	Server   string // host or host:port; port 25, or 465 for TLS "direct", where none is given
	From     string
	To       []string
	User     string // empty: no login
	Password nodes.Secret
	TLS      string // starttls (also for empty), direct or none; a server on loopback may go without
	CA       string // file of certificates to trust instead of the machine's own
}

// Mail makes a channel that sends each notice as a mail whose subject is the
// notice's first line.
func (d *Desk) Mail(p Post, opts Options) (*Channel, error) {
	m, err := newMailer(d.session, p)
	if err != nil {
		return nil, nodes.At(err, "notify.mail", "")
	}
	return d.channel("notify.mail", strings.Join(m.addresses(), ", "), m, opts), nil
}

type mailer struct {
	addr, host string
	post       Post
	from       *mail.Address
	to         []*mail.Address
	roots      *x509.CertPool
}

func newMailer(s *nodes.Session, p Post) (*mailer, error) {
	m := &mailer{post: p}
	var err error
	if m.from, err = mail.ParseAddress(p.From); err != nil {
		return nil, badAddress("from", p.From)
	}
	for _, to := range p.To {
		a, err := mail.ParseAddress(to)
		if err != nil {
			return nil, badAddress("to", to)
		}
		m.to = append(m.to, a)
	}
	if len(m.to) == 0 || p.Server == "" {
		return nil, &nodes.Error{Kind: nodes.Usage, Message: "server and to must be given"}
	}
	port := "25"
	if p.TLS == "direct" {
		port = "465"
	}
	m.addr = p.Server
	if _, _, err := net.SplitHostPort(p.Server); err != nil {
		m.addr = net.JoinHostPort(strings.Trim(p.Server, "[]"), port)
	}
	m.host, _, _ = net.SplitHostPort(m.addr)
	if m.host == "" || p.User != "" && p.TLS == "none" && !m.near() {
		return nil, &nodes.Error{Kind: nodes.Usage, Message: "a password is sent over TLS only", Hint: `leave tls="none" out`}
	}
	m.roots, err = trusted(s, p.CA)
	return m, err
}

func badAddress(key, got string) error {
	return &nodes.Error{Kind: nodes.Usage, Message: key + ": '" + line(got) + "' is not a mail address"}
}

func (m *mailer) addresses() []string {
	out := make([]string, len(m.to))
	for i, a := range m.to {
		out[i] = a.Address
	}
	return out
}

// near reports whether the server is this machine.
func (m *mailer) near() bool {
	ip := net.ParseIP(m.host)
	return m.host == "localhost" || ip != nil && ip.IsLoopback()
}

func (m *mailer) Send(ctx context.Context, n Notice) error {
	d := net.Dialer{}
	conn, err := d.DialContext(ctx, "tcp", m.addr)
	if err != nil {
		if ctx.Err() != nil {
			return nodes.Stopped(ctx)
		}
		return &nodes.Error{Kind: nodes.Unreachable, Message: "cannot connect to " + m.addr + ": " + reason(err), Cause: err}
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	if err := m.talk(ctx, conn, n); err != nil {
		return m.failed(ctx, err)
	}
	return nil
}

func reason(err error) string {
	var op *net.OpError
	if errors.As(err, &op) {
		return op.Err.Error()
	}
	return err.Error()
}

// talk is one SMTP session. The message is sent when the server has answered
// the end of its data.
func (m *mailer) talk(ctx context.Context, conn net.Conn, n Notice) error {
	conf := &tls.Config{ServerName: m.host, RootCAs: m.roots, MinVersion: tls.VersionTLS12}
	if m.post.TLS == "direct" {
		c := tls.Client(conn, conf)
		if err := c.HandshakeContext(ctx); err != nil {
			return err
		}
		conn = c
	}
	c, err := smtp.NewClient(conn, m.host)
	if err != nil {
		return err
	}
	if err := m.secure(c, conf); err != nil {
		return err
	}
	if m.post.User != "" {
		if err := c.Auth(smtp.PlainAuth("", m.post.User, m.post.Password.Reveal(), m.host)); err != nil {
			return m.loginFailed(err)
		}
	}
	if err := c.Mail(m.from.Address); err != nil {
		return err
	}
	unknown, err := m.address(c)
	if err != nil {
		return err
	}
	w, err := c.Data()
	if err != nil {
		return err
	}
	if _, err := w.Write(m.message(n)); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	_ = c.Quit() // the server has taken the message already
	return unknown
}

// address names the recipients. Those that the server does not want for good
// are what unknown tells of; they keep the mail from nobody else.
func (m *mailer) address(c *smtp.Client) (unknown, err error) {
	var refused []string
	code := 0
	for _, to := range m.to {
		err := c.Rcpt(to.Address)
		var p *textproto.Error
		if err != nil && (!errors.As(err, &p) || p.Code/100 != 5) {
			return nil, err
		}
		if err != nil {
			refused, code = append(refused, fmt.Sprintf("%s: %d %s", to.Address, p.Code, short(line(p.Msg), mostWhy))), p.Code
		}
	}
	if len(refused) == 0 {
		return nil, nil
	}
	e := &nodes.Error{Kind: nodes.Protocol, Code: fmt.Sprint(code), Message: m.addr + " refuses " + strings.Join(refused, "; ")}
	if len(refused) == len(m.to) {
		return nil, e
	}
	e.Message += " (the others have the mail)"
	return e, nil
}

// secure begins TLS, which only a server on this machine may lack.
func (m *mailer) secure(c *smtp.Client, conf *tls.Config) error {
	if m.post.TLS == "direct" || m.post.TLS == "none" {
		return nil
	}
	if ok, _ := c.Extension("STARTTLS"); ok {
		return c.StartTLS(conf)
	}
	if m.near() && m.post.User == "" {
		return nil
	}
	return &nodes.Error{
		Kind: nodes.Protocol, Code: "no-starttls", Message: m.addr + " offers no encryption (STARTTLS)",
		Hint: `give tls="direct" or, where that is acceptable, tls="none"`,
	}
}

func (m *mailer) loginFailed(err error) error {
	var p *textproto.Error
	if errors.As(err, &p) {
		return &nodes.Error{Kind: nodes.Auth, Code: fmt.Sprint(p.Code), Message: m.addr + " refuses the login of '" + m.post.User + "': " + line(p.Msg), Hint: "check user and password"}
	}
	return err
}

func (m *mailer) failed(ctx context.Context, err error) error {
	var e *nodes.Error
	var p *textproto.Error
	var cert *tls.CertificateVerificationError
	switch {
	case errors.As(err, &e):
		return e
	case ctx.Err() != nil:
		return nodes.Stopped(ctx)
	case errors.As(err, &p):
		return &nodes.Error{Kind: nodes.Protocol, Code: fmt.Sprint(p.Code), Message: fmt.Sprintf("%s refuses the mail: %d %s", m.addr, p.Code, short(line(p.Msg), mostWhy))}
	case errors.As(err, &cert):
		return &nodes.Error{
			Kind: nodes.Protocol, Code: "certificate", Message: m.addr + ": the certificate is not trusted: " + cert.Err.Error(),
			Hint: "give the file of its CA as ca=",
		}
	}
	return &nodes.Error{Kind: nodes.Lost, Message: m.addr + ": " + line(err.Error()), Cause: err}
}

// message writes the mail. Every header is encoded, so that no text can add
// another (RFC 5322, RFC 2047); Auto-Submitted keeps autoresponders quiet
// (RFC 3834).
func (m *mailer) message(n Notice) []byte {
	subject, _, _ := strings.Cut(n.Text, "\n")
	to := make([]string, len(m.to))
	for i, a := range m.to {
		to[i] = a.String()
	}
	_, domain, _ := strings.Cut(m.from.Address, "@")
	var b bytes.Buffer
	for _, h := range [][2]string{
		{"From", m.from.String()},
		{"To", strings.Join(to, ",\r\n ")},
		{"Subject", mime.QEncoding.Encode("utf-8", short(line(subject), 150))},
		{"Date", time.Now().Format(time.RFC1123Z)},
		{"Message-ID", "<" + rand.Text() + "@" + domain + ">"},
		{"Auto-Submitted", "auto-generated"},
		{"MIME-Version", "1.0"},
		{"Content-Type", "text/plain; charset=utf-8"},
		{"Content-Transfer-Encoding", "quoted-printable"},
	} {
		b.WriteString(h[0] + ": " + h[1] + "\r\n")
	}
	b.WriteString("\r\n")
	q := quotedprintable.NewWriter(&b)
	_, _ = q.Write([]byte(n.Text + "\n")) // a bytes.Buffer does not fail
	_ = q.Close()
	return b.Bytes()
}

// Lasting is true for permanent answers (5xx).
func (m *mailer) Lasting(err error) bool {
	e := nodes.AsError(err, nodes.Internal)
	switch e.Kind {
	case nodes.Usage, nodes.Auth:
		return true
	case nodes.Protocol:
		return e.Code == "certificate" || e.Code == "no-starttls" || strings.HasPrefix(e.Code, "5")
	}
	return false
}

func (m *mailer) Close(context.Context) {}
