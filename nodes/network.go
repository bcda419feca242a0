package nodes

import (
	"context"
	"io"
	"net"
)

// Network is a Conn that can open streams from its node, as the node itself
// would: 127.0.0.1 is the node. The error is Unreachable, Permission where the
// node forwards nothing, Lost, Timeout or Cancelled.
type Network interface {
	DialFrom(ctx context.Context, network, address string) (net.Conn, error)
}

// Interactive is a Conn that can open a login shell on a person's terminal.
type Interactive interface {
	// Shell returns when the shell has ended; its Result says how.
	Shell(ctx context.Context, s Screen) (Result, error)
}

// Screen is a terminal in raw mode that was lent to a program.
type Screen struct {
	In            io.Reader // a Read under way when f returns takes nothing more
	Out           io.Writer
	Term          string // TERM
	Width, Height int
	Resized       <-chan [2]int // new width and height; may be nil
}

// Terminal is a Person who has a terminal to lend.
type Terminal interface {
	// Lend puts the terminal into raw mode, runs f and puts it back, however f
	// ends. It fails with Refused where there is no terminal.
	Lend(ctx context.Context, f func(Screen) error) error
}
