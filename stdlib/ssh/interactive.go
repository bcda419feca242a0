package ssh

import (
	"context"
	"errors"
	"io"

	"golang.org/x/crypto/ssh"

	"github.com/rollsh/rollsh/nodes"
)

// Shell opens a login shell on the person's terminal; see [nodes.Interactive].
func (n *nodeConn) Shell(ctx context.Context, screen nodes.Screen) (nodes.Result, error) {
	s, err := n.session(ctx)
	if err != nil {
		return nodes.Result{Code: -1}, n.at(err)
	}
	defer n.release()
	defer s.Close()
	s.Stdout, s.Stderr = screen.Out, screen.Out
	end, err := n.lendAgent(s, false)
	if err != nil {
		return nodes.Result{Code: -1}, n.at(err)
	}
	defer end()
	in, err := s.StdinPipe()
	if err == nil {
		err = s.RequestPty(screen.Term, screen.Height, screen.Width, ssh.TerminalModes{})
	}
	if err == nil {
		err = s.Shell()
	}
	if err != nil {
		return nodes.Result{Code: -1}, n.at(&nodes.Error{Kind: nodes.Permission, Message: n.s.where() + " opens no shell: " + err.Error(), Cause: err})
	}
	ended := make(chan struct{})
	defer close(ended)
	go func() { _, _ = io.Copy(in, screen.In) }()
	go func() {
		for {
			select {
			case size, more := <-screen.Resized:
				if !more {
					return
				}
				_ = s.WindowChange(size[1], size[0])
			case <-ended:
				return
			}
		}
	}()
	_, err = within(ctx, func() (struct{}, error) { return struct{}{}, s.Wait() }, func(struct{}) {})
	var exit *ssh.ExitError
	switch {
	case ctx.Err() != nil:
		return nodes.Result{Code: -1}, nodes.Stopped(ctx)
	case err == nil:
		return nodes.Result{}, nil
	case errors.As(err, &exit) && exit.Signal() != "":
		return nodes.Result{Code: -1, Signal: exit.Signal()}, nil
	case errors.As(err, &exit):
		return nodes.Result{Code: exit.ExitStatus()}, nil
	}
	return nodes.Result{Code: -1}, n.at(n.broken("the shell", err))
}

// Interact lends the person's terminal to a login shell on the node and gives
// it back when the shell ends.
func Interact(ctx context.Context, s *nodes.Session, n *nodes.Node) (nodes.Result, error) {
	terminal, ok := s.Person.(nodes.Terminal)
	if !ok {
		return nodes.Result{Code: -1}, &nodes.Error{Kind: nodes.Refused, Message: "a shell on a node needs a terminal here"}
	}
	c, err := s.Dialer.Dial(ctx, n)
	if err != nil {
		return nodes.Result{Code: -1}, err
	}
	i, ok := c.(nodes.Interactive)
	if !ok {
		return nodes.Result{Code: -1}, &nodes.Error{Kind: nodes.Permission, Node: n.Name, Message: "no shell is to be had here"}
	}
	var res nodes.Result
	err = terminal.Lend(ctx, func(screen nodes.Screen) error {
		var err error
		res, err = i.Shell(ctx, screen)
		return err
	})
	return res, err
}
