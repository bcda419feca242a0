package xmpp_test

import (
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/rollsh/rollsh/nodes"
	"github.com/rollsh/rollsh/nodes/nodetest"
	"github.com/rollsh/rollsh/stdlib/notify/xmpp/xmpptest"
)

// At an address where no chat server answers, or one that begins with TLS where the other
// way was chosen, the error says where, what answered and what to change, before the time
// is up where the other side said anything.
func TestAnotherServerAtThePort(t *testing.T) {
	prosody := xmpptest.Prosody(t, xmpptest.ProsodyOptions{})
	direct := xmpptest.ProsodyDirect(t)
	sshd := fmt.Sprintf("127.0.0.1:%d", nodetest.Start(t, 1).Node(0).Port)
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	const port = `(hint: is server= right? XMPP clients mostly go to port 5222, or 5223 with tls="direct")`
	for name, c := range map[string]struct {
		addr    string
		tls     bool
		timeout time.Duration
		want    string
	}{
		"direct at STARTTLS":   {prosody.Addr, true, 0, `the server does not begin with TLS, it offers it (STARTTLS) (hint: leave tls="direct" out)`},
		"STARTTLS at direct":   {direct.Addr, false, 0, "logging in: the server closed the connection " + port},
		"sshd":                 {sshd, false, 0, `no XMPP server answers, but one that says "SSH-2.0-`},
		"sshd, TLS":            {sshd, true, 0, "the server does not begin with TLS " + port},
		"one that is silent":   {silent.Addr().String(), false, time.Second, "logging in: no answer in time " + port},
		"a silent one, TLS":    {silent.Addr().String(), true, time.Second, "TLS handshake: no answer in time " + port},
		"an unknown account":   {prosody.Addr, false, 0, `the server refuses the login of "bot@roll.test": not-authorized`},
		"an untrusted prosody": {prosody.Addr, false, 0, "the certificate is not trusted"},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := config(t, prosody, "bot")
			cfg.Server, cfg.DirectTLS, cfg.Timeout = c.addr, c.tls, c.timeout
			switch name {
			case "an unknown account":
				cfg.Password = nodes.NewSecret("no")
			case "an untrusted prosody":
				cfg.Roots = nil
			}
			begun := time.Now()
			e := failed(t, cfg)
			if got := e.Error(); !strings.HasPrefix(got, c.addr+": "+c.want) {
				t.Errorf("%s, want %s: %s", got, c.addr, c.want)
			}
			if took := time.Since(begun); c.timeout == 0 && took > 8*time.Second {
				t.Errorf("it took %v", took)
			}
		})
	}
}
