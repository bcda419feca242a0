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

// foldersMovedAlike makes a folder that both sides gave the same new name, and changed.
func foldersMovedAlike(b *bench) {
	for _, f := range []string{"a.php", "sub/b.php", "away", "gone", "fought", "lost"} {
		b.write("trunk/lib/"+f, lines())
	}
	b.write("trunk/lib/logo.png", "\x00base")
	b.commit("alice", "r2")
	b.run("", "svn", "copy", "-q", "-m", "r3 production", b.repo.File+"/trunk", b.repo.File+"/branches/production")
	b.run(b.dev, "svn", "update", "-q")
	b.run(b.dev, "svn", "move", "-q", "branches/production/lib", "branches/production/new")
	b.write("branches/production/new/a.php", lines("2 mine"))
	b.write("branches/production/new/own.php", "mine\n")
	b.write("branches/production/new/lost", lines("2 mine"))
	b.write("branches/production/new/logo.png", "\x00mine")
	b.run(b.dev, "svn", "rm", "-q", "branches/production/new/away", "branches/production/new/fought")
	b.commit("carol", "r4 our way")
	b.run(b.dev, "svn", "move", "-q", "trunk/lib", "trunk/new")
	b.write("trunk/new/a.php", lines("8 theirs"))
	b.write("trunk/new/sub/b.php", lines("5 theirs"))
	b.write("trunk/new/c/c.php", "theirs\n")
	b.write("trunk/new/fought", lines("8 theirs"))
	b.write("trunk/new/logo.png", "\x00theirs")
	b.run(b.dev, "svn", "rm", "-q", "trunk/new/gone", "trunk/new/lost")
	b.commit("bob", "r5 their way")
}

// What one side removed stays away, what each side changed is there, and what the other
// side changed of what one removed is asked, as anywhere else in a merge.
func TestFolderThatBothSidesMovedAlike(t *testing.T) {
	t.Parallel()
	b := from(t, "folders-moved-alike", foldersMovedAlike)
	ctx, m := b.ctx(), b.merge()
	list := must[svn.Taken](t)(m.Take(ctx, revs(t, "all"), false)).Conflicts
	if len(list) != 2 || !strings.Contains(list[0].Sentence(), "moves the folder lib to new, which was moved there here too") {
		t.Fatalf("conflicts %v", list)
	}
	b.answers(
		"leave it moved, as on both sides  [svn resolve --accept working lib@]", "make one folder of the two, with the changes of both",
		"take what is merged", "take theirs  [svn resolve --accept theirs-full new/logo.png@]", "keep what is here",
	)
	if left := must[[]svn.Remaining](t)(m.Assist(ctx, nil, true)); len(left) != 0 {
		t.Fatalf("left %v in\n%s", left, b.events.Text(nodes.Said))
	}
	committedAnew(ctx, t, m)
	want := map[string]string{
		"./": "", "own.php": "mine\n", "c/": "", "c/c.php": "theirs\n", "sub/": "", "sub/b.php": lines("5 theirs"),
		"a.php": lines("2 mine", "8 theirs"), "logo.png": "\x00theirs", "fought": lines("8 theirs"), "lost": lines("2 mine"),
	}
	if d := cmp.Diff(want, texts(t, filepath.Join(m.Into.Path, "new"))); d != "" {
		t.Error(d)
	}
}

// A policy, and what is there besides, are heard as for folders that got two names.
func TestPolicyForFoldersThatBothSidesMovedAlike(t *testing.T) {
	t.Parallel()
	b := from(t, "folders-moved-alike", foldersMovedAlike)
	ctx, m := b.ctx(), b.merge()
	must[svn.Taken](t)(m.Take(ctx, revs(t, "all"), false))
	upload := filepath.Join(m.Into.Path, "new/c")
	writeFile(t, upload+"/c.php", "the host's own")
	policy := svn.Policy{"lib": "merge", "new": "merge", "*.png": "mine", "lost": "theirs", "fought": "mine"}
	left := must[[]svn.Remaining](t)(m.Assist(ctx, policy, false))
	if warned := b.events.Text(nodes.Warned); len(left) != 1 || !strings.Contains(warned, "the two folders new cannot be made one while the checkout has new/c (unversioned)") {
		t.Fatalf("left %v, warned %s", left, warned)
	}
	if err := os.RemoveAll(upload); err != nil {
		t.Fatal(err)
	}
	if left := must[[]svn.Remaining](t)(m.Assist(ctx, policy, false)); len(left) != 0 {
		t.Fatalf("left %v", left)
	}
	want := map[string]string{
		"./": "", "own.php": "mine\n", "c/": "", "c/c.php": "theirs\n", "sub/": "", "sub/b.php": lines("5 theirs"),
		"a.php": lines("2 mine", "8 theirs"), "logo.png": "\x00mine",
	}
	if d := cmp.Diff(want, texts(t, filepath.Join(m.Into.Path, "new"))); d != "" {
		t.Error(d)
	}
}
