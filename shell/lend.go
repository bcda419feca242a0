package shell

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"syscall"
	"time"

	"golang.org/x/term"

	"github.com/rollsh/rollsh/nodes"
)

// Lend puts the terminal into raw mode for a program on a node, and back however
// f ends. Ctrl-C goes to that program. Nothing else is drawn meanwhile.
func (p *person) Lend(ctx context.Context, f func(nodes.Screen) error) error {
	if !p.canAsk {
		return &nodes.Error{Kind: nodes.Refused, Message: "there is no terminal here"}
	}
	tty, err := p.open()
	if err != nil {
		return &nodes.Error{Kind: nodes.Refused, Message: "no terminal: " + err.Error(), Cause: err}
	}
	p.screen.hide()
	defer p.screen.show()
	restore, err := rawMode(tty)
	if err != nil {
		return errors.Join(&nodes.Error{Kind: nodes.Refused, Message: "no terminal: " + err.Error(), Cause: err}, tty.Close())
	}
	defer func() {
		_ = tty.SetReadDeadline(time.Unix(1, 0)) // a read under way ends and takes nothing
		restore()
		_ = tty.Close()
	}()
	resized, stop := p.resizes()
	defer stop()
	width, height := p.screen.size()
	return f(nodes.Screen{In: tty, Out: tty, Term: os.Getenv("TERM"), Width: width, Height: height, Resized: resized})
}

// resizes tells new sizes of the terminal until stop is called.
func (p *person) resizes() (sizes <-chan [2]int, stop func()) {
	caught, out, done := make(chan os.Signal, 1), make(chan [2]int, 1), make(chan struct{})
	signal.Notify(caught, syscall.SIGWINCH)
	go func() {
		for {
			select {
			case <-caught:
				w, h := p.screen.size()
				select {
				case out <- [2]int{w, h}:
				case <-done:
					return
				}
			case <-done:
				return
			}
		}
	}()
	return out, func() {
		signal.Stop(caught)
		close(done)
	}
}

// rawMode turns off echo and the terminal's own editing. Control keeps the file
// readable with a deadline, which Fd would not.
func rawMode(tty *os.File) (restore func(), err error) {
	conn, err := tty.SyscallConn()
	if err != nil {
		return nil, err
	}
	var state *term.State
	if cerr := conn.Control(func(fd uintptr) { state, err = term.MakeRaw(int(fd)) }); cerr != nil || err != nil {
		return nil, errors.Join(cerr, err)
	}
	return func() {
		// A terminal that is gone has nothing to restore.
		_ = conn.Control(func(fd uintptr) { _ = term.Restore(int(fd), state) })
	}, nil
}
