package shell

import (
	"io"
	"os"

	"golang.org/x/term"
)

const (
	usualWidth  = 80
	usualHeight = 24
)

// isTerminal reports whether a stream is a terminal.
func isTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// sizeOf gives the size of the terminal behind the first stream that is one.
func sizeOf(candidates ...io.Writer) func() (width, height int) {
	return func() (int, int) {
		for _, c := range candidates {
			if f, ok := c.(*os.File); ok {
				if w, h, err := term.GetSize(int(f.Fd())); err == nil && w > 0 && h > 0 {
					return w, h
				}
			}
		}
		return usualWidth, usualHeight
	}
}

// wantsColor decides about colour for one stream: the flag, then NO_COLOR, then
// whether it is a terminal that can.
func wantsColor(flag string, terminal bool, env func(string) string) bool {
	switch {
	case flag == "always":
		return true
	case flag == "never" || env("NO_COLOR") != "" || env("TERM") == "dumb":
		return false
	}
	return terminal
}
