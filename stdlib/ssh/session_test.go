package ssh_test

import (
	"io"
	"testing"
	"time"

	xssh "golang.org/x/crypto/ssh"

	"github.com/rollsh/rollsh/nodes"
)

// What an eager command is given is sent before the node has answered that it
// begins it, and not before the command.
func TestEagerCommand(t *testing.T) {
	b := start(t, 0)
	b.known(t, "")
	b.config(t, "StrictHostKeyChecking accept-new")
	got := make(chan string, 1)
	port := servingSSH(t, &xssh.ServerConfig{NoClientAuth: true, ServerVersion: "SSH-2.0-OpenSSH_9.9"}, func(ch xssh.NewChannel) {
		c, asked, err := ch.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		for r := range asked {
			if r.Type != "exec" {
				continue
			}
			input := make([]byte, 5)
			_, _ = io.ReadFull(c, input)
			got <- string(input)
			if r.WantReply {
				_ = r.Reply(true, nil)
			}
			_, _ = c.SendRequest("exit-status", false, xssh.Marshal(struct{ Code uint32 }{7}))
			return
		}
	})
	c, err := b.pool.Dial(within(t, 20*time.Second), &nodes.Node{Name: "eager", Host: "127.0.0.1", Port: port})
	if err != nil {
		t.Fatal(err)
	}
	p, err := c.Start(within(t, 20*time.Second), nodes.Cmd{Line: "head -c 5", Eager: true})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(p.Stdin(), "first"); err != nil {
		t.Fatal(err)
	}
	select {
	case text := <-got:
		if text != "first" {
			t.Errorf("%q", text)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("nothing arrived")
	}
	if res, err := p.Wait(); err != nil || res.Code != 7 {
		t.Errorf("%+v, %v", res, err)
	}
}
