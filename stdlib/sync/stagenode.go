package sync

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/rollsh/rollsh/nodes"
	"github.com/rollsh/rollsh/stdlib/sync/delta"
	"github.com/rollsh/rollsh/stdlib/sync/manifest"
	"github.com/rollsh/rollsh/stdlib/sync/wire"
)

// job is one tree to be brought to one node.
type job struct {
	e      *Engine
	o      *Options
	src    *source
	node   *nodes.Node
	opened *opening
	path   nodes.RemotePath
	roll   string
	op     wire.Op // OpStage or OpLook
	lists  bool
	hold   bool
	expect string
	events emitter
	by     wire.Holder

	next   manifest.List   // what will be ours, as far as it can be told from here
	digest manifest.Digest // of what will be ours, as the node says
}

// request is what opens the operation, with the guess of what is ours there;
// nil where nothing is known of it.
func (j *job) request() (wire.Request, *guess, error) {
	digest, base := j.e.recent.base(j.node, j.path, j.src)
	req := wire.Request{
		Op: j.op, Root: []byte(j.path), Roll: j.roll, By: j.by, Rules: j.src.carried, Policy: j.o.policy(j.src.bare),
		Verify: j.o.Verify, Base: digest, Want: j.src.list.Digest, Expect: j.expect, Lists: j.lists, Keep: j.o.Undo,
		Hold: j.hold, Rev: string(j.src.rev), Layout: j.o.layout(), Shared: wire.Bytes(j.o.Shared), Owner: j.src.around.String(),
	}
	if digest == "" {
		return req, nil, nil
	}
	g, err := j.src.guess(digest, base, req.Policy)
	if err != nil {
		return req, nil, cannotKeep(err)
	}
	req.Ask = j.op == wire.OpStage && g.bytes >= askFrom
	return req, g, nil
}

// askFrom is how many bytes are not sent on a guess: the node may have some of
// them, of a push that was cut off.
const askFrom = 16 << 20

// run does the whole operation over the agent.
func (j *job) run(ctx context.Context) (*wire.Report, error) {
	said := j.hope()
	defer said()
	if err := j.opened.wait(ctx); err != nil {
		return nil, err
	}
	var rep *wire.Report
	err := j.e.converse(ctx, j.node, func(ctx context.Context, l *line) error {
		req, guessed, err := j.request()
		if err != nil {
			return err
		}
		req.Ways = j.ways(l)
		t := &talk{j: j, l: l, lanes: &lanes{main: l}, ask: req.Ask, said: said}
		defer t.end()
		if err := wireJSON(ctx, l, req); err != nil {
			return err
		}
		err = t.open(ctx, guessed)
		if err == nil {
			rep, err = t.answers(ctx)
		}
		if err == nil && rep.Bytes > 0 { // the node tells of it now and then, and not of the last part
			t.progress(wire.Beat{Files: int64(rep.Files), Bytes: rep.Bytes, Step: "receiving"})
		}
		if err == nil && j.op == wire.OpStage {
			err = j.remember(rep, guessed)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return rep, nil
}

// hope begins to pack the whole tree for a node of which nothing is known. What
// it gives ends the hope that the node lacks it all.
func (j *job) hope() (said func()) {
	if digest, _ := j.e.recent.base(j.node, j.path, j.src); digest != "" || j.op != wire.OpStage {
		return func() {}
	}
	return j.src.hope()
}

// talk is one exchange: this side sends contents while the other answers.
type talk struct {
	j     *job
	l     *line
	lanes *lanes
	offer []byte        // of ways; nil: none
	stop  chan struct{} // closed to end the sending; nil when nothing is sent
	sent  chan error
	files int
	bytes int64
	ask   bool   // no contents are sent with the guess
	told  bool   // the manifest was sent
	said  func() // ends the hope that all is lacking

	outlines map[int]*delta.Outline // of what is there, by index of the entry
}

// open says what is wanted: as a delta to what is believed to be there, with
// the contents that this needs, or whole where nothing is known of it.
func (t *talk) open(ctx context.Context, g *guess) error {
	if g == nil {
		return t.tell(ctx)
	}
	if err := t.delta(ctx, g.delta); err != nil {
		return err
	}
	if t.j.op != wire.OpStage || t.ask {
		return nil
	}
	return t.contents(ctx, parts{list: g.files}, len(g.files), g.bytes)
}

// delta sends what differs from what is believed to be there.
func (t *talk) delta(ctx context.Context, packed []byte) error {
	for {
		piece := packed[:min(len(packed), wire.PieceSize)]
		if err := t.l.send(ctx, wire.TypeDelta, piece); err != nil || len(piece) < wire.PieceSize {
			return err
		}
		packed = packed[len(piece):]
	}
}

// tell sends the manifest.
func (t *talk) tell(ctx context.Context) error {
	t.told = true
	packed, err := t.j.src.packed()
	if err != nil {
		return cannotKeep(err)
	}
	buf := make([]byte, wire.PieceSize)
	for off := int64(0); ; {
		n, err := packed.ReadAt(buf, off)
		if n == 0 && !errors.Is(err, io.EOF) {
			return cannotKeep(err)
		}
		if err := t.l.send(ctx, wire.TypeManifest, buf[:n]); err != nil || n == 0 {
			return err
		}
		off += int64(n)
	}
}

// contents starts to send so many files of so many bytes.
func (t *talk) contents(ctx context.Context, parts parts, files int, bytes int64) error {
	if files == 0 {
		return t.l.send(ctx, wire.TypeEnd, nil)
	}
	t.files, t.bytes = t.files+files, t.bytes+bytes
	p, err := t.j.src.pack(parts)
	if err != nil {
		return err
	}
	t.stop, t.sent = make(chan struct{}), make(chan error, 1)
	go func(stop chan struct{}, sent chan error) { sent <- p.send(ctx, t.j.src, t.lanes, stop) }(t.stop, t.sent)
	return nil
}

// halt ends the sending, between two frames, and tells how it went.
func (t *talk) halt() error {
	if t.stop == nil {
		return nil
	}
	close(t.stop)
	err := <-t.sent
	t.stop = nil
	return err
}

// end stops what is under way when the talk is over. The ways go first: one that
// takes nothing any more would hold up the sending.
func (t *talk) end() {
	t.lanes.close()
	_ = t.halt()
}

// answers goes on until the operation is done.
func (t *talk) answers(ctx context.Context) (*wire.Report, error) {
	for {
		kind, p, err := t.l.next(ctx, t.progress)
		if err != nil {
			return nil, t.why(err)
		}
		switch kind {
		case wire.TypeResend:
			if err := t.halt(); err != nil {
				return nil, err
			}
			t.files, t.bytes = 0, 0
			if !t.told {
				err = t.tell(ctx)
			}
		case wire.TypeOutline:
			err = t.outline(p)
		case wire.TypeWays:
			t.offer = p
		case wire.TypeNeed:
			err = t.need(ctx, p)
		case wire.TypeReport:
			var rep wire.Report
			if err := wire.ReadPacked(p, &rep); err != nil {
				return nil, damaged(err)
			}
			return &rep, nil
		default:
			err = damaged(fmt.Errorf("frame %q", byte(kind)))
		}
		if err != nil {
			return nil, err
		}
	}
}

func damaged(err error) error {
	return &nodes.Error{Kind: nodes.Protocol, Message: "the agent's answer cannot be read: " + err.Error(), Cause: err}
}

// outline keeps what the node says of a file that is there.
func (t *talk) outline(p []byte) error {
	at, n := binary.Uvarint(p)
	if n <= 0 || at >= uint64(t.j.src.list.Count) {
		return damaged(errors.New("an outline of no file"))
	}
	b, err := wire.Unpack(p[n:])
	if err != nil {
		return damaged(err)
	}
	o, err := delta.Decode(b)
	if err != nil {
		return damaged(err)
	}
	if t.outlines == nil {
		t.outlines = map[int]*delta.Outline{}
	}
	t.outlines[int(at)] = o
	return nil
}

func (t *talk) need(ctx context.Context, p []byte) error {
	if err := t.halt(); err != nil {
		return err
	}
	list := t.j.src.list
	needs, err := wire.DecodeNeed(p, list.Count)
	if err != nil {
		return damaged(err)
	}
	files := parts{list: list, needs: needs, outlines: t.outlines}
	t.outlines = nil // those that come late are not for these
	bytes := int64(0)
	err = files.each(func(e *manifest.Entry, offset int64, _ *delta.Outline) error {
		if e.Kind != manifest.File || offset > e.Size {
			return noSuch()
		}
		bytes += e.Size - offset
		return nil
	})
	if err != nil {
		return err
	}
	t.lanes.widen(ctx, t.j, t.offer)
	err = t.contents(ctx, files, needs.Count, bytes)
	t.said()
	return err
}

// why prefers the reason that sending stopped to the agent's word that it did.
func (t *talk) why(err error) error {
	var ref *refusal
	if !errors.As(err, &ref) || !ref.aborted {
		return err
	}
	if sent := t.halt(); sent != nil {
		return &refusal{err: nodes.AsError(asSource(sent), nodes.Failed)}
	}
	return err
}

// asSource keeps a changedSource findable inside an Error.
func asSource(err error) error {
	var c *changedSource
	if errors.As(err, &c) {
		return &nodes.Error{Kind: nodes.Refused, Message: "from: " + c.Error(), Cause: c}
	}
	return err
}

func (t *talk) progress(b wire.Beat) { t.j.events.progress(b, t.bytes, t.files) }

// remember works out what will be ours once the stage is switched, if that can
// be told from here.
func (j *job) remember(rep *wire.Report, g *guess) (err error) {
	if rep.Marker == nil {
		return nil
	}
	j.next, j.digest = j.src.list, rep.Marker.Digest
	switch {
	case g != nil && j.digest == g.digest:
		j.next = g.base
	case g != nil && j.digest != j.src.list.Digest:
		j.next, err = g.after()
	}
	return err
}

// switched makes what was remembered the guess for the next time.
func (j *job) switched() {
	if j.digest != "" {
		j.e.recent.keep(j.node, j.path, j.digest, j.next)
	}
}

// unheard is the error of a request that was sent, and not answered by the agent.
type unheard struct{ error }

// Unwrap gives what happened instead.
func (u *unheard) Unwrap() error { return u.error }

// ask sends a request that is answered by a report alone. An error tells whether
// it was sent: see unheard.
func (e *Engine) ask(ctx context.Context, n *nodes.Node, req wire.Request) (*wire.Report, error) {
	var rep *wire.Report
	sent := false
	err := e.converse(ctx, n, func(ctx context.Context, l *line) error {
		sent = true
		if err := wireJSON(ctx, l, req); err != nil {
			return err
		}
		t := &talk{j: &job{e: e, node: n, events: emitter{e: e}}, l: l}
		kind, p, err := l.next(ctx, func(wire.Beat) {})
		if err != nil {
			return t.why(err)
		}
		if kind != wire.TypeReport {
			return damaged(fmt.Errorf("frame %q", byte(kind)))
		}
		rep = &wire.Report{}
		if err := wire.ReadPacked(p, rep); err != nil {
			return damaged(err)
		}
		return nil
	})
	if err != nil && sent && !agentSaid(err) {
		err = &unheard{err}
	}
	return rep, err
}
