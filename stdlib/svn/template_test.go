package svn_test

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/rollsh/rollsh/nodes"
	"github.com/rollsh/rollsh/nodes/nodetest"
	"github.com/rollsh/rollsh/stdlib/svn"
)

// shelf holds repositories that are built once in this process and copied by
// each test that wants one.
var shelf struct {
	dir  string
	mu   sync.Mutex
	once map[string]*sync.Once
}

// TestMain takes merges in a process of its own, for tests that kill it, and tries what
// another user does; else it
// makes the folder of the templates, and removes it at the end.
func TestMain(m *testing.M) {
	if dir := os.Getenv("ROLLSH_TEST_TAKE"); dir != "" {
		takeAll(dir)
		return
	}
	if dir := os.Getenv("ROLLSH_TEST_TRY"); dir != "" {
		tryToChange(dir)
		return
	}
	os.Exit(withShelf(m))
}

func withShelf(m *testing.M) int {
	dir, err := os.MkdirTemp("", "rollsh-svn-templates-*")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	shelf.dir, shelf.once = dir, map[string]*sync.Once{}
	return m.Run()
}

// from gives a copy of the repository of that name, which fill makes when it is
// wanted for the first time.
func from(t *testing.T, name string, fill func(b *bench)) *bench {
	t.Helper()
	nodetest.Need(t, "svn", "svnadmin")
	made := filepath.Join(shelf.dir, name)
	shelf.mu.Lock()
	if shelf.once[name] == nil {
		shelf.once[name] = &sync.Once{}
	}
	once := shelf.once[name]
	shelf.mu.Unlock()
	once.Do(func() {
		b := benchOf(t, "")
		fill(b)
		if err := os.CopyFS(made, os.DirFS(b.repo.Path)); err != nil {
			t.Fatal(err)
		}
	})
	return benchOf(t, made)
}

// newBench makes a bench of a repository with trunk, branches and tags (r1).
func newBench(t *testing.T) *bench { return from(t, "empty", func(*bench) {}) }

// benchOf makes a bench whose repository is a copy of a folder; empty: a new one.
func benchOf(t *testing.T, made string) *bench {
	t.Helper()
	path := filepath.Join(t.TempDir(), "repo")
	rec := &nodetest.Recorder{}
	b := &bench{t: t, repo: &nodetest.Repository{Path: path, File: "file://" + path}, events: rec, dev: filepath.Join(t.TempDir(), "dev")}
	if made == "" {
		b.run("", "svnadmin", "create", path)
		b.run("", "svn", "mkdir", "-q", "-m", "layout", b.repo.File+"/trunk", b.repo.File+"/branches", b.repo.File+"/tags")
	} else if err := os.CopyFS(path, os.DirFS(made)); err != nil {
		t.Fatal(err)
	}
	b.session = &nodes.Session{Project: t.TempDir(), Cache: t.TempDir(), User: "alice", Host: "staging", Events: rec, Person: &nodetest.Person{}}
	b.svn = svn.New(b.session)
	b.run("", "svn", "checkout", "-q", b.repo.File, b.dev)
	return b
}

// load appends many revisions in one step. The developer's working copy stays
// behind.
func (b *bench) load(list ...svn.Loaded) {
	b.t.Helper()
	if err := svn.Load(b.repo.Path, list...); err != nil {
		b.t.Fatal(err)
	}
}

// rounds are n revisions of bob, each of which changes the same file.
func rounds(n int, file string) []svn.Loaded {
	out := make([]svn.Loaded, n)
	for i := range out {
		out[i] = svn.Loaded{Author: "bob", Message: "more", Files: map[string]string{file: lines(fmt.Sprintf("%d round %d", 1+i%10, i))}}
	}
	return out
}
