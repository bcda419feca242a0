package nodes

import (
	"context"
	"time"
)

// Dir is a Tree over a plain folder: it has no revisions, and what differs is
// not known beforehand.
func Dir(path string) Tree { return dir(path) }

type dir string

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

func (dir) Times(context.Context) (map[string]time.Time, error) { return nil, nil }
