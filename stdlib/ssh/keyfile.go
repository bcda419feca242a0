package ssh

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"

	"golang.org/x/crypto/ssh"

	"github.com/rollsh/rollsh/nodes"
)

// keyFile is a private key file, or a public one whose private part the agent
// holds.
type keyFile struct {
	name   string
	public ssh.PublicKey
	locked bool // a passphrase is needed

	pem    []byte
	asking sync.Mutex // held while the passphrase is asked for

	mu   sync.Mutex
	open ssh.AlgorithmSigner // once it was opened
}

func (f *keyFile) opened() ssh.AlgorithmSigner {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.open
}

// certificate is a user certificate and where it came from.
type certificate struct {
	cert *ssh.Certificate
	name string
}

// defaultKeys are tried where no IdentityFile is given. Source: ssh_config(5).
var defaultKeys = []string{"id_rsa", "id_ecdsa", "id_ecdsa_sk", "id_ed25519", "id_ed25519_sk"}

// files reads the key files that the settings name; those that cannot be used
// are passed over.
func (k *keyring) files(s *settings) []*keyFile {
	var defaults []string
	for _, name := range defaultKeys {
		defaults = append(defaults, s.home+"/.ssh/"+name)
	}
	var out []*keyFile
	for _, name := range s.paths("identityfile", defaults...) {
		if f := k.file(name); f != nil {
			out = append(out, f)
		}
	}
	return out
}

func (k *keyring) file(name string) *keyFile {
	k.mu.Lock()
	defer k.mu.Unlock()
	if f := k.read[name]; f != nil {
		return f
	}
	f, err := readKeyFile(name)
	if err != nil {
		return nil
	}
	k.read[name] = f
	return f
}

func readKeyFile(name string) (*keyFile, error) {
	f := &keyFile{name: name}
	pem, err := os.ReadFile(name)
	if err == nil {
		var missing *ssh.PassphraseMissingError
		signer, err := ssh.ParsePrivateKey(pem)
		as, usable := signer.(ssh.AlgorithmSigner)
		switch {
		case err == nil && usable:
			f.open, f.public = as, signer.PublicKey()
			return f, nil
		case errors.As(err, &missing):
			f.locked, f.pem, f.public = true, pem, missing.PublicKey
		default: // IdentityFile may name the public part of an agent's key
			f.public, _, _, _, _ = ssh.ParseAuthorizedKey(pem)
		}
	}
	if f.public == nil { // the agent may hold what belongs to the public part
		text, err := os.ReadFile(name + ".pub")
		if err != nil {
			return nil, err
		}
		if f.public, _, _, _, err = ssh.ParseAuthorizedKey(text); err != nil {
			return nil, err
		}
	}
	return f, nil
}

// signer finds who can sign with the key: the agent, or the file itself.
func (f *keyFile) signer(l *login, held []agentKey) (ssh.AlgorithmSigner, string) {
	for _, k := range held {
		if f.public != nil && bytes.Equal(k.signer.PublicKey().Marshal(), f.public.Marshal()) {
			return k.signer, "agent key " + show(f.public) + " (" + f.name + ")"
		}
	}
	name := f.name + " (" + show(f.public) + ")"
	switch {
	case f.opened() != nil:
		return f.opened(), name
	case f.locked && l.person != nil && !l.s.yes("batchmode", false):
		return &lockedKey{f, l}, name + ", with a passphrase"
	}
	return nil, ""
}

// lockedKey signs with a key file after asking for its passphrase. The node has
// said by then that it takes the key.
type lockedKey struct {
	file  *keyFile
	login *login
}

// PublicKey is the key's public part, which needs no passphrase.
func (k *lockedKey) PublicKey() ssh.PublicKey { return k.file.public }

// Sign signs with the key's usual algorithm.
func (k *lockedKey) Sign(rand io.Reader, data []byte) (*ssh.Signature, error) {
	return k.SignWithAlgorithm(rand, data, "")
}

// SignWithAlgorithm asks for the passphrase, three times at most and once for
// all nodes, and signs.
func (k *lockedKey) SignWithAlgorithm(rand io.Reader, data []byte, algorithm string) (*ssh.Signature, error) {
	k.login.guard.pause() // another login may be asking for this very key
	defer k.login.guard.resume()
	signer, err := k.unlock()
	if err != nil {
		k.login.locked = k.file.name
		return nil, err
	}
	return signer.SignWithAlgorithm(rand, data, algorithm)
}

func (k *lockedKey) unlock() (ssh.AlgorithmSigner, error) {
	f := k.file
	f.asking.Lock()
	defer f.asking.Unlock()
	for try := 0; f.opened() == nil; try++ {
		if try == 3 {
			return nil, &nodes.Error{Kind: nodes.Auth, Message: "no right passphrase for " + f.name}
		}
		pass, err := k.login.ask("passphrase of " + f.name)
		if err != nil {
			return nil, fmt.Errorf("%s needs a passphrase: %w", f.name, err)
		}
		signer, err := ssh.ParsePrivateKeyWithPassphrase(f.pem, []byte(pass))
		if as, ok := signer.(ssh.AlgorithmSigner); err == nil && ok {
			f.mu.Lock()
			f.open = as
			f.mu.Unlock()
		}
	}
	return f.opened(), nil
}

// certificates finds the user certificates for a key: NAME-cert.pub beside it
// and those of CertificateFile.
func (k *keyring) certificates(s *settings, f *keyFile) []certificate {
	var out []certificate
	for _, name := range append(s.paths("certificatefile"), f.name+"-cert.pub") {
		text, err := os.ReadFile(name)
		if err != nil {
			continue
		}
		key, _, _, _, err := ssh.ParseAuthorizedKey(text)
		if err != nil {
			continue
		}
		cert, ok := key.(*ssh.Certificate)
		if ok && cert.CertType == ssh.UserCert && bytes.Equal(cert.Key.Marshal(), f.public.Marshal()) {
			out = append(out, certificate{cert, "certificate " + name})
		}
	}
	return out
}
