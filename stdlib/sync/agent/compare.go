//go:build linux

package agent

import (
	"errors"
	"os/user"
	"runtime"
	"slices"
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
	ours  manifest.List // of now, what the rules look at
	want  manifest.List // what is to be there
	live  manifest.Seq  // what is there
	held  func() map[string]bool
	dec   *manifest.Decision
	turn  manifest.Edit // what turns what is ours into what will be
	back  manifest.Edit // the reverse

	announced manifest.List     // want as the controller knows it: needs are indexes into it
	delta     manifest.Edit     // from ours to it, when the guess was right
	differs   int               // how many entries the delta holds
	replaced  *manifest.Encoded // what is ours at the paths of the delta
	kept      *manifest.Encoded // it, encoded; nil where that is not worth while

	stays [][]byte // shared since an earlier roll; this one was not told so

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
	c.ours, _ = c.rules.Filter(c.now.Ours)
	c.stays = t.sharedYet(req.Shared, c.now.Shared)
	req.Shared = append(slices.Clip(req.Shared), c.stays...)
	return c, nil
}

// compare finds out what is there, as thoroughly as was asked, and what has to
// change. What rests on folders of the tree that are kept open is left to
// judge.
func (c *comparison) compare(guessed bool) error {
	stop, err := c.look(guessed)
	if err != nil {
		return err
	}
	defer stop()
	pol := c.req.Policy
	pol.First = c.now.First()
	cmp := c.sides(c.want)
	cmp.Policy, cmp.Lists, cmp.Spool = pol, c.req.Lists, c.t.spool
	if c.dec, err = cmp.Decide(); err != nil {
		return c.unreadable(err)
	}
	c.turn, c.back = c.dec.Ours(), c.dec.Was()
	return nil
}

// changes gives f what was decided, a path at a time.
func (c *comparison) changes(f func(*manifest.Change) error) error {
	s := c.dec.Read()
	for one := s.Next(); one != nil; one = s.Next() {
		if err := f(one); err != nil {
			return err
		}
	}
	if s.Err() != nil {
		return c.unreadable(s.Err())
	}
	return nil
}

// sides are the lists that are compared, with how doubts are settled.
func (c *comparison) sides(want manifest.List) *manifest.Comparison {
	return &manifest.Comparison{
		Ours: c.ours, Want: want, Live: c.live, Held: c.held,
		Hash: c.hash, All: c.req.Verify == "checksum",
	}
}

// unreadable is what a list that cannot be read on gives.
func (c *comparison) unreadable(err error) error {
	if said := (*Error)(nil); errors.As(err, &said) {
		return said
	}
	f := wire.Failure{Kind: kindOf(err), Message: err.Error()}
	if f.Kind == "permission" {
		f.Hint = wire.ClosedHint
	}
	return &Error{Failure: f, cause: err}
}

// look begins to find out what is there. What it gives ends that.
func (c *comparison) look(guessed bool) (stop func(), err error) {
	c.live = manifest.Slice(nil).Read()
	if c.t.root < 0 {
		return func() {}, nil
	}
	if guessed && c.req.Verify == "trust" {
		if c.doubt, err = c.distrust(); err != nil {
			return nil, err
		}
		if c.doubt == "" {
			c.trust()
			return func() {}, nil
		}
	}
	c.s.step.Store("comparing")
	scan := c.s.watches.scan(c)
	c.live, c.held = scan, scan.Held
	return scan.Close, nil
}

// judge finds what stands in the way of what was decided.
func (c *comparison) judge() error {
	c.blockShared()
	if err := c.blockUnshared(); err != nil {
		return err
	}
	if err := c.blockTwins(); err != nil {
		return err
	}
	if err := c.blockClosed(); err != nil {
		return err
	}
	return c.blockOwners()
}

// parents leaves folders out of what is wanted that are wanted only as a place
// for something else, and are there.
func (c *comparison) parents() error {
	if !c.rules.Partial() {
		return nil
	}
	in, rest := c.rules.Filter(c.want)
	var missing manifest.Patch
	s := rest.Read()
	for w := s.Next(); w != nil; w = s.Next() {
		e, err := c.t.lstat(w.Path)
		switch {
		case errors.Is(err, unix.ENOENT):
			place := *w
			missing.Change = append(missing.Change, &place)
		case err != nil:
			return cannot("look at", w.Path, err)
		case e.Kind != manifest.Dir:
			return hinted("refused", show(w.Path)+" is not a folder on the node", "roll the whole tree, or move it away")
		}
	}
	c.want = manifest.Patched(in, missing)
	return s.Err()
}

// hash fills in the sums of live files; one that cannot be read stays unknown
// and so counts as different.
func (c *comparison) hash(files []*manifest.Entry) {
	c.s.step.Store("hashing")
	jobs := make(chan *manifest.Entry)
	var wg sync.WaitGroup
	for range min(len(files), max(2, runtime.NumCPU())) {
		wg.Go(func() {
			buf := make([]byte, 128<<10)
			for e := range jobs {
				sum, n, err := manifest.HashFile(c.t.root, e.Path, buf)
				if err == nil && n == e.Size {
					e.Sum = sum
				}
				c.t.tick(1, n)
			}
		})
	}
	for _, e := range files {
		jobs <- e
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
