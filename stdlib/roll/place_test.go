package roll_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rollsh/rollsh/lua"
	"github.com/rollsh/rollsh/nodes"
	"github.com/rollsh/rollsh/nodes/nodetest"
	"github.com/rollsh/rollsh/stdlib/lint"
	"github.com/rollsh/rollsh/stdlib/roll"
	"github.com/rollsh/rollsh/stdlib/sync"
)

// place is a project with a repository, a checkout and real nodes.
type place struct {
	*bench
	t    *testing.T
	repo *nodetest.Repository
	dev  string // working copy of the developers
	co   string // checkout that is rolled
	dir  string // flags of the nodes: web1.out, web1.sick, web1.no
	says string // the notices

	confirmed func()      // called after each confirmation
	asked     []string    // in the last roll
	elsewhere *os.Process // of rollElsewhere
}

func newPlace(t *testing.T, n int, opts ...nodetest.Option) *place {
	t.Helper()
	t.Parallel() // they wait for servers most of the time
	names := make([]string, n)
	for i := range names {
		names[i] = fmt.Sprintf("web%d", i+1)
	}
	p := &place{bench: onNodes(t, n, append(opts, nodetest.Names(names...))...), t: t, repo: nodetest.Svn(t)}
	p.dir, p.dev, p.co = t.TempDir(), filepath.Join(t.TempDir(), "dev"), filepath.Join(t.TempDir(), "co")
	p.says = filepath.Join(p.dir, "says")
	engine := sync.New(p.session)
	t.Cleanup(engine.Close)
	p.more = append(p.more, engine.Module(), lint.Module(p.session))
	p.nodesFile(t, p.dir)
	p.run("svn", "checkout", "-q", p.repo.File+"/trunk", p.dev)
	p.commit("alice", "first page, fixes #1", "index.html", "one\n", "lib/a.txt", "a\n")
	return p
}

func (p *place) run(args ...string) string {
	p.t.Helper()
	cmd := exec.CommandContext(p.t.Context(), args[0], args[1:]...)
	cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8")
	out, err := cmd.CombinedOutput()
	if err != nil {
		p.t.Fatalf("%q: %v: %s", args, err, out)
	}
	return string(out)
}

// commit writes files, given as name and text in turn, and commits them.
func (p *place) commit(author, message string, files ...string) {
	p.t.Helper()
	for i := 0; i < len(files); i += 2 {
		file := filepath.Join(p.dev, files[i])
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			p.t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(files[i+1]), 0o644); err != nil {
			p.t.Fatal(err)
		}
	}
	p.run("svn", "add", "-q", "--force", p.dev)
	p.run("svn", "commit", "-q", "--username", author, "-m", message, p.dev)
}

func (p *place) flag(name string, up bool) {
	p.t.Helper()
	file := filepath.Join(p.dir, name)
	err := os.Remove(file)
	if up {
		err = os.WriteFile(file, nil, 0o600)
	}
	if err != nil {
		p.t.Fatal(err)
	}
}

func (p *place) raised(name string) bool {
	_, err := os.Stat(filepath.Join(p.dir, name))
	return err == nil
}

// page is what a node serves.
func (p *place) page(i int) string {
	text, _ := os.ReadFile(filepath.Join(p.Dir(i), "www", "index.html"))
	return strings.TrimSpace(string(text))
}

func (p *place) pages() string {
	all := make([]string, p.Len())
	for i := range all {
		all[i] = p.page(i)
	}
	return strings.Join(all, " ")
}

// answering does something after each confirmation.
type answering struct {
	*nodetest.Person
	then func()
}

func (a answering) Confirm(ctx context.Context, text string) (bool, error) {
	ok, err := a.Person.Confirm(ctx, text)
	if a.then != nil {
		a.then()
	}
	return ok, err
}

type outcome struct {
	ID    string
	State string
	Nodes map[string]string
	From  any
	To    any
}

// roll runs testdata/prod.lua; the person answers yes to everything.
func (p *place) roll(r nodes.Recipe, args ...string) (outcome, error) {
	p.t.Helper()
	return p.rollAs(p.t.Context(), r, []string{"yes", "yes", "yes", "yes", "yes"}, args...)
}

func (p *place) rollAs(ctx context.Context, r nodes.Recipe, answers []string, args ...string) (outcome, error) {
	p.t.Helper()
	person := &nodetest.Person{Answers: answers}
	p.session.Person = answering{person, p.confirmed}
	r.Path = testdata(p.t, "prod.lua")
	r.Args = append([]string{"--dir=" + p.dir, "--co=" + p.co, "--url=" + p.repo.File + "/trunk", "--say=" + p.says}, args...)
	err := p.recipe(ctx, r)
	p.asked = person.Asked
	var o outcome
	if err == nil && r.Mode == nodes.ModeRun {
		if err := json.Unmarshal([]byte(person.Shown[len(person.Shown)-1]), &o); err != nil {
			p.t.Fatalf("%v: %q", err, person.Shown)
		}
	}
	p.shown = strings.Join(person.Shown, "\n")
	return o, err
}

// eval runs Lua as the prompt does, and gives the text of its value.
func (p *place) eval(src string) string {
	p.t.Helper()
	p.session.Recipe = &nodes.Recipe{}
	h := lua.New(p.session, p.modules())
	values, err := h.Eval(p.t.Context(), src)
	if err != nil || len(values) != 1 {
		p.t.Fatalf("%s: %v, %v", src, values, err)
	}
	return h.Text(values[0])
}

func (p *place) last() roll.Entry {
	p.t.Helper()
	list, err := p.journal.History(p.t.Context(), "www", 1)
	if err != nil || len(list) != 1 {
		p.t.Fatalf("%v, %v", list, err)
	}
	return list[0]
}

func await(t *testing.T, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it never came")
		}
	}
}
