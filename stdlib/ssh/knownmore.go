package ssh

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"

	"github.com/rollsh/rollsh/nodes"
)

// byAddress is CheckHostIP: where the peer's own address is known too, it must
// be with the same key. OpenSSH would go on after a warning; and it would note
// an address that is not known, which is not done here.
func (h *hostKeys) byAddress(peer net.Addr, key ssh.PublicKey) error {
	tcp, ok := peer.(*net.TCPAddr)
	if !ok || !h.s.yes("checkhostip", false) {
		return nil
	}
	address := knownhosts.Normalize(tcp.String())
	for _, l := range h.others {
		if l.marker == "" && l.names(address) && l.key.Type() == key.Type() && keyText(l.key) != keyText(key) {
			return &nodes.Error{
				Kind: nodes.HostKey,
				Message: fmt.Sprintf("the host key of %s is %s, but %s has %s for its address %s",
					h.address, show(key), l.at(), show(l.key), address),
				Hint: "if the address was another machine's: " + nodes.Quote("ssh-keygen", "-R", address, "-f", l.file) + "; or set CheckHostIP no",
			}
		}
	}
	return nil
}

// listed is RevokedHostKeys, a list of keys or a KRL, which ssh-keygen reads. What
// cannot be asked counts as revoked, as with ssh.
func (h *hostKeys) listed(key ssh.PublicKey) error {
	for _, file := range h.s.paths("revokedhostkeys") {
		if err := inRevoked(file, key); err != nil {
			return &nodes.Error{
				Kind: nodes.HostKey, Message: fmt.Sprintf("the host key of %s, %s: %v", h.address, show(key), err),
				Hint: "do not connect; ask who runs the node", Cause: err,
			}
		}
	}
	return nil
}

// krlMagic begins a key revocation list. Source: OpenSSH, PROTOCOL.krl.
const krlMagic = "SSHKRL\n\x00"

func inRevoked(file string, key ssh.PublicKey) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("RevokedHostKeys cannot be read: %w", err)
	}
	if bytes.HasPrefix(text, []byte(krlMagic)) {
		return inKRL(file, key)
	}
	for line := range bytes.Lines(text) {
		listed, _, _, _, err := ssh.ParseAuthorizedKey(line)
		if err == nil && bytes.Equal(listed.Marshal(), key.Marshal()) {
			return fmt.Errorf("RevokedHostKeys %s lists it", file)
		}
	}
	return nil
}

func inKRL(file string, key ssh.PublicKey) error {
	temp, err := os.CreateTemp("", "rollsh-key-*.pub")
	if err != nil {
		return err
	}
	defer os.Remove(temp.Name())
	_, err = temp.WriteString(keyText(key) + "\n")
	if err = errors.Join(err, temp.Close()); err != nil {
		return err
	}
	out, err := exec.Command("ssh-keygen", "-Q", "-f", file, temp.Name()).CombinedOutput()
	switch {
	case err == nil:
		return nil
	case strings.Contains(string(out), "REVOKED"):
		return fmt.Errorf("RevokedHostKeys %s lists it", file)
	}
	return fmt.Errorf("RevokedHostKeys %s cannot be asked: %w: %s", file, err, strings.Join(strings.Fields(string(out)), " "))
}
