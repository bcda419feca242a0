package recipes_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rollsh/rollsh/nodes/nodetest"
)

// terminal is a real one, tmux, in which somebody runs a recipe.
type terminal struct {
	p      *project
	socket string
	ended  string // file with the exit code
}

// open runs a recipe in a terminal of so many columns.
func (p *project) open(columns int, line string) *terminal {
	p.t.Helper()
	return p.terminal(columns, append([]string{p.rollsh}, strings.Fields(line)...)...)
}

// terminal runs a program in a terminal.
func (p *project) terminal(columns int, argv ...string) *terminal {
	p.t.Helper()
	nodetest.Need(p.t, "tmux")
	dir := p.t.TempDir()
	s := &terminal{p: p, socket: filepath.Join(dir, "tmux"), ended: filepath.Join(dir, "ended")}
	args := []string{
		"-f", "/dev/null", "new-session", "-d", "-x", strconv.Itoa(columns), "-y", "50", "-c", p.dir, "env", "-u", "TMUX", "HOME=" + p.dir, "ROLLSH_STATE=" + p.dir + "/state",
		"EDITOR=" + p.dir + "/editor", "sh", "-c", `"$@"; echo $? >` + s.ended, "sh",
	}
	s.tmux(append(args, argv...)...)
	p.t.Cleanup(func() { nodetest.EndTmux(s.socket) })
	s.tmux("set", "-g", "remain-on-exit", "on")
	return s
}

func (s *terminal) tmux(args ...string) string {
	s.p.t.Helper()
	out, err := exec.CommandContext(s.p.t.Context(), "tmux", append([]string{"-S", s.socket}, args...)...).CombinedOutput()
	if err != nil {
		s.p.t.Fatalf("tmux %q: %v\n%s", args, err, out)
	}
	return string(out)
}

// answer waits until the last line asks this, and types an answer.
func (s *terminal) answer(question, answer string) {
	s.p.t.Helper()
	s.until("the question "+question, func(text string) bool {
		lines := strings.Split("\n"+text, "\n")
		last := lines[len(lines)-1] // a long question takes two
		return strings.HasPrefix(last, question) || strings.HasPrefix(lines[len(lines)-2]+" "+last, question)
	})
	s.tmux("send-keys", "-l", answer)
	s.tmux("send-keys", "Enter")
}

// sees waits for words that are on the screen.
func (s *terminal) sees(words ...string) {
	s.p.t.Helper()
	for _, w := range words {
		s.until(w, func(text string) bool { return strings.Contains(text, w) })
	}
}

// ends waits for the exit code.
func (s *terminal) ends(want string) {
	s.p.t.Helper()
	got := ""
	s.until("the end", func(string) bool {
		text, err := os.ReadFile(s.ended)
		got = strings.TrimSpace(string(text))
		return err == nil && got != ""
	})
	if got != want {
		s.p.t.Errorf("exit code %s, not %s", got, want)
	}
}

func (s *terminal) until(what string, ok func(text string) bool) {
	s.p.t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for {
		text := strings.TrimRight(s.tmux("capture-pane", "-p", "-J", "-S", "-200"), "\n ")
		if ok(text) {
			return
		}
		if time.Now().After(deadline) {
			s.p.t.Fatalf("never: %s. The screen:\n%s", what, text)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// TestStagingAsks: somebody who never read a manual picks, is told what is missing,
// resolves what conflicts line by line, stops, goes on, and commits.
func TestStagingAsks(t *testing.T) {
	t.Parallel()
	p := newProject(t)
	p.put("branches/production", "r6 hotfix", "1\n2\n3\n4\nfive of production\n")
	p.put("trunk", "r7 five", "1\nzwei\n3\n4\nfünf\n")
	s := p.open(80, "recipes/staging.lua")
	s.sees("which changesets go to production?", "  2  r5", "  3  r7")
	s.answer("numbers such as", "2-3")
	s.sees("this will conflict:", "page", "came before and are needed", "r4 ")
	s.answer("take these too? [y/N]", "y")
	s.sees("conflict 1 of 1: the same lines of page were changed on both sides", "theirs  r7", "mine    r6", "base   | 5", "mine   | five of production", "theirs | fünf")
	s.answer("key:", "w")
	s.sees("page still holds conflict markers")
	s.answer("key:", "v")
	s.answer("key:", "b")
	s.answer("Enter writes it", "u")
	s.answer("key:", "q")
	s.sees("hint: at a terminal m:resolve() helps")
	s.ends("4")
	s = p.open(40, "recipes/staging.lua")
	s.sees("took r4-5,r7", "going on")
	s.answer("key:", "e") // the editor makes one line of both
	s.sees("result | five and fünf")
	s.answer("Enter writes it", "")
	s.sees("page is resolved", "Merged revisions 4-5,7 from /trunk")
	s.answer("people can try it now. Commit it?", "y")
	s.sees("committed as r8")
	s.ends("0")
	if got := p.must("svn", "cat", p.url+"/branches/production/page"); got != "1\nzwei\n3\n4\nfive and fünf\n" {
		t.Errorf("production is %q", got)
	}
}

// TestMergeAsks: what both sides added becomes one file; what is not committed can
// be dropped.
func TestMergeAsks(t *testing.T) {
	t.Parallel()
	p := newProject(t)
	p.must("svn", "copy", "-q", "-m", "r6 branch", p.url+"/trunk@5", p.url+"/branches/search")
	for i, branch := range []string{"trunk", "branches/search"} {
		p.write("page", []string{"same\ntheirs\n", "same\nmine\n"}[i])
		p.must("svnmucc", "-m", "both add it", "-U", p.url, "put", "page", branch+"/new")
	}
	s := p.open(80, "recipes/merge.lua search")
	s.sees("r7", "new is added by r7, and is here already")
	s.answer("merge r7 of trunk into branches/search? [y/N]", "y")
	s.sees("what is merged adds the file new, which is already here", "1  keep what is here", "3  merge the two files into one", "svn cat")
	s.answer("a number", "4")
	s.sees("new (tree conflict)") // where the line breaks depends on the folder
	s.ends("4")
	s = p.open(80, "recipes/merge.lua search")
	s.sees("began this at", "going on")
	s.answer("a number", "3")
	s.answer("key:", "B")
	s.answer("Enter writes it", "")
	s.answer("commit it? [y/N]", "n")
	s.sees("not committed")
	s.ends("0")
	if got := p.must("cat", "checkouts/branches/search/new"); got != "same\ntheirs\nmine\n" {
		t.Errorf("new is %q", got)
	}
	p.recipe(0, "recipes/merge.lua search --abandon", "taken back")
	if got := p.must("svn", "status", "-q", "checkouts/branches/search"); got != "" {
		t.Errorf("left: %s", got)
	}
}
