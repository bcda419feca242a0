package sync

import (
	"strconv"
	"time"

	"github.com/rollsh/rollsh/nodes"
	"github.com/rollsh/rollsh/stdlib/sync/manifest"
	"github.com/rollsh/rollsh/stdlib/sync/wire"
)

// compare walks the tree and decides. With lists, what is told is every path.
func (t *thin) compare(lists bool) (*comparison, error) {
	c := &comparison{t: t}
	rules := t.j.src.rules
	want, err := t.wanted(rules)
	if err != nil {
		return nil, err
	}
	sides, stop := t.sides(rules, want)
	sides.Policy, sides.Lists, sides.Spool = t.j.o.policy(t.j.src.bare), lists, t.spool
	sides.Policy.First = t.now.First()
	c.dec, err = sides.Decide()
	return c, stop(err)
}

// sides are what is compared: what rolls left, without owners, for SFTP tells no
// names; what is there, which is listed meanwhile; and what is wanted. stop ends
// that, and is given how comparing went: it knows why a sum could not be taken.
func (t *thin) sides(rules *manifest.Rules, want manifest.List) (c *manifest.Comparison, stop func(error) error) {
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
	end := func() {}
	if t.exists {
		scan := t.scan(rules)
		c.Live, c.Held, end = scan, scan.Held, scan.Close
	}
	return c, func(err error) error {
		end()
		if err == nil {
			err = first
		}
		return err
	}
}

// comparison is what was decided over SFTP.
type comparison struct {
	t   *thin
	dec *manifest.Decision
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
	n := &wire.Record{Ours: manifest.Edited(now.Ours, c.dec.Ours())}
	n.Marker = wire.Marker{Roll: j.roll, Rev: string(j.src.rev), Who: j.by.Who, Host: j.by.Host, At: time.Now(), Seq: now.Seq + 1}
	if j.src.rules.Partial() {
		n.Rev, n.Partial = now.Rev, append(append([]string(nil), now.Partial...), j.o.Only...)
	}
	return n
}
