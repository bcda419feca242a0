package shell_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rollsh/rollsh/shell"
)

// A shared journal that begins empty says where the rolls before are, with a
// command that takes them along; then it says nothing any more.
func TestLeftBehindJournal(t *testing.T) {
	t.Parallel()
	home, project, shared := t.TempDir(), t.TempDir(), t.TempDir()
	env := func(name string) string { return map[string]string{"HOME": home}[name] }
	if said := shell.LeftBehind(project, shared, env); said != "" {
		t.Errorf("without a journal: %s", said)
	}
	own, _ := shell.StateOf(project, env)
	if err := os.MkdirAll(own, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(own, "journal.db"), []byte("rolls"), 0o600); err != nil {
		t.Fatal(err)
	}
	said := shell.LeftBehind(project, shared, env)
	if !strings.Contains(said, "begins empty: the rolls so far are in "+own) {
		t.Errorf("%q", said)
	}
	_, command, _ := strings.Cut(said, "`sudo ")
	if out, err := exec.Command("sh", "-c", strings.Trim(command, "`")).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v: %s", command, err, out)
	}
	if text, err := os.ReadFile(filepath.Join(shared, "journal.db")); err != nil || string(text) != "rolls" {
		t.Errorf("%q, %v", text, err)
	}
	if said := shell.LeftBehind(project, shared, env); said != "" {
		t.Errorf("with a journal: %s", said)
	}
}
