package notify

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/x509"
	"mime"
	"mime/quotedprintable"
	"net"
	"net/mail"
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
	reach      func(user, host, port string) error // why it may not be connected to
}

func newMailer(s *nodes.Session, p Post) (*mailer, error) {
	m := &mailer{post: p, reach: s.Reach}
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
	m.roots, err = s.Roots(p.CA)
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
		return e.Code == "certificate" || e.Code == "no-starttls" || e.Code == "no-login" || strings.HasPrefix(e.Code, "5")
	}
	return false
}

func (m *mailer) Close(context.Context) {}
