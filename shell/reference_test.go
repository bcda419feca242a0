package shell_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

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

// TestTopicNodesFiles loads the nodes file that the help page shows.
func TestTopicNodesFiles(t *testing.T) {
	t.Parallel()
	parts := strings.Split(shell.Topic("nodes-files"), "\n\n")
	if len(parts) < 3 {
		t.Fatalf("no example in %q", parts)
	}
	set, err := nodes.Load(fstest.MapFS{"prod": {Data: []byte(parts[1])}, "office": {Data: []byte("office1\n")}}, "prod")
	if err != nil || strings.Join(set.Names(), " ") != "cdn1 cdn2 web1 office1" {
		t.Errorf("%v, %v", set.Names(), err)
	}
}
