package sync

import (
	"context"
	"strings"
	"time"

	"github.com/rollsh/rollsh/nodes"
	"github.com/rollsh/rollsh/stdlib/sync/wire"
)

// Preflight is what is known of a node before a push to it.
type Preflight struct {
	Exists   bool    `lua:"exists"`   // the tree is there
	State    string  `lua:"state"`    // where rollsh keeps its record of the tree
	User     string  `lua:"user"`     // who rolls, on the node
	Free     float64 `lua:"free"`     // bytes
	Old      float64 `lua:"old"`      // bytes that old undos would make free if the change needed them; 0 when it does not
	Needs    float64 `lua:"needs"`    // bytes that this very change takes
	Inodes   float64 `lua:"inodes"`   // free; 0 where the filesystem does not count them
	FSType   string  `lua:"fstype"`   // such as ext4
	Mount    bool    `lua:"mount"`    // the tree is a mount point
	Skew     float64 `lua:"skew"`     // seconds by which the node's clock is ahead
	Pending  string  `lua:"pending"`  // what would be done first about a roll cut short
	Revision string  `lua:"revision"` // what the last roll brought
	Roll     string  `lua:"roll"`     // the last roll
}

// Preflight looks whether a push could be done: the node can be reached, the
// place is a folder that may be written, and there is room for this very
// change. Nothing is changed. The value is a Preflight; what stands in the way
// is the node's error.
func (e *Engine) Preflight(ctx context.Context, set nodes.Set, o Options) (*nodes.Results, error) {
	const op = "sync.preflight"
	o, err := o.with()
	if err != nil {
		return nil, nodes.At(err, op, "")
	}
	opened := e.warmUp(ctx, set)
	src, err := e.scan(ctx, &o)
	if err != nil {
		return nil, nodes.At(asSource(err), op, "")
	}
	defer src.close()
	return e.onAll(ctx, op, set, o.Path, func(ctx context.Context, n *nodes.Node, path nodes.RemotePath, _ emitter) (any, error) {
		began := time.Now()
		rep, err := e.look(ctx, src, &o, n, opened[n], op)
		if err != nil {
			return nil, plainError(err)
		}
		return preflight(rep, path, began, time.Now())
	})
}

// preflight judges a node's facts. The clock is compared with the middle of
// the exchange.
func preflight(rep *wire.Report, path nodes.RemotePath, asked, answered time.Time) (Preflight, error) {
	f := rep.Facts
	if f == nil {
		return Preflight{}, nil
	}
	p := Preflight{
		Exists: f.Exists, State: f.State, User: f.User, Free: float64(f.FreeBytes), Old: float64(f.OldBytes), Needs: float64(rep.Bytes),
		Inodes: float64(f.FreeFiles), FSType: f.FSType, Mount: f.Mount, Pending: rep.Pending,
	}
	if rep.Marker != nil {
		p.Revision, p.Roll = rep.Marker.Rev, rep.Marker.Roll
	}
	if !f.Clock.IsZero() {
		p.Skew = f.Clock.Sub(answered).Seconds()
		if early := f.Clock.Sub(asked); early > 0 && p.Skew < 0 {
			p.Skew = 0
		}
	}
	switch {
	case f.NotFolder != "":
		return p, &nodes.Error{Kind: nodes.Failed, Message: f.NotFolder + " is a file where a folder is needed"}
	case !f.Writable:
		return p, &nodes.Error{Kind: nodes.Permission, Message: "cannot write to " + f.Why, Hint: "log in as the owner of " + string(path)}
	}
	if len(rep.Blocked) > 0 {
		return p, &nodes.Error{Kind: nodes.Refused, Message: strings.Join(rep.Blocked, "; ")}
	}
	if lacks := f.Lacks(string(path), rep.Bytes, rep.Added+rep.Changed); lacks != "" {
		return p, &nodes.Error{Kind: nodes.Space, Message: lacks}
	}
	return p, nil
}
