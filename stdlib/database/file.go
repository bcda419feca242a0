package database

import (
	"context"
	"strings"
	"time"

	"github.com/rollsh/rollsh/nodes"
)

// File is a file on a node that only the user of the programs there can read: for
// passwords.
type File struct {
	conn nodes.Conn
	sudo string
	path string
}

// WriteFile makes a file with a text, for the login or, with sudo, for another user.
func WriteFile(ctx context.Context, conn nodes.Conn, sudo, text string) (*File, error) {
	line := `umask 077 && f=$(mktemp) && { cat >"$f" && echo "$f" || { rm -f "$f"; exit 1; }; }`
	res, err := conn.Run(ctx, nodes.Cmd{Line: line, Stdin: strings.NewReader(text), Sudo: sudo, Quiet: true, Timeout: time.Minute})
	if err != nil {
		return nil, err
	}
	path := strings.TrimSpace(string(res.Stdout))
	if !res.OK() || !strings.HasPrefix(path, "/") {
		return nil, Failure(res, "cannot write a file for the password")
	}
	return &File{conn, sudo, path}, nil
}

// Path is where the file is; empty for none.
func (f *File) Path() string {
	if f == nil {
		return ""
	}
	return f.path
}

// Remove removes the file, if there is one. It is for its user only, so that it does
// no harm where that fails.
func (f *File) Remove(ctx context.Context) {
	if f != nil {
		_, _ = f.conn.Run(ctx, nodes.Cmd{Argv: []string{"rm", "-f", "--", f.path}, Sudo: f.sudo, Quiet: true, Timeout: 10 * time.Second})
	}
}
