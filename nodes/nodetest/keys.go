package nodetest

import (
	"crypto/ed25519"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/crypto/ssh"
)

// WriteKey makes an ed25519 key: file holds the private, file.pub the public
// part, both as OpenSSH writes them. It gives "ssh-ed25519 AAAA...".
func WriteKey(file, comment string) (string, error) {
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		return "", err
	}
	block, err := ssh.MarshalPrivateKey(private, comment)
	if err != nil {
		return "", err
	}
	if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
		return "", err
	}
	key, err := ssh.NewPublicKey(public)
	if err != nil {
		return "", err
	}
	line := strings.TrimSpace(string(ssh.MarshalAuthorizedKey(key)))
	return line, os.WriteFile(file+".pub", []byte(line+" "+comment+"\n"), 0o644)
}

// writeHome makes the bed's home: the key, known_hosts and config of ssh.
func (b *Bed) writeHome(user string) error {
	dir := filepath.Join(b.Home, ".ssh")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	var known, hosts strings.Builder
	for _, n := range b.nodes {
		fmt.Fprintf(&known, "[127.0.0.1]:%d %s\n", n.port, n.known)
		fmt.Fprintf(&hosts, "Host %s\n  HostName 127.0.0.1\n  Port %d\n", n.name, n.port)
	}
	fmt.Fprintf(&hosts, "Host *\n  User %s\n  IdentityFile %s\n  IdentitiesOnly yes\n  IdentityAgent none\n", user, b.Key)
	fmt.Fprintf(&hosts, "  UserKnownHostsFile %s\n  GlobalKnownHostsFile /dev/null\n  StrictHostKeyChecking yes\n", b.KnownHosts)
	if err := os.WriteFile(b.KnownHosts, []byte(known.String()), 0o600); err != nil {
		return err
	}
	return os.WriteFile(b.Config, []byte(hosts.String()), 0o600)
}
