package ssh

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha1" // known_hosts hashes names with HMAC-SHA1
	"encoding/base64"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"

	"github.com/rollsh/rollsh/nodes"
)

// knownLine is a line of known_hosts that could be read. Others are passed
// over, as OpenSSH does.
type knownLine struct {
	file   string
	number int
	marker string // cert-authority, revoked or empty
	hosts  []string
	key    ssh.PublicKey
}

func (l knownLine) at() string { return fmt.Sprintf("%s:%d", l.file, l.number) }

// readKnown reads the files of known hosts; absent ones are empty.
func readKnown(files []string) ([]knownLine, error) {
	var out []knownLine
	for _, file := range files {
		text, err := os.ReadFile(file)
		if os.IsNotExist(err) {
			continue
		}
		if err != nil {
			return nil, &nodes.Error{Kind: nodes.HostKey, Message: "cannot read the known host keys: " + err.Error(), Cause: err}
		}
		for i, line := range bytes.Split(text, []byte("\n")) {
			marker, hosts, key, _, _, err := ssh.ParseKnownHosts(line)
			if err == nil {
				out = append(out, knownLine{file, i + 1, marker, hosts, key})
			}
		}
	}
	return out, nil
}

// names reports whether the line is about the address, which is in the form of
// known_hosts: "web1", "[web1]:2200".
func (l knownLine) names(address string) bool {
	if len(l.hosts) == 1 && strings.HasPrefix(l.hosts[0], "|") {
		return hashedName(l.hosts[0], address)
	}
	return wildList(l.hosts, address)
}

// hashedName checks "|1|salt|hash". Source: sshd(8), SSH_KNOWN_HOSTS FILE FORMAT.
func hashedName(hashed, address string) bool {
	parts := strings.Split(hashed, "|")
	if len(parts) != 4 || parts[1] != "1" {
		return false
	}
	salt, err1 := base64.StdEncoding.DecodeString(parts[2])
	want, err2 := base64.StdEncoding.DecodeString(parts[3])
	if err1 != nil || err2 != nil {
		return false
	}
	mac := hmac.New(sha1.New, salt)
	mac.Write([]byte(address))
	return hmac.Equal(mac.Sum(nil), want)
}

// hostKeys decides about the host key of one address.
type hostKeys struct {
	s       *settings
	address string // as known_hosts writes it
	lines   []knownLine
	others  []knownLine // those about other names, for CheckHostIP
}

// whose is the node for a person, by its name, beside the address.
func (h *hostKeys) whose() string {
	who := h.address
	if name := string(h.s.node); name != "" && name != who {
		who = name + " (" + who + ")"
	}
	return nodes.Clean(who)
}

func loadHostKeys(s *settings) (*hostKeys, error) {
	ssh := s.home + "/.ssh/"
	files := slices.Concat(
		s.paths("userknownhostsfile", ssh+"known_hosts", ssh+"known_hosts2"),
		s.paths("globalknownhostsfile", "/etc/ssh/ssh_known_hosts", "/etc/ssh/ssh_known_hosts2"))
	lines, err := readKnown(files)
	if err != nil {
		return nil, err
	}
	address := knownhosts.Normalize(net.JoinHostPort(strings.ToLower(s.hostname()), s.port()))
	if alias := s.first("hostkeyalias", ""); alias != "" {
		address = strings.ToLower(alias)
	}
	h := &hostKeys{s: s, address: address}
	for _, l := range lines {
		if l.marker == "revoked" || l.names(address) {
			h.lines = append(h.lines, l)
		} else if s.yes("checkhostip", false) {
			h.others = append(h.others, l)
		}
	}
	return h, nil
}

// order puts those host key algorithms first for which a key is known, so that
// the node shows the key that can be checked. Where the person gave an order,
// that holds. Source: OpenSSH 9.2, sshconnect2.c, ssh_kex2.
func (h *hostKeys) order(all []string) []string {
	if spec := h.s.first("hostkeyalgorithms", "+"); !strings.HasPrefix(spec, "+") && !strings.HasPrefix(spec, "-") {
		return all
	}
	known := map[string]bool{}
	authority := false
	for _, l := range h.lines {
		switch l.marker {
		case "":
			known[l.key.Type()] = true
		case "cert-authority":
			authority = true
		}
	}
	var first, rest []string
	for _, a := range all {
		isCert := strings.Contains(a, "-cert-")
		switch {
		case isCert && authority, !isCert && known[keyType(a)]:
			first = append(first, a)
		default:
			rest = append(rest, a)
		}
	}
	return append(first, rest...)
}

// keyType is the type of key that a signature algorithm needs.
func keyType(algorithm string) string {
	if strings.HasPrefix(algorithm, "rsa-sha2-") {
		return ssh.KeyAlgoRSA
	}
	return algorithm
}

// unknownKey is the verdict on a key that no line speaks about.
type unknownKey struct{ key ssh.PublicKey }

func (u *unknownKey) Error() string { return "host key is not known" }

// verdict is nil for a known key, *unknownKey for one nobody spoke about, and a
// nodes.Error for a changed or revoked one.
func (h *hostKeys) verdict(key ssh.PublicKey) error {
	cert, isCert := key.(*ssh.Certificate)
	plain := key
	if isCert {
		plain = cert.Key
	}
	if err := h.revoked(plain); err != nil {
		return err
	}
	if err := h.listed(plain); err != nil {
		return err
	}
	if isCert {
		signer := h.authority(cert.SignatureKey)
		if signer != nil {
			return h.certificate(cert)
		}
	}
	var other *knownLine
	for _, l := range h.lines {
		if l.marker != "" {
			continue
		}
		if bytes.Equal(l.key.Marshal(), plain.Marshal()) {
			return nil
		}
		if other == nil || l.key.Type() == plain.Type() {
			other = &l
		}
	}
	if other == nil {
		return &unknownKey{plain}
	}
	return h.changed(*other, plain)
}

func (h *hostKeys) authority(key ssh.PublicKey) *knownLine {
	for _, l := range h.lines {
		if l.marker == "cert-authority" && bytes.Equal(l.key.Marshal(), key.Marshal()) {
			return &l
		}
	}
	return nil
}

// certificate checks a host certificate of a known authority: its names, its
// dates, and that its authority was not revoked.
func (h *hostKeys) certificate(cert *ssh.Certificate) error {
	if err := h.revoked(cert.SignatureKey); err != nil {
		return err
	}
	checker := ssh.CertChecker{IsHostAuthority: func(ssh.PublicKey, string) bool { return true }}
	principal := strings.ToLower(h.s.first("hostkeyalias", h.s.hostname()))
	if err := checker.CheckHostKey(net.JoinHostPort(principal, h.s.port()), nil, cert); err != nil {
		return &nodes.Error{Kind: nodes.HostKey, Message: "the host certificate of " + h.address + " is not valid: " + strings.TrimPrefix(err.Error(), "ssh: "), Cause: err}
	}
	return nil
}

func (h *hostKeys) revoked(key ssh.PublicKey) error {
	for _, l := range h.lines {
		if l.marker == "revoked" && bytes.Equal(l.key.Marshal(), key.Marshal()) {
			return &nodes.Error{
				Kind:    nodes.HostKey,
				Message: fmt.Sprintf("the host key of %s is revoked: %s marks %s", h.address, l.at(), show(key)),
				Hint:    "do not connect; ask who runs the node",
			}
		}
	}
	return nil
}

func (h *hostKeys) changed(l knownLine, key ssh.PublicKey) error {
	return &nodes.Error{
		Kind: nodes.HostKey,
		Message: fmt.Sprintf("the host key of %s has changed: %s has %s, the node shows %s; either the node was set up anew or somebody is in between",
			h.address, l.at(), show(l.key), show(key)),
		Hint: "compare with ssh-keygen -lf on the node itself; if it is right: `" +
			nodes.Quote("ssh-keygen", "-R", h.address, "-f", l.file) + " && " + acceptCommand(h.address, key, l.file) + "`",
	}
}

func (h *hostKeys) unknown(key ssh.PublicKey) error {
	return &nodes.Error{
		Kind:    nodes.HostKey,
		Message: fmt.Sprintf("the host key of %s is not known: it is %s, and %s has no line for it", h.address, show(key), h.file()),
		Hint:    "compare with ssh-keygen -lf on the node itself; if it is right: `" + acceptCommand(h.address, key, h.file()) + "`",
	}
}

// file is where new keys go.
func (h *hostKeys) file() string {
	files := h.s.paths("userknownhostsfile", h.s.home+"/.ssh/known_hosts")
	if len(files) == 0 {
		return os.DevNull
	}
	return files[0]
}

func acceptCommand(address string, key ssh.PublicKey, file string) string {
	return "echo " + nodes.Quote(address+" "+keyText(key)) + " >> " + nodes.Quote(file)
}

func keyText(key ssh.PublicKey) string {
	return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(key)))
}

// show is a key as ssh shows it to people.
func show(key ssh.PublicKey) string {
	return strings.TrimPrefix(key.Type(), "ssh-") + " " + ssh.FingerprintSHA256(key)
}

// add writes the key into the first file of known hosts.
func (h *hostKeys) add(key ssh.PublicKey) error {
	name := h.address
	if h.s.yes("hashknownhosts", false) {
		name = knownhosts.HashHostname(name)
	}
	f, err := os.OpenFile(h.file(), os.O_APPEND|os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return &nodes.Error{Kind: nodes.HostKey, Message: "cannot note the host key: " + err.Error(), Cause: err}
	}
	line := name + " " + keyText(key) + "\n"
	if end, err := f.Seek(0, 2); err == nil && end > 0 {
		last := make([]byte, 1)
		if _, err := f.ReadAt(last, end-1); err == nil && last[0] != '\n' {
			line = "\n" + line
		}
	}
	_, err = f.WriteString(line)
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return &nodes.Error{Kind: nodes.HostKey, Message: "cannot note the host key: " + err.Error(), Cause: err}
	}
	return nil
}
