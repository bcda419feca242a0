package svn_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rollsh/rollsh/nodes"
	"github.com/rollsh/rollsh/nodes/nodetest"
	"github.com/rollsh/rollsh/stdlib/svn"
)

// bench is a repository, a session and a working copy of the developer, with
// which tests commit.
type bench struct {
	t       *testing.T
	repo    *nodetest.Repository
	session *nodes.Session
	events  *nodetest.Recorder
	svn     *svn.Svn
	dev     string // working copy of the whole repository
}

// run runs a program that must succeed and gives its output.
func (b *bench) run(dir, name string, args ...string) string {
	b.t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	if dir == "" {
		cmd.Dir = b.t.TempDir()
	}
	cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8")
	out, err := cmd.CombinedOutput()
	if err != nil {
		b.t.Fatalf("%s %q: %v: %s", name, args, err, out)
	}
	return string(out)
}

// write writes a file of the developer's working copy, and adds it when it is new.
func (b *bench) write(name, text string) {
	b.t.Helper()
	_, err := os.Lstat(filepath.Join(b.dev, name))
	writeFile(b.t, filepath.Join(b.dev, name), text)
	if err != nil {
		b.run(b.dev, "svn", "add", "-q", "--force", "--parents", name+"@")
	}
}

// commit commits everything as an author.
func (b *bench) commit(author, message string) {
	b.t.Helper()
	b.run(b.dev, "svn", "commit", "-q", "--username", author, "--force-log", "-m", message)
	b.run(b.dev, "svn", "update", "-q")
}

// checkout opens a new checkout of a path of the repository.
func (b *bench) checkout(path string) *svn.Checkout {
	b.t.Helper()
	co, err := b.svn.Checkout(b.ctx(), filepath.Join(b.t.TempDir(), "co"), svn.CheckoutOptions{URL: b.repo.File + path, Create: true})
	if err != nil {
		b.t.Fatal(err)
	}
	return co
}

func (b *bench) ctx() context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	b.t.Cleanup(cancel)
	return ctx
}

func writeFile(t *testing.T, name, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func readFile(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// must ends the test when a step failed.
func must[T any](t *testing.T) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// fails ends the test unless err has the kind and its text holds the words.
func fails(t *testing.T, err error, kind nodes.Kind, words ...string) {
	t.Helper()
	if nodes.KindOf(err) != kind {
		t.Fatalf("kind %q wanted, got %q: %v", kind, nodes.KindOf(err), err)
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("error without %q: %v", w, err)
		}
	}
}

// tree reads a folder without .svn: path to contents, link target or mode.
func tree(t *testing.T, root string) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := filepath.WalkDir(root, func(name string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(root, name)
		fi, err := os.Lstat(name)
		switch {
		case err != nil:
			return err
		case d.Name() == ".svn":
			return filepath.SkipDir
		case d.IsDir():
			out[rel+"/"] = fi.Mode().String()
		case d.Type()&os.ModeSymlink != 0:
			target, err := os.Readlink(name)
			out[rel] = "-> " + target
			return err
		default:
			out[rel] = fi.Mode().String() + " " + readFile(t, name)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}
