package shell_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/rollsh/rollsh/lua"
	"github.com/rollsh/rollsh/nodes"
	"github.com/rollsh/rollsh/shell"
	"github.com/rollsh/rollsh/stdlib"
)

// TestReferenceIsCurrent fails where docs/reference is not what `make docs`
// writes.
func TestReferenceIsCurrent(t *testing.T) {
	t.Parallel()
	s := &nodes.Session{Events: nodes.Discard{}, Service: nodes.NewService(), Cache: t.TempDir(), State: t.TempDir(), Home: t.TempDir()}
	library := stdlib.New(s)
	t.Cleanup(library.Close)
	pages := shell.ReferencePages(lua.New(s, append(library.Modules, shell.ShellModule())))
	pages["rollsh.1"] = shell.ManPage()
	for name, want := range pages {
		got, err := os.ReadFile(filepath.Join("..", "docs", "reference", name))
		if err != nil || string(got) != want {
			t.Errorf("docs/reference/%s is not current (%v): run make docs", name, err)
		}
	}
}
