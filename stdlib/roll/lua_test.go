package roll_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rollsh/rollsh/lua"
	"github.com/rollsh/rollsh/nodes"
	"github.com/rollsh/rollsh/nodes/nodetest"
	"github.com/rollsh/rollsh/stdlib/notify"
	"github.com/rollsh/rollsh/stdlib/person"
	"github.com/rollsh/rollsh/stdlib/ssh"
	"github.com/rollsh/rollsh/stdlib/svn"
)

// nodesFile writes nodes/prod: all nodes of the bed, drained by a file in dir.
func (b *bench) nodesFile(t *testing.T, dir string) {
	t.Helper()
	var text strings.Builder
	for i := range b.Len() {
		n := b.Node(i)
		fmt.Fprintf(&text, "%s %s port=%d user=%s key=%s path=%s/www drain='touch %s/%s.out' undrain='rm %s/%s.out' check='test ! -e %s/%s.sick'\n",
			n.Name, n.Host, n.Port, n.User, n.Key, b.Dir(i), dir, n.Name, dir, n.Name, dir, n.Name)
	}
	file := filepath.Join(b.session.Project, "nodes", "prod")
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
}

func (b *bench) modules() []lua.Module {
	return append([]lua.Module{person.Module(b.session), ssh.Module(b.session), svn.Module(b.session, nil), notify.Module(b.session), b.journal.Module()}, b.more...)
}

// recipe runs a recipe as the program does.
func (b *bench) recipe(ctx context.Context, r nodes.Recipe) error {
	r.Files = map[string]string{}
	b.session.Recipe = &r
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	return lua.New(b.session, b.modules()).RunFile(ctx)
}

func testdata(t *testing.T, name string) string {
	t.Helper()
	path, err := filepath.Abs(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func TestPartsInLua(t *testing.T) {
	b := onNodes(t, 3, nodetest.Names("web1", "web2", "web3"))
	dir := t.TempDir()
	b.nodesFile(t, dir)
	if err := b.recipe(t.Context(), nodes.Recipe{Path: testdata(t, "parts.lua"), Args: []string{"--dir=" + dir}}); err != nil {
		t.Fatal(err)
	}
}
