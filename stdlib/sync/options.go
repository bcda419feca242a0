package sync

import (
	"slices"
	"strconv"
	"strings"

	"github.com/rollsh/rollsh/nodes"
	"github.com/rollsh/rollsh/stdlib/sync/manifest"
	"github.com/rollsh/rollsh/stdlib/sync/wire"
	"golang.org/x/time/rate"
)

// Options say what goes where and how. The zero value of a field that has a
// default stands for that default.
type Options struct {
	From    nodes.Tree
	Path    nodes.RemotePath // empty: the node's path of the nodes file
	Only    []string         // outside it nothing is compared, changed or deleted; nil: the whole tree
	Exclude []string         // not sent and never deleted
	Keep    []string         // never changed, deleted or sent
	Delete  string           // ours (default), all, none
	Empty   bool             // a source, or part of it, without files may delete what is on the nodes
	Drift   string           // refuse (default), overwrite, keep
	Adopt   bool             // files that no roll put there become ours
	Layout  string           // tree (default) or release
	Shared  []string         // with release: paths that all releases share; one that ends in / is made
	Perms   Perms
	Owner   string // who all shall belong to, "user:group" by names of the nodes, or "source"; empty: as it comes
	Hard    bool   // hard links in the source are hard links on the nodes
	Setuid  bool   // setuid and setgid bits are sent
	Verify  string // stat (default), checksum, trust
	Undo    int    // how many undos are kept; 0: DefaultUndo, below 0: none
	Speed   int64  // bytes a second that contents may take, to all nodes together; 0: no limit
	Why     string // for the lock, such as "roll www"; empty: the operation
}

// DefaultUndo is how many rolls of a tree can be undone.
const DefaultUndo = 5

// Perms are permissions to be set in place of the source's. Nil leaves the
// source's.
type Perms struct {
	Files *uint32
	Dirs  *uint32
}

// with fills in defaults and checks what can be checked without looking
// anywhere.
func (o Options) with() (Options, error) {
	o.Delete = or(o.Delete, "ours")
	o.Drift = or(o.Drift, "refuse")
	o.Verify = or(o.Verify, "stat")
	o.Layout = or(o.Layout, "tree")
	for _, c := range []struct{ key, value, allowed string }{
		{"delete", o.Delete, "ours all none"},
		{"drift", o.Drift, "refuse overwrite keep"},
		{"verify", o.Verify, "stat checksum trust"},
		{"layout", o.Layout, "tree release"},
	} {
		if !strings.Contains(" "+c.allowed+" ", " "+c.value+" ") {
			return o, usage(c.key + " is '" + c.value + "', not one of " + c.allowed)
		}
	}
	switch {
	case o.Undo == 0:
		o.Undo = DefaultUndo
	case o.Undo < 0:
		o.Undo = 0
	}
	if o.Speed != 0 && o.Speed < slowest {
		return o, usage("bandwidth is " + strconv.FormatInt(o.Speed, 10) + ": at least " + strconv.Itoa(slowest) + " bytes a second are needed")
	}
	if o.Only != nil && len(o.Only) == 0 { // a list that a recipe made, and that came out empty
		return o, &nodes.Error{Kind: nodes.Usage, Message: "only is an empty list, so nothing would be looked at", Hint: "leave only= out for the whole tree"}
	}
	if err := o.checkShared(); err != nil {
		return o, err
	}
	if o.Owner != ownerOfSource {
		if _, err := manifest.ParseOwner(o.Owner); err != nil {
			return o, usage("owner: " + err.Error())
		}
	}
	if o.Path != "" && !strings.HasPrefix(string(o.Path), "/") {
		return o, usage("path '" + string(o.Path) + "' is not absolute")
	}
	if _, err := manifest.Compile(o.patterns(nil)); err != nil {
		return o, usage(err.Error())
	}
	return o, nil
}

// fit checks options against the nodes that they are for.
func (o Options) fit(to nodes.Set) error {
	if _, err := o.with(); err != nil {
		return err
	}
	for _, n := range to.Nodes {
		if _, err := o.pathOn(n); err != nil {
			return err
		}
	}
	return nil
}

// ownerOfSource asks for the names of who owns the source's entries.
const ownerOfSource = "source"

// slowest is the least speed: below it, an agent would think that nothing comes.
const slowest = 1000

// limiter paces what is sent; nil where there is no limit.
func (o *Options) limiter() *rate.Limiter {
	if o.Speed == 0 {
		return nil
	}
	return rate.NewLimiter(rate.Limit(o.Speed), o.piece())
}

// piece is how many bytes are sent at once.
func (o *Options) piece() int {
	if o.Speed == 0 {
		return wire.PieceSize
	}
	return int(min(wire.PieceSize, max(slowest, o.Speed/8)))
}

// checkShared wants plain paths, none within another.
func (o *Options) checkShared() error {
	if len(o.Shared) > 0 && o.Layout != "release" {
		return usage(`shared= belongs to layout="release"`)
	}
	for i, a := range o.Shared {
		a = strings.TrimSuffix(a, "/")
		if !manifest.Clean(a) {
			return usage("shared: '" + o.Shared[i] + "' is not a path in the tree")
		}
		for j, b := range o.Shared {
			if b = strings.TrimSuffix(b, "/"); i != j && (a == b || strings.HasPrefix(b, a+"/")) {
				return usage("shared: '" + o.Shared[j] + "' is within '" + o.Shared[i] + "'")
			}
		}
	}
	return nil
}

func (o *Options) layout() wire.Layout {
	if o.Layout == "release" {
		return wire.LayoutRelease
	}
	return wire.LayoutTree
}

func or(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

func usage(message string) error { return &nodes.Error{Kind: nodes.Usage, Message: message} }

func (o *Options) patterns(ignore []string) manifest.Patterns {
	skip := slices.Concat(o.Exclude, o.Keep)
	for _, p := range o.Shared {
		skip = append(skip, manifest.Exactly(p))
	}
	return manifest.Patterns{Only: o.Only, Skip: skip, Ignore: ignore}
}

// policy is for a source that may be bare.
func (o *Options) policy(bare string) manifest.Policy {
	if o.Empty {
		bare = ""
	}
	return manifest.Policy{Delete: o.Delete, Drift: o.Drift, Adopt: o.Adopt, Bare: bare}
}

// pathOn is where the tree is on a node.
func (o *Options) pathOn(n *nodes.Node) (nodes.RemotePath, error) {
	switch {
	case o.Path != "":
		return o.Path, nil
	case n.Path != "":
		return n.Path, nil
	}
	return "", usage("no path: give path=, or path= for " + string(n.Name) + " in the nodes file")
}
