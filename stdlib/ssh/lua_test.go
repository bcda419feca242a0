package ssh_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rollsh/rollsh/lua"
	"github.com/rollsh/rollsh/nodes"
	"github.com/rollsh/rollsh/stdlib/ssh"
)

// recipe runs a file of testdata in a project whose nodes/prod are the bed.
func (b *bench) recipe(t *testing.T, name string) error {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(b.session.Project, "nodes", "prod"), b.NodesFile())
	path := filepath.Join(b.session.Project, "recipes", name)
	write(t, path, strings.ReplaceAll(string(text), "DIR", b.Dir(0)))
	b.session.Recipe = &nodes.Recipe{Path: path, Files: map[string]string{}}
	h := lua.New(b.session, []lua.Module{ssh.Module(b.session)})
	return h.RunFile(t.Context())
}

func TestLua(t *testing.T) {
	files, err := filepath.Glob("testdata/*.lua")
	if err != nil || len(files) == 0 {
		t.Fatalf("no testdata: %v", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			b := start(t, 2)
			if err := b.recipe(t, filepath.Base(file)); err != nil {
				t.Errorf("%v\n%s", err, nodes.AsError(err, "").Trace)
			}
			if out := b.events.Text(nodes.Output); strings.Contains(out, "s3cret") {
				t.Error("a secret was put out")
			}
		})
	}
}

// Every record parses its example and says what it does.
func TestRecordsAreComplete(t *testing.T) {
	b := start(t, 0)
	m := ssh.Module(b.session)
	for _, f := range append(m.NodeMethods, m.Funcs...) {
		if f.Doc == "" || f.Example == "" || f.Returns == "" {
			t.Errorf("%s lacks doc, example or returns", f.Name)
		}
	}
}

// A file of this machine that is not there is the recipe's mistake: it is told
// once, of no node, and none is asked.
func TestMissingFileHereIsNoNodesFailure(t *testing.T) {
	b := start(t, 2)
	b.Stop(0)
	b.Stop(1)
	write(t, filepath.Join(b.session.Project, "nodes", "prod"), b.NodesFile())
	for src, names := range map[string]string{
		`nodes "prod":put("none.txt", "/srv/x")`:                     "set:put",
		`node "web1":put("none.txt", "/srv/x")`:                      "node:put",
		`nodes "prod":run("cat", { stdin = { file = "none.txt" } })`: "set:run",
		`node "web2":run("cat", { stdin = { file = "none.txt" } })`:  "node:run",
	} {
		for _, mode := range []nodes.Mode{nodes.ModeRun, nodes.ModePlan} {
			b.session.Recipe = &nodes.Recipe{Mode: mode}
			_, err := lua.New(b.session, []lua.Module{ssh.Module(b.session)}).Eval(t.Context(), src)
			want := "shell:1: " + names + ": there is no file or folder " + filepath.Join(b.session.Project, "none.txt") + " on this machine (hint: "
			if e := nodes.AsError(err, nodes.Internal); e == nil || e.Kind != nodes.NotFound || e.Node != "" || !strings.HasPrefix(e.Error(), want) {
				t.Errorf("%s, mode %q: %v, want %s", src, mode, err, want)
			}
		}
	}
	b.session.Recipe = &nodes.Recipe{Mode: nodes.ModePlan} // what is planned before may make the file
	_, err := lua.New(b.session, []lua.Module{ssh.Module(b.session)}).Eval(t.Context(), `sh "make none.txt"; nodes "prod":put("none.txt", "/srv/x")`)
	if err != nil {
		t.Error(err)
	}
}
