package recipes_test

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rollsh/rollsh/nodes/nodetest"
	"github.com/rollsh/rollsh/recipes"
)

// TestRecipesAreShortAndSayWhatTheyDo: a tired person reads them at night.
func TestRecipesAreShortAndSayWhatTheyDo(t *testing.T) {
	names, err := fs.Glob(recipes.Files, "*.lua")
	if err != nil || len(names) < 4 {
		t.Fatalf("recipes: %v, %v", names, err)
	}
	for _, name := range names {
		text, err := fs.ReadFile(recipes.Files, name)
		if err != nil {
			t.Fatal(err)
		}
		if lines := bytes.Count(text, []byte("\n")); lines >= 40 {
			t.Errorf("%s has %d lines; a recipe has fewer than 40", name, lines)
		}
		if !bytes.HasPrefix(text, []byte("-- "+name+": ")) {
			t.Errorf("%s does not begin by saying what it is for", name)
		}
		for _, part := range []string{"Needs ", "Effects ", "Ends "} {
			if name != "site.lua" && !bytes.Contains(text, []byte("-- "+part)) {
				t.Errorf("the header of %s has no %q", name, part)
			}
		}
	}
}

// TestRecipesPassCheck: no false alarm on what we ship, in the project of this
// repository.
func TestRecipesPassCheck(t *testing.T) {
	t.Parallel()
	rollsh := build(t)
	cmd := exec.CommandContext(t.Context(), rollsh, "check")
	cmd.Dir = ".."
	cmd.Env = append(os.Environ(), "HOME="+t.TempDir())
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("rollsh check: %v\n%s", err, out)
	}
}

var scratch = regexp.MustCompile(`A scratch project in (\S+)`)

// TestDemo runs what `make demo` runs. The demo compares the trees itself and
// ends with 1 when one is not as it should be; here we see that it ends in time
// and leaves nothing behind.
func TestDemo(t *testing.T) {
	t.Parallel()
	nodetest.Need(t, "bash", "svn", "svnmucc", "php", "sshd", "ssh-keygen")
	rollsh := build(t) // with nothing compiled yet that takes minutes
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "demo/demo", rollsh)
	cmd.Env = append(os.Environ(), "TMPDIR="+t.TempDir(), "KEEP=")
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 20 * time.Second
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("demo: %v\n%s", err, out)
	}
	found := scratch.FindSubmatch(out)
	if found == nil {
		t.Fatalf("the demo did not name its folder:\n%s", out)
	}
	dir := string(found[1])
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("the demo left %s: %v", dir, err)
	}
	if left := processesIn(t, dir); len(left) > 0 {
		t.Errorf("the demo left running: %q", left)
	}
}

// program is the rollsh of all tests here.
var program struct {
	once sync.Once
	dir  string
	out  []byte
	err  error
}

func TestMain(m *testing.M) { os.Exit(withFolder(m)) }

func withFolder(m *testing.M) int {
	dir, err := os.MkdirTemp("", "rollsh-recipes-*")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	program.dir = dir
	return m.Run()
}

// build gives a rollsh binary.
func build(t *testing.T) string {
	t.Helper()
	program.once.Do(func() {
		program.out, program.err = exec.Command("go", "build", "-o", program.dir, "..").CombinedOutput()
	})
	if program.err != nil {
		t.Fatalf("go build: %v\n%s", program.err, program.out)
	}
	return filepath.Join(program.dir, "rollsh")
}

// processesIn lists the command lines that name a path in dir.
func processesIn(t *testing.T, dir string) []string {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, file := range files {
		if line, err := os.ReadFile(file); err == nil && bytes.Contains(line, []byte(dir)) {
			found = append(found, string(line))
		}
	}
	return found
}
