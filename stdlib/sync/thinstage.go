package sync

import (
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"io/fs"
	"path"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/rollsh/rollsh/nodes"
	"github.com/rollsh/rollsh/stdlib/sync/agent"
	"github.com/rollsh/rollsh/stdlib/sync/beneath"
	"github.com/rollsh/rollsh/stdlib/sync/manifest"
	"github.com/rollsh/rollsh/stdlib/sync/wire"
)

const unixLink = fs.ModeSymlink

// thinStage is a stage that was made over SFTP. It lies on the node as one that
// an agent made does, so that either may finish or undo what the other began.
type thinStage struct {
	e    *Engine
	j    *job
	t    *thin  // still open; nil once it was used
	dir  string // on the node
	next *wire.Record
	plan *wire.Journal
}

// thinStage stages one node over SFTP.
func (e *Engine) thinStage(ctx context.Context, j *job, why string) (*thinStage, *wire.Report, error) {
	e.sayThin(j.events, j.node, why)
	t, err := e.openThin(ctx, j)
	if err != nil {
		return nil, nil, err
	}
	var s *thinStage
	var rep *wire.Report
	if err = t.prepare(); err == nil {
		s, rep, err = t.stage()
	}
	if err != nil {
		err = t.why(err)
		_ = t.abandon(path.Join(t.state, wire.StageName(j.roll)))
		t.shut()
		return nil, nil, err
	}
	if rep.Nothing {
		t.close()
		return nil, rep, nil
	}
	if !j.hold {
		t.unlock()
	}
	t.unbind() // whatever ends ctx now, the stage can be dropped
	s.t = t
	return s, rep, nil
}

func (t *thin) stage() (*thinStage, *wire.Report, error) {
	t.sweep(t.now.Seq, "")
	c, err := t.compare(t.j.lists)
	if err != nil {
		return nil, nil, err
	}
	rep, err := agent.Summary(c.dec, t.j.lists)
	if err != nil {
		return nil, nil, err
	}
	rep.First, rep.Drift, rep.Settled = t.now.First(), c.findings(), t.settled
	if err := c.refuse(rep.Digest); err != nil {
		return nil, nil, err
	}
	next := c.next()
	rep.Marker = &next.Marker
	if rep.Nothing && !t.now.First() && c.dec.Settles == 0 && next.Rev == t.now.Rev {
		t.noteIdle(t.j.roll)
		return nil, rep, nil
	}
	rep.Nothing = false
	if err := t.fits(rep); err != nil {
		return nil, nil, err
	}
	s, err := c.plan(next)
	if err == nil {
		err = c.tellsCase(s.plan)
	}
	if err != nil {
		return nil, nil, err
	}
	if err := t.upload(s, rep); err != nil {
		return nil, nil, err
	}
	return s, rep, t.hold()
}

// fits refuses contents that would fill the filesystem. Undos make room, the
// oldest first; the last one stays.
func (t *thin) fits(rep *wire.Report) error {
	for gone := 0; ; gone++ {
		lacks := t.free().Lacks(t.state, rep.Bytes, rep.Files)
		if lacks == "" && gone > 0 {
			rep.Warnings = append(rep.Warnings, wire.MadeRoom(gone, t.root))
		}
		if lacks == "" {
			return nil
		}
		undos, err := t.undos()
		if err != nil || len(undos) < 2 {
			return &nodes.Error{Kind: nodes.Space, Message: lacks}
		}
		if err := t.discard(path.Join(t.state, undos[0])); err != nil {
			return err
		}
		t.names = nil
	}
}

// plan makes the journal of the switch.
func (c *comparison) plan(next *wire.Record) (*thinStage, error) {
	t := c.t
	s := &thinStage{e: t.e, j: t.j, dir: path.Join(t.state, wire.StageName(t.j.roll)), next: next}
	j := &wire.Journal{
		Roll: t.j.roll, Seq: t.now.Seq, Base: t.now.Digest, MakeRoot: !t.exists, Keep: t.j.o.Undo, Was: t.now.Marker,
		Files: c.dec.Files, Bytes: c.dec.Bytes, Back: c.dec.Was(),
	}
	s.plan = j
	draft, puts := wire.NewDraft(t.spool), 0
	err := c.changes(func(one *manifest.Change) {
		if one.Put {
			source, touch := puts, one.Want.Kind == manifest.File && one.Have
			if touch || one.Want.Kind == manifest.Dir {
				source = -1
			}
			draft.Put(one.Want, source, touch)
			puts++
		}
		if (one.Put || one.Goes) && one.Live != nil {
			draft.Stood(one.Live)
		}
	})
	if err == nil {
		err = draft.Fill(j)
	}
	return s, err
}

// changes gives f what was decided, a path at a time.
func (c *comparison) changes(f func(*manifest.Change)) error {
	s := c.dec.Read()
	for one := s.Next(); one != nil; one = s.Next() {
		f(one)
	}
	return s.Err()
}

// makeDirs makes the stage's folders.
func (t *thin) makeDirs(dir string) error {
	if err := t.f.Mkdir(nodes.RemotePath(dir), 0o700); err != nil {
		return err
	}
	return t.all(2, func(i int) error {
		return t.f.Mkdir(nodes.RemotePath(path.Join(dir, "su"[i:i+1])), 0o700)
	})
}

// upload brings new files and links into the stage, links the old aside, and
// writes the marker, all at the same time, and then the journal, which makes the
// stage complete.
func (t *thin) upload(s *thinStage, rep *wire.Report) error {
	if err := t.makeDirs(s.dir); err != nil {
		return err
	}
	var noUndo error
	err := t.all(3, func(i int) error {
		switch i {
		case 0:
			return t.contents(s, rep)
		case 1:
			noUndo = t.aside(s.dir, s.plan)
			return nil
		}
		return t.putMarker(s.dir, s.next)
	})
	switch {
	case err != nil:
		return err
	case t.ctx.Err() != nil:
		return nodes.Stopped(t.ctx)
	case nodes.KindOf(noUndo) == nodes.Lost:
		return noUndo
	case noUndo != nil:
		rep.Warnings = append(rep.Warnings, "nothing is kept for undo: hard links cannot be made there: "+nodes.AsError(noUndo, nodes.Failed).Message)
		s.plan.Keep = 0
	}
	return t.seal(s.dir, s.plan)
}

// contents brings new files and links into the stage.
func (t *thin) contents(s *thinStage, rep *wire.Report) error {
	var files, sent atomic.Int64
	return t.each(s.plan, func(p *manifest.Pair) error {
		if p.To == nil || p.Source < 0 {
			return nil
		}
		if err := t.one(path.Join(s.dir, "s", strconv.Itoa(p.Source)), p.To); err != nil {
			return err
		}
		t.j.events.progress(wire.Beat{Files: files.Add(1), Bytes: sent.Add(p.To.Size), Step: "receiving"}, rep.Bytes, rep.Files)
		return nil
	})
}

// aside links what stands at the paths concerned to u/N: without that a switch
// cannot be undone, half way or later.
func (t *thin) aside(dir string, j *wire.Journal) error {
	return t.each(j, func(p *manifest.Pair) error {
		if !p.Replaces() {
			return nil
		}
		return t.f.Link(t.at(p.Path), nodes.RemotePath(path.Join(dir, "u", strconv.Itoa(p.FromAt))))
	})
}

// putMarker writes what becomes the marker.
func (t *thin) putMarker(dir string, next *wire.Record) error {
	b, err := next.Encode(t.spool())
	if err != nil {
		return err
	}
	return t.write(path.Join(dir, "marker"), writing, func(w io.Writer) error {
		_, err := io.Copy(w, b)
		return err
	})
}

// seal writes the journal, which makes the stage complete.
func (t *thin) seal(dir string, j *wire.Journal) error {
	return t.write(path.Join(dir, "plan"), writing, j.Write)
}

// one uploads a file, whole and checked, or makes a link. Nobody else can reach
// into the stage, so the permissions are set before the contents are there.
func (t *thin) one(name string, e *manifest.Entry) error {
	if e.Kind == manifest.Link {
		return t.f.Symlink(e.Link, nodes.RemotePath(name))
	}
	from, err := beneath.File(t.j.src.fd, e.Path)
	if err != nil {
		return &changedSource{e.Path}
	}
	defer from.Close()
	w, err := t.f.Create(nodes.RemotePath(name), goMode(e.Mode).Perm())
	if err != nil {
		return err
	}
	h := sha256.New()
	in := io.TeeReader(io.LimitReader(from, e.Size+1), h)
	n, err := io.CopyBuffer(paced{t.ctx, t.j.src, w}, struct{ io.Reader }{in}, make([]byte, min(e.Size+1, uploading)))
	if err != nil {
		_ = w.Close()
		return err
	}
	if err := t.complete(w, nodes.RemotePath(name), e); err != nil {
		return err
	}
	var sum manifest.Sum
	copy(sum[:], h.Sum(nil))
	if n != e.Size || sum != e.Sum {
		return &changedSource{e.Path}
	}
	return nil
}

// uploading is how much of one file is under way.
const uploading = 512 << 10

// complete flushes and closes a file that is written, and sets its time and such
// permissions as writing takes away.
func (t *thin) complete(w nodes.FileWriter, name nodes.RemotePath, e *manifest.Entry) error {
	flushed := make(chan error, 1)
	go func() {
		err := w.Sync()
		flushed <- errors.Join(err, w.Close())
	}()
	err := t.f.Chtimes(name, time.Unix(0, e.Mtime))
	if mode := goMode(e.Mode); err == nil && mode != mode.Perm() {
		err = t.f.Chmod(name, mode)
	}
	if ferr := <-flushed; ferr != nil {
		return ferr
	}
	return err
}

// paced writes no faster than the source's pace allows.
type paced struct {
	ctx context.Context //nolint:containedctx // of one upload
	s   *source
	w   io.Writer
}

// Write passes pieces on.
func (p paced) Write(b []byte) (n int, err error) {
	for len(b) > 0 && err == nil {
		k := min(len(b), p.s.piece)
		if err = p.s.wait(p.ctx, k); err == nil {
			k, err = p.w.Write(b[:k])
			n, b = n+k, b[k:]
		}
	}
	return n, err
}
