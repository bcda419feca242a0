//go:build linux

package agent

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/rollsh/rollsh/stdlib/sync/beneath"
	"github.com/rollsh/rollsh/stdlib/sync/manifest"
	"github.com/rollsh/rollsh/stdlib/sync/wire"
)

// stage brings what is wanted onto the disk and leaves the tree alone.
func (s *server) stage(req *wire.Request) (rep *wire.Report, err error) {
	if err := checkRoll(req.Roll); err != nil {
		return nil, err
	}
	t, err := s.claim(req)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil || !req.Hold || rep.Nothing {
			s.release(req)
		}
	}()
	t.discard(wire.StageName(req.Roll))
	c, err := newComparison(s, t, req)
	if err != nil {
		return nil, err
	}
	st := &stager{c: c, t: t, dir: -1, files: -1, old: -1}
	defer st.close()
	rep, err = st.run()
	if err != nil {
		if errors.Is(err, io.EOF) || errors.Is(err, errSilent) {
			st.salvage()
		}
		st.close()
		t.discard(wire.StageName(req.Roll))
		return nil, err
	}
	t.discard(arrivedDir)
	if rep.Nothing {
		t.noteIdle(req.Roll)
	}
	rep.Settled = t.settled
	return rep, nil
}

// run receives, compares, and writes the journal. While the contents arrive,
// the tree is scanned.
func (st *stager) run() (*wire.Report, error) {
	c := st.c
	guessed, err := c.announce()
	if err != nil {
		return nil, err
	}
	if guessed && !c.req.Ask {
		err = st.receiveAndCompare()
	} else {
		err = c.compare(guessed)
	}
	if err == nil {
		err = c.judge()
	}
	if err != nil {
		return nil, err
	}
	rep, err := Summary(c.dec, c.req.Lists)
	if err != nil {
		return nil, c.unreadable(err)
	}
	rep.First, rep.Drift = c.now.First(), c.findings()
	if c.doubt != "" {
		rep.Warnings = append(rep.Warnings, `verify="trust" was not used: `+c.doubt)
	}
	if err := c.refuse(rep.Digest); err != nil {
		return nil, err
	}
	next, err := c.next()
	if err != nil {
		return nil, err
	}
	if rep.Nothing && next == nil {
		rep.Marker = &c.now.Marker
		return rep, nil
	}
	rep.Nothing = false
	if err := st.fetch(); err != nil {
		return nil, err
	}
	if err := st.journal(next); err != nil {
		return nil, err
	}
	rep.Local = st.local + st.reused
	rep.Bytes -= st.reused
	if st.forgotten > 0 {
		rep.Warnings = append(rep.Warnings, wire.MadeRoom(st.forgotten, show(st.t.path)))
	}
	rep.Marker = &next.Marker
	return rep, nil
}

// receiveAndCompare does both at once: the scan costs no time then.
func (st *stager) receiveAndCompare() error {
	var err error
	if st.coming, err = st.c.predicted(); err != nil {
		return err
	}
	list, _ := st.t.owners.resolved(st.coming)
	come := contents{Seq: list.Read(), files: st.coming.Count, bytes: st.coming.Bytes}
	if st.c.req.Verify == "trust" {
		if err := st.receive(come); err != nil {
			return err
		}
		return st.c.compare(true)
	}
	compared := make(chan error, 1)
	go func() { compared <- st.c.compare(true) }()
	err = st.receive(come)
	if e := <-compared; err == nil {
		err = e
	}
	return err
}

// next makes the record that the switch will leave; nil when it would say what
// the present one says and nothing has to be done.
func (c *comparison) next() (*wire.Record, error) {
	n := &wire.Record{Ours: manifest.Edited(c.now.Ours, c.turn)}
	if asAnnounced, err := c.asAnnounced(); err != nil {
		return nil, c.unreadable(err)
	} else if asAnnounced {
		n.Ours = c.kept
	}
	n.Marker = wire.Marker{
		Roll: c.req.Roll, Rev: c.req.Rev, Who: c.req.By.Who, Host: c.req.By.Host,
		At: time.Now(), Seq: c.now.Seq + 1,
	}
	n.Boot, n.Agent, n.Looked = bootID(), agentName(), n.At
	if c.trusted || c.rules.Partial() {
		n.Looked = c.now.Looked
	}
	if c.t.releases {
		n.Layout, n.Shared = wire.LayoutRelease, c.req.Shared
		c.leaveOut(n)
	}
	if c.rules.Partial() {
		n.Rev, n.Partial = c.now.Rev, c.now.Partial
		for _, p := range c.req.Rules.Only {
			if s := strings.ToValidUTF8(string(p), "?"); !slices.Contains(n.Partial, s) {
				n.Partial = append(slices.Clip(n.Partial), s)
			}
		}
	}
	if c.now.First() || c.dec.Puts+c.dec.Goes > 0 || n.Rev != c.now.Rev ||
		!slices.Equal(n.Partial, c.now.Partial) || !slices.EqualFunc(n.Shared, c.now.Shared, bytes.Equal) {
		return n, nil
	}
	same, err := c.turn.Empty()
	if err != nil {
		return nil, c.unreadable(err)
	} else if same {
		return nil, nil //nolint:nilnil // as said
	}
	return n, nil
}

// asAnnounced reports whether what will be ours is what was announced as a delta,
// as is the rule, and is kept encoded.
func (c *comparison) asAnnounced() (bool, error) {
	if c.kept == nil || c.dec.Settles != c.differs {
		return false, nil
	}
	return c.turn.Is(c.delta)
}

// leaveOut takes what is shared out of what will be ours.
func (c *comparison) leaveOut(n *wire.Record) {
	skip := shared(n.Shared)
	if len(skip) == 0 {
		return
	}
	n.Ours = manifest.Some(n.Ours, func() func(*manifest.Entry) bool {
		return func(e *manifest.Entry) bool {
			for p := e.Path; p != ""; p, _ = beneath.Split(p) {
				if skip[p] {
					return false
				}
			}
			return true
		}
	})
	c.turn, c.back = manifest.Between(c.now.Ours, n.Ours), manifest.Between(n.Ours, c.now.Ours)
}

// look says what a stage would do, without a lock and without changing
// anything.
func (s *server) look(req *wire.Request) (*wire.Report, error) {
	t, err := s.open(req)
	if err != nil {
		return nil, err
	}
	defer t.close()
	c, err := newComparison(s, t, req)
	if err != nil {
		return nil, err
	}
	guessed, err := c.announce()
	if err == nil {
		err = c.compare(guessed)
	}
	if err == nil {
		err = c.judge()
	}
	if err != nil {
		return nil, err
	}
	rep, err := Summary(c.dec, req.Lists)
	if err != nil {
		return nil, c.unreadable(err)
	}
	rep.First, rep.Drift, rep.Pending, rep.Facts = c.now.First(), c.findings(), t.unsettled(), t.facts()
	t.makeRoom(rep.Facts, rep)
	next, err := c.next()
	if err != nil {
		return nil, err
	}
	rep.Nothing = rep.Nothing && next == nil
	if !c.now.First() {
		rep.Marker = &c.now.Marker
	}
	return rep, nil
}
