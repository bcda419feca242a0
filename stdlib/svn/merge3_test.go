package svn

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rollsh/rollsh/nodes/nodetest"
)

// edited changes a few places of a text.
func edited(r *rand.Rand, lines []string, edits int) []string {
	out := slices.Clone(lines)
	for range edits {
		at := r.IntN(len(out) + 1)
		switch r.IntN(3) {
		case 0:
			out = slices.Insert(out, at, fmt.Sprintf("new %d\n", r.IntN(4)))
		case 1:
			if at < len(out) {
				out = slices.Delete(out, at, min(len(out), at+1+r.IntN(2)))
			}
		default:
			if at < len(out) {
				out[at] = fmt.Sprintf("other %d\n", r.IntN(4))
			}
		}
		if len(out) == 0 {
			out = append(out, "last\n")
		}
	}
	return out
}

func TestDiffLinesRebuildsTheText(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 2))
	for range 3000 {
		a := edited(r, nil, 1+r.IntN(12))
		b := edited(r, a, r.IntN(8))
		got := apply(a, 0, len(a), diffLines(a, b))
		if !slices.Equal(got, b) {
			t.Fatalf("%q to %q gave %q: %v", a, b, got, diffLines(a, b))
		}
	}
}

// The same files, merged by svn: equal conflicts, and equal texts where there is
// none.
func TestMerge3IsSvns(t *testing.T) {
	t.Parallel()
	nodetest.Need(t, "svn", "svnadmin")
	r := rand.New(rand.NewPCG(12, 4))
	dir := t.TempDir()
	run := func(args ...string) string {
		cmd := exec.Command(args[0], args[1:]...)
		cmd.Dir = dir
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%q: %v: %s", args, err, out)
		}
		return string(out)
	}
	url := "file://" + dir + "/repo"
	const files = 200
	var base, mine, theirs [files][]string
	all := [3]Loaded{{Files: map[string]string{}}, {Files: map[string]string{}}, {Files: map[string]string{}}}
	for i := range files {
		var l []string
		for n := range 12 {
			l = append(l, fmt.Sprintf("line %d\n", n))
		}
		base[i], mine[i], theirs[i] = l, edited(r, l, 1+r.IntN(3)), edited(r, l, 1+r.IntN(3))
		all[0].Files[fmt.Sprintf("+trunk/%d", i)] = strings.Join(base[i], "")
		all[1].Files[fmt.Sprintf("trunk/%d", i)] = strings.Join(theirs[i], "")
		all[2].Files[fmt.Sprintf("branch/%d", i)] = strings.Join(mine[i], "")
	}
	load := func(l Loaded) {
		if err := Load(filepath.Join(dir, "repo"), l); err != nil {
			t.Fatal(err)
		}
	}
	run("svnadmin", "create", "repo")
	run("svn", "mkdir", "-q", "-m", "r1", url+"/trunk")
	load(all[0])
	run("svn", "copy", "-q", "-m", "r3", url+"/trunk", url+"/branch")
	load(all[1])
	load(all[2])
	run("svn", "checkout", "-q", url+"/branch", "wc")
	run("sh", "-c", "cd wc && svn merge -q --non-interactive --accept postpone -c 4 "+url+"/trunk .")
	status := run("sh", "-c", "cd wc && svn status -q")
	wrong := 0
	for i := range files {
		text, conflicts := merge3(base[i], mine[i], theirs[i])
		theirsSays := strings.Contains(status, fmt.Sprintf("C       %d\n", i))
		got, err := os.ReadFile(filepath.Join(dir, "wc", fmt.Sprint(i)))
		if err != nil {
			t.Fatal(err)
		}
		if (len(conflicts) > 0) != theirsSays || !theirsSays && string(got) != strings.Join(text, "") {
			if wrong++; wrong < 6 {
				t.Errorf("file %d: ours conflict %v, svn %v\nmine %v\ntheirs %v\nours %q\nsvn  %q", i, len(conflicts) > 0, theirsSays,
					diffLines(base[i], mine[i]), diffLines(base[i], theirs[i]), strings.Join(text, ""), got)
			}
		}
	}
	if wrong > 0 {
		t.Errorf("%d of %d differ", wrong, files)
	}
}
