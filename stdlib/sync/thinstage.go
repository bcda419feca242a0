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

// thinStage is a stage that was made over SFTP; what the switch needs to know
// is kept here.
type thinStage struct {
	e     *Engine
	j     *job
	dir   string // on the node
	next  *wire.Record
	steps []manifest.Step
	back  []manifest.Step
	touch map[string]bool
	now   *wire.Record
	old   []manifest.Entry // what stands at the paths that are changed
	fresh []string         // paths where nothing may be
	make  bool             // the tree does not exist yet
}

// thinStage stages one node over SFTP.
func (e *Engine) thinStage(ctx context.Context, j *job, why string) (*thinStage, *wire.Report, error) {
	t, err := e.openThin(ctx, j)
	if err != nil {
		return nil, nil, err
	}
	defer t.close(false)
	e.sayThin(j.events, j.node, why)
	if err := t.prepare(); err != nil {
		return nil, nil, err
	}
	s, rep, err := t.stage(ctx)
	if err != nil || rep.Nothing {
		_ = t.clear(path.Join(t.state, "stage-"+j.roll))
		_ = t.f.Remove(t.lockName())
	}
	if err == nil && !j.hold {
		_ = t.f.Remove(t.lockName())
	}
	return s, rep, err
}

func (t *thin) stage(ctx context.Context) (*thinStage, *wire.Report, error) {
	if err := t.sweep(); err != nil {
		return nil, nil, err
	}
	c, err := t.compare()
	if err != nil {
		return nil, nil, err
	}
	rep := agent.Summary(&c.dec, c.live.Entries, t.j.lists)
	rep.First, rep.Drift = t.now.First(), c.findings()
	if err := c.refuse(rep.Digest); err != nil {
		return nil, nil, err
	}
	next := c.next()
	rep.Marker = &next.Marker
	if rep.Nothing && !t.now.First() && next.Digest == t.now.Digest && (next.Rev == t.now.Rev) {
		return nil, rep, nil
	}
	rep.Nothing = false
	if lacks := t.free().Lacks(t.state, rep.Bytes, rep.Files); lacks != "" {
		return nil, nil, &nodes.Error{Kind: nodes.Space, Message: lacks}
	}
	s := c.plan(next)
	if err := t.f.Mkdir(nodes.RemotePath(s.dir), 0o700); err != nil {
		return nil, nil, err
	}
	if err := t.upload(ctx, s, c, rep); err != nil {
		return nil, nil, err
	}
	return s, rep, nil
}

// sweep removes stages that can no longer be switched.
func (t *thin) sweep() error {
	list, err := t.f.ReadDir(nodes.RemotePath(t.state))
	if err != nil {
		return err
	}
	for _, e := range list {
		if strings.HasPrefix(e.Name, "stage-") && time.Since(e.ModTime) > 7*24*time.Hour || e.Name == "stage-"+t.j.roll {
			if err := t.clear(path.Join(t.state, e.Name)); err != nil {
				return err
			}
		}
	}
	return nil
}

// plan lists the steps of the switch and of its reverse.
func (c *comparison) plan(next *wire.Record) *thinStage {
	t := c.t
	s := &thinStage{e: t.e, j: t.j, dir: path.Join(t.state, "stage-"+t.j.roll), next: next, now: t.now, make: !t.exists, touch: map[string]bool{}}
	live := manifest.Index(c.live.Entries)
	to := make([]manifest.Entry, 0, len(c.dec.Puts))
	for i := range c.dec.Puts {
		p := &c.dec.Puts[i]
		to = append(to, p.Entry)
		s.touch[p.Path] = p.Kind == manifest.File && p.Have
		if l := live[p.Path]; l != nil {
			s.old = append(s.old, *l)
		} else {
			s.fresh = append(s.fresh, p.Path)
		}
	}
	s.old = append(s.old, c.dec.Deletes...)
	slices.SortFunc(s.old, func(a, b manifest.Entry) int { return strings.Compare(a.Path, b.Path) })
	touch := func(p string) bool { return s.touch[p] }
	s.steps = manifest.Burst(s.old, to, touch)
	s.back = manifest.Burst(to, s.old, touch)
	return s
}

// upload brings new files and links into the stage and links the old aside.
func (t *thin) upload(ctx context.Context, s *thinStage, c *comparison, rep *wire.Report) error {
	var wg sync.WaitGroup
	var files, sent atomic.Int64
	slots := make(chan struct{}, inFlight)
	errs := make(chan error, 1)
	fail := func(err error) {
		select {
		case errs <- err:
		default:
		}
	}
	for i := range c.dec.Puts {
		p := &c.dec.Puts[i]
		if p.Kind == manifest.Dir || s.touch[p.Path] || len(errs) > 0 || ctx.Err() != nil {
			continue
		}
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			if err := t.one(ctx, path.Join(s.dir, "s"+strconv.Itoa(i)), &p.Entry); err != nil {
				fail(err)
			}
			t.j.events.progress(wire.Beat{Files: files.Add(1), Bytes: sent.Add(p.Size), Step: "receiving"}, rep.Bytes, rep.Files)
		})
	}
	for i := range s.old {
		o := &s.old[i]
		if o.Kind == manifest.Dir || s.touch[o.Path] || len(errs) > 0 {
			continue
		}
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			_ = t.f.Link(t.at(o.Path), nodes.RemotePath(path.Join(s.dir, "u"+strconv.Itoa(i)))) // without it the switch cannot be undone half way
		})
	}
	wg.Wait()
	if ctx.Err() != nil {
		return nodes.Stopped(ctx)
	}
	select {
	case err := <-errs:
		return err
	default:
		return nil
	}
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

// drop throws the stage away.
func (s *thinStage) drop(ctx context.Context) error {
	if s == nil {
		return nil
	}
	t, err := s.e.openThin(ctx, s.j)
	if err != nil {
		return err
	}
	defer t.close(true)
	return t.clear(s.dir)
}

// change is the switch.
func (s *thinStage) change(ctx context.Context) (*wire.Report, error) {
	t, err := s.e.openThin(ctx, s.j)
	if err != nil {
		return nil, err
	}
	defer t.close(true)
	if err := t.lock(); err != nil {
		return nil, err
	}
	if err := s.check(t); err != nil {
		return nil, err
	}
	if s.make {
		if err := t.f.Mkdir(nodes.RemotePath(t.root), 0o755); err != nil {
			return nil, err
		}
	}
	began := time.Now()
	for i := range s.steps {
		if err := s.step(t, &s.steps[i], "s"); err != nil {
			return nil, s.putBack(t, i, err)
		}
	}
	took := time.Since(began)
	b, err := s.next.Encode()
	if err == nil {
		err = t.put(path.Join(t.state, "marker"), b)
	}
	if err != nil {
		return nil, err
	}
	_ = t.clear(s.dir)
	return &wire.Report{Burst: took, Marker: &s.next.Marker}, nil
}

// check refuses a tree that moved on since it was staged.
func (s *thinStage) check(t *thin) error {
	changed := func(p string) error {
		return &nodes.Error{Kind: nodes.Changed, Message: manifest.Quote(p) + " changed on the node since it was looked at", Hint: "look again: plan, or push"}
	}
	if t.now.Seq != s.now.Seq || t.now.Digest != s.now.Digest || t.exists == s.make {
		return &nodes.Error{Kind: nodes.Changed, Message: "somebody rolled to this tree since it was looked at", Hint: "look again: plan, or push"}
	}
	if _, err := t.f.Lstat(nodes.RemotePath(s.dir)); err != nil {
		return &nodes.Error{Kind: nodes.Changed, Message: "the stage is no longer on the node", Hint: "stage again"}
	}
	for i := range s.old {
		o := &s.old[i]
		st, err := t.f.Lstat(t.at(o.Path))
		if err != nil {
			return changed(o.Path)
		}
		l := asEntry(&st)
		if l.Link = o.Link; !l.SameStat(o) {
			return changed(o.Path)
		}
	}
	for _, p := range s.fresh {
		if _, err := t.f.Lstat(t.at(p)); nodes.KindOf(err) != nodes.NotFound {
			return changed(p)
		}
	}
	return nil
}

// step does one step; from is the letter of the files that a put takes.
func (s *thinStage) step(t *thin, st *manifest.Step, from string) error {
	name := t.at(st.Path)
	switch st.Op {
	case manifest.OpMkdir:
		return t.f.Mkdir(name, goMode(st.Entry.Mode|0o700))
	case manifest.OpPut:
		return t.f.Rename(nodes.RemotePath(path.Join(s.dir, from+strconv.Itoa(st.At))), name)
	case manifest.OpUnlink:
		return gone(t.f.Remove(name))
	case manifest.OpRmdir:
		_ = t.f.Remove(name) // it may hold what came since
		return nil
	case manifest.OpMode:
		return t.f.Chmod(name, goMode(st.Entry.Mode))
	case manifest.OpTouch:
		if err := t.f.Chmod(name, goMode(st.Entry.Mode)); err != nil {
			return err
		}
		return t.f.Chtimes(name, time.Unix(0, st.Entry.Mtime))
	}
	return nil
}

func gone(err error) error {
	if nodes.KindOf(err) == nodes.NotFound {
		return nil
	}
	return err
}

// putBack undoes, as far as that goes, a switch that failed at step i.
func (s *thinStage) putBack(t *thin, i int, cause error) error {
	e := *nodes.AsError(cause, nodes.Failed)
	if i == 0 {
		return &e
	}
	done := map[string]bool{}
	for j := range s.steps[:i] {
		done[s.steps[j].Path] = true
	}
	whole := nodes.KindOf(cause) != nodes.Lost
	for j := range s.back {
		if done[s.back[j].Path] && s.step(t, &s.back[j], "u") != nil {
			whole = false
		}
	}
	if whole {
		e.Message += "; the tree was put back as it was"
	} else {
		e.Message += "; some files are switched and some are not"
		e.Hint = "push again to put the rest in place"
	}
	return &e
}
