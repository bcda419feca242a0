package ssh

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/crypto/ssh"

	"github.com/rollsh/rollsh/nodes"
)

// algorithms are the lists that one connection negotiates with.
type algorithms struct {
	ciphers, macs, exchanges, hostKeys []string
	logins                             []string // for the keys of users, certificates among them
}

// algorithms gives the lists as the settings change them. A list that names
// nothing rollsh speaks is refused: the library would take its default instead.
func (s *settings) algorithms() (algorithms, error) {
	good, weak := ssh.SupportedAlgorithms(), ssh.InsecureAlgorithms()
	var a algorithms
	for _, list := range []struct {
		to         *[]string
		key        string
		good, weak []string
	}{
		{&a.ciphers, "ciphers", good.Ciphers, weak.Ciphers},
		{&a.macs, "macs", good.MACs, weak.MACs},
		{&a.exchanges, "kexalgorithms", good.KeyExchanges, weak.KeyExchanges},
		{&a.hostKeys, "hostkeyalgorithms", asOpenSSH(good.HostKeys), weak.HostKeys},
		{&a.logins, "pubkeyacceptedalgorithms", asOpenSSH(certified(good.PublicKeyAuths)), certified(weak.PublicKeyAuths)},
	} {
		spec := strings.ReplaceAll(s.first(list.key, ""), "curve25519-sha256@libssh.org", ssh.KeyExchangeCurve25519) // its older name
		*list.to = pickAlgorithms(list.good, list.weak, spec)
		if len(*list.to) == 0 {
			return a, &nodes.Error{
				Kind: nodes.Usage, Message: fmt.Sprintf("ssh configuration of %s: %s %s leaves nothing that rollsh speaks", s.alias, list.key, spec),
				Hint: "rollsh speaks " + strings.Join(list.good, ","),
			}
		}
	}
	return a, nil
}

// pickAlgorithms changes a default list as ssh_config does: "a,b" replaces it,
// +a adds, -a takes out, ^a puts first; patterns are allowed. What is neither
// in the default list nor in the weak one cannot be spoken and is passed over;
// weak algorithms are taken only by name. Source: OpenSSH 9.2, kex.c,
// kex_assemble_names.
func pickAlgorithms(defaults, weak []string, spec string) []string {
	if spec == "" {
		return defaults
	}
	op, patterns := spec[0], strings.Split(strings.TrimLeft(spec, "+-^"), ",")
	var named []string
	for _, p := range patterns {
		for _, a := range slices.Concat(defaults, weak) {
			if wild(p, a) && !slices.Contains(named, a) {
				named = append(named, a)
			}
		}
	}
	without := func(list, gone []string) []string {
		return slices.DeleteFunc(slices.Clone(list), func(a string) bool { return slices.Contains(gone, a) })
	}
	switch op {
	case '+':
		return append(slices.Clone(defaults), without(named, defaults)...)
	case '-':
		return without(defaults, named)
	case '^':
		return append(named, without(defaults, named)...)
	}
	return named
}

// keyOrder is the order in which OpenSSH likes keys. Source: ssh_config(5),
// HostKeyAlgorithms.
var keyOrder = []string{
	"ssh-ed25519-cert*", "ecdsa-*-cert*", "sk-*-cert*", "rsa-sha2-512-cert*", "rsa-sha2-256-cert*",
	"ssh-ed25519", "ecdsa-*", "sk-*", "rsa-sha2-512", "rsa-sha2-256",
}

// asOpenSSH puts a list into that order, so that a node shows the kind of key
// that it would show to ssh; what OpenSSH does not know comes last.
func asOpenSSH(list []string) []string {
	rank := func(a string) int {
		i := slices.IndexFunc(keyOrder, func(p string) bool { return wild(p, a) })
		if i < 0 {
			return len(keyOrder)
		}
		return i
	}
	slices.SortStableFunc(list, func(a, b string) int { return rank(a) - rank(b) })
	return list
}

// certified puts the certificate form of each algorithm before the list.
func certified(plain []string) []string {
	var out []string
	for _, a := range plain {
		out = append(out, certificateForm(a))
	}
	return append(out, plain...)
}

func certificateForm(algorithm string) string {
	return strings.TrimSuffix(algorithm, "@openssh.com") + "-cert-v01@openssh.com"
}

// restrict bounds a signer to the algorithms that the settings accept for its
// key; nil when there are none.
func restrict(s ssh.AlgorithmSigner, accepted []string) ssh.MultiAlgorithmSigner {
	kind := s.PublicKey().Type()
	cert, isCert := s.PublicKey().(*ssh.Certificate)
	if isCert {
		kind = cert.Key.Type()
	}
	usable := []string{kind}
	if kind == ssh.KeyAlgoRSA {
		usable = []string{ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256, ssh.KeyAlgoRSA}
	}
	usable = slices.DeleteFunc(usable, func(a string) bool {
		if isCert {
			a = certificateForm(a)
		}
		return !slices.Contains(accepted, a)
	})
	m, err := ssh.NewSignerWithAlgorithms(s, usable)
	if err != nil {
		return nil
	}
	return m
}

// rekeyBytes is the amount after which RekeyLimit wants new keys; 0 for the
// cipher's default.
func (s *settings) rekeyBytes() uint64 {
	text := strings.ToUpper(s.first("rekeylimit", ""))
	digits := strings.TrimRight(text, "KMG")
	n, err := strconv.ParseUint(digits, 10, 32)
	if err != nil {
		return 0
	}
	return n << map[string]uint{"K": 10, "M": 20, "G": 30}[text[len(digits):]]
}
