package ssh

import (
	"bytes"
	"context"
	"io"
	"net"
	"slices"
	"strings"
	"sync"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"

	"github.com/rollsh/rollsh/nodes"
)

// offer is a key that the node is asked about, and whether it was.
type offer struct {
	ssh.MultiAlgorithmSigner
	name  string // for the message of a refusal
	tried *bool
}

// PublicKey is the key; asking for it is the sign that the key's turn has come.
func (o offer) PublicKey() ssh.PublicKey {
	*o.tried = true
	return o.MultiAlgorithmSigner.PublicKey()
}

// login is one attempt to log in to one node.
type login struct {
	ctx      context.Context // lives for one handshake only
	s        *settings
	keys     *keyring
	person   asker // nil: nobody is there
	guard    *guard
	offers   []offer
	tried    []string // methods other than keys
	allowed  []string // what the node said it takes
	accepted []string // algorithms of keys, by PubkeyAcceptedAlgorithms
	passed   []string // keys that none of these suits
	skip     []string // keys that an earlier connection has tried
	locked   string   // the file of a key whose passphrase was not given
	agent    io.Closer
}

// methods gives the ways to log in, in OpenSSH's order.
func (l *login) methods() []ssh.AuthMethod {
	ways := map[string]ssh.AuthMethod{}
	if l.s.yes("pubkeyauthentication", true) {
		ways["publickey"] = ssh.PublicKeysCallback(l.signers)
	}
	if l.person != nil && !l.s.yes("batchmode", false) {
		tries := l.s.count("numberofpasswordprompts", 3)
		if l.s.yes("kbdinteractiveauthentication", true) {
			ways["keyboard-interactive"] = ssh.RetryableAuthMethod(ssh.KeyboardInteractive(l.challenge), tries)
		}
		if l.s.yes("passwordauthentication", true) {
			ways["password"] = ssh.RetryableAuthMethod(ssh.PasswordCallback(l.password), tries)
		}
	}
	var out []ssh.AuthMethod
	order := l.s.first("preferredauthentications", "publickey,keyboard-interactive,password")
	for name := range strings.SplitSeq(order, ",") {
		if m := ways[name]; m != nil {
			out = append(out, m)
		}
	}
	return out
}

// signers lists the keys to offer. A node takes few tries (MaxAuthTries), so
// what the configuration names comes first: certificates, keys of named files
// that the agent holds, named files that need no passphrase; then the agent's
// other keys; last the files whose passphrase must be asked for.
func (l *login) signers() ([]ssh.Signer, error) {
	held := l.agentKeys()
	files := l.keys.files(l.s)
	var certs, named, open, locked []offer
	for _, f := range files {
		signer, where := f.signer(l, held)
		if signer == nil {
			continue
		}
		for _, c := range l.keys.certificates(l.s, f) {
			if s, err := ssh.NewCertSigner(c.cert, signer); err == nil {
				if as, ok := s.(ssh.AlgorithmSigner); ok {
					certs = l.offer(certs, as, c.name)
				}
			}
		}
		switch {
		case strings.HasPrefix(where, "agent"):
			named = l.offer(named, signer, where)
		case f.locked:
			locked = l.offer(locked, signer, where)
		default:
			open = l.offer(open, signer, where)
		}
	}
	var others []offer
	if !l.s.yes("identitiesonly", false) {
		others = l.others(held, files)
	}
	l.offers = slices.DeleteFunc(slices.Concat(certs, named, open, others, locked), func(o offer) bool { return slices.Contains(l.skip, o.name) })
	out := make([]ssh.Signer, len(l.offers))
	for i, o := range l.offers {
		out[i] = o
	}
	return out, nil
}

// offer adds a key to those that are offered, unless its algorithms are not
// accepted.
func (l *login) offer(to []offer, s ssh.AlgorithmSigner, name string) []offer {
	m := restrict(s, l.accepted)
	if m == nil {
		l.passed = append(l.passed, name)
		return to
	}
	return append(to, offer{m, name, new(bool)})
}

// others are the agent's keys that no file names; certificates among them too.
func (l *login) others(held []agentKey, files []*keyFile) []offer {
	var out []offer
	for _, k := range held {
		named := slices.ContainsFunc(files, func(f *keyFile) bool {
			return f.public != nil && bytes.Equal(f.public.Marshal(), k.signer.PublicKey().Marshal())
		})
		if !named {
			out = l.offer(out, k.signer, k.name())
		}
	}
	return out
}

// agentKey is a key that the agent holds.
type agentKey struct {
	signer  ssh.AlgorithmSigner
	comment string
}

func (k agentKey) name() string {
	return "agent key " + show(k.signer.PublicKey()) + " (" + k.comment + ")"
}

// agentKeys asks the agent what it holds; no agent, no keys. The connection to
// it stays open as long as the login lasts.
func (l *login) agentKeys() []agentKey {
	socket := l.s.agentSocket()
	if socket == "" {
		return nil
	}
	var d net.Dialer
	conn, err := d.DialContext(l.ctx, "unix", socket)
	if err != nil {
		return nil
	}
	l.agent = conn
	client := agent.NewClient(conn)
	list, err := client.List()
	if err != nil {
		return nil
	}
	signers, err := client.Signers()
	if err != nil {
		return nil
	}
	var out []agentKey
	for i, s := range signers {
		if as, ok := s.(ssh.AlgorithmSigner); ok && i < len(list) {
			out = append(out, agentKey{as, list[i].Comment})
		}
	}
	return out
}

// close ends what the login opened.
func (l *login) close() {
	if l.agent != nil {
		l.agent.Close()
	}
}

// password asks the person for the password, and says so where it asks again.
func (l *login) password() (string, error) {
	text := "password of " + l.s.whose()
	if slices.Contains(l.tried, "password") {
		text = "the node refused that; " + text
	}
	l.tried = append(l.tried, "password")
	return l.ask(text)
}

// whose is the login for a person: "deploy@192.0.2.1 (web1)".
func (s *settings) whose() string {
	who := s.login() + "@" + s.alias
	if name := string(s.node); name != "" && name != s.alias {
		who += " (" + name + ")"
	}
	return nodes.Clean(who)
}

// challenge answers keyboard-interactive questions.
func (l *login) challenge(_, instruction string, questions []string, _ []bool) ([]string, error) {
	if len(questions) > 0 {
		l.tried = append(l.tried, "keyboard-interactive")
	}
	answers := make([]string, len(questions))
	for i, q := range questions {
		answer, err := l.ask(strings.Join(strings.Fields(l.s.whose()+": "+instruction+" "+strings.TrimRight(q, ": ")), " "))
		if err != nil {
			return nil, err
		}
		answers[i] = answer
	}
	return answers, nil
}

// ask asks for a secret; the time that a person takes does not count.
func (l *login) ask(text string) (string, error) {
	l.guard.pause()
	defer l.guard.resume()
	l.keys.asking.Lock()
	defer l.keys.asking.Unlock()
	return l.person.Ask(l.ctx, nodes.Question{Text: text, Secret: true})
}

// keyring keeps what was read of key files, and passphrases that were given,
// for all logins of a pool.
type keyring struct {
	mu     sync.Mutex
	read   map[string]*keyFile
	asking sync.Mutex // one question at a time
}

func newKeyring() *keyring { return &keyring{read: map[string]*keyFile{}} }
