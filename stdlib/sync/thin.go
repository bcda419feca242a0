package sync

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"io/fs"
	"os"
	"path"
	"sync"

	"github.com/rollsh/rollsh/nodes"
	"github.com/rollsh/rollsh/stdlib/sync/agent"
	"github.com/rollsh/rollsh/stdlib/sync/manifest"
	"github.com/rollsh/rollsh/stdlib/sync/wire"
)

// The thin path serves nodes on which no agent can run, with nothing but
// SFTP. It keeps the same marker, journal and undos and takes the same
// decisions. What it cannot promise: symlinks that are planted while it works
// are seen only by a look before; a file's time is kept in whole seconds; where
// the server makes no hard links, nothing is kept for undo. And as each step of a
// burst takes a round trip, those of one kind are done at the same time: one that
// is cut short leaves all of the kinds before, some of one, and none of the others.

// thin is one tree seen over SFTP.
type thin struct {
	e      *Engine
	j      *job
	f      nodes.Files // raw, as prompt or careful makes them
	raw    nodes.Files
	root   string
	state  string
	exists bool
	kept   bool // the state is there
	now    *wire.Record
	lock   thinLock

	listing sync.Mutex
	names   []string // in the state, when it was locked; nil: not known

	ctx    context.Context         //nolint:containedctx // what it works for now
	soft   context.Context         //nolint:containedctx // outlives ctx by lastBurst
	life   context.Context         //nolint:containedctx // of raw
	work   context.Context         //nolint:containedctx // ctx or soft, as for f
	end    context.CancelCauseFunc // of life
	unbind func()                  // life no longer ends with ctx

	half    bool   // halfDone was said
	settled string // what settle did
	undone  string // the roll whose undo settle finished
}

// sayThin tells once a session that a node gets less.
func (e *Engine) sayThin(m emitter, n *nodes.Node, why string) {
	e.mu.Lock()
	said := e.thin[placeOf(n)]
	e.thin[placeOf(n)] = true
	e.mu.Unlock()
	if !said {
		m.warn("works over SFTP alone, with weaker promises (times in whole seconds; no releases, owners or hard links): " + why)
	}
}

// openThin finds the tree and what rolls left there. Nothing is changed.
func (e *Engine) openThin(ctx context.Context, j *job) (*thin, error) {
	if err := thinOptions(j.o); err != nil {
		return nil, err
	}
	t := &thin{e: e, j: j, root: path.Clean(string(j.path)), now: wire.NoRecord(), lock: thinLock{lockTimes: e.locks}}
	err := t.open(ctx)
	if err != nil {
		return nil, err
	}
	if err = t.find(); err == nil && t.now.Layout == wire.LayoutRelease {
		err = noThin(`layout="release"`, "have the agent run there again: docs/sync.md says where it can")
	}
	if err != nil {
		t.shut()
		return nil, t.why(err)
	}
	return t, nil
}

// thinOptions refuses what SFTP alone cannot do.
func thinOptions(o *Options) error {
	switch {
	case o.layout() == wire.LayoutRelease:
		return noThin(`layout="release"`, `use layout="tree" for this node, or have the agent run there: docs/sync.md says where it can`)
	case o.Owner != "":
		return noThin("owner=", "log in there as whom the files shall belong to, and leave owner= out for this node")
	case o.Hard:
		return noThin("hard_links=true", "leave hard_links= out for this node: the links become files of their own")
	}
	return nil
}

func noThin(what, hint string) error {
	return &nodes.Error{Kind: nodes.Refused, Message: what + " is not to be had over SFTP alone", Hint: hint}
}

// find looks for the tree, the state and what rolls left there, all at once.
func (t *thin) find() error {
	beside := path.Join(path.Dir(t.root), ".rollsh-"+path.Base(t.root))
	within := path.Join(t.root, ".rollsh")
	t.state = beside
	there := [2]bool{}
	err := t.all(4, func(i int) error {
		switch i {
		case 0:
			return t.findRoot()
		case 3:
			return t.remember()
		}
		_, err := t.f.Lstat(nodes.RemotePath([]string{beside, within}[i-1]))
		there[i-1] = err == nil
		return nil
	})
	t.kept = there[0] || there[1]
	if err == nil && !there[0] && there[1] {
		t.state = within
		return t.remember()
	}
	return err
}

func (t *thin) findRoot() error {
	st, err := t.f.Stat(nodes.RemotePath(t.root))
	switch {
	case err == nil && !st.Mode.IsDir():
		return &nodes.Error{Kind: nodes.Failed, Message: t.root + " is a file where a folder is needed", Hint: "move it away, or give another path"}
	case err != nil && nodes.KindOf(err) != nodes.NotFound:
		return err
	}
	t.exists = err == nil
	return nil
}

// remember reads what rolls left.
func (t *thin) remember() error {
	t.now = wire.NoRecord()
	b, err := t.fetch(path.Join(t.state, "marker"))
	if nodes.KindOf(err) == nodes.NotFound {
		return nil
	} else if err != nil {
		return err
	}
	if t.now, err = wire.OpenRecord(b, b.Size()); err != nil {
		return &nodes.Error{Kind: nodes.Failed, Message: t.state + "/marker is damaged: " + err.Error(), Hint: "move it away"}
	}
	return nil
}

// What a file of the state may hold: one of a few lines, and one with lists, of some
// ten million paths.
const (
	mostText  = 1 << 20
	mostState = 1 << 30
)

// slurp reads a file of the state that has a few lines.
func (t *thin) slurp(name string) ([]byte, error) {
	var b bytes.Buffer
	err := t.receive(name, &short{&b, mostText})
	if err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// fetch reads a file of the state that holds lists.
func (t *thin) fetch(name string) (*manifest.Spool, error) {
	to := t.spool()
	return to, t.receive(name, &short{to, mostState})
}

// receive reads a file of the state, with many requests under way. When the work
// ends meanwhile something may still be written to w.
func (t *thin) receive(name string, w io.Writer) error {
	r, err := t.f.Open(nodes.RemotePath(name))
	if err != nil {
		return err
	}
	defer func() { go r.Close() }() // nobody waits for it
	return untilDone(t.work, func() error {
		_, err := io.Copy(w, r)
		return err
	})
}

// spool keeps a list of the tree for as long as anybody refers to it.
func (t *thin) spool() *manifest.Spool {
	return manifest.NewSpool(func() (*os.File, error) { return tempFile(t.e.session.Cache) })
}

// short is a writer that takes so many bytes.
type short struct {
	w    io.Writer
	left int
}

// Write fails when it is too much.
func (s *short) Write(p []byte) (int, error) {
	if s.left -= len(p); s.left < 0 {
		return 0, &nodes.Error{Kind: nodes.Failed, Message: "a file of rollsh's there is too large"}
	}
	return s.w.Write(p)
}

// prepare makes the state folder and takes the lock.
func (t *thin) prepare() error {
	if !t.kept {
		if err := t.makeState(); err != nil {
			return err
		}
	}
	if err := t.takeLock(); err != nil {
		return err
	}
	return t.settle()
}

// makeState makes the state folder beside the tree, or in it where that cannot be.
func (t *thin) makeState() error {
	if err := t.mkdirs(path.Dir(t.root)); err != nil {
		return err
	}
	err := t.f.Mkdir(nodes.RemotePath(t.state), 0o700)
	if err == nil {
		return nil
	}
	if _, there := t.f.Lstat(nodes.RemotePath(t.state)); there == nil {
		return nil
	}
	if !t.exists {
		return err
	}
	t.state = path.Join(t.root, ".rollsh")
	return t.f.Mkdir(nodes.RemotePath(t.state), 0o700)
}

func (t *thin) mkdirs(dir string) error {
	st, err := t.f.Stat(nodes.RemotePath(dir))
	if err == nil && st.Mode.IsDir() {
		return nil
	} else if err == nil {
		return &nodes.Error{Kind: nodes.Failed, Message: dir + " is a file where a folder is needed"}
	}
	if err := t.mkdirs(path.Dir(dir)); err != nil {
		return err
	}
	return t.f.Mkdir(nodes.RemotePath(dir), 0o755)
}

func (t *thin) at(p string) nodes.RemotePath { return nodes.RemotePath(path.Join(t.root, p)) }

// thinLook says what a stage would do.
func (e *Engine) thinLook(ctx context.Context, j *job, why string) (*wire.Report, error) {
	e.sayThin(j.events, j.node, why)
	t, err := e.openThin(ctx, j)
	if err != nil {
		return nil, err
	}
	defer t.shut()
	c, err := t.compare(true)
	if err != nil {
		return nil, t.why(err)
	}
	rep, err := agent.Summary(c.dec, true)
	if err != nil {
		return nil, err
	}
	rep.First, rep.Drift = t.now.First(), c.findings()
	rep.Facts, rep.Pending = t.free(), t.unsettled()
	if !rep.First {
		rep.Marker = &t.now.Marker
	}
	return rep, nil
}

// free are the facts that SFTP can tell, the room among them where the server
// has the extension statvfs@openssh.com.
func (t *thin) free() *wire.Facts {
	f := &wire.Facts{Exists: t.exists, State: t.state, Writable: true}
	if free, err := t.f.Free(nodes.RemotePath(path.Dir(t.root))); err == nil {
		f.FreeBytes, f.FreeFiles = free.Bytes, free.Inodes
	}
	return f
}

// unixMode turns Go's permission bits into Unix's.
func unixMode(m fs.FileMode) uint32 {
	bits := uint32(m.Perm())
	for flag, bit := range map[fs.FileMode]uint32{fs.ModeSetuid: 0o4000, fs.ModeSetgid: 0o2000, fs.ModeSticky: 0o1000} {
		if m&flag != 0 {
			bits |= bit
		}
	}
	return bits
}

// goMode is the reverse of unixMode.
func goMode(bits uint32) fs.FileMode {
	m := fs.FileMode(bits & 0o777)
	for flag, bit := range map[fs.FileMode]uint32{fs.ModeSetuid: 0o4000, fs.ModeSetgid: 0o2000, fs.ModeSticky: 0o1000} {
		if bits&bit != 0 {
			m |= flag
		}
	}
	return m
}

// writing is how much of a file with lists is under way.
const writing = 2 << 20

// put writes a file of the state whole.
func (t *thin) put(name string, b []byte) error {
	return t.write(name, len(b), func(w io.Writer) error {
		_, err := w.Write(b)
		return err
	})
}

// write writes a file of the state whole, as fill gives it, size bytes at once.
func (t *thin) write(name string, size int, fill func(io.Writer) error) error {
	tmp := nodes.RemotePath(name + ".new")
	w, err := t.f.Create(tmp, 0o600)
	if err != nil { // one of a run that was cut short may be in the way
		_ = t.f.Remove(tmp)
		w, err = t.f.Create(tmp, 0o600)
	}
	if err != nil {
		return err
	}
	out := bufio.NewWriterSize(w, size)
	if err = fill(out); err == nil {
		err = out.Flush()
	}
	if err == nil {
		err = w.Sync()
	}
	if e := w.Close(); err == nil {
		err = e
	}
	if err != nil {
		return err
	}
	return t.f.Rename(tmp, nodes.RemotePath(name))
}
