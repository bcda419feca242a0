package svn_test

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rollsh/rollsh/stdlib/svn"
)

// A branch that lives for months: both sides go on, trunk is merged in now and
// then, whole or in picks, and the branch goes back more than once. Nothing is
// offered twice, nothing is lost, and in the end both sides hold the same.
func TestMonthsOfABranch(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(uint64(picks(3)), 11))
	b := newBench(t)
	files := []string{"a", "lib/b", "lib/c"}
	for _, f := range files {
		var text strings.Builder
		for i := range 400 {
			fmt.Fprintln(&text, "line", i)
		}
		b.write("trunk/"+f, text.String())
	}
	b.commit("alice", "files")
	b.run("", "svn", "copy", "-q", "-m", "branch", b.repo.File+"/trunk", b.repo.File+"/branches/dev")
	b.run(b.dev, "svn", "update", "-q")
	trunk, dev := b.checkout("/trunk"), b.checkout("/branches/dev")
	into := must[*svn.Merge](t)(b.svn.Merge(b.ctx(), "^/trunk", dev))
	back := must[*svn.Merge](t)(b.svn.Merge(b.ctx(), "^/branches/dev", trunk))
	seen := map[*svn.Merge]map[int]bool{into: {}, back: {}}
	line := 0
	for month := range 5 {
		for range 3 { // every edit has lines of its own, so nothing conflicts
			side := []string{"trunk", "branches/dev"}[r.IntN(2)]
			f := side + "/" + files[r.IntN(len(files))]
			l := strings.SplitAfter(readFile(t, filepath.Join(b.dev, f)), "\n")
			l[20+line*16] = fmt.Sprintf("edit %d\n", line)
			line++
			b.write(f, strings.Join(l, ""))
			b.commit("bob", fmt.Sprintf("edit %d", line))
		}
		b.once(seen[into], into, month%2 == 1)
		if month%2 == 1 || month == 4 {
			b.once(seen[into], into, false) // as svn wants it, before going back
			b.once(seen[back], back, false)
		}
	}
	b.once(seen[into], into, false)
	for _, m := range []*svn.Merge{into, back} {
		if got := b.available(m); got != "" {
			t.Errorf("%s still has %s", m.From, got)
		}
	}
	must[int](t)(trunk.Update(b.ctx(), ""))
	must[int](t)(dev.Update(b.ctx(), ""))
	for _, f := range files {
		mine, theirs := readFile(t, filepath.Join(trunk.Path, f)), readFile(t, filepath.Join(dev.Path, f))
		if mine != theirs {
			t.Errorf("%s differs", f)
		}
		line -= strings.Count(mine, "edit")
	}
	if line != 0 {
		t.Errorf("%d edits are lost", line)
	}
}

// once takes what is available, all or half of it, and commits; nothing may have
// been offered before and taken.
func (b *bench) once(taken map[int]bool, m *svn.Merge, half bool) {
	b.t.Helper()
	list := numbers(must[svn.List](b.t)(m.Available(b.ctx(), svn.Filter{})).Changesets)
	for _, rev := range list {
		if taken[rev] {
			b.t.Errorf("r%d of %s is offered again", rev, m.From)
		}
	}
	what := "all"
	if half {
		list = slices.DeleteFunc(list, func(rev int) bool { return rev%2 == 0 })
		what = strings.Trim(strings.Join(strings.Fields(fmt.Sprint(list)), ","), "[]")
	}
	if len(list) == 0 {
		return
	}
	if t := must[svn.Taken](b.t)(m.Take(b.ctx(), revs(b.t, what), false)); len(t.Conflicts) > 0 {
		b.t.Fatalf("conflicts of %s: %v", what, t.Conflicts[0].Sentence())
	}
	rev := must[int](b.t)(m.Commit(b.ctx(), "", true))
	b.t.Logf("r%d: %s of %s: %v", rev, what, m.From, list)
	for _, rev := range list {
		taken[rev] = true
	}
	b.run(b.dev, "svn", "update", "-q")
}
