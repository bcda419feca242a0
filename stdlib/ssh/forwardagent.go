package ssh

import (
	"io"
	"net"
	"os"
	"strings"
	"sync"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"

	"github.com/rollsh/rollsh/nodes"
)

// agentChannel is how a node reaches for a forwarded agent. Source: OpenSSH,
// PROTOCOL.agent and draft-ietf-sshm-ssh-agent.
const agentChannel = "auth-agent@openssh.com"

// agentSocket is where the agent listens; empty for none.
func (s *settings) agentSocket() string { return s.socket(s.first("identityagent", "SSH_AUTH_SOCK")) }

// socket reads a value of IdentityAgent or ForwardAgent: a path, a variable's
// name after $, SSH_AUTH_SOCK, none.
func (s *settings) socket(value string) string {
	name, isVar := strings.CutPrefix(value, "$")
	switch {
	case value == "SSH_AUTH_SOCK":
		return os.Getenv(value)
	case value == "none":
		return ""
	case isVar && !strings.HasPrefix(name, "{"):
		return os.Getenv(name)
	}
	return s.path(value)
}

// forwardAgent is ForwardAgent: yes, no, or another agent's socket.
func (s *settings) forwardAgent() string {
	value := s.first("forwardagent", "no")
	switch strings.ToLower(value) {
	case "yes", "true":
		return "yes"
	case "no", "false":
		return "no"
	}
	return value
}

// lendAgent lets what runs in the session use the person's agent: where it was
// asked for, or where ForwardAgent says so. It gives what ends that; an agent
// that was asked for and is not to be had is an error.
func (c *connection) lendAgent(session *ssh.Session, asked bool) (end func(), err error) {
	none := func() {}
	value := c.s.forwardAgent()
	if !asked && value == "no" {
		return none, nil
	}
	socket := c.s.agentSocket()
	if value != "yes" && value != "no" {
		socket = c.s.socket(value)
	}
	if socket == "" {
		err = &nodes.Error{Kind: nodes.Auth, Message: "no ssh agent to lend to " + c.s.where(), Hint: "start ssh-agent and add a key: eval $(ssh-agent); ssh-add"}
	} else if refused := agent.RequestAgentForwarding(session); refused != nil {
		err = &nodes.Error{
			Kind: nodes.Permission, Message: c.s.where() + " takes no forwarded agent", Cause: refused,
			Hint: "sshd_config on the node wants: AllowAgentForwarding yes",
		}
	}
	switch {
	case err != nil && asked:
		return none, err
	case err != nil: // ssh goes on without, too
		return none, nil
	}
	return c.agents.open(c.client, socket), nil
}

// agents answers a node that reaches for the agent, while a session that may do
// so is open.
type agents struct {
	mu    sync.Mutex
	users map[string]int // sessions, by the agent's socket
	now   string         // the socket that was lent last
	on    bool
}

func (a *agents) open(client *ssh.Client, socket string) (end func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.users == nil {
		a.users = map[string]int{}
	}
	a.users[socket]++
	a.now = socket
	if !a.on {
		a.on = true
		go a.serve(client.HandleChannelOpen(agentChannel))
	}
	return sync.OnceFunc(func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.users[socket]--
	})
}

// serve ends with the connection.
func (a *agents) serve(asked <-chan ssh.NewChannel) {
	for ch := range asked {
		a.mu.Lock()
		socket, lent := a.now, a.users[a.now] > 0
		a.mu.Unlock()
		if !lent {
			_ = ch.Reject(ssh.Prohibited, "no agent is lent")
			continue
		}
		go join(ch, socket)
	}
}

// join joins a channel with the agent until one of them ends.
func join(ch ssh.NewChannel, socket string) {
	local, err := net.Dial("unix", socket)
	if err != nil {
		_ = ch.Reject(ssh.ConnectionFailed, "the agent does not answer")
		return
	}
	defer local.Close()
	remote, requests, err := ch.Accept()
	if err != nil {
		return
	}
	defer remote.Close()
	go ssh.DiscardRequests(requests)
	go func() {
		_, _ = io.Copy(remote, local)
		remote.Close()
	}()
	_, _ = io.Copy(local, remote)
}
