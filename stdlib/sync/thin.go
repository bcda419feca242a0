package sync

import (
	"context"
	"io"
	"io/fs"
	"path"
	"strconv"
	"time"

	"github.com/rollsh/rollsh/nodes"
	"github.com/rollsh/rollsh/stdlib/sync/agent"
	"github.com/rollsh/rollsh/stdlib/sync/manifest"
	"github.com/rollsh/rollsh/stdlib/sync/wire"
)

// The thin path serves nodes on which no agent can run, with nothing but
// SFTP. It keeps the same marker, journal and undos and takes the same
// decisions. What it cannot promise: symlinks that are planted while it works
// are seen only by a look before; a file's time is kept in whole seconds; where
// the server makes no hard links, nothing is kept for undo.

// thin is one tree seen over SFTP.
type thin struct {
	e      *Engine
	j      *job
	f      nodes.Files // raw, as prompt or careful makes them
	raw    nodes.Files
	root   string
	state  string
	exists bool
	now    *wire.Record
	lock   thinLock

	ctx    context.Context         //nolint:containedctx // what it works for now
	soft   context.Context         //nolint:containedctx // outlives ctx by lastBurst
	life   context.Context         //nolint:containedctx // of raw
	work   context.Context         //nolint:containedctx // ctx or soft, as for f
	end    context.CancelCauseFunc // of life
	unbind func()                  // life no longer ends with ctx

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
		err = noThin(`layout="release"`, "")
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
		return noThin(`layout="release"`, `use layout="tree" for this node`)
	case o.Owner != "":
		return noThin("owner=", "leave owner= out for this node")
	case o.Hard:
		return noThin("hard_links=true", "leave hard_links= out for this node")
	}
	return nil
}

func noThin(what, hint string) error {
	return &nodes.Error{Kind: nodes.Refused, Message: what + " is not to be had over SFTP alone", Hint: hint}
}

func (t *thin) find() error {
	st, err := t.f.Stat(nodes.RemotePath(t.root))
	switch {
	case err == nil && !st.Mode.IsDir():
		return &nodes.Error{Kind: nodes.Failed, Message: t.root + " is a file where a folder is needed", Hint: "move it away, or give another path"}
	case err != nil && nodes.KindOf(err) != nodes.NotFound:
		return err
	}
	t.exists = err == nil
	beside := path.Join(path.Dir(t.root), ".rollsh-"+path.Base(t.root))
	within := path.Join(t.root, ".rollsh")
	t.state = beside
	if _, err := t.f.Lstat(nodes.RemotePath(beside)); err != nil {
		if _, err := t.f.Lstat(nodes.RemotePath(within)); err == nil {
			t.state = within
		}
	}
	return t.remember()
}

// remember reads what rolls left.
func (t *thin) remember() error {
	t.now = wire.NoRecord()
	b, err := t.slurp(path.Join(t.state, "marker"))
	if nodes.KindOf(err) == nodes.NotFound {
		return nil
	} else if err != nil {
		return err
	}
	if t.now, err = wire.DecodeRecord(b); err != nil {
		return &nodes.Error{Kind: nodes.Failed, Message: t.state + "/marker is damaged: " + err.Error(), Hint: "move it away"}
	}
	return nil
}

func (t *thin) slurp(name string) ([]byte, error) {
	r, err := t.f.Open(nodes.RemotePath(name))
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return until(t.work, func() ([]byte, error) { return io.ReadAll(io.LimitReader(r, wire.MaxFrame)) })
}

// prepare makes the state folder and takes the lock.
func (t *thin) prepare() error {
	if err := t.mkdirs(path.Dir(t.root)); err != nil {
		return err
	}
	err := t.f.Mkdir(nodes.RemotePath(t.state), 0o700)
	if err != nil {
		if _, there := t.f.Lstat(nodes.RemotePath(t.state)); there != nil {
			if !t.exists {
				return err
			}
			t.state = path.Join(t.root, ".rollsh")
			if err := t.f.Mkdir(nodes.RemotePath(t.state), 0o700); err != nil {
				return err
			}
		}
	}
	if err := t.takeLock(); err != nil {
		return err
	}
	return t.settle()
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

// compare walks the tree and decides.
func (t *thin) compare() (*comparison, error) {
	c := &comparison{t: t}
	rules := t.j.src.rules
	want, err := t.wanted(rules)
	if err != nil {
		return nil, err
	}
	sides, failed, err := t.sides(rules, want)
	if err != nil {
		return nil, err
	}
	sides.Policy, sides.Lists = t.j.o.policy(), true
	sides.Policy.First = t.now.First()
	if c.dec, err = sides.Decide(); err == nil {
		err = failed()
	}
	return c, err
}

// sides are what is compared: what rolls left, without owners, for SFTP tells no
// names; what is there; and what is wanted. failed tells afterwards why a sum
// could not be taken.
func (t *thin) sides(rules *manifest.Rules, want manifest.List) (c *manifest.Comparison, failed func() error, err error) {
	ours, _ := rules.Filter(t.now.Ours)
	c = &manifest.Comparison{
		Ours: manifest.Mapped(ours, func(e *manifest.Entry) { e.Owner = manifest.Owner{} }),
		Live: manifest.Slice(nil).Read(), Want: want, All: t.j.o.Verify == "checksum",
	}
	var first error
	c.Hash = func(files []*manifest.Entry) {
		if err := t.hash(files); err != nil && first == nil {
			first = err
		}
	}
	if t.exists {
		live, held, err := t.walk(rules)
		if err != nil {
			return nil, nil, err
		}
		c.Live, c.Held = live.Read(), func() map[string]bool { return held }
	}
	return c, func() error { return first }, nil
}

// comparison is what was decided over SFTP.
type comparison struct {
	t   *thin
	dec manifest.Decision
}

// wanted is what the source holds, without folders that are only wanted as a
// place and are there.
func (t *thin) wanted(rules *manifest.Rules) (manifest.List, error) {
	list := t.j.src.list
	if !rules.Partial() {
		return list, nil
	}
	in, rest := rules.Filter(list)
	places, err := manifest.Collect(rest)
	if err != nil {
		return nil, cannotKeep(err)
	}
	there, err := t.lookAt(pathsOf(places))
	if err != nil {
		return nil, err
	}
	var missing manifest.Patch
	for i := range places {
		switch there[i].Kind {
		case 0:
			missing.Change = append(missing.Change, &places[i])
		case manifest.Dir:
		default:
			return nil, &nodes.Error{Kind: nodes.Refused, Message: manifest.Quote(places[i].Path) + " is not a folder on the node"}
		}
	}
	return manifest.Patched(in, missing), nil
}

func (t *thin) at(p string) nodes.RemotePath { return nodes.RemotePath(path.Join(t.root, p)) }

func (c *comparison) findings() []wire.Finding {
	var out []wire.Finding
	for i := range c.dec.Drift {
		d := &c.dec.Drift[i]
		f := wire.Finding{Path: []byte(d.Path), What: d.What, Yield: d.Yield, Size: d.Live.Size, Mtime: d.Live.Mtime}
		if d.Live.Kind != 0 {
			f.Owner = strconv.Itoa(int(d.Live.UID))
		}
		out = append(out, f)
	}
	return out
}

// thinLook says what a stage would do.
func (e *Engine) thinLook(ctx context.Context, j *job, why string) (*wire.Report, error) {
	t, err := e.openThin(ctx, j)
	if err != nil {
		return nil, err
	}
	defer t.shut()
	e.sayThin(j.events, j.node, why)
	c, err := t.compare()
	if err != nil {
		return nil, t.why(err)
	}
	rep := agent.Summary(&c.dec, true)
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

// refuse turns what must not be done into an error, as the agent does.
func (c *comparison) refuse(digest string) error {
	j := c.t.j
	if list := c.findings(); j.o.Drift == "refuse" && len(list) > 0 {
		return &nodes.Error{Kind: nodes.Changed, Message: wire.Drifted(list), Hint: wire.DriftHint, Cause: &Changed{list}}
	}
	if len(c.dec.Blocked) > 0 {
		return &nodes.Error{Kind: nodes.Refused, Message: c.dec.Blocked[0]}
	}
	if j.expect != "" && j.expect != digest {
		return &nodes.Error{Kind: nodes.Changed, Message: "the node is not as it was when the plan was made", Hint: "plan again"}
	}
	return nil
}

// next is the marker that the switch will leave.
func (c *comparison) next() *wire.Record {
	j, now := c.t.j, c.t.now
	n := &wire.Record{Ours: manifest.Patched(now.Ours, c.dec.Ours)}
	n.Marker = wire.Marker{Roll: j.roll, Rev: string(j.src.rev), Who: j.by.Who, Host: j.by.Host, At: time.Now(), Seq: now.Seq + 1}
	if j.src.rules.Partial() {
		n.Rev, n.Partial = now.Rev, append(append([]string(nil), now.Partial...), j.o.Only...)
	}
	return n
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

// put writes a file of the state whole.
func (t *thin) put(name string, b []byte) error {
	tmp := nodes.RemotePath(name + ".new")
	w, err := t.f.Create(tmp, 0o600)
	if err != nil { // one of a run that was cut short may be in the way
		_ = t.f.Remove(tmp)
		w, err = t.f.Create(tmp, 0o600)
	}
	if err != nil {
		return err
	}
	if len(b) > 0 {
		_, err = w.Write(b)
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
