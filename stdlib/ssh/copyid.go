package ssh

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"strings"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"

	"github.com/rollsh/rollsh/nodes"
)

// Keyed is what CopyID did.
type Keyed struct {
	Added bool   `lua:"added"` // false: the node had the key
	Key   string `lua:"key"`   // as ssh shows it
	File  string `lua:"file"`  // on the node
}

// authorized is where sshd looks by default, from the login folder, in which
// SFTP begins. Source: sshd_config(5), AuthorizedKeysFile.
const authorized = nodes.RemotePath(".ssh/authorized_keys")

// keyed is a connection that knows the person's public keys.
type keyed interface {
	publicKey(file string) (text string, err error)
	where() string
}

// CopyID puts a public key of the person's into the node's authorized_keys,
// after asking; a key that is there already is not asked about. The file named,
// or else the first IdentityFile that has a .pub, or else the agent's first key.
func (h Hand) CopyID(ctx context.Context, n *nodes.Node, file string) (Keyed, error) {
	conn, err := h.session.Dialer.Dial(ctx, n)
	if err != nil {
		return Keyed{}, err
	}
	k, ok := conn.(keyed)
	if !ok {
		return Keyed{}, &nodes.Error{Kind: nodes.Usage, Message: "this machine is not reached by a key"}
	}
	if file != "" && !strings.HasPrefix(file, "~/") {
		file = h.session.Path(file)
	}
	text, err := k.publicKey(file)
	if err != nil {
		return Keyed{}, err
	}
	key, comment, _, _, err := ssh.ParseAuthorizedKey([]byte(text))
	if err != nil {
		return Keyed{}, &nodes.Error{Kind: nodes.Usage, Message: file + " holds no public key: " + err.Error(), Hint: "name the .pub file"}
	}
	done := Keyed{Key: show(key), File: string(authorized)}
	err = h.with(ctx, n, func(f nodes.Files) error {
		old, err := authorizedKeys(f)
		if err != nil || holdsKey(old, key) {
			return err
		}
		text := fmt.Sprintf("let %s (%s) log in as %s?", done.Key, comment, k.where())
		yes, err := h.session.Person.Confirm(ctx, text)
		if err == nil && !yes {
			err = &nodes.Error{Kind: nodes.Refused, Message: "the key was not put on the node: the answer was no"}
		}
		if err != nil {
			return err
		}
		done.Added = true
		return authorize(f, old, strings.TrimSpace(keyText(key)+" "+comment))
	})
	return done, err
}

// authorizedKeys reads the node's file; none is empty.
func authorizedKeys(f nodes.Files) ([]byte, error) {
	old, err := ReadFile(f, authorized)
	if nodes.KindOf(err) == nodes.NotFound {
		return nil, nil
	}
	return old, err
}

func holdsKey(file []byte, key ssh.PublicKey) bool {
	for line := range bytes.Lines(file) {
		k, _, _, _, err := ssh.ParseAuthorizedKey(line)
		if err == nil && bytes.Equal(k.Marshal(), key.Marshal()) {
			return true
		}
	}
	return false
}

// authorize adds a line to the file, which sshd reads only when nobody else can
// write it.
func authorize(f nodes.Files, old []byte, line string) error {
	if err := makeFolder(f, ".ssh", 0o700); err != nil {
		return err
	}
	if len(old) > 0 && old[len(old)-1] != '\n' {
		old = append(old, '\n')
	}
	var a Attributes
	if len(old) == 0 {
		private := os.FileMode(0o600)
		a.Perm = &private
	}
	return WriteFile(f, authorized, strings.NewReader(string(old)+line+"\n"), a)
}

func (n *nodeConn) where() string { return n.s.where() }

// publicKey gives the text of the public key that is meant.
func (n *nodeConn) publicKey(file string) (string, error) {
	if file != "" {
		name := n.s.path(file)
		for _, try := range []string{name + ".pub", name} {
			if text, err := os.ReadFile(try); err == nil && isPublic(text) {
				return string(text), nil
			}
		}
		return "", &nodes.Error{Kind: nodes.NotFound, Message: "no public key in " + file + " or " + file + ".pub"}
	}
	for _, f := range n.pool.keys.files(n.s) {
		if text, err := os.ReadFile(strings.TrimSuffix(f.name, ".pub") + ".pub"); err == nil && isPublic(text) {
			return string(text), nil
		}
	}
	return n.agentKey()
}

func isPublic(text []byte) bool {
	_, _, _, _, err := ssh.ParseAuthorizedKey(text)
	return err == nil
}

// agentKey is the first key of the agent.
func (n *nodeConn) agentKey() (string, error) {
	none := &nodes.Error{
		Kind: nodes.NotFound, Message: "you have no public key: none of your IdentityFiles has a .pub beside it, and no agent holds one",
		Hint: "make one with ssh-keygen -t ed25519, or name it: copy_id{key=\"~/.ssh/mine.pub\"}",
	}
	socket := n.s.agentSocket()
	if socket == "" {
		return "", none
	}
	conn, err := net.Dial("unix", socket)
	if err != nil {
		return "", none
	}
	defer conn.Close()
	list, err := agent.NewClient(conn).List()
	if err != nil || len(list) == 0 {
		return "", none
	}
	return list[0].String(), nil
}
