//go:build linux

package agent

import (
	"errors"
	"os/user"
	"runtime"
	"strconv"
	"strings"
	"sync"

	"github.com/rollsh/rollsh/stdlib/sync/manifest"
	"github.com/rollsh/rollsh/stdlib/sync/wire"
	"golang.org/x/sys/unix"
)

// comparison is what there is, what was left and what is wanted.
type comparison struct {
	s     *server
	t     *tree
	req   *wire.Request
	rules *manifest.Rules
	now   *wire.Record
	ours  []manifest.Entry // of now, what the rules look at
	rest  []manifest.Entry // of now, what they do not
	want  []manifest.Entry // what is to be there
	live  manifest.Listing
	dec   manifest.Decision

	announced []manifest.Entry // want as the controller knows it: needs are indexes into it

	change []manifest.Entry // of the delta, when the guess was right
	gone   []string

	doubt   string // why the tree was looked at although verify is trust
	trusted bool   // it was not looked at
}

func newComparison(s *server, t *tree, req *wire.Request) (*comparison, error) {
	c := &comparison{s: s, t: t, req: req}
	var err error
	if c.now, err = t.marker(); err != nil {
		return nil, err
	}
	patterns := req.Rules.Patterns()
	for _, p := range c.now.Shared {
		patterns.Skip = append(patterns.Skip, manifest.Exactly(string(p)))
	}
	if c.rules, err = manifest.Compile(patterns); err != nil {
		return nil, failure("usage", err.Error())
	}
	c.ours, c.rest = c.rules.Filter(c.now.Ours)
	return c, nil
}

// guess reads the delta that came with the request, if the request knew what
// is ours here.
func (c *comparison) guess() (right bool, err error) {
	if c.req.Base == "" || c.req.Base != c.now.Digest {
		return false, nil
	}
	f, err := c.s.next(pieceWait)
	if err != nil {
		return false, err
	}
	if f.t != wire.TypeDelta {
		return false, failure("protocol", "expected a delta")
	}
	if c.change, c.gone, err = wire.DecodeDelta(f.p); err != nil {
		return false, failure("protocol", err.Error())
	}
	c.want = manifest.Apply(c.ours, c.change, c.gone)
	c.announced = c.want
	if manifest.DigestOf(manifest.Encode(c.want)) != c.req.Want {
		return false, nil
	}
	return true, c.resolve(c.want)
}

// ask has the controller send all that is wanted. What it sent on its guess is
// passed over.
func (c *comparison) ask() error {
	if err := wire.Write(c.s.out, wire.TypeResend, []byte(c.now.Digest)); err != nil {
		return err
	}
	for {
		f, err := c.s.next(pieceWait)
		if err != nil {
			return err
		}
		if f.t != wire.TypeManifest {
			continue
		}
		b, err := wire.Unpack(f.p)
		if err != nil {
			return failure("protocol", err.Error())
		}
		c.s.careful(len(b))
		if manifest.DigestOf(b) != c.req.Want {
			return failure("protocol", "the manifest is not the one that was announced")
		}
		if c.want, err = manifest.Decode(b); err != nil {
			return failure("protocol", err.Error())
		}
		c.announced = c.want
		return c.resolve(c.want)
	}
}

// predicted lists the files whose contents come with a right guess: what a
// decision needs if the tree is as the last roll left it.
func (c *comparison) predicted() []*manifest.Entry {
	return manifest.Predict(c.ours, c.want, c.req.Policy)
}

// look finds out what is there, as thoroughly as was asked.
func (c *comparison) look(guessed bool) error {
	if c.t.root < 0 {
		c.live = manifest.Listing{}
		return nil
	}
	if guessed && c.req.Verify == "trust" {
		if c.doubt = c.distrust(); c.doubt == "" {
			return c.trust()
		}
	}
	c.s.step.Store("comparing")
	var err error
	c.live, err = manifest.Scan(c.t.root, c.rules, max(4, runtime.NumCPU()), len(c.ours), func(n int) { c.t.tick(n, 0) })
	if err != nil {
		return &Error{Failure: wire.Failure{Kind: kindOf(err), Message: err.Error()}, cause: err}
	}
	return nil
}

// decide says what has to change, hashing what must be known for that.
func (c *comparison) decide() error {
	if err := c.parents(); err != nil {
		return err
	}
	unknown := manifest.Inherit(c.ours, c.live.Entries, c.want)
	if c.req.Verify == "checksum" {
		unknown = unknown[:0]
		for i := range c.live.Entries {
			if c.live.Entries[i].Kind == manifest.File {
				unknown = append(unknown, i)
			}
		}
	}
	c.hash(unknown)
	pol := c.req.Policy
	pol.First = c.now.First()
	c.dec = manifest.Decide(c.ours, c.live, c.want, pol)
	c.blockShared()
	c.blockTwins()
	return c.blockOwners()
}

// parents leaves folders out of what is wanted that are wanted only as a place
// for something else, and are there.
func (c *comparison) parents() error {
	if !c.rules.Partial() {
		return nil
	}
	in, rest := c.rules.Filter(c.want)
	var make []manifest.Entry
	for i := range rest {
		e, err := c.t.lstat(rest[i].Path)
		switch {
		case errors.Is(err, unix.ENOENT):
			make = append(make, rest[i])
		case err != nil:
			return cannot("look at", rest[i].Path, err)
		case e.Kind != manifest.Dir:
			return hinted("refused", show(rest[i].Path)+" is not a folder on the node", "roll the whole tree, or move it away")
		}
	}
	c.want = manifest.Merge(in, make)
	return nil
}

// hash fills in the sums of live files; one that cannot be read stays unknown
// and so counts as different.
func (c *comparison) hash(indexes []int) {
	if len(indexes) == 0 {
		return
	}
	c.s.step.Store("hashing")
	jobs := make(chan int)
	var wg sync.WaitGroup
	for range max(2, runtime.NumCPU()) {
		wg.Go(func() {
			buf := make([]byte, 128<<10)
			for i := range jobs {
				e := &c.live.Entries[i]
				sum, n, err := manifest.HashFile(c.t.root, e.Path, buf)
				if err == nil && n == e.Size {
					e.Sum = sum
				}
				c.t.tick(1, n)
			}
		})
	}
	for _, i := range indexes {
		jobs <- i
	}
	close(jobs)
	wg.Wait()
}

// refuse turns what must not be done into an error.
func (c *comparison) refuse(digest string) error {
	if c.req.Policy.Drift == "refuse" && len(c.dec.Drift) > 0 {
		return &Error{Failure: wire.Failure{
			Kind: "changed", Drift: c.findings(),
			Message: wire.Drifted(c.findings()), Hint: wire.DriftHint,
		}}
	}
	if len(c.dec.Blocked) > 0 {
		return failure("refused", strings.Join(c.dec.Blocked, "; "))
	}
	if c.req.Expect != "" && c.req.Expect != digest {
		return hinted("changed", "the node is not as it was when the plan was made", "plan again")
	}
	return nil
}

// findings describes the drift with owners and times.
func (c *comparison) findings() []wire.Finding {
	var out []wire.Finding
	owners := map[uint32]string{}
	for i := range c.dec.Drift {
		d := &c.dec.Drift[i]
		f := wire.Finding{Path: []byte(d.Path), What: d.What, Yield: d.Yield, Size: d.Live.Size, Mtime: d.Live.Mtime}
		if d.Live.Kind != 0 {
			f.Owner = owner(owners, d.Live.UID)
		}
		out = append(out, f)
	}
	return out
}

func owner(seen map[uint32]string, uid uint32) string {
	if name, ok := seen[uid]; ok {
		return name
	}
	name := strconv.Itoa(int(uid))
	if u, err := user.LookupId(name); err == nil {
		name = u.Username
	}
	seen[uid] = name
	return name
}
