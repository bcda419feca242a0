package shell_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rollsh/rollsh/nodes/nodetest"
)

// completed is a project, and a folder in which rollsh is found by its name.
// Its journal has an unfinished roll.
func completed(t *testing.T) (dir, path, id string) {
	t.Helper()
	dir = project(t, map[string]string{
		".ssh/config":      "Host webcache\nHost *\n",
		"nodes/prod":       "web[1-2] 192.0.2.[1-2]\n",
		"recipes/web.lua":  "roll{ name=\"frontend\", from=\"src\", to=nodes \"prod\", path=\"/srv/www\" }\n",
		"recipes/prod.lua": "local a = args{ {\"action\", \"what\", choices={\"start\", \"stop\"}}, node={\"only this\"}, fast={\"quick\", flag=true}, to={\"where\", type=\"nodes\"}, conf={\"a file\", type=\"file\"} }\nprint(a)\n",
	})
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	bin := t.TempDir()
	if err := os.Symlink(program, filepath.Join(bin, "rollsh")); err != nil {
		t.Fatal(err)
	}
	begun := rollshIn(t, dir, `print(roll.begin{ name="www", to=nodes.new{ {name="web1", host="127.0.0.1", port=1} } }.id)`)
	begun.Env = append(begun.Env, "ROLLSH_STATE="+dir+"/.state") // not in the way of what is completed
	out, err := begun.Output()
	if err != nil {
		t.Fatal(err)
	}
	return dir, "PATH=" + bin + ":" + os.Getenv("PATH"), strings.TrimSpace(string(out))
}

// completion is words as they are typed, and what Tab makes of them.
type completion struct{ typed, want string }

func completions(id string) []completion {
	return append(slices.Clone(fixedCompletions), completion{"rollsh resume " + id[:10], "rollsh resume " + id}, completion{"rollsh close " + id[:10], "rollsh close " + id})
}

var fixedCompletions = []completion{
	{"rollsh sta", "rollsh status"},
	{"rollsh recipes/p", "rollsh recipes/prod.lua"},
	{"rollsh recipes/prod.lua sta", "rollsh recipes/prod.lua start"},
	{"rollsh recipes/prod.lua --no", "rollsh recipes/prod.lua --node="},
	{"rollsh recipes/prod.lua --node=w", "rollsh recipes/prod.lua --node=web"},
	{"rollsh recipes/prod.lua --node=webc", "rollsh recipes/prod.lua --node=webcache"},
	{"rollsh plan recipes/prod.lua --fas", "rollsh plan recipes/prod.lua --fast"},
	{"rollsh plan --fail=w", "rollsh plan --fail=web"},
	{"rollsh help set:ea", "rollsh help set:each"},
	{"rollsh recipes/prod.lua --to=pr", "rollsh recipes/prod.lua --to=prod"},
	{"rollsh recipes/prod.lua --conf=recipes/we", "rollsh recipes/prod.lua --conf=recipes/web.lua"},
	{"rollsh pending fro", "rollsh pending frontend"},
	{"rollsh status ww", "rollsh status www"},
	{"rollsh completion f", "rollsh completion fish"},
}

func TestCompletionInBashAndZsh(t *testing.T) {
	t.Parallel()
	dir, path, id := completed(t)
	for _, sh := range []struct {
		program string
		argv    []string
		load    string
	}{
		{"bash", []string{"bash", "--norc", "--noprofile"}, "source <(rollsh completion bash)"},
		{"zsh", []string{"zsh", "-f"}, "autoload -U compinit; compinit -u; source <(rollsh completion zsh)"},
	} {
		t.Run(sh.program, func(t *testing.T) {
			t.Parallel()
			nodetest.Need(t, sh.program)
			s := newTerminal(t, dir, 100, 12, []string{path, "ROLLSH_STATE=" + dir + "/.state", "TERM=screen", "PS1=$ ", "PROMPT=$ ", "HISTFILE=/dev/null"}, sh.argv...)
			s.prompted("$")
			s.enter(sh.load)
			s.prompted("$")
			for _, c := range completions(id) {
				s.tmux("send-keys", "-l", c.typed)
				s.sees("$ " + c.typed)
				s.press("Tab")
				s.sees("$ " + c.want)
				s.press("C-u")
				s.prompted("$")
			}
		})
	}
}

func TestCompletionInFish(t *testing.T) {
	t.Parallel()
	nodetest.Need(t, "fish")
	dir, path, id := completed(t)
	for _, c := range completions(id) {
		cmd := exec.CommandContext(t.Context(), "fish", "--no-config", "-c", "rollsh completion fish | source; complete -C "+quoteWords(c.typed))
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), path, "HOME="+dir, "ROLLSH_STATE="+dir+"/.state", "ROLLSH_TEST_AS_PROGRAM=1")
		out, err := cmd.CombinedOutput()
		last := c.want[strings.LastIndexByte(c.want, ' ')+1:]
		if err != nil || !strings.HasPrefix(string(out), last) || strings.Contains(string(out), "string:") {
			t.Errorf("%s: %v\n%s", c.typed, err, out)
		}
	}
}

func quoteWords(s string) string { return "'" + s + "'" }

// A job in the background of a shell does not touch the terminal: it would be
// stopped.
func TestAJobInTheBackgroundEnds(t *testing.T) {
	t.Parallel()
	dir, path, _ := completed(t)
	s := newTerminal(t, dir, 80, 12, []string{path, "PS1=$ ", "HISTFILE=/dev/null"}, "bash", "--norc", "--noprofile")
	s.prompted("$")
	s.enter("rollsh -e 'print(6 * 7)' & wait $!; echo code=$?")
	s.sees("\n42")
	s.sees("\ncode=0")
}
