package notify_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"io"
	"math/big"
	"mime"
	"mime/quotedprintable"
	"net"
	"net/mail"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rollsh/rollsh/nodes"
	"github.com/rollsh/rollsh/nodes/nodetest"
	"github.com/rollsh/rollsh/stdlib/notify"
)

const python = "/usr/bin/python3" // Debian's own, which sees Debian's modules

// mailServer is aiosmtpd: testdata/mail.py writes each message to a file of dir.
type mailServer struct{ addr, ca, dir string }

// startMail starts it; mode is clear, starttls, or auth (STARTTLS and a login).
func startMail(t *testing.T, mode string) mailServer {
	t.Helper()
	if exec.Command(python, "-c", "import aiosmtpd").Run() != nil {
		nodetest.Need(t, "python3-aiosmtpd")
	}
	port, err := nodetest.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	s := mailServer{net.JoinHostPort("127.0.0.1", strconv.Itoa(port)), filepath.Join(t.TempDir(), "cert.pem"), t.TempDir()}
	key := writeCertificate(t, s.ca)
	cmd := exec.Command(python, "testdata/mail.py", strconv.Itoa(port), s.dir, mode, s.ca, key)
	var log bytes.Buffer
	cmd.Stderr = &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(20 * time.Second); ; <-tick.C {
		c, err := net.Dial("tcp", s.addr)
		if err == nil {
			_ = c.Close()
			return s
		}
		if time.Now().After(deadline) {
			t.Fatalf("the mail server does not listen: %v\n%s", err, log.String())
		}
	}
}

// messages reads what has arrived.
func (s mailServer) messages(t *testing.T) []*mail.Message {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(s.dir, "*.eml"))
	if err != nil {
		t.Fatal(err)
	}
	var out []*mail.Message
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		m, err := mail.ReadMessage(bytes.NewReader(text))
		if err != nil {
			t.Fatalf("%v in %q", err, text)
		}
		out = append(out, m)
	}
	return out
}

func TestMail(t *testing.T) {
	s := startMail(t, "starttls")
	d, _ := desk(t)
	p := notify.Post{Server: s.addr, From: "Röll <roll@example.org>", To: []string{"dev@example.org", "Ops <ops@example.org>"}, CA: s.ca}
	c, err := d.Mail(p, quick)
	const text = "r12 für alle\r\nBcc: evil@example.org\n.\nQUIT\n\x1b[31mlast €"
	if err := must(t, c, err).Send(t.Context(), text); err != nil {
		t.Fatal(err)
	}
	got := s.messages(t)
	if len(got) != 1 {
		t.Fatalf("%d messages arrived", len(got))
	}
	h := got[0].Header
	subject, err := new(mime.WordDecoder).DecodeHeader(h.Get("Subject"))
	if err != nil || subject != "r12 für alle" || h.Get("Bcc") != "" || h.Get("X-Tls") != "True" || h.Get("X-Rcpt") != "dev@example.org ops@example.org" {
		t.Errorf("%v: header %v", err, h)
	}
	body, err := io.ReadAll(quotedprintable.NewReader(got[0].Body))
	if want := "r12 für alle\nBcc: evil@example.org\n.\nQUIT\nlast €\n"; err != nil || strings.ReplaceAll(string(body), "\r\n", "\n") != want {
		t.Errorf("%v: body %q, want %q", err, body, want)
	}
}

// TestMailToSomebodyUnknown: one address that the server refuses keeps the mail
// from nobody else, and is named.
func TestMailToSomebodyUnknown(t *testing.T) {
	s := startMail(t, "clear")
	d, _ := desk(t)
	to := []string{"dev@example.org", "nobody@example.org", "ops@example.org"}
	c, err := d.Mail(notify.Post{Server: s.addr, From: "roll@example.org", To: to}, quick)
	err = must(t, c, err).Send(t.Context(), "x")
	if e := nodes.AsError(err, nodes.Internal); e == nil || e.Code != "550" || !strings.Contains(e.Message, "nobody@example.org: 550 no such user here") {
		t.Errorf("got %v", err)
	}
	if got := s.messages(t); len(got) != 1 || got[0].Header.Get("X-Rcpt") != "dev@example.org ops@example.org" {
		t.Errorf("%d messages arrived: %v", len(got), got)
	}
}

func TestMailFailures(t *testing.T) {
	s := startMail(t, "auth")
	clear := startMail(t, "clear")
	good := notify.Post{Server: s.addr, From: "roll@example.org", To: []string{"dev@example.org"}, CA: s.ca, User: "bot", Password: nodes.NewSecret("bot-pw")}
	d, _ := desk(t)
	send := func(change func(*notify.Post)) *nodes.Error {
		p := good
		change(&p)
		c, err := d.Mail(p, quick)
		if err == nil {
			err = c.Send(t.Context(), "x")
		}
		return nodes.AsError(err, nodes.Internal)
	}
	if e := send(func(*notify.Post) {}); e != nil {
		t.Fatalf("a good login: %v", e)
	}
	for name, c := range map[string]struct {
		change func(*notify.Post)
		kind   nodes.Kind
		code   string
	}{
		"wrong password":    {func(p *notify.Post) { p.Password = nodes.NewSecret("no") }, nodes.Auth, "535"},
		"no login":          {func(p *notify.Post) { p.User = "" }, nodes.Protocol, "530"},
		"unknown address":   {func(p *notify.Post) { p.To = []string{"nobody@example.org"} }, nodes.Protocol, "550"},
		"message refused":   {func(p *notify.Post) { p.From = "refuse@example.org" }, nodes.Protocol, "554"},
		"untrusted":         {func(p *notify.Post) { p.CA = "" }, nodes.Protocol, "certificate"},
		"nobody there":      {func(p *notify.Post) { p.Server = "127.0.0.1:1" }, nodes.Unreachable, ""},
		"password unsafe":   {func(p *notify.Post) { p.Server = clear.addr }, nodes.Protocol, "no-starttls"},
		"bad from":          {func(p *notify.Post) { p.From = "roll" }, nodes.Usage, ""},
		"to with newline":   {func(p *notify.Post) { p.To = []string{"a@example.org\r\nRCPT TO:<b@c>"} }, nodes.Usage, ""},
		"nobody to send to": {func(p *notify.Post) { p.To = nil }, nodes.Usage, ""},
	} {
		e := send(c.change)
		if e == nil || e.Kind != c.kind || e.Code != c.code || strings.Contains(e.Error(), "bot-pw") {
			t.Errorf("%s: %v", name, e)
		}
	}
	if n := len(s.messages(t)); n != 1 {
		t.Errorf("%d messages arrived, want the good one only", n)
	}
	if e := send(func(p *notify.Post) { p.Server, p.User = clear.addr, "" }); e != nil || len(clear.messages(t)) != 1 {
		t.Errorf("a server on this machine without TLS: %v", e)
	}
}

// writeCertificate makes a certificate for 127.0.0.1 and gives its key's file.
func writeCertificate(t *testing.T, file string) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{file: {Type: "CERTIFICATE", Bytes: der}, file + ".key": {Type: "PRIVATE KEY", Bytes: keyDER}} {
		if err := os.WriteFile(name, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return file + ".key"
}

func TestMailServerThatSaysNothingIsATimeout(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0") // takes connections and never answers
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for range 5 { // two clocks once raced here
		d, _ := desk(t)
		c, err := d.Mail(notify.Post{Server: l.Addr().String(), From: "a@example.org", To: []string{"b@example.org"}}, notify.Options{Strict: true, Tries: 1, Limit: 20 * time.Millisecond})
		if err := must(t, c, err).Send(t.Context(), "x"); nodes.KindOf(err) != nodes.Timeout {
			t.Errorf("kind %q: %v", nodes.KindOf(err), err)
		}
	}
}
