package svn

import (
	"context"
	"io"
	"strconv"

	"github.com/rollsh/rollsh/nodes"
)

// Earlier reads what a file of the checkout held at a revision, or, with an empty
// one, before it was changed here. The error is NotFound where it was not there.
func (c *Checkout) Earlier(ctx context.Context, path string, rev nodes.Revision) ([]byte, error) {
	var text []byte
	k := c.here("cat", "--", path+"@")
	if rev != "" {
		head, err := c.head(ctx)
		if err != nil {
			return nil, err
		}
		n, err := revision(rev, head, head)
		if err != nil {
			return nil, err
		}
		k = call{args: []string{"cat", "-r", strconv.Itoa(n), at(join(c.URL, path), n)}}
	}
	k.read = func(r io.Reader) (err error) {
		text, err = io.ReadAll(io.LimitReader(r, maxPatch))
		return err
	}
	_, err := c.client.must(ctx, k)
	return text, err
}

// Earlier reads what a file held before the merge; see Checkout.Earlier.
func (m *Merge) Earlier(ctx context.Context, path string, _ nodes.Revision) ([]byte, error) {
	return m.Into.Earlier(ctx, path, "")
}

// Earlier reads what a file held at a revision, or, with an empty one, in the
// commit that is checked out. The error is NotFound where it was not there.
func (g *GitCheckout) Earlier(ctx context.Context, path string, rev nodes.Revision) ([]byte, error) {
	hash := "HEAD"
	if rev != "" {
		n, l, err := g.find(ctx, rev, 0)
		if err != nil {
			return nil, err
		}
		hash = l.hash(n)
	}
	var text []byte
	k := call{args: []string{"show", hash + ":" + path}, read: func(r io.Reader) (err error) {
		text, err = io.ReadAll(io.LimitReader(r, maxPatch))
		return err
	}}
	_, err := g.git(ctx, k)
	return text, err
}
