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

	"github.com/rollsh/rollsh/nodes"
	"github.com/rollsh/rollsh/nodes/nodetest"
	"github.com/rollsh/rollsh/stdlib/ssh"
)

// config puts lines before the bed's own ssh_config.
func (b *bench) config(t *testing.T, lines string) {
	t.Helper()
	old, err := os.ReadFile(b.Config)
	if err == nil {
		err = os.WriteFile(b.Config, []byte(lines+"\n"+string(old)), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func (b *bench) known(t *testing.T, text string) {
	t.Helper()
	if err := os.WriteFile(b.KnownHosts, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func (b *bench) refused(t *testing.T, i int, kind nodes.Kind, texts ...string) error {
	t.Helper()
	_, err := b.pool.Dial(within(t, 30*time.Second), b.Node(i))
	fails(t, err, kind, texts...)
	return err
}

func TestChangedHostKey(t *testing.T) {
	b := start(t, 1, nodetest.WrongHostKey(0))
	err := b.refused(t, 0, nodes.HostKey, "has changed", b.KnownHosts+":1", "SHA256:", "web1: ")
	if strings.Count(err.Error(), "SHA256:") != 2 {
		t.Errorf("does not show both fingerprints: %v", err)
	}
	// The hint is a command that mends it.
	_, command, _ := strings.Cut(nodes.AsError(err, "").Hint, "if it is right: ")
	nodetest.Need(t, "ssh-keygen")
	if out, err := exec.Command("sh", "-c", strings.Trim(command, "`")).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v: %s", command, err, out)
	}
	run(t, b.dial(t, 0), nodes.Cmd{Line: "true"})
	// No setting loses the check of a changed key.
	b2 := start(t, 1, nodetest.WrongHostKey(0))
	b2.config(t, "StrictHostKeyChecking no")
	b2.refused(t, 0, nodes.HostKey, "has changed")
}

func TestUnknownHostKey(t *testing.T) {
	b := start(t, 1)
	b.known(t, "# nothing\n")
	err := b.refused(t, 0, nodes.HostKey, "is not known", "SHA256:", b.KnownHosts)
	_, command, _ := strings.Cut(nodes.AsError(err, "").Hint, "if it is right: ")
	if out, err := exec.Command("sh", "-c", strings.Trim(command, "`")).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v: %s", command, err, out)
	}
	run(t, b.dial(t, 0), nodes.Cmd{Line: "true"})
}

func TestAskedAboutHostKey(t *testing.T) {
	for answer, kind := range map[string]nodes.Kind{"yes": "", "no": nodes.HostKey, "y": nodes.HostKey} {
		b := start(t, 1)
		b.known(t, "")
		b.config(t, "StrictHostKeyChecking ask")
		person := &nodetest.Person{Answers: []string{answer}}
		b.session.Person = person
		_, err := b.pool.Dial(t.Context(), b.Node(0))
		fails(t, err, kind)
		if who := fmt.Sprintf("the host key of web1 ([127.0.0.1]:%d) is not known: ", b.Node(0).Port); len(person.Asked) != 1 || !strings.Contains(person.Asked[0], who+"ed25519 SHA256:") {
			t.Errorf("asked %q", person.Asked)
		}
		text, _ := os.ReadFile(b.KnownHosts)
		if (kind == "") != strings.Contains(string(text), "ssh-ed25519") {
			t.Errorf("after %q known_hosts is %q", answer, text)
		}
	}
}

func TestAcceptNewHashed(t *testing.T) {
	b := start(t, 1)
	b.known(t, "not ended")
	b.config(t, "StrictHostKeyChecking accept-new\nHashKnownHosts yes")
	b.dial(t, 0)
	text, _ := os.ReadFile(b.KnownHosts)
	if !strings.Contains(string(text), "\n|1|") || strings.Contains(b.events.Text(nodes.Warned), "\n|") || !strings.Contains(b.events.Text(nodes.Warned), "noted the host key of web1 (") {
		t.Errorf("known_hosts %q, warned %q", text, b.events.Text(nodes.Warned))
	}
	b.pool.Close()
	// Both the real ssh and a new pool read the hashed line.
	b.config(t, "StrictHostKeyChecking yes")
	nodetest.Need(t, "ssh")
	if out, err := exec.Command("ssh", "-F", b.Config, "web1", "true").CombinedOutput(); err != nil {
		t.Errorf("ssh: %v: %s", err, out)
	}
	pool := ssh.NewPool(b.session, ssh.SystemConfig("/dev/null"))
	defer pool.Close()
	if _, err := pool.Dial(t.Context(), b.Node(0)); err != nil {
		t.Error(err)
	}
}

func TestRevokedHostKey(t *testing.T) {
	b := start(t, 1)
	text, _ := os.ReadFile(b.KnownHosts)
	fields := strings.Fields(string(text))
	b.known(t, string(text)+"@revoked * "+fields[1]+" "+fields[2]+"\n")
	b.refused(t, 0, nodes.HostKey, "revoked", b.KnownHosts+":2")
}

// A node that has more kinds of keys shows the one that is known.
func TestKnownKindIsAskedFor(t *testing.T) {
	nodetest.Need(t, "ssh-keygen")
	key := filepath.Join(t.TempDir(), "rsa")
	if out, err := exec.Command("ssh-keygen", "-q", "-t", "rsa", "-b", "2048", "-N", "", "-f", key).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	b := start(t, 1, nodetest.Config("HostKey "+key))
	public, _ := os.ReadFile(key + ".pub")
	b.known(t, fmt.Sprintf("bad line here\n[127.0.0.1]:%d %s", b.Node(0).Port, public))
	b.dial(t, 0)
}

func TestHostKeyAlias(t *testing.T) {
	b := start(t, 1)
	text, _ := os.ReadFile(b.KnownHosts)
	_, key, _ := strings.Cut(string(text), " ")
	b.known(t, "other.example "+key)
	b.refused(t, 0, nodes.HostKey)
	b.config(t, "HostKeyAlias other.example")
	b.dial(t, 0)
}

func TestRefusedKey(t *testing.T) {
	b := start(t, 1, nodetest.RefusedKey(0))
	b.refused(t, 0, nodes.Auth, "refuses the login", b.Key, "publickey")
	b.config(t, "IdentityFile none")
	if err := os.Remove(b.Key); err != nil {
		t.Fatal(err)
	}
	b.pool = ssh.NewPool(b.session, ssh.SystemConfig("/dev/null"))
	b.refused(t, 0, nodes.Auth, "nothing to try")
}

// TestNodesThatTakeOnlyGSSAPI are told apart from a wrong key.
func TestNodesThatTakeOnlyGSSAPI(t *testing.T) {
	b := start(t, 1, nodetest.Config("GSSAPIAuthentication yes\nPubkeyAuthentication no"))
	b.refused(t, 0, nodes.Auth, "no keys are taken", "the node takes gssapi", "does not speak GSSAPI")
}

func TestUnreachable(t *testing.T) {
	b := start(t, 1)
	b.Stop(0)
	b.refused(t, 0, nodes.Unreachable, "connection refused", "127.0.0.1")
	_, err := b.pool.Dial(within(t, 30*time.Second), &nodes.Node{Name: "x", Host: "nonesuch.invalid"})
	fails(t, err, nodes.Unreachable, "no address is known")
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close() // takes connections and says nothing
	b.config(t, "ConnectTimeout 1")
	began := time.Now()
	_, err = b.pool.Dial(within(t, 30*time.Second), &nodes.Node{Name: "mute", Host: "127.0.0.1", Port: l.Addr().(*net.TCPAddr).Port})
	fails(t, err, nodes.Unreachable, "does not answer")
	if d := time.Since(began); d > 3*time.Second {
		t.Errorf("took %s", d)
	}
}

func TestDialObeysContext(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	b := start(t, 0)
	began := time.Now()
	_, err = b.pool.Dial(within(t, 200*time.Millisecond), &nodes.Node{Name: "mute", Host: "127.0.0.1", Port: l.Addr().(*net.TCPAddr).Port})
	fails(t, err, nodes.Timeout)
	if d := time.Since(began); d > time.Second {
		t.Errorf("took %s", d)
	}
}

// sshd sheds connections at MaxStartups; the ramp comes through.
func TestShedConnectionsAreTriedAgain(t *testing.T) {
	b := start(t, 1)
	var mu sync.Mutex
	shed := 0
	target := fmt.Sprintf("127.0.0.1:%d", b.Node(0).Port)
	front, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer front.Close()
	go func() {
		for {
			c, err := front.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			shed++
			drop := shed <= 3
			mu.Unlock()
			if drop {
				c.Close()
				continue
			}
			up, err := net.Dial("tcp", target)
			if err != nil {
				c.Close()
				continue
			}
			go func() { pipe(up, c) }()
			go func() { pipe(c, up) }()
		}
	}()
	b.config(t, "HostKeyAlias web1\nStrictHostKeyChecking accept-new")
	n := b.Node(0)
	n.Port = front.Addr().(*net.TCPAddr).Port
	if _, err := b.pool.Dial(within(t, 30*time.Second), n); err != nil {
		t.Fatalf("after %d tries: %v", shed, err)
	}
}

// Eight at once, of which sshd takes at most three that have not logged in yet.
func TestMaxStartups(t *testing.T) {
	b := start(t, 1, nodetest.Config("MaxStartups 2:50:3"))
	var wg sync.WaitGroup
	for range 8 {
		pool := ssh.NewPool(b.session, ssh.SystemConfig("/dev/null"))
		t.Cleanup(pool.Close)
		wg.Go(func() {
			if _, err := pool.Dial(within(t, 60*time.Second), b.Node(0)); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if !strings.Contains(b.Log(0), "MaxStartups") {
		t.Error("sshd dropped nothing")
	}
}

// Thirty at once, as many nodes on one sshd would come, where it drops nearly all
// that come while ten have not logged in yet.
func TestMaxStartupsOfManyAtOnce(t *testing.T) {
	b := start(t, 1, nodetest.Config("MaxStartups 10:90:20"))
	var wg sync.WaitGroup
	for i := range 30 {
		n := b.Node(0)
		n.Key = fmt.Sprintf("~/.ssh/none%d", i) // makes it another place
		wg.Go(func() {
			if _, err := b.pool.Dial(within(t, 60*time.Second), n); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if !strings.Contains(b.Log(0), "drop connection") {
		t.Error("sshd dropped nothing")
	}
}

func pipe(to, from net.Conn) {
	defer to.Close()
	buf := make([]byte, 4096)
	for {
		n, err := from.Read(buf)
		if n > 0 {
			to.Write(buf[:n])
		}
		if err != nil {
			return
		}
	}
}

func TestProxyJumpChain(t *testing.T) {
	b := start(t, 4, nodetest.Names("jump1", "jump2", "web1", "web2"))
	b.config(t, "Host web*\n  ProxyJump jump1,jump2\nHost *")
	for _, name := range []string{"web1", "web2"} {
		c, err := b.pool.Dial(within(t, 30*time.Second), &nodes.Node{Name: nodes.Name(name)})
		if err != nil {
			t.Fatal(err)
		}
		run(t, c, nodes.Cmd{Line: "true"})
	}
	for i, want := range []int{1, 1, 1, 1} {
		if n := strings.Count(b.Log(i), "Accepted publickey"); n != want {
			t.Errorf("node %d: %d logins, want %d", i, n, want)
		}
	}
	b.Stop(0)
	await(t, "all connections behind the jump host are gone", func() bool { return len(b.pool.Live()) == 0 })
	_, err := b.pool.Dial(within(t, 30*time.Second), &nodes.Node{Name: "web1"})
	fails(t, err, nodes.Unreachable, "jump host jump1", "connection refused")
}

func TestJumpOfNodesFileWins(t *testing.T) {
	b := start(t, 2)
	b.config(t, "Host web2\n  ProxyJump nonesuch.invalid\nHost *")
	c, err := b.pool.Dial(within(t, 30*time.Second), &nodes.Node{Name: "web2", Jump: "web1"})
	if err != nil {
		t.Fatal(err)
	}
	run(t, c, nodes.Cmd{Line: "true"})
	_, err = b.pool.Dial(within(t, 30*time.Second), &nodes.Node{Name: "loop", Host: "loop", Jump: ""})
	fails(t, err, nodes.Unreachable)
	b.config(t, "Host a\n  ProxyJump b\nHost b\n  ProxyJump a\nHost *")
	_, err = b.pool.Dial(within(t, 30*time.Second), &nodes.Node{Name: "a"})
	fails(t, err, nodes.Unreachable, "circles")
}

func TestProxyCommand(t *testing.T) {
	nodetest.Need(t, "ssh")
	b := start(t, 2)
	n := b.Node(0)
	n.Proxy = "ssh -F " + b.Config + " -W %h:%p web2"
	c, err := b.pool.Dial(within(t, 30*time.Second), n)
	if err != nil {
		t.Fatal(err)
	}
	run(t, c, nodes.Cmd{Line: "true"})
	n.Proxy = "echo nothing to see >&2; exit 3"
	_, err = b.pool.Dial(within(t, 30*time.Second), n)
	fails(t, err, nodes.Unreachable, "nothing to see")
}

func TestKeepAliveFindsDeadPeer(t *testing.T) {
	b := start(t, 1)
	b.config(t, "ServerAliveInterval 1\nServerAliveCountMax 2")
	c := b.dial(t, 0)
	run(t, c, nodes.Cmd{Line: "true"})
	b.Freeze(0)
	defer b.Thaw(0)
	began := time.Now()
	_, err := c.Run(within(t, 20*time.Second), nodes.Cmd{Line: "true"})
	fails(t, err, nodes.Lost, "no sign of life")
	if d := time.Since(began); d > 6*time.Second {
		t.Errorf("took %s", d)
	}
}

func TestFrozenNodeObeysContext(t *testing.T) {
	b := start(t, 1)
	c := b.dial(t, 0)
	f, err := c.Files(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
	ctx := within(t, 300*time.Millisecond)
	bound, err := c.Files(ctx)
	if err != nil {
		t.Fatal(err)
	}
	b.Freeze(0)
	defer b.Thaw(0)
	began := time.Now()
	_, err = c.Run(within(t, 300*time.Millisecond), nodes.Cmd{Line: "true"})
	fails(t, err, nodes.Timeout)
	_, err = bound.Stat("/")
	fails(t, err, nodes.Timeout)
	_, err = c.Files(within(t, 300*time.Millisecond))
	fails(t, err, nodes.Timeout)
	if d := time.Since(began); d > 2900*time.Millisecond {
		t.Errorf("took %s", d)
	}
}
