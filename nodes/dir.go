package nodes

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"time"
)

// Dir is a Tree over a plain folder: it has no revisions, and what differs is
// not known beforehand.
func Dir(path string) Tree { return dir(path) }

type dir string

// CheckFolder is why a Tree over a plain folder cannot be read at a revision: NotFound
// where it is not there, Usage for what is no folder, and for any revision but HEAD. Nil
// for other Trees, which were looked at when they were made.
func CheckFolder(t Tree, rev Revision) error {
	d, ok := t.(dir)
	if !ok {
		return nil
	}
	if rev != "" && rev != "HEAD" {
		return &Error{Kind: Usage, Message: "rev is '" + Clean(string(rev)) + "', but " + string(d) + " has no revisions: it is a plain folder"}
	}
	info, err := os.Stat(string(d))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return &Error{Kind: NotFound, Message: "from: there is no folder " + string(d)}
	case err != nil:
		return &Error{Kind: Permission, Message: "from: cannot look at " + string(d) + ": " + err.Error(), Cause: err}
	case !info.IsDir():
		return &Error{Kind: Usage, Message: "from: " + string(d) + " is not a folder"}
	}
	return nil
}

func (d dir) Root() string { return string(d) }

func (dir) Revision(context.Context) (Revision, error) { return "", nil }

func (d dir) Files(context.Context, Revision, Revision) ([]Change, error) {
	return nil, &Error{Kind: Usage, Message: string(d) + " is a plain folder: it has no revisions"}
}

func (d dir) At(_ context.Context, rev Revision) (Tree, func(), error) {
	if rev != "" {
		return nil, nil, &Error{Kind: Usage, Message: string(d) + " is a plain folder: it has no revision " + string(rev)}
	}
	return d, func() {}, nil
}

func (dir) Dated(context.Context) (Revision, map[string]time.Time, error) { return "", nil, nil }
