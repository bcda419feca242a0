package shell_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Questions in a narrow terminal: what is answered is in no history, a secret
// shows nowhere.
func TestShellAsks(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := newScreen(t, dir, 40, 24)
	s.sees("001>")
	s.enter("p = ask('Word', {secret=true})")
	s.sees("Word:")
	s.enter("hunter2")
	s.prompted("001>")
	s.enter("p")
	s.sees("[secret]")
	s.enter("ask('What is the name that you are called by', {default='nobody'})")
	s.sees("What is the name that you are called by\n[nobody]:")
	s.enter("Änne 漢")
	s.sees("]: Änne 漢\nÄnne 漢\n001>")
	s.enter("choose('Which?', {'r7 one that is much longer than the terminal is', 'r8 two', 'r9 three'}, {many=true})")
	s.sees("  1  r7 one that is much longer than...\n  2  r8 two\n  3  r9 three\nnumbers such as 1,3-5, or all, empty\nfor none:")
	s.enter("9")
	s.sees("'9' is not a choice from 1 to 3")
	s.enter("r8-")
	s.sees("'r8-' is not a choice from 1 to 3")
	s.enter("r9, 2")
	s.sees(`{ "r8 two", "r9 three" }`)
	s.press("Up")
	s.sees("001> choose(")
	if strings.Contains(s.text(), "hunter2") {
		t.Errorf("the secret is shown:\n%s", s.text())
	}
	text, err := os.ReadFile(filepath.Join(dir, ".local/state/rollsh/history"))
	if err != nil || strings.Contains(string(text), "hunter2") || strings.Contains(string(text), "Änne") {
		t.Errorf("history %q, %v", text, err)
	}
}

// Ctrl-C ends each kind of question, and the shell goes on.
func TestShellCtrlCInQuestions(t *testing.T) {
	t.Parallel()
	s := newScreen(t, t.TempDir(), 80, 30)
	s.sees("001>")
	for code, prompt := range map[string]string{
		"ask 'one'": "one:", "ask('two', {secret=true})": "two:", "confirm 'three'": "[y/N]", "choose('four', {1})": "for none:",
		"choose('five', {1}, {many=true})": "for none:", "secret 'six'": "six:",
	} {
		s.press("C-l")
		s.at("5", "0")
		s.enter(code)
		s.sees(prompt)
		s.press("abc", "C-c")
		s.sees(": interrupted\n001>")
		if strings.Contains(code, "secret") && strings.Contains(s.text(), "abc") {
			t.Errorf("%s shows what is typed:\n%s", code, s.text())
		}
	}
	s.enter("print(6 * 7)")
	s.sees("\n42")
}

// Where nobody can be asked, a default is the answer and the rest is refused;
// --yes answers confirm, and takes defaults at a terminal too.
func TestQuestionsThatNobodyAnswers(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		code string
		yes  bool
		exit int
		want []string
	}{
		{"ask('Colour', {default='red'})", false, 0, []string{"red\n", "Colour: 'red', the default (no terminal)"}},
		{"ask('Which one?', {default='red'})", false, 0, []string{"red\n", "Which one? 'red', the default (no terminal)"}},
		{"ask('Colour', {default=''})", false, 0, []string{"Colour: '', the default"}},
		{"ask('Colour', {default='red'})", true, 0, []string{"red\n", "(--yes)"}},
		{"ask('Word', {default='sesame', secret=true})", false, 0, []string{"[secret]\n", "Word: [secret], the default"}},
		{"ask 'Colour'", true, 4, []string{"cannot ask 'Colour': there is no terminal\nhint: run it in a terminal, or give ask a default"}},
		{"confirm 'Go?'", false, 4, []string{"cannot ask 'Go?'", "hint: run it in a terminal, or with --yes"}},
		{"confirm 'Go?'", true, 0, []string{"true\n", "Go? yes (--yes)"}},
		{"choose('Which?', {1, 2})", true, 4, []string{"cannot ask 'Which?'"}},
		{"secret 'xmpp'", true, 4, []string{"cannot ask 'secret xmpp'", "hint: set ROLLSH_SECRET_XMPP, or put it into "}},
	} {
		cmd := rollshIn(t, t.TempDir(), tc.code)
		if tc.yes {
			cmd.Args = append(cmd.Args, "--yes")
		}
		out, err := cmd.CombinedOutput()
		var exit *exec.ExitError
		if err != nil && !errors.As(err, &exit) {
			t.Fatal(err)
		}
		if got := cmd.ProcessState.ExitCode(); got != tc.exit {
			t.Errorf("%s: exit code %d, want %d\n%s", tc.code, got, tc.exit, out)
		}
		for _, want := range tc.want {
			if !strings.Contains(string(out), want) || strings.Contains(string(out), "sesame") {
				t.Errorf("%s: %q is not in\n%s", tc.code, want, out)
			}
		}
	}
}
