package svn_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rollsh/rollsh/nodes"
	"github.com/rollsh/rollsh/stdlib/svn"
)

// foldersMoved makes a folder that each side gave another name, trunk in two steps,
// and changed: text, a binary, files that were added and removed.
func foldersMoved(b *bench) {
	for _, f := range []string{"a.php", "sub/b@1.php", "away", "gone"} {
		b.write("trunk/lib/"+f, lines())
	}
	b.write("trunk/lib/logo.png", "\x00base")
	b.commit("alice", "r2")
	b.run("", "svn", "copy", "-q", "-m", "r3 production", b.repo.File+"/trunk", b.repo.File+"/branches/production")
	b.run(b.dev, "svn", "update", "-q")
	b.run(b.dev, "svn", "move", "-q", "branches/production/lib", "branches/production/our@1")
	b.write("branches/production/our@1/a.php", lines("2 mine"))
	b.write("branches/production/our@1/own.php", "mine\n")
	b.write("branches/production/our@1/logo.png", "\x00mine")
	b.run(b.dev, "svn", "rm", "-q", "branches/production/our@1/away@")
	b.commit("carol", "r4 our way")
	b.run("", "svn", "move", "-q", "--username", "bob", "-m", "r5", b.repo.File+"/trunk/lib", b.repo.File+"/trunk/tmp")
	b.run("", "svn", "move", "-q", "--username", "bob", "-m", "r6", b.repo.File+"/trunk/tmp", b.repo.File+"/trunk/their@1")
	b.run(b.dev, "svn", "update", "-q")
	b.write("trunk/their@1/a.php", lines("8 theirs"))
	b.write("trunk/their@1/sub/b@1.php", lines("5 theirs"))
	b.write("trunk/their@1/new/c.php", "theirs\n")
	b.write("trunk/their@1/logo.png", "\x00theirs")
	b.run(b.dev, "svn", "rm", "-q", "trunk/their@1/gone@")
	b.commit("bob", "r7 their way")
}

// takeFolders takes it all and gives the conflict of the folder.
func takeFolders(t *testing.T, b *bench, m *svn.Merge) *svn.Conflict {
	t.Helper()
	list := must[svn.Taken](t)(m.Take(b.ctx(), revs(t, "all"), false)).Conflicts
	if len(list) != 1 || list[0].Path != "lib" || !strings.Contains(list[0].Sentence(), "moves the folder lib to their@1, which was moved to our@1 here") {
		t.Fatalf("conflicts %v", list[0].Sentence())
	}
	return list[0]
}

// begunAnew makes the merge one that was killed: the next take begins anew.
func begunAnew(t *testing.T, m *svn.Merge) {
	t.Helper()
	journal := filepath.Join(m.Into.Path, ".svn", "rollsh-merge.json")
	writeFile(t, journal, strings.Replace(readFile(t, journal), `"step": "conflicts"`, `"step": "merging"`, 1))
}

// committedAnew begins a merge whose conflicts are resolved anew, which asks about
// none of them again, and commits it.
func committedAnew(ctx context.Context, t *testing.T, m *svn.Merge) {
	t.Helper()
	begunAnew(t, m)
	if list := must[svn.Taken](t)(m.Take(ctx, revs(t, "all"), false)).Conflicts; len(list) != 0 {
		t.Fatalf("begun anew, it asks again about %v", list)
	}
	must[int](t)(m.Commit(ctx, "", false))
}

// texts are the files below a folder with what is in them; folders end in a slash.
func texts(t *testing.T, dir string) map[string]string {
	t.Helper()
	got := map[string]string{}
	for f, text := range tree(t, dir) {
		got[f] = strings.TrimPrefix(text, "-rw-r--r-- ")
		if strings.HasSuffix(f, "/") {
			got[f] = ""
		}
	}
	return got
}

func TestFolderThatBothSidesMovedGetsOneName(t *testing.T) {
	t.Parallel()
	for choice, name := range map[string]string{"merge": "our@1", "theirs": "their@1"} {
		t.Run(choice, func(t *testing.T) {
			t.Parallel()
			b := from(t, "folders-moved", foldersMoved)
			ctx, m := b.ctx(), b.merge()
			k := takeFolders(t, b, m)
			if d := cmp.Diff(map[string][]string{"mine": {"carol"}, "theirs": {"bob"}}, k.Authors()); d != "" {
				t.Error(d)
			}
			words := map[string]string{"merge": "keep the new name our@1, with the changes of both", "theirs": "take the new name their@1, with the changes of both"}
			b.answers(words[choice], "take theirs")
			if left := must[[]svn.Remaining](t)(m.Assist(ctx, nil, true)); len(left) != 0 {
				t.Fatalf("left %v in\n%s", left, b.events.Text(nodes.Said))
			}
			committedAnew(ctx, t, m)
			want := map[string]string{
				"./": "", "own.php": "mine\n", "new/": "", "new/c.php": "theirs\n", "sub/": "", "sub/b@1.php": lines("5 theirs"),
				"a.php": lines("2 mine", "8 theirs"), "logo.png": "\x00theirs",
			}
			if d := cmp.Diff(want, texts(t, filepath.Join(m.Into.Path, name))); d != "" {
				t.Error(d)
			}
			if list, _ := os.ReadDir(m.Into.Path); len(list) != 2 { // .svn
				t.Errorf("%v beside it", list)
			}
			if log := b.run("", "svn", "log", "-q", b.repo.File+"/branches/production/"+name+"/a.php@"); !strings.Contains(log, "carol") {
				t.Errorf("the history of mine is lost: %s", log)
			}
		})
	}
}

// What the repository does not have is neither removed nor hidden.
func TestFolderThatBothSidesMovedLosesNothing(t *testing.T) {
	t.Parallel()
	b := from(t, "folders-moved", foldersMoved)
	ctx, m := b.ctx(), b.merge()
	at := func(f string) string { return filepath.Join(m.Into.Path, f) }
	k := takeFolders(t, b, m)
	for file, choice := range map[string]string{"their@1/upload": "merge", "their@1/a.php": "merge", "our@1/upload": "theirs", "our@1/new/c.php": "merge"} {
		was, err := os.ReadFile(at(file))
		writeFile(t, at(file), "the host's own")
		words := "the folders our@1 and their@1 cannot be made one while the checkout has"
		if strings.HasSuffix(file, "upload") {
			words = "files that svn does not know would be removed"
		}
		fails(t, k.Resolve(ctx, choice), nodes.Conflict, words, strings.TrimSuffix(file, "/c.php"))
		if got := readFile(t, at(file)); got != "the host's own" {
			t.Errorf("%s is %q", file, got)
		}
		if err == nil {
			writeFile(t, at(file), string(was))
		} else if err := os.RemoveAll(at(strings.TrimSuffix(file, "/c.php"))); err != nil {
			t.Fatal(err)
		}
	}
	writeFile(t, at("our@1/upload/pic"), "the host's own")
	if err := k.Resolve(ctx, "merge"); err != nil {
		t.Fatal(err)
	}
	list := must[[]*svn.Conflict](t)(m.Conflicts(ctx))
	if len(list) != 1 || list[0].Path != "our@1/logo.png" || !strings.Contains(list[0].Sentence(), "theirs: r7 by bob") {
		t.Fatalf("conflicts %v", list)
	}
	if err := m.Abandon(ctx); err != nil {
		t.Fatal(err)
	}
	if got := readFile(t, at("our@1/upload/pic")); got != "the host's own" {
		t.Errorf("upload is %q", got)
	}
	if list := must[[]svn.Status](t)(m.Into.Status(ctx)); len(list) != 1 || list[0].Path != "our@1/upload" {
		t.Errorf("abandon left %v", list)
	}
}
