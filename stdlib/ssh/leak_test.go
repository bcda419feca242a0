package ssh_test

import (
	"errors"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	xssh "golang.org/x/crypto/ssh"

	"github.com/rollsh/rollsh/nodes"
	"github.com/rollsh/rollsh/nodes/nodetest"
)

// After a pool was closed no goroutine of it is left.
func TestNothingIsLeftBehind(t *testing.T) {
	b := start(t, 4)
	before := runtime.NumGoroutine()
	var wg sync.WaitGroup
	for i := range 4 {
		c := b.dial(t, i)
		wg.Go(func() {
			c.Run(t.Context(), nodes.Cmd{Line: "echo x"})
			c.Run(t.Context(), nodes.Cmd{Line: "sleep 30", Timeout: 50 * time.Millisecond})
			f, err := c.Files(t.Context())
			if err == nil {
				f.Stat("/")
				f.Close()
			}
		})
	}
	wg.Wait()
	b.pool.Close()
	b.pool.Close()
	await(t, "all goroutines have ended", func() bool { return runtime.NumGoroutine() <= before })
	_, err := b.pool.Dial(t.Context(), b.Node(0))
	fails(t, err, nodes.Cancelled)
	for i := range 4 {
		await(t, "nothing runs on the node", func() bool { return b.Sessions(i, "") == 0 })
	}
}

// OpenSSH always tells an exit status; this server does not, and keeps the
// connection open. (No real server can be made to do that.)
func TestNoExitStatusOnALiveConnection(t *testing.T) {
	b := start(t, 0)
	port := silentServer(t, &xssh.ServerConfig{NoClientAuth: true})
	b.known(t, "")
	b.config(t, "StrictHostKeyChecking accept-new")
	c, err := b.pool.Dial(within(t, 20*time.Second), &nodes.Node{Name: "odd", Host: "127.0.0.1", Port: port})
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.Run(within(t, 20*time.Second), nodes.Cmd{Line: "true"})
	fails(t, err, nodes.Lost, "without an exit status")
}

// Passwords need accounts of the system; this server has one of its own.
func TestPasswordIsAskedFor(t *testing.T) {
	for name, config := range map[string]*xssh.ServerConfig{
		"password of": {PasswordCallback: func(_ xssh.ConnMetadata, pass []byte) (*xssh.Permissions, error) { return nil, allow(string(pass)) }},
		"PIN": {KeyboardInteractiveCallback: func(_ xssh.ConnMetadata, ask xssh.KeyboardInteractiveChallenge) (*xssh.Permissions, error) {
			answers, err := ask("", "prove it", []string{"PIN: "}, []bool{false})
			if err == nil {
				err = allow(answers[0])
			}
			return nil, err
		}},
	} {
		for _, answers := range [][]string{{"wrong", "right"}, {}} {
			b := start(t, 0)
			port := silentServer(t, config)
			b.known(t, "")
			b.config(t, "StrictHostKeyChecking accept-new")
			person := &nodetest.Person{Answers: answers}
			b.session.Person = person
			_, err := b.pool.Dial(within(t, 20*time.Second), &nodes.Node{Name: "odd", Host: "127.0.0.1", Port: port})
			if len(answers) == 0 {
				fails(t, err, nodes.Auth, "refuses the login")
				continue
			}
			if err != nil || len(person.Asked) != 2 || !strings.Contains(person.Asked[0], name) || !strings.Contains(person.Asked[0], "@127.0.0.1 (odd)") {
				t.Errorf("%s: asked %q: %v", name, person.Asked, err)
			} else if again := strings.HasPrefix(person.Asked[1], "the node refused that; "); again != (name == "password of") {
				t.Errorf("%s: asked %q", name, person.Asked) // a second question of the other kind may be another one
			}
		}
	}
}

func allow(password string) error {
	if password != "right" {
		return errors.New("wrong password")
	}
	return nil
}

// silentServer takes one connection and answers commands without a status.
func silentServer(t *testing.T, config *xssh.ServerConfig) (port int) {
	t.Helper()
	return servingSSH(t, config, func(ch xssh.NewChannel) {
		c, asked, err := ch.Accept()
		if err != nil {
			return
		}
		for r := range asked {
			r.Reply(true, nil)
			if r.Type == "exec" {
				c.Write([]byte("output\n"))
				c.Close()
			}
		}
	})
}
