package ssh_test

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"net"
	"strings"
	"testing"
	"time"

	xssh "golang.org/x/crypto/ssh"

	"github.com/rollsh/rollsh/nodes"
	"github.com/rollsh/rollsh/nodes/nodetest"
	"github.com/rollsh/rollsh/stdlib/ssh"
)

// bench is a bed with a pool that reaches it.
type bench struct {
	*nodetest.Bed
	session *nodes.Session
	pool    *ssh.Pool
	events  *nodetest.Recorder
}

func start(t *testing.T, n int, opts ...nodetest.Option) *bench {
	t.Helper()
	b := &bench{Bed: nodetest.Start(t, n, opts...), events: &nodetest.Recorder{}}
	b.session = b.Bed.Session(b.events)
	b.session.Here = ssh.NewLocal(b.session)
	b.pool = ssh.NewPool(b.session, ssh.SystemConfig("/dev/null"))
	b.session.Dialer = b.pool
	t.Cleanup(b.pool.Close)
	return b
}

func (b *bench) dial(t *testing.T, i int) nodes.Conn {
	t.Helper()
	c, err := b.pool.Dial(t.Context(), b.Node(i))
	if err != nil {
		t.Fatalf("dial: %v\nlog: %s", err, b.Log(i))
	}
	return c
}

func run(t *testing.T, c nodes.Conn, cmd nodes.Cmd) nodes.Result {
	t.Helper()
	res, err := c.Run(t.Context(), cmd)
	if err != nil {
		t.Fatalf("%s: %v", cmd.Line, err)
	}
	return res
}

// fails checks the kind of an error and what its line holds.
func fails(t *testing.T, err error, kind nodes.Kind, texts ...string) {
	t.Helper()
	if nodes.KindOf(err) != kind {
		t.Fatalf("kind %q, want %q: %v", nodes.KindOf(err), kind, err)
	}
	for _, text := range texts {
		if !strings.Contains(err.Error(), text) {
			t.Errorf("%q does not say %q", err, text)
		}
	}
}

func await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Fatalf("%s: not within 10 s", what)
}

func within(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

// listenSSH listens for a server of the test's own, with a host key of its own.
func listenSSH(t *testing.T, config *xssh.ServerConfig) net.Listener {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := xssh.NewSignerFromKey(key)
	if err != nil {
		t.Fatal(err)
	}
	config.AddHostKey(signer)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}
