package svn_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rollsh/rollsh/stdlib/svn"
)

func TestPreviewTellsConflictsAndNeeds(t *testing.T) {
	t.Parallel()
	b := newLine(t)
	ctx, m := b.ctx(), b.merge()
	p := must[svn.Preview](t)(m.Preview(ctx, revs(t, "5,7")))
	if !p.Clean || len(p.Needs) != 0 || p.Picks.Revs() != "r5,r7" {
		t.Errorf("preview %+v", p)
	}
	p = must[svn.Preview](t)(m.Preview(ctx, revs(t, "6,8")))
	if p.Clean || p.Needs.Revs() != "r4" || len(p.Conflicts) != 1 {
		t.Fatalf("preview %+v", p)
	}
	want := svn.Foreseen{
		Path: "a.php", Kind: "text", Rev: 6, Why: "r6 changes lines of a.php that are different here",
		Hunks: []svn.Hunk{{Line: 2, Base: "2 two\n3\n", Mine: "2\n3\n", Theirs: "2 zwei\n3 drei\n"}},
	}
	if d := cmp.Diff(want, p.Conflicts[0]); d != "" {
		t.Error(d)
	}
	if p := must[svn.Preview](t)(m.Preview(ctx, revs(t, "4,6"))); !p.Clean {
		t.Errorf("preview %+v", p)
	}
	if !must[bool](t)(m.Into.Clean(ctx)) {
		t.Error("the checkout was touched")
	}
}

// The conflicts that a preview foresees are those that svn meets, on random
// picks from random histories of 25 sets each. ROLLSH_PICKS says how many sets.
func TestPreviewIsWhatSvnMeets(t *testing.T) {
	t.Parallel()
	const each = 25
	sets := picks(12)
	for seed := range uint64((sets + each - 1) / each) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			compareConflicts(t, rand.New(rand.NewPCG(seed, 5)), min(each, sets-int(seed)*each))
		})
	}
}

func compareConflicts(t *testing.T, r *rand.Rand, sets int) {
	b := newBench(t)
	scribble(b, r)
	m := b.merge()
	wc := filepath.Join(t.TempDir(), "plain")
	b.run("", "svn", "checkout", "-q", b.repo.File+"/branches/production", wc)
	all := must[svn.List](t)(m.Available(b.ctx(), svn.Filter{})).Changesets
	conflicts := 0
	for range sets {
		var picks []string
		for _, c := range all {
			if r.IntN(len(all)) < 7 {
				picks = append(picks, fmt.Sprint(c.Rev))
			}
		}
		if len(picks) == 0 {
			continue
		}
		list := strings.Join(picks, ",")
		p := must[svn.Preview](t)(m.Preview(b.ctx(), revs(t, list)))
		var got []string
		for _, f := range p.Conflicts {
			got = append(got, f.Kind+" "+f.Path)
		}
		slices.Sort(got)
		want := realConflicts(b, wc, list)
		conflicts += len(want)
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("picks %s: (- svn, + preview) %s\n%+v", list, d, p.Conflicts)
		}
	}
	t.Logf("%d sets, %d conflicts", sets, conflicts)
	compareNeeds(t, b, m, wc, r, (sets+1)/2)
}

// scribble makes a history: two branches that edit, add, delete, move and set
// properties, with rolls between them.
func scribble(b *bench, r *rand.Rand) {
	files := []string{"a", "b", "c", "lib/d", "lib/e", "lib/sub/f", "www/g", "www/h"}
	for _, f := range files {
		b.write("trunk/"+f, lines())
	}
	b.write("trunk/bin", "\x00\x01binary")
	b.run(b.dev, "svn", "propset", "-q", "svn:mime-type", "application/octet-stream", "trunk/bin")
	_ = os.Symlink("a", filepath.Join(b.dev, "trunk/link"))
	b.run(b.dev, "svn", "add", "-q", "trunk/link")
	b.run(b.dev, "svn", "propset", "-q", "svn:keywords", "Id", "trunk/www/g")
	b.run(b.dev, "svn", "propset", "-q", "svn:eol-style", "CRLF", "trunk/www/h")
	b.commit("alice", "files")
	b.run("", "svn", "copy", "-q", "-m", "production", b.repo.File+"/trunk", b.repo.File+"/branches/production")
	b.run(b.dev, "svn", "update", "-q")
	for i := range 36 {
		side := "trunk"
		if i%5 == 4 {
			side = "branches/production"
		}
		f := side + "/" + files[r.IntN(len(files))]
		exists := func(p string) bool { _, err := os.Stat(filepath.Join(b.dev, p)); return err == nil }
		change(b, r, i, side, f, exists)
		b.run(b.dev, "svn", "commit", "-q", "--username", "bob", "-m", fmt.Sprintf("step %d", i))
		b.run(b.dev, "svn", "update", "-q")
		if i == 14 || i == 26 { // rolls of a few
			revs, _ := b.eligible("/trunk", "/branches/production")
			realMerge(b, filepath.Join(b.dev, "branches/production"), fmt.Sprintf("%d,%d", revs[1], revs[3]))
			b.commit("carol", "roll")
		}
	}
}

func change(b *bench, r *rand.Rand, i int, side, f string, exists func(string) bool) {
	switch n := r.IntN(22); {
	case n == 0 && exists(f):
		b.run(b.dev, "svn", "rm", "-q", f)
	case n == 1 && exists(f):
		b.run(b.dev, "svn", "move", "-q", f, f+fmt.Sprint("-moved-", i))
	case n == 2:
		b.write(fmt.Sprintf("%s/new%d", side, r.IntN(3)), lines(fmt.Sprintf("%d new %d", 1+r.IntN(10), i)))
	case n == 3:
		b.write(fmt.Sprintf("%s/dir%d/x", side, r.IntN(2)), lines(fmt.Sprintf("%d new %d", 1+r.IntN(10), i)))
	case n == 4 && exists(f):
		b.run(b.dev, "svn", "propset", "-q", "colour", fmt.Sprint(r.IntN(3)), f)
	case n == 5:
		writeFile(b.t, filepath.Join(b.dev, side, "bin"), fmt.Sprint("\x00", r.IntN(3)))
	case n == 6 && exists(f):
		b.run(b.dev, "svn", "propset", "-q", "svn:executable", "*", f)
	case n == 7:
		structure(b, r, i, side, exists)
	case n == 8 && exists(f): // another file of the same name
		b.run(b.dev, "svn", "rm", "-q", f)
		b.write(f, lines(fmt.Sprintf("3 instead %d", i)))
	case n == 9:
		link := filepath.Join(b.dev, side, "link")
		_ = os.Remove(link)
		_ = os.Symlink(fmt.Sprint("to", r.IntN(3)), link)
	case n == 10 && exists(side+"/lib"):
		b.run(b.dev, "svn", "propset", "-q", "colour", fmt.Sprint(r.IntN(3)), side+"/lib")
	case n == 11 && exists(f):
		b.run(b.dev, "svn", "copy", "-q", f, f+fmt.Sprint("-copy-", i))
	case exists(f):
		old := readFile(b.t, filepath.Join(b.dev, f))
		l := strings.SplitAfter(old, "\n")
		at := r.IntN(len(l))
		l[at] = fmt.Sprintf("changed %d\n", i)
		b.write(f, strings.Join(l, ""))
	default:
		b.write(f, lines(fmt.Sprintf("1 again %d", i)))
	}
}

// structure changes folders.
func structure(b *bench, r *rand.Rand, i int, side string, exists func(string) bool) {
	dir := side + "/" + []string{"lib/sub", "www", "dir0", "dir1"}[r.IntN(4)]
	switch n := r.IntN(4); {
	case !exists(dir):
		b.write(dir+"/x", lines(fmt.Sprintf("2 made %d", i)))
	case n == 0:
		b.run(b.dev, "svn", "rm", "-q", dir)
	case n == 1:
		b.run(b.dev, "svn", "move", "-q", dir, fmt.Sprintf("%s-moved-%d", dir, i))
	default:
		b.run(b.dev, "svn", "copy", "-q", dir, fmt.Sprintf("%s-copy-%d", dir, i))
	}
}

var statusLine = regexp.MustCompile(`(?m)^(.)(.).{4}(.) (.*)$`)

// realConflicts merges with the plain svn program, takes theirs at conflicts,
// goes on to the end, and takes everything back.
func realConflicts(b *bench, wc, list string) []string {
	b.t.Helper()
	met := realMerge(b, wc, list)
	b.run(wc, "svn", "revert", "-q", "-R", ".")
	b.run(wc, "svn", "cleanup", "--remove-unversioned", "--remove-ignored")
	return met
}

func realMerge(b *bench, wc, list string) []string {
	b.t.Helper()
	var met []string
	for range 30 {
		cmd := exec.Command("svn", "merge", "--non-interactive", "--accept", "postpone", "-c", list, b.repo.File+"/trunk", ".")
		cmd.Dir = wc
		out, err := cmd.CombinedOutput()
		if err != nil && !strings.Contains(string(out), "E155015") {
			b.t.Fatalf("svn merge -c %s: %v: %s", list, err, out)
		}
		for _, s := range statusLine.FindAllStringSubmatch(b.run(wc, "svn", "status", "-q"), -1) {
			text, props, tree, path := s[1] == "C", s[2] == "C", s[3] == "C", s[4]
			for kind, is := range map[string]bool{"text": text, "property": props, "tree": tree} {
				if is {
					met = append(met, kind+" "+path)
				}
			}
			switch {
			case tree:
				b.run(wc, "svn", "resolve", "-q", "--accept", "working", path+"@")
			case text && path == "link":
				theirs, _ := filepath.Glob(filepath.Join(wc, "link.merge-right.*"))
				target := must[string](b.t)(os.Readlink(theirs[0]))
				b.run(wc, "svn", "resolve", "-q", "--accept", "working", "link")
				b.run(wc, "ln", "-sfn", target, "link")
			case text && path == "bin":
				b.run(wc, "svn", "resolve", "-q", "--accept", "theirs-full", path+"@")
			case text || props:
				b.run(wc, "svn", "resolve", "-q", "--accept", "theirs-conflict", path+"@")
			}
		}
		if err == nil {
			break
		}
	}
	slices.Sort(met)
	return slices.Compact(met)
}
