//go:build linux

package agent

import (
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/zstd"
	"github.com/rollsh/rollsh/stdlib/sync/manifest"
	"github.com/rollsh/rollsh/stdlib/sync/wire"
	"golang.org/x/sys/unix"
)

// announce learns what is wanted: by a delta to what is believed to be ours
// here, or in full.
func (c *comparison) announce() (guessed bool, err error) {
	guessed, err = c.guess()
	if err == nil && !guessed {
		err = c.ask()
	}
	if err == nil {
		err = c.parents()
	}
	return guessed, err
}

// guess reads the delta that came with the request, if the request knew what
// is ours here.
func (c *comparison) guess() (right bool, err error) {
	if c.req.Base == "" || c.req.Base != c.now.Digest {
		return false, nil
	}
	to, err := c.unpack(&listPieces{s: c.s, t: wire.TypeDelta}, "the delta")
	if err != nil {
		return false, err
	}
	if c.delta, c.differs, err = wire.OpenDelta(to, to.Size()); err != nil {
		return false, failure("protocol", err.Error())
	}
	c.s.careful(c.differs)
	c.announced = c.ours
	if c.differs > 0 {
		c.announced = manifest.Edited(c.ours, c.delta)
	}
	digest, err := c.digest()
	if err != nil {
		return false, c.t.damaged(err)
	}
	if digest != c.req.Want {
		return false, nil
	}
	c.want, err = c.resolved(c.announced)
	return true, err
}

// digest is that of what was announced as a delta. What is replaced is noted on
// the way.
func (c *comparison) digest() (manifest.Digest, error) {
	if c.differs == 0 && c.rules.Plain() {
		return c.now.Digest, nil
	}
	replaced := manifest.NewBuilder(c.t.spool())
	paths := c.delta.Paths().Read()
	path := paths.Next()
	noting := manifest.Mapped(c.ours, func(e *manifest.Entry) {
		for path != nil && path.Path < e.Path {
			path = paths.Next()
		}
		if path != nil && path.Path == e.Path {
			replaced.Add(e)
		}
	})
	digest, err := c.keep(manifest.Edited(noting, c.delta))
	if err == nil {
		err = paths.Err()
	}
	if err == nil {
		c.replaced, err = replaced.Done()
	}
	return digest, err
}

// keep gives the digest of what was announced, and encodes it where it may be
// what is ours afterwards.
func (c *comparison) keep(announced manifest.List) (manifest.Digest, error) {
	if c.t.lock == nil || !c.rules.Plain() {
		return manifest.Write(nil, announced)
	}
	var err error
	if c.kept, err = manifest.Keep(announced, c.t.spool()); err != nil {
		return "", err
	}
	return c.kept.Digest, nil
}

// longestList limits what is taken of a manifest or a delta.
const longestList = 8 << 30

// ask has the controller send all that is wanted. What it sent on its guess is
// passed over.
func (c *comparison) ask() error {
	if err := wire.Write(c.s.out, wire.TypeResend, []byte(c.now.Digest)); err != nil {
		return err
	}
	to, err := c.unpack(&listPieces{s: c.s, t: wire.TypeManifest}, "the manifest")
	if err != nil {
		return err
	}
	list, err := manifest.Open(to, 0, to.Size())
	if err != nil {
		return failure("protocol", err.Error())
	}
	if list.Digest != c.req.Want {
		return failure("protocol", "the manifest is not the one that was announced")
	}
	c.s.careful(list.Count)
	c.announced = list
	c.want, err = c.resolved(list)
	return err
}

// unpack unpacks a list that comes in pieces.
func (c *comparison) unpack(from *listPieces, what string) (*manifest.Spool, error) {
	z, err := zstd.NewReader(from, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(32<<20))
	if err != nil {
		return nil, err
	}
	defer z.Close()
	to := c.t.spool()
	if _, err := io.Copy(to, io.LimitReader(z, longestList)); err != nil {
		return nil, listBroke(what, err)
	}
	_, err = io.Copy(io.Discard, from)
	return to, listBroke(what, err)
}

// listBroke tells a lost connection, a full disk and rubbish apart.
func listBroke(what string, err error) error {
	var errno unix.Errno
	switch gone := controllerGone(err); {
	case err == nil:
		return nil
	case gone != err: //nolint:errorlint // the very same
		return gone
	case errors.As(err, &errno):
		return cannot("keep", "what is wanted", err)
	}
	return failure("protocol", what+": "+err.Error())
}

// listPieces turns Manifest or Delta frames into a stream. What was sent on a guess
// before a manifest is passed over.
type listPieces struct {
	s     *server
	t     wire.Type
	cur   []byte
	begun bool
	done  bool
}

// Read implements io.Reader.
func (p *listPieces) Read(b []byte) (int, error) {
	for len(p.cur) == 0 {
		if p.done {
			return 0, io.EOF
		}
		f, err := p.s.next(pieceWait)
		switch {
		case err != nil:
			return 0, &brokenStream{err}
		case f.t == p.t:
			p.begun, p.cur, p.done = true, f.p, len(f.p) < p.least()
		case p.begun || p.t == wire.TypeDelta:
			return 0, fmt.Errorf("frame %q among its pieces", byte(f.t))
		}
	}
	n := copy(b, p.cur)
	p.cur = p.cur[n:]
	return n, nil
}

// least is the length of a piece that is not the last one.
func (p *listPieces) least() int {
	if p.t == wire.TypeDelta {
		return wire.PieceSize
	}
	return 1
}

// predicted lists the files whose contents come with a right guess: what a
// decision needs if the tree is as the last roll left it.
func (c *comparison) predicted() (*manifest.Encoded, error) {
	b := manifest.NewBuilder(c.t.spool())
	if c.differs == 0 {
		return b.Done()
	}
	ours, want := c.ours, c.want
	if !want.Traits().HardLinks { // then nothing is sent of what the delta does not name
		ours, _ = c.t.owners.resolved(c.replaced)
		want, _ = c.t.owners.resolved(c.delta.Change)
	}
	if err := manifest.Predict(ours, want, c.req.Policy, b.Add); err != nil {
		return nil, c.t.damaged(err)
	}
	list, err := b.Done()
	return list, cannot("keep", "what comes", err)
}
