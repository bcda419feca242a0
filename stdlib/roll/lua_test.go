package roll_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rollsh/rollsh/lua"
	"github.com/rollsh/rollsh/nodes"
	"github.com/rollsh/rollsh/nodes/nodetest"
	"github.com/rollsh/rollsh/stdlib/lint"
	"github.com/rollsh/rollsh/stdlib/notify"
	"github.com/rollsh/rollsh/stdlib/person"
	"github.com/rollsh/rollsh/stdlib/roll"
	"github.com/rollsh/rollsh/stdlib/ssh"
	"github.com/rollsh/rollsh/stdlib/svn"
	"github.com/rollsh/rollsh/stdlib/sync"
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

// sessionText is what another process needs to know of a session.
type sessionText struct{ Project, State, Cache, Home, User string }

func encode(t *testing.T, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// playRecipe runs a recipe in a process of its own.
func playRecipe() int {
	var text sessionText
	var args []string
	err := errors.Join(json.Unmarshal([]byte(os.Getenv("ROLL_TEST_SESSION")), &text), json.Unmarshal([]byte(os.Getenv("ROLL_TEST_ARGS")), &args))
	if err != nil {
		return 2
	}
	s := &nodes.Session{
		Project: text.Project, State: text.State, Cache: text.Cache, Home: text.Home, User: text.User, Host: "deploy",
		Events: nodes.Discard{}, Person: &nodetest.Person{Answers: []string{"yes", "yes"}}, Service: nodes.NewService(),
		Recipe: &nodes.Recipe{Path: os.Getenv("ROLL_TEST_RECIPE"), Args: args, Files: map[string]string{}},
	}
	s.Here, s.Dialer = ssh.NewLocal(s), ssh.NewPool(s, ssh.SystemConfig("/dev/null"))
	b := &bench{session: s, journal: roll.NewJournal(s), more: []lua.Module{sync.New(s).Module(), lint.Module(s)}}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := lua.New(s, b.modules()).RunFile(ctx); err != nil {
		_, _ = os.Stderr.WriteString(err.Error() + "\n")
		return 1
	}
	return 0
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
