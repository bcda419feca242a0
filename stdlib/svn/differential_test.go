package svn_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/rollsh/rollsh/nodes"
	"github.com/rollsh/rollsh/stdlib/svn"
)

var eligibleLine = regexp.MustCompile(`(?m)^r(\d+)(\*?)$`)

// eligible asks svn itself, subtrees too.
func (b *bench) eligible(from, to string) (revs, partly []int) {
	b.t.Helper()
	out := b.run("", "svn", "mergeinfo", "-R", "--show-revs", "eligible", b.repo.File+from, b.repo.File+to)
	for _, m := range eligibleLine.FindAllStringSubmatch(out, -1) {
		n, _ := strconv.Atoi(m[1])
		revs = append(revs, n)
		if m[2] != "" {
			partly = append(partly, n)
		}
	}
	return revs, partly
}

var broughtLine = regexp.MustCompile(`(?m)^[UGCAD]`)

// brings reports whether svn, asked to merge a revision, changes a file.
func (b *bench) brings(rev int, from, wc string) bool {
	b.t.Helper()
	b.run(wc, "svn", "update", "-q")
	return broughtLine.MatchString(b.run(wc, "svn", "merge", "--dry-run", "--accept", "postpone", "-c", fmt.Sprint(rev), b.repo.File+from, "."))
}

// picks is how many random pick sets are wanted: ROLLSH_PICKS, or otherwise.
func picks(otherwise int) int {
	if n, err := strconv.Atoi(os.Getenv("ROLLSH_PICKS")); err == nil {
		return n
	}
	return otherwise
}

func numbers(cs nodes.Changesets) []int {
	var out []int
	for _, c := range cs {
		out = append(out, c.Rev)
	}
	return out
}

// Random histories of two branches that are merged by the plain svn program in
// both directions, whole and in parts; the lists must be svn's, but for the
// revisions that are hidden and counted. ROLLSH_PICKS, a number such as 200, has
// a tenth as many histories tried.
func TestAvailableIsWhatSvnSays(t *testing.T) {
	t.Parallel()
	for seed := range uint64(max(1, picks(0)/10)) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) { randomHistory(t, rand.New(rand.NewPCG(seed, 7))) })
	}
}

func randomHistory(t *testing.T, r *rand.Rand) {
	b := newBench(t)
	for _, f := range []string{"a", "b", "lib/c", "lib/d"} {
		b.write("trunk/"+f, lines())
	}
	b.commit("alice", "files")
	b.run("", "svn", "copy", "-q", "-m", "branch", b.repo.File+"/trunk", b.repo.File+"/branches/p")
	b.run(b.dev, "svn", "update", "-q")
	for i := range 20 {
		side, other := "trunk", "branches/p"
		if r.IntN(2) == 0 {
			side, other = other, side
		}
		sideURL, otherURL := b.repo.File+"/"+side, b.repo.File+"/"+other
		files := []string{"a", "b", "lib/c", "lib/d"}
		switch n := r.IntN(10); {
		case n < 5:
			b.write(side+"/"+files[r.IntN(4)], lines(fmt.Sprintf("%d changed %d", 1+r.IntN(10), i)))
			if r.IntN(2) == 0 {
				b.write(side+"/"+files[r.IntN(4)], lines(fmt.Sprintf("%d changed %d", 1+r.IntN(10), i)))
			}
		case n < 7: // a pick, of the root
			revs, _ := b.eligible("/"+other, "/"+side)
			if len(revs) == 0 {
				continue
			}
			b.run(b.dev, "svn", "merge", "-q", "--accept", "mine-full", "-c", fmt.Sprint(revs[r.IntN(len(revs))]), otherURL, side)
		case n == 7: // a pick, of a folder or file
			revs, _ := b.eligible("/"+other, "/"+side)
			if len(revs) == 0 {
				continue
			}
			at := []string{"/lib", "/lib/c"}[r.IntN(2)]
			b.run(b.dev, "svn", "merge", "-q", "--accept", "mine-full", "-c", fmt.Sprint(revs[r.IntN(len(revs))]), otherURL+at, side+at)
		case n == 8:
			revs, _ := b.eligible("/"+other, "/"+side)
			if len(revs) == 0 {
				continue
			}
			b.run(b.dev, "svn", "merge", "-q", "--record-only", "-c", fmt.Sprint(revs[0]), otherURL, side)
		default:
			b.run("", "svn", "mkdir", "-q", "-m", "elsewhere", b.repo.File+"/tags/"+fmt.Sprint(i))
		}
		b.commit("bob", fmt.Sprintf("step %d on %s", i, sideURL))
		if i%10 == 9 {
			compareLists(t, b, "/trunk", "/branches/p")
			compareLists(t, b, "/branches/p", "/trunk")
		}
	}
}

func compareLists(t *testing.T, b *bench, from, to string) {
	t.Helper()
	ctx := b.ctx()
	m := must[*svn.Merge](t)(b.svn.Merge(ctx, b.repo.File+from, b.checkout(to)))
	want, partly := b.eligible(from, to)
	all := must[svn.List](t)(m.Available(ctx, svn.Filter{All: true}))
	shown := must[svn.List](t)(m.Available(ctx, svn.Filter{}))
	got := numbers(all.Changesets)
	for _, rev := range got { // svn -R takes a revision for merged that a subtree has, where the top has no mergeinfo
		hidden := !slices.Contains(numbers(shown.Changesets), rev)
		if !slices.Contains(want, rev) && (hidden || b.brings(rev, from, m.Into.Path)) {
			want, partly = append(want, rev), append(partly, rev)
		}
	}
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("%s to %s: ours %v, svn's %v", from, to, got, want)
	}
	for _, rev := range all.Partly { // svn marks more: also what never touched the subtree
		if !slices.Contains(partly, rev) {
			t.Errorf("%s to %s: partly ours %v, svn's %v", from, to, all.Partly, partly)
		}
	}
	for _, c := range all.Changesets {
		if slices.Contains(all.Partly, c.Rev) != (c.Note != "") {
			t.Errorf("%s to %s: partly %v, and r%d is noted as %q", from, to, all.Partly, c.Rev, c.Note)
		}
	}
	if len(shown.Changesets)+shown.Reflected+shown.Bookkeeping != len(got) {
		t.Errorf("%d shown, %d and %d hidden, of %d", len(shown.Changesets), shown.Reflected, shown.Bookkeeping, len(got))
	}
	// a second session without memory, but with the cache on disk
	fresh := must[*svn.Merge](t)(svn.New(b.session).Merge(ctx, b.repo.File+from, m.Into))
	if again := numbers(must[svn.List](t)(fresh.Available(ctx, svn.Filter{})).Changesets); !slices.Equal(again, numbers(shown.Changesets)) {
		t.Errorf("from the cache %v, before %v", again, numbers(shown.Changesets))
	}
}

// Edited messages show, and another repository under the same UUID is not taken
// for the one that was.
func TestCacheIsNeverTrustedOverTheRepository(t *testing.T) {
	t.Parallel()
	b := newLine(t)
	ctx, m := b.ctx(), b.merge()
	b.available(m)
	b.load(rounds(60, "trunk/b.php")...) // push r4 out of what is read again anyway
	b.available(m)
	hook := filepath.Join(b.repo.Path, "hooks", "pre-revprop-change")
	writeFile(t, hook, "#!/bin/sh\nexit 0\n")
	b.run("", "chmod", "755", hook)
	b.run("", "svn", "propset", "--revprop", "-r4", "svn:log", "edited #99", b.repo.File)
	l := must[svn.List](t)(m.Available(ctx, svn.Filter{Ticket: "99"}))
	if l.Changesets.Revs() != "r4" {
		t.Errorf("the edited message is not seen: %s", l.Changesets.Revs())
	}
	before := b.available(m)
	if !strings.HasPrefix(before, "r4-") {
		t.Errorf("available %s", before)
	}
	// the repository is restored from an old backup, and goes another way
	uuid := strings.TrimSpace(b.run("", "svnlook", "uuid", b.repo.Path))
	b.run("", "sh", "-c", "svnadmin dump -q -r0:6 "+nodes.Quote(b.repo.Path)+" > dump && rm -rf "+nodes.Quote(b.repo.Path+"/db")+
		" && svnadmin create new && mv new/db "+nodes.Quote(b.repo.Path+"/db")+" && svnadmin load -q "+nodes.Quote(b.repo.Path)+
		" < dump && svnadmin setuuid "+nodes.Quote(b.repo.Path)+" "+uuid+"; rm -rf new dump")
	b.run("", "svn", "mkdir", "-q", "-m", "r7", b.repo.File+"/trunk/other")
	b.load(rounds(70, "trunk/b.php")...)
	restored := must[*svn.Merge](t)(svn.New(b.session).Merge(ctx, "^/trunk", b.checkout("/branches/production")))
	got := must[svn.List](t)(restored.Available(ctx, svn.Filter{})).Changesets
	if got[3].Rev != 7 || got[3].Message != "r7" {
		t.Errorf("r7 is %+v", got[3])
	}
}
