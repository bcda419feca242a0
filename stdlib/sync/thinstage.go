package sync

import (
	"context"
	"crypto/sha256"
	"io"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync"
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
	dir  string // on the node
	next *wire.Record
	plan *wire.Journal
}

// thinStage stages one node over SFTP.
func (e *Engine) thinStage(ctx context.Context, j *job, why string) (*thinStage, *wire.Report, error) {
	t, err := e.openThin(ctx, j)
	if err != nil {
		return nil, nil, err
	}
	keep := false
	defer func() { t.close(keep) }()
	e.sayThin(j.events, j.node, why)
	if err := t.prepare(); err != nil {
		return nil, nil, err
	}
	s, rep, err := t.stage(ctx)
	if err != nil || rep.Nothing {
		if ctx.Err() != nil { // it may take longer than there is time
			t.afresh()
			t.unlock()
		}
		_ = t.discard(path.Join(t.state, wire.StageName(j.roll)))
	} else {
		keep = j.hold
	}
	return s, rep, err
}

func (t *thin) stage(ctx context.Context) (*thinStage, *wire.Report, error) {
	t.sweep(t.now.Seq)
	c, err := t.compare()
	if err != nil {
		return nil, nil, err
	}
	rep := agent.Summary(&c.dec, c.live.Entries, t.j.lists)
	rep.First, rep.Drift, rep.Settled = t.now.First(), c.findings(), t.settled
	if err := c.refuse(rep.Digest); err != nil {
		return nil, nil, err
	}
	next := c.next()
	rep.Marker = &next.Marker
	if rep.Nothing && !t.now.First() && next.Digest == t.now.Digest && (next.Rev == t.now.Rev) {
		t.noteIdle()
		return nil, rep, nil
	}
	rep.Nothing = false
	if err := t.fits(rep); err != nil {
		return nil, nil, err
	}
	s := c.plan(next)
	if err := c.tellsCase(s); err != nil {
		return nil, nil, err
	}
	if err := t.upload(ctx, s, rep); err != nil {
		return nil, nil, err
	}
	return s, rep, nil
}

// fits refuses contents that would fill the filesystem. Undos make room, the
// oldest first; the last one stays.
func (t *thin) fits(rep *wire.Report) error {
	for gone := 0; ; gone++ {
		lacks := t.free().Lacks(t.state, rep.Bytes, rep.Files)
		undos, err := t.undos()
		switch {
		case lacks == "" && gone == 0:
			return nil
		case lacks == "":
			rep.Warnings = append(rep.Warnings, wire.MadeRoom(gone, t.root))
			return nil
		case err != nil || len(undos) < 2:
			return &nodes.Error{Kind: nodes.Space, Message: lacks}
		}
		if err := t.discard(path.Join(t.state, undos[0])); err != nil {
			return err
		}
	}
}

// plan makes the journal of the switch.
func (c *comparison) plan(next *wire.Record) *thinStage {
	t := c.t
	s := &thinStage{e: t.e, j: t.j, dir: path.Join(t.state, wire.StageName(t.j.roll)), next: next}
	j := &wire.Journal{Roll: t.j.roll, Seq: t.now.Seq, Base: t.now.Digest, MakeRoot: !t.exists, Keep: t.j.o.Undo, Was: t.now.Marker}
	for i := range c.dec.Puts {
		p := &c.dec.Puts[i]
		source, touch := i, p.Kind == manifest.File && p.Have
		if touch || p.Kind == manifest.Dir {
			source = -1
		} else if p.Kind == manifest.File {
			j.Files++
			j.Bytes += p.Size
		}
		j.Add(*p.Entry, source, touch)
		if l := manifest.Find(c.live.Entries, p.Path); l != nil {
			j.From = append(j.From, *l)
		}
	}
	j.From = append(j.From, c.dec.Deletes...)
	slices.SortFunc(j.From, func(a, b manifest.Entry) int { return strings.Compare(a.Path, b.Path) })
	j.Remember(next, t.now)
	s.plan = j
	return s
}

// tellsCase refuses names that would be one on a node, such as macOS, that does
// not tell upper from lower case.
func (c *comparison) tellsCase(s *thinStage) error {
	gone := make(map[string]bool, len(c.dec.Deletes))
	for i := range c.dec.Deletes {
		gone[strings.ToLower(c.dec.Deletes[i].Path)] = true
	}
	for _, p := range s.plan.Fresh() {
		if gone[strings.ToLower(p)] && !c.t.absent(p) {
			return &nodes.Error{
				Kind: nodes.Refused, Message: manifest.Quote(p) + " has another name" + manifest.Folded,
				Hint: "rename it there by hand, or roll without it first",
			}
		}
	}
	twins := manifest.Twins(c.dec.Puts, c.live.Entries)
	if len(twins) == 0 {
		return nil
	}
	if _, err := c.t.f.Lstat(nodes.RemotePath(path.Join(path.Dir(c.t.state), strings.ToUpper(path.Base(c.t.state))))); nodes.KindOf(err) == nodes.NotFound {
		return nil
	}
	a, b := manifest.Quote(twins[0][0]), manifest.Quote(twins[0][1])
	return &nodes.Error{Kind: nodes.Refused, Message: a + " and " + b + " would be one name" + manifest.Folded}
}

// makeDirs makes the stage's folders.
func (t *thin) makeDirs(dir string) error {
	for _, d := range []string{dir, path.Join(dir, "s"), path.Join(dir, "u")} {
		if err := t.f.Mkdir(nodes.RemotePath(d), 0o700); err != nil {
			return err
		}
	}
	return nil
}

// upload brings new files and links into the stage, links the old aside, and
// writes the journal.
func (t *thin) upload(ctx context.Context, s *thinStage, rep *wire.Report) error {
	if err := t.makeDirs(s.dir); err != nil {
		return err
	}
	var files, sent atomic.Int64
	w := &thinWork{ctx: ctx, slots: make(chan struct{}, inFlight)}
	for i := range s.plan.To {
		e := &s.plan.To[i]
		if s.plan.Source[i] < 0 {
			continue
		}
		w.do(func() error {
			err := t.one(ctx, path.Join(s.dir, "s", strconv.Itoa(s.plan.Source[i])), e)
			t.j.events.progress(wire.Beat{Files: files.Add(1), Bytes: sent.Add(e.Size), Step: "receiving"}, rep.Bytes, rep.Files)
			return err
		})
	}
	if err := w.wait(); err != nil {
		return err
	}
	if err := t.aside(ctx, s.dir, s.plan); err != nil {
		rep.Warnings = append(rep.Warnings, "nothing is kept for undo: hard links cannot be made there: "+nodes.AsError(err, nodes.Failed).Message)
		s.plan.Keep = 0
	}
	return t.seal(s.dir, s.plan, s.next)
}

// aside links what stands at the paths concerned to u/N: without that a switch
// cannot be undone, half way or later.
func (t *thin) aside(ctx context.Context, dir string, j *wire.Journal) error {
	touch := j.Touches()
	w := &thinWork{ctx: ctx, slots: make(chan struct{}, inFlight)}
	for i := range j.From {
		o := &j.From[i]
		if o.Kind == manifest.Dir || touch(o.Path) {
			continue
		}
		w.do(func() error {
			return t.f.Link(t.at(o.Path), nodes.RemotePath(path.Join(dir, "u", strconv.Itoa(i))))
		})
	}
	return w.wait()
}

// seal writes the journal, which makes the stage complete.
func (t *thin) seal(dir string, j *wire.Journal, next *wire.Record) error {
	b, err := next.Encode()
	if err == nil {
		err = t.put(path.Join(dir, "marker"), b)
	}
	if err == nil {
		b, err = j.Encode()
	}
	if err == nil {
		err = t.put(path.Join(dir, "plan"), b)
	}
	return err
}

// thinWork runs requests to one node at the same time; the first error stays,
// and nothing is begun after it.
type thinWork struct {
	ctx   context.Context //nolint:containedctx // of one stage
	slots chan struct{}
	wg    sync.WaitGroup
	mu    sync.Mutex
	err   error
}

func (w *thinWork) failed() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.err
}

func (w *thinWork) do(f func() error) {
	if w.ctx.Err() != nil || w.failed() != nil {
		return
	}
	w.slots <- struct{}{}
	w.wg.Go(func() {
		defer func() { <-w.slots }()
		if err := f(); err != nil {
			w.mu.Lock()
			defer w.mu.Unlock()
			if w.err == nil {
				w.err = err
			}
		}
	})
}

func (w *thinWork) wait() error {
	w.wg.Wait()
	if w.ctx.Err() != nil {
		return nodes.Stopped(w.ctx)
	}
	return w.failed()
}

// one uploads a file, whole and checked, or makes a link.
func (t *thin) one(ctx context.Context, name string, e *manifest.Entry) error {
	if e.Kind == manifest.Link {
		return t.f.Symlink(e.Link, nodes.RemotePath(name))
	}
	from, err := beneath.File(t.j.src.fd, e.Path)
	if err != nil {
		return &changedSource{e.Path}
	}
	defer from.Close()
	w, err := t.f.Create(nodes.RemotePath(name), 0o600)
	if err != nil {
		return err
	}
	h := sha256.New()
	n, err := io.Copy(paced{ctx, t.j.src, w}, io.TeeReader(io.LimitReader(from, e.Size+1), h))
	if err == nil {
		err = w.Sync()
	}
	if ce := w.Close(); err == nil {
		err = ce
	}
	if err != nil {
		return err
	}
	var sum manifest.Sum
	copy(sum[:], h.Sum(nil))
	if n != e.Size || sum != e.Sum {
		return &changedSource{e.Path}
	}
	if err := t.f.Chmod(nodes.RemotePath(name), goMode(e.Mode)); err != nil {
		return err
	}
	return t.f.Chtimes(nodes.RemotePath(name), time.Unix(0, e.Mtime))
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
