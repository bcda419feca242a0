package svn_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rollsh/rollsh/nodes"
	"github.com/rollsh/rollsh/stdlib/svn"
)

// unlikeAdded makes a folder that both sides added, in which names are of other sorts
// on the two sides; mine's sort and theirs' are in the name.
func unlikeAdded(b *bench) {
	b.write("trunk/a.php", lines())
	b.commit("alice", "r2")
	b.run("", "svn", "copy", "-q", "-m", "r3 production", b.repo.File+"/trunk", b.repo.File+"/branches/production")
	b.run(b.dev, "svn", "update", "-q")
	for i, branch := range []string{"branches/production", "trunk"} {
		who := []string{"mine", "theirs"}[i]
		b.write(branch+"/mod/same.php", lines())
		for _, name := range []string{"link-file", "file-link", "dir-file", "file-dir", "dir-link"} {
			at := branch + "/mod/" + name
			switch strings.Split(name, "-")[i] {
			case "file":
				b.write(at, who+"\n")
			case "dir":
				b.write(at+"/below.php", who+"\n")
			case "link":
				if err := os.Symlink(who, filepath.Join(b.dev, at)); err != nil {
					b.t.Fatal(err)
				}
				b.run(b.dev, "svn", "add", "-q", at)
			}
		}
		b.commit("bob", who+" mod")
	}
}

// What is of another sort on each side is asked as a whole, and the rest of the folder
// is merged.
func TestUnlikeInAFolderThatBothSidesAdded(t *testing.T) {
	t.Parallel()
	mine := map[string]string{
		"./": "", "same.php": lines(), "link-file": "-> mine", "file-link": "mine\n", "file-dir": "mine\n",
		"dir-file/": "", "dir-file/below.php": "mine\n", "dir-link/": "", "dir-link/below.php": "mine\n",
	}
	theirs := map[string]string{
		"./": "", "same.php": lines(), "link-file": "theirs\n", "file-link": "-> theirs", "dir-file": "theirs\n", "dir-link": "-> theirs",
		"file-dir/": "", "file-dir/below.php": "theirs\n",
	}
	for choice, want := range map[string]map[string]string{"mine": mine, "theirs": theirs} {
		t.Run(choice, func(t *testing.T) {
			t.Parallel()
			b := from(t, "unlike-added", unlikeAdded)
			ctx, m := b.ctx(), b.merge()
			k := must[svn.Taken](t)(m.Take(ctx, revs(t, "all"), false)).Conflicts[0]
			fails(t, k.Resolve(ctx, "merge"), nodes.Conflict, "both sides have their own mod/dir-file; mod/dir-link; mod/file-dir")
			if choice == "mine" {
				b.answers("merge the two folders into one", "keep mine", "keep mine", "keep mine", "keep mine", "keep mine")
				if left := must[[]svn.Remaining](t)(m.Assist(ctx, nil, true)); len(left) != 0 {
					t.Fatalf("left %v in\n%s", left, b.events.Text(nodes.Said))
				}
				if said := b.events.Text(nodes.Said); !strings.Contains(said, "mod/file-link:\n  mine    a file, 5 bytes, sha256 ") || !strings.Contains(said, "  theirs  a symlink to theirs\n") || !strings.Contains(said, "  mine    a folder\n") {
					t.Errorf("said %s", said)
				}
			} else if left := must[[]svn.Remaining](t)(m.Assist(ctx, svn.Policy{"mod": "merge", "*-*": "theirs"}, false)); len(left) != 0 {
				t.Fatalf("left %v", left)
			}
			committedAnew(ctx, t, m)
			b.run(m.Into.Path, "svn", "update", "-q")
			if d := cmp.Diff(want, texts(t, filepath.Join(m.Into.Path, "mod"))); d != "" {
				t.Error(d)
			}
			props := b.run(m.Into.Path, "svn", "propget", "-R", "svn:special", "mod")
			if n := strings.Count(props, "*"); n != map[string]int{"mine": 1, "theirs": 2}[choice] {
				t.Errorf("symlinks in the repository: %s", props)
			}
		})
	}
}

// What svn does not know in a folder is not removed with it.
func TestUnlikeLosesNothing(t *testing.T) {
	t.Parallel()
	b := from(t, "unlike-added", unlikeAdded)
	ctx, m := b.ctx(), b.merge()
	must[svn.Taken](t)(m.Take(ctx, revs(t, "all"), false))
	upload := filepath.Join(m.Into.Path, "mod/dir-file/upload")
	writeFile(t, upload, "the host's own")
	left := must[[]svn.Remaining](t)(m.Assist(ctx, svn.Policy{"mod": "merge", "*-*": "theirs"}, false))
	if warned := b.events.Text(nodes.Warned); len(left) != 1 || !strings.Contains(warned, "files that svn does not know would be removed: mod/dir-file/upload") {
		t.Errorf("left %v, warned %s", left, warned)
	}
	if readFile(t, upload) != "the host's own" {
		t.Error("it is gone")
	}
}
