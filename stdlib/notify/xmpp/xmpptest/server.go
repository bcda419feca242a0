package xmpptest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/rollsh/rollsh/nodes/nodetest"
)

// The names that every server of this package serves.
const (
	Domain = "roll.test"
	Rooms  = "rooms.roll.test"
)

// Server is a running chat server.
type Server struct {
	Name string // prosody or ejabberd
	Addr string // host:port for clients
	CA   string // file of the certificate, which signed itself

	dir     string
	port    int
	command func() *exec.Cmd
	ready   func() bool
	proc    *exec.Cmd
	gone    chan struct{} // closed when it has ended
	ending  error         // then: how
}

// Roots holds the server's certificate.
func (s *Server) Roots(t testing.TB) *x509.CertPool {
	t.Helper()
	text, err := os.ReadFile(s.CA)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(text)
	return pool
}

func newServer(t testing.TB, name string) *Server {
	t.Helper()
	port, err := nodetest.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	s := &Server{Name: name, dir: dir, port: port, Addr: net.JoinHostPort("127.0.0.1", strconv.Itoa(port)), CA: filepath.Join(dir, "cert.pem")}
	if err := writeCertificate(dir); err != nil {
		t.Fatal(err)
	}
	return s
}

// file writes a file of the server and gives its path.
func (s *Server) file(t testing.TB, name, text string) string {
	t.Helper()
	path := filepath.Join(s.dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// Start starts the server, again after Stop, and waits until it takes
// connections.
func (s *Server) Start(t testing.TB) {
	t.Helper()
	log, err := os.OpenFile(filepath.Join(s.dir, "out.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	s.proc = s.command()
	s.proc.Dir, s.proc.Stdout, s.proc.Stderr = s.dir, log, log
	s.proc.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := s.proc.Start(); err != nil {
		t.Fatal(err)
	}
	gone := make(chan struct{})
	s.gone = gone
	proc := s.proc
	go func() {
		s.ending = proc.Wait()
		close(gone)
	}()
	deadline := time.Now().Add(60 * time.Second)
	for !s.ready() {
		select {
		case <-gone:
			t.Fatalf("%s ended at its start: %v\n%s", s.Name, s.ending, s.logs())
		case <-time.After(20 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s is not ready after 60 s\n%s", s.Name, s.logs())
		}
	}
}

// Stop ends the server as an administrator would, and waits for its end.
func (s *Server) Stop(t testing.TB) { s.signal(t, syscall.SIGTERM) }

// Kill ends the server at once; its clients see their connections cut.
func (s *Server) Kill(t testing.TB) { s.signal(t, syscall.SIGKILL) }

func (s *Server) signal(t testing.TB, sig syscall.Signal) {
	t.Helper()
	if s.proc == nil {
		return
	}
	_ = syscall.Kill(-s.proc.Process.Pid, sig)
	select {
	case <-s.gone:
	case <-time.After(20 * time.Second):
		_ = syscall.Kill(-s.proc.Process.Pid, syscall.SIGKILL)
		<-s.gone
		t.Errorf("%s did not end within 20 s of %v", s.Name, sig)
	}
	s.proc = nil
}

// Freeze stops the server's processes without closing anything: its clients
// hear nothing more. Thaw lets them go on.
func (s *Server) Freeze() { _ = syscall.Kill(-s.proc.Process.Pid, syscall.SIGSTOP) }

// Thaw undoes Freeze.
func (s *Server) Thaw() { _ = syscall.Kill(-s.proc.Process.Pid, syscall.SIGCONT) }

func (s *Server) listens() bool {
	c, err := net.DialTimeout("tcp", s.Addr, time.Second)
	if err != nil {
		return false
	}
	_ = c.Close()
	return true
}

// logs is the end of what the server wrote.
func (s *Server) logs() string {
	out := ""
	for _, name := range []string{"out.log", s.Name + ".log"} {
		text, err := os.ReadFile(filepath.Join(s.dir, name))
		if err == nil {
			out += name + ":\n" + string(text[max(0, len(text)-3000):]) + "\n"
		}
	}
	return out
}

// writeCertificate writes cert.pem, key.pem and both.pem.
func writeCertificate(dir string) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: Domain}, DNSNames: []string{Domain, Rooms},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return err
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	cert := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	private := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})
	return errors.Join(
		os.WriteFile(filepath.Join(dir, "cert.pem"), cert, 0o600),
		os.WriteFile(filepath.Join(dir, "key.pem"), private, 0o600),
		os.WriteFile(filepath.Join(dir, "both.pem"), fmt.Appendf(cert, "%s", private), 0o600),
	)
}
