package recipes_test

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rollsh/rollsh/nodes/nodetest"
	"github.com/rollsh/rollsh/recipes"
)

// project is a folder with the recipes as they are shipped, and a repository
// whose trunk and production they merge.
type project struct {
	t      *testing.T
	rollsh string
	dir    string
	url    string
}

func newProject(t *testing.T) *project {
	t.Helper()
	return newProjectIn(t, t.TempDir())
}

// newProjectIn is newProject in a folder of one's own.
func newProjectIn(t *testing.T, dir string) *project {
	t.Helper()
	nodetest.Need(t, "svn", "svnadmin", "svnmucc")
	p := &project{t: t, rollsh: build(t), dir: dir}
	p.url = "file://" + p.dir + "/repository"
	names, _ := fs.Glob(recipes.Files, "*.lua")
	for _, name := range names {
		text, err := fs.ReadFile(recipes.Files, name)
		if err != nil {
			t.Fatal(err)
		}
		place := strings.NewReplacer("https://svn.example.org/www", p.url, `  sync.push{ from = checkout, to = nodes "staging" }`, `  say("try " .. checkout.path)`)
		p.write("recipes/"+name, place.Replace(string(text)))
	}
	p.write("editor", "#!/bin/sh\necho five and fünf >$1\n")
	p.must("chmod", "755", "editor")
	p.must("svnadmin", "create", "repository")
	p.must("svn", "mkdir", "-q", "-m", "r1", p.url+"/trunk", p.url+"/branches")
	p.put("trunk", "r2 page", "1\n2\n3\n4\n5\n")
	p.must("svn", "copy", "-q", "-m", "r3 production", p.url+"/trunk", p.url+"/branches/production")
	p.put("trunk", "r4 two, fixes #12", "1\ntwo\n3\n4\n5\n")
	p.put("trunk", "r5 zwei, fixes #13", "1\nzwei\n3\n4\n5\n")
	return p
}

func (p *project) write(name, text string) {
	p.t.Helper()
	file := filepath.Join(p.dir, name)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		p.t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		p.t.Fatal(err)
	}
}

// put commits the file page of a branch.
func (p *project) put(branch, message, text string) {
	p.t.Helper()
	p.write("page", text)
	p.must("svnmucc", "-m", message, "-U", p.url, "put", "page", branch+"/page")
}

func (p *project) must(args ...string) string {
	p.t.Helper()
	out, code := p.run(args...)
	if code != 0 {
		p.t.Fatalf("%q: exit code %d: %s", args, code, out)
	}
	return out
}

func (p *project) run(args ...string) (string, int) {
	p.t.Helper()
	cmd := exec.CommandContext(p.t.Context(), args[0], args[1:]...)
	cmd.Dir = p.dir
	cmd.Env = append(os.Environ(), "HOME="+p.dir, "ROLLSH_STATE="+p.dir+"/state")
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil {
		p.t.Fatalf("%q: %v", args, err)
	}
	return string(out), cmd.ProcessState.ExitCode()
}

// recipe runs one that must end with a code and say all of the words.
func (p *project) recipe(code int, line string, words ...string) {
	p.t.Helper()
	out, got := p.run(append([]string{p.rollsh, "--yes"}, strings.Fields(line)...)...)
	if got != code {
		p.t.Fatalf("%s: exit code %d, not %d: %s", line, got, code, out)
	}
	for _, w := range words {
		if !strings.Contains(out, w) {
			p.t.Errorf("%s does not say %q: %s", line, w, out)
		}
	}
}

// TestStagingTakesWithoutAsking: picks go to production, a conflict ends it with
// its own exit code and nothing committed, and it can be dropped.
func TestStagingTakesWithoutAsking(t *testing.T) {
	t.Parallel()
	p := newProject(t)
	p.recipe(4, "recipes/staging.lua --take=5", "will conflict:\n  text      r5 changes lines of page", "r4", "came before", "1 conflict left: page")
	p.recipe(4, "recipes/staging.lua --take=4", "under way", "r5")
	p.recipe(0, "recipes/staging.lua --abandon")
	p.recipe(0, "recipes/staging.lua --take=4", "try "+p.dir, "Merged revision 4 from /trunk (#12)", "committed as r6")
	p.recipe(4, "recipes/staging.lua --take=4,9", "r4 is already merged", "r9 is not a revision yet")
	p.recipe(0, "recipes/staging.lua --take=5", "committed as r7")
	p.must("svn", "cp", "-q", "-m", "r8 notes", p.url+"/trunk/page", p.url+"/trunk/notes")
	p.must("svn", "cp", "-q", "-m", "r9 more", p.url+"/trunk/page", p.url+"/trunk/more")
	if out, code := p.run(p.rollsh, "recipes/staging.lua", "--take=8,9"); code != 4 { // nobody says that it is to be committed
		t.Fatalf("exit code %d: %s", code, out)
	}
	p.recipe(4, "recipes/staging.lua --take=9", "a merge is under way", "r8-9", "m:abandon() drops it")
	p.recipe(0, "recipes/staging.lua --take=9,r8", "committed as r10")
	if got := p.must("svn", "cat", p.url+"/branches/production/page"); got != "1\nzwei\n3\n4\n5\n" {
		t.Errorf("production is %q", got)
	}
}

// TestMergeGoesThereAndBack: trunk to a branch, the branch to trunk, and again,
// with nothing offered twice and nothing lost.
func TestMergeGoesThereAndBack(t *testing.T) {
	t.Parallel()
	p := newProject(t)
	p.must("svn", "copy", "-q", "-m", "r6 branch", p.url+"/trunk@4", p.url+"/branches/search")
	p.recipe(0, "recipes/merge.lua search", "r5", "committed as r7")
	p.recipe(0, "recipes/merge.lua search", "branches/search has all of trunk")
	p.put("branches/search", "r8 four, see #14", "1\nzwei\n3\nfour\n5\n")
	p.recipe(0, "recipes/merge.lua search --back", "r8", "#14", "committed as r9")
	p.recipe(0, "recipes/merge.lua search --back", "trunk has all of branches/search")
	p.put("trunk", "r10 five", "1\nzwei\n3\nfour\nfive\n")
	p.recipe(0, "recipes/merge.lua search", "r10", "committed as r11")
	p.put("branches/search", "r12 three", "1\nzwei\nthree\nfour\nfive\n")
	p.recipe(0, "recipes/merge.lua search --back", "merge r12 of branches/search into trunk?", "committed as r13")
	if got := p.must("svn", "cat", p.url+"/trunk/page"); got != "1\nzwei\nthree\nfour\nfive\n" {
		t.Errorf("trunk is %q", got)
	}
}
