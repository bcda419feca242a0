package ssh_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rollsh/rollsh/nodes"
	"github.com/rollsh/rollsh/nodes/nodetest"
	"github.com/rollsh/rollsh/stdlib/ssh"
)

func TestAgentIsLentWhenAsked(t *testing.T) {
	t.Parallel()
	b := start(t, 3, nodetest.Config("AllowAgentForwarding no", 2))
	socket := agentWith(t, b.Key)
	b.config(t, "IdentityAgent "+socket+"\nHost web2\n  ForwardAgent yes\nHost *")
	const list = "ssh-add -l"
	if res := run(t, b.dial(t, 0), nodes.Cmd{Line: list}); res.OK() {
		t.Errorf("lent without being asked: %s", res.Stdout)
	}
	res := run(t, b.dial(t, 0), nodes.Cmd{Line: list, Agent: true})
	if !res.OK() || !strings.Contains(string(res.Stdout), "SHA256:") {
		t.Errorf("%+v", res)
	}
	n := b.Node(1)
	n.Host = "web2" // as ~/.ssh/config names it
	c, err := b.pool.Dial(t.Context(), n)
	if err != nil {
		t.Fatal(err)
	}
	if res := run(t, c, nodes.Cmd{Line: list}); !res.OK() {
		t.Errorf("ForwardAgent yes: %+v", res)
	}
	_, err = b.dial(t, 2).Run(t.Context(), nodes.Cmd{Line: list, Agent: true})
	fails(t, err, nodes.Permission, "takes no forwarded agent")
	b.config(t, "IdentityAgent none")
	_, err = start(t, 1).dial(t, 0).Run(t.Context(), nodes.Cmd{Line: list, Agent: true})
	if os.Getenv("SSH_AUTH_SOCK") == "" {
		fails(t, err, nodes.Auth, "no ssh agent")
	}
}

// More keys than the node takes tries: the login goes on where it was cut off.
func TestMaxAuthTriesDoNotEndTheSearch(t *testing.T) {
	t.Parallel()
	b := start(t, 1, nodetest.Config("MaxAuthTries 3"))
	var keys []string
	for _, name := range []string{"k1", "k2", "k3", "k4"} {
		key := filepath.Join(t.TempDir(), name)
		if _, err := nodetest.WriteKey(key, name); err != nil {
			t.Fatal(err)
		}
		keys = append(keys, key)
	}
	socket := agentWith(t, append(keys, b.Key)...)
	b.config(t, "IdentityAgent "+socket+"\nIdentityFile none\nIdentitiesOnly no")
	if err := os.Remove(b.Key); err != nil {
		t.Fatal(err)
	}
	b.dial(t, 0)
	b2 := start(t, 1, nodetest.Config("MaxAuthTries 3"), nodetest.RefusedKey(0))
	b2.config(t, "IdentityAgent "+socket+"\nIdentityFile none\nIdentitiesOnly no")
	b2.refused(t, 0, nodes.Auth, "k1", "k4", "nodetest")
}

func TestPubkeyAcceptedAlgorithms(t *testing.T) {
	t.Parallel()
	b := start(t, 1)
	b.config(t, "PubkeyAcceptedAlgorithms -ssh-ed25519")
	b.refused(t, 0, nodes.Auth, "PubkeyAcceptedAlgorithms", b.Key)
	b = start(t, 1)
	b.config(t, "PubkeyAcceptedAlgorithms ssh-ed25519\nCiphers ^aes256-ctr\nMACs hmac-sha2-512\nKexAlgorithms -*nist*\nRekeyLimit 1M")
	res := run(t, b.dial(t, 0), nodes.Cmd{Line: "head -c 8000000 /dev/zero", Quiet: true})
	if !res.OK() {
		t.Errorf("over several rekeyings: %+v", res.Code)
	}
}

// copyBed is a node whose SFTP begins in a folder of the bed: never in the home
// of the one who runs the tests.
func copyBed(t *testing.T) (*bench, string) {
	t.Helper()
	home := t.TempDir()
	b := start(t, 1, nodetest.NoSFTP(0), nodetest.Config("Subsystem sftp internal-sftp -d "+home, 0))
	return b, filepath.Join(home, ".ssh", "authorized_keys")
}

func TestCopyID(t *testing.T) {
	t.Parallel()
	b, file := copyBed(t)
	h := ssh.NewHand(b.session)
	person := &nodetest.Person{Answers: []string{"no", "yes"}}
	b.session.Person = person
	_, err := h.CopyID(t.Context(), b.Node(0), "")
	fails(t, err, nodes.Refused, "no")
	if _, err := os.Stat(file); err == nil {
		t.Fatal("the file was made all the same")
	}
	for _, added := range []bool{true, false} {
		done, err := h.CopyID(t.Context(), b.Node(0), "")
		if err != nil || done.Added != added || !strings.Contains(done.Key, "SHA256:") {
			t.Errorf("%+v %v", done, err)
		}
	}
	public, _ := os.ReadFile(b.Key + ".pub")
	text, _ := os.ReadFile(file)
	if string(text) != string(public) || len(person.Asked) != 2 || !strings.Contains(person.Asked[0], "SHA256:") {
		t.Errorf("%q, asked %q", text, person.Asked)
	}
	for name, want := range map[string]os.FileMode{file: 0o600, filepath.Dir(file): 0o700} {
		if st, err := os.Stat(name); err != nil || st.Mode().Perm() != want {
			t.Errorf("%s: %v %v", name, st.Mode(), err)
		}
	}
}

// What stands in the file stays, also without an end of its last line.
func TestCopyIDKeepsOthers(t *testing.T) {
	t.Parallel()
	b, file := copyBed(t)
	b.session.Person = &nodetest.Person{Answers: []string{"yes"}}
	write(t, file, "# mine\nssh-rsa AAAA other")
	key := filepath.Join(b.session.Project, "k")
	public, err := nodetest.WriteKey(key, "k")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ssh.NewHand(b.session).CopyID(t.Context(), b.Node(0), "k"); err != nil {
		t.Fatal(err)
	}
	text, _ := os.ReadFile(file)
	if want := "# mine\nssh-rsa AAAA other\n" + strings.TrimSpace(public) + " k\n"; string(text) != want {
		t.Errorf("got %q, want %q", text, want)
	}
	_, err = ssh.NewHand(b.session).CopyID(t.Context(), b.Node(0), "none")
	fails(t, err, nodes.NotFound, "no public key")
}
