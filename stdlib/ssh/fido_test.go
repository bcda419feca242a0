package ssh_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"net"
	"os"
	"path/filepath"
	"slices"
	"testing"

	xssh "golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"

	"github.com/rollsh/rollsh/nodes"
	"github.com/rollsh/rollsh/nodes/nodetest"
)

// securityKey is an agent with one FIDO key, which signs as a token does that
// was touched. Source: OpenSSH, PROTOCOL.u2f.
type securityKey struct {
	agent.Agent // what a login does not ask for
	private     ed25519.PrivateKey
	counter     uint32
}

const (
	fidoType = xssh.KeyAlgoSKED25519
	fidoApp  = "ssh:"
	touched  = 1
)

func (k *securityKey) blob() []byte {
	return xssh.Marshal(struct {
		Type string
		Key  []byte
		App  string
	}{fidoType, k.private.Public().(ed25519.PublicKey), fidoApp})
}

func (k *securityKey) List() ([]*agent.Key, error) {
	return []*agent.Key{{Format: fidoType, Blob: k.blob(), Comment: "token"}}, nil
}

func (k *securityKey) Sign(key xssh.PublicKey, data []byte) (*xssh.Signature, error) {
	if !slices.Equal(key.Marshal(), k.blob()) {
		return nil, errors.New("no such key")
	}
	k.counter++
	rest := binary.BigEndian.AppendUint32([]byte{touched}, k.counter)
	app, message := sha256.Sum256([]byte(fidoApp)), sha256.Sum256(data)
	signed := slices.Concat(app[:], rest, message[:])
	return &xssh.Signature{Format: fidoType, Blob: ed25519.Sign(k.private, signed), Rest: rest}, nil
}

// serve answers on a socket until the test ends.
func (k *securityKey) serve(t *testing.T) (socket string) {
	t.Helper()
	dir, err := os.MkdirTemp("", "fido") //nolint:usetesting // a socket's path has little room, and t.TempDir is long
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	socket = filepath.Join(dir, "s")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go agent.ServeAgent(k, conn)
		}
	}()
	return socket
}

// A FIDO key lets in through the agent; that OpenSSH takes the signature is the
// proof.
func TestFIDOKeyInTheAgent(t *testing.T) {
	t.Parallel()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	k := &securityKey{private: private}
	public, err := xssh.ParsePublicKey(k.blob())
	if err != nil {
		t.Fatal(err)
	}
	allowed := filepath.Join(t.TempDir(), "authorized_keys")
	if err := os.WriteFile(allowed, xssh.MarshalAuthorizedKey(public), 0o644); err != nil {
		t.Fatal(err)
	}
	b := start(t, 1, nodetest.Config("AuthorizedKeysFile "+allowed))
	b.config(t, "IdentityAgent "+k.serve(t)+"\nIdentityFile none\nIdentitiesOnly no")
	if res := run(t, b.dial(t, 0), nodes.Cmd{Line: "echo in"}); string(res.Stdout) != "in\n" || k.counter == 0 {
		t.Errorf("%+v, signed %d times", res, k.counter)
	}
}
