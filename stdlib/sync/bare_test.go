package sync_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/rollsh/rollsh/nodes"
	"github.com/rollsh/rollsh/nodes/nodetest"
	"github.com/rollsh/rollsh/stdlib/sync"
)

// many makes more files of a kind than may go without a word, and gives their names.
func (r *rig) many(kind string) []string {
	r.Helper()
	var all []string
	for i := range 11 {
		name := fmt.Sprintf("m/%02d.%s", i, kind)
		r.file(name, "1")
		all = append(all, name)
	}
	return all
}

// A source without files would delete all that is on the nodes: a wrong path, an
// empty checkout. It is refused until that is said to be meant, with the agent and
// over SFTP, by all that push, and foreseen in a plan. So few files that they are
// soon put back may go.
func TestSourceWithoutFiles(t *testing.T) {
	for name, opts := range map[string][]nodetest.Option{"agent": nil, "sftp": {nodetest.SFTPOnly()}} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, 2, opts...)
			r.file("a.php", "1")
			r.file("css/site.css", "1")
			r.push()
			r.remove("a.php")
			r.remove("css/site.css")
			r.push()
			r.holds("css")
			r.remove("css")
			r.file("a.php", "1")
			all := append([]string{"a.php", "m"}, r.many("php")...)
			r.push()
			r.src = filepath.Join(t.TempDir(), "wrong")
			must(t, os.MkdirAll(filepath.Join(r.src, "css"), 0o755))
			r.refused("there are no files to send in " + r.src)
			for _, only := range [][]string{{"m/"}, {"*.php"}} {
				r.refused("there are no files to send in "+r.src, func(o *sync.Options) { o.Only = only })
			}
			r.refused("there are no files to send in "+r.src, func(o *sync.Options) { o.Delete = "all" })
			r.push(func(o *sync.Options) { o.Delete = "none" })
			r.holds(slices.Insert(slices.Clone(all), 1, "css")...)

			r.remove("css")
			r.file(".rollignore", "*.bak\n")
			r.file("a.php.bak", "1")
			r.refused("there are no files to send in " + r.src)
			r.push(func(o *sync.Options) { o.Empty = true })
			r.holds()
			r.push()
		})
	}
}

// A part of the source in which there is nothing any more goes from the nodes where
// it is named, not where a wildcard no longer matches.
func TestPartWithoutFiles(t *testing.T) {
	for name, opts := range map[string][]nodetest.Option{"agent": nil, "sftp": {nodetest.SFTPOnly()}} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, 2, opts...)
			for _, f := range []string{"a.php", "b.php", "css/site.css", "css/old/x.css", "zones/z.zone"} {
				r.file(f, "1")
			}
			many := r.many("zone")
			r.push()
			r.remove("a.php")
			r.remove("css/old/x.css")
			r.remove("zones/z.zone")
			r.remove("m")
			r.push(func(o *sync.Options) { o.Only = []string{"a.php", "css/old/"} })
			r.holds(slices.Concat([]string{"b.php", "css", "css/old", "css/site.css", "m"}, many, []string{"zones", "zones/z.zone"})...)
			r.refused("only: there are no files in "+r.src+" that '*.zone' matches", func(o *sync.Options) { o.Only = []string{"*.zone"} })
			r.push(func(o *sync.Options) { o.Only, o.Empty = []string{"*.zone"}, true })
			r.holds("b.php", "css", "css/old", "css/site.css", "m", "zones")
			r.push(func(o *sync.Options) { o.Only = []string{"*.nothing"} })
		})
	}
}

// refused wants push, stage and preflight to be refused with words, and the plan to
// say them and not to be ready.
func (r *rig) refused(words string, change ...func(*sync.Options)) {
	r.Helper()
	o := r.options()
	for _, f := range change {
		f(&o)
	}
	want := []string{words, "would be deleted", "empty=true"}
	_, err := r.engine.Push(r.ctx(), r.set, o)
	wantKind(r.T, err, nodes.Refused, want...)
	_, err = r.engine.Stage(r.ctx(), r.set, o)
	wantKind(r.T, err, nodes.Refused, want...)
	_, err = r.engine.Preflight(r.ctx(), r.set, o)
	wantKind(r.T, err, nodes.Refused, want...)
	p, err := r.engine.Plan(r.ctx(), r.set, o)
	must(r.T, err)
	wantKind(r.T, p.Ready(), nodes.Refused, want...)
	_, err = p.Apply(r.ctx())
	wantKind(r.T, err, nodes.Refused, want...)
}

// holds wants just these paths on all nodes.
func (r *rig) holds(want ...string) {
	r.Helper()
	for i := range r.set.Nodes {
		if got := names(r.T, r.live(i)); !slices.Equal(got, want) {
			r.Errorf("node %d holds %q, not %q", i, got, want)
		}
	}
}
