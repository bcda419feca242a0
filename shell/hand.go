package shell

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/rollsh/rollsh/nodes"
)

// killAfter is how long a program on the terminal has to end after a cancel.
const killAfter = 500 * time.Millisecond

// Hand lets a program, such as an editor, use the terminal until it ends. It is
// the foreground job meanwhile: Ctrl-C is its own. Nothing else is drawn.
func (p *person) Hand(ctx context.Context, argv []string, dir string, env map[string]string) error {
	if !p.canAsk {
		return &nodes.Error{Kind: nodes.Refused, Message: "there is no terminal to run " + argv[0] + " on"}
	}
	if err := p.permit("editor", nodes.Quote(argv...)); err != nil {
		return err
	}
	tty, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
	if err != nil {
		return &nodes.Error{Kind: nodes.Refused, Message: "no terminal to run " + argv[0] + " on: " + err.Error(), Cause: err}
	}
	defer tty.Close()
	p.screen.hide()
	defer p.screen.show()
	fd := int(tty.Fd()) // blocking from here on, as programs expect it
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Dir, cmd.Stdin, cmd.Stdout, cmd.Stderr = dir, tty, tty, tty
	cmd.Env = os.Environ()
	for name, value := range env {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Foreground: true, Ctty: fd}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	cmd.WaitDelay = killAfter
	err = cmd.Run()
	foreground(fd)
	return handed(ctx, argv[0], err)
}

// inForeground reports whether rollsh is the foreground job of a terminal.
func inForeground(fd int) bool {
	group, err := unix.IoctlGetInt(fd, unix.TIOCGPGRP)
	return err == nil && group == syscall.Getpgrp()
}

// foreground makes rollsh the terminal's foreground job again. A background job
// that asks for that gets TTOU, which would stop it.
func foreground(fd int) {
	signal.Ignore(syscall.SIGTTOU)
	defer signal.Reset(syscall.SIGTTOU)
	_ = unix.IoctlSetPointerInt(fd, unix.TIOCSPGRP, syscall.Getpgrp()) // a terminal that is gone has no foreground
}

func handed(ctx context.Context, program string, err error) error {
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return nodes.Stopped(ctx)
	case errors.As(err, &exit):
		return &nodes.Error{Kind: nodes.Exit, Message: program + ": exit code " + strconv.Itoa(exit.ExitCode()), Code: strconv.Itoa(exit.ExitCode())}
	case err != nil:
		return &nodes.Error{Kind: nodes.NotFound, Message: "cannot run " + program + ": " + err.Error(), Cause: err}
	}
	return nil
}
