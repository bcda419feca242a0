package ssh_test

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	xssh "golang.org/x/crypto/ssh"

	"github.com/rollsh/rollsh/nodes"
	"github.com/rollsh/rollsh/nodes/nodetest"
)

func TestPassphraseAskedOnce(t *testing.T) {
	b := start(t, 3)
	locked := b.lockedKey(t)
	public, err := os.ReadFile(locked + ".pub")
	if err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		if err := os.WriteFile(filepath.Join(filepath.Dir(b.Dir(i)), "authorized_keys"), public, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	person := &nodetest.Person{Answers: []string{"wrong", "open sesame"}}
	b.session.Person = person
	var wg sync.WaitGroup
	for i := range 3 {
		wg.Go(func() {
			if _, err := b.pool.Dial(within(t, 30*time.Second), b.Node(i)); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if len(person.Asked) != 2 || !strings.Contains(person.Asked[0], locked) {
		t.Errorf("asked %q", person.Asked)
	}
}

// lockedKey makes a key with a passphrase, and ssh_config name it.
func (b *bench) lockedKey(t *testing.T) (file string) {
	t.Helper()
	nodetest.Need(t, "ssh-keygen")
	file = filepath.Join(b.Home, ".ssh", "locked")
	if _, err := nodetest.WriteKey(file, "locked"); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("ssh-keygen", "-q", "-p", "-a", "1", "-P", "", "-N", "open sesame", "-f", file).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	b.config(t, "IdentityFile "+file+"\nStrictHostKeyChecking accept-new")
	return file
}

// A passphrase that is not known does not keep the other ways to log in away; where
// nobody can be asked for it, that is said.
func TestPassphraseNotKnown(t *testing.T) {
	b := start(t, 0)
	b.known(t, "")
	file := b.lockedKey(t)
	config := byPassword()
	config.PublicKeyCallback = func(xssh.ConnMetadata, xssh.PublicKey) (*xssh.Permissions, error) { return nil, nil }
	if err := os.Remove(b.Key); err != nil {
		t.Fatal(err)
	}
	n := &nodes.Node{Name: "odd", Host: "127.0.0.1", Port: tightServer(t, config)}
	_, err := b.pool.Dial(within(t, 30*time.Second), n)
	fails(t, err, nodes.Auth, "ssh-add "+file)
	person := &nodetest.Person{Answers: []string{"no", "not", "nor", "right"}}
	b.session.Person = person
	if _, err := b.pool.Dial(within(t, 30*time.Second), n); err != nil || len(person.Asked) != 4 {
		t.Errorf("asked %q: %v", person.Asked, err)
	}
}

// agentWith starts a real agent that holds the keys.
func agentWith(t *testing.T, keys ...string) string {
	t.Helper()
	nodetest.Need(t, "ssh-agent", "ssh-add")
	socket := filepath.Join(t.TempDir(), "agent")
	cmd := exec.Command("ssh-agent", "-D", "-a", socket)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	await(t, "the agent answers", func() bool {
		c, err := net.Dial("unix", socket)
		if err == nil {
			c.Close()
		}
		return err == nil
	})
	for _, key := range keys {
		add := exec.Command("ssh-add", "-q", key)
		add.Env = append(os.Environ(), "SSH_AUTH_SOCK="+socket)
		if out, err := add.CombinedOutput(); err != nil {
			t.Fatalf("ssh-add: %v: %s", err, out)
		}
	}
	return socket
}

// An agent with more keys than the node takes tries does not lock one out: keys
// that the configuration names come first.
func TestAgentWithManyKeys(t *testing.T) {
	b := start(t, 1)
	dir := t.TempDir()
	var keys []string
	for i := range 10 {
		key := filepath.Join(dir, fmt.Sprint("k", i))
		if _, err := nodetest.WriteKey(key, fmt.Sprint("k", i)); err != nil {
			t.Fatal(err)
		}
		keys = append(keys, key)
	}
	keys = append(keys, b.Key)
	socket := agentWith(t, keys...)
	public := filepath.Join(dir, "only-public")
	text, _ := os.ReadFile(b.Key + ".pub")
	if err := os.WriteFile(public, text, 0o600); err != nil {
		t.Fatal(err)
	}
	b.config(t, "IdentityAgent "+socket+"\nIdentitiesOnly no\nIdentityFile "+public)
	if err := os.Rename(b.Key, b.Key+".away"); err != nil {
		t.Fatal(err)
	}
	b.dial(t, 0)
	if n := strings.Count(b.Log(0), "Failed publickey"); n != 0 {
		t.Errorf("%d wrong keys were offered first", n)
	}
}

func TestCertificates(t *testing.T) {
	nodetest.Need(t, "ssh-keygen")
	dir := t.TempDir()
	ca := filepath.Join(dir, "ca")
	caText, err := nodetest.WriteKey(ca, "ca")
	if err != nil {
		t.Fatal(err)
	}
	host := filepath.Join(dir, "host")
	if _, err := nodetest.WriteKey(host, "host"); err != nil {
		t.Fatal(err)
	}
	sign := func(args ...string) {
		t.Helper()
		if out, err := exec.Command("ssh-keygen", append([]string{"-q", "-s", ca, "-I", "id", "-V", "-5m:+1h"}, args...)...).CombinedOutput(); err != nil {
			t.Fatalf("ssh-keygen: %v: %s", err, out)
		}
	}
	sign("-h", "-n", "127.0.0.1", host+".pub")
	b := start(t, 1, nodetest.Config("HostKey "+host+"\nHostCertificate "+host+"-cert.pub\nTrustedUserCAKeys "+ca+".pub\nAuthorizedKeysFile none"))
	b.known(t, "@cert-authority [127.0.0.1]:* "+caText+"\n")
	b.refused(t, 0, nodes.Auth)
	sign("-n", b.Node(0).User, b.Key+".pub")
	b.dial(t, 0)
	// An authority is not a host: its own key as a host key is not enough.
	b2 := start(t, 1)
	text, _ := os.ReadFile(b2.KnownHosts)
	b2.known(t, "@cert-authority "+string(text))
	b2.refused(t, 0, nodes.HostKey, "not known")
	// A certificate for another name.
	sign("-h", "-n", "other.example", host+".pub")
	b3 := start(t, 1, nodetest.Config("HostKey "+host+"\nHostCertificate "+host+"-cert.pub"))
	b3.known(t, "@cert-authority * "+caText+"\n")
	b3.refused(t, 0, nodes.HostKey, "certificate", "not valid")
}
