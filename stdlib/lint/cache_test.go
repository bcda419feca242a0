package lint_test

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/rollsh/rollsh/nodes"
	"github.com/rollsh/rollsh/nodes/nodetest"
	"github.com/rollsh/rollsh/stdlib/lint"
)

// countingPHP puts a php in front that notes each start, and gives a function
// that counts them.
func countingPHP(t *testing.T) func() int {
	t.Helper()
	nodetest.Need(t, "php")
	dir := t.TempDir()
	log := filepath.Join(dir, "starts")
	write(t, dir, map[string]string{"php": "#!/bin/sh\necho >> '" + log + "'\nexec " + nodetest.Program("php") + " \"$@\"\n"})
	if err := os.Chmod(filepath.Join(dir, "php"), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	return func() int {
		text, _ := os.ReadFile(log)
		return len(text)
	}
}

func TestCacheStartsNothing(t *testing.T) {
	starts := countingPHP(t)
	dir := t.TempDir()
	files := map[string]string{"bad.php": "<?php echo (;", "page.html": "<p>", "x.json": "{"}
	for i := range 20 {
		files[fmt.Sprintf("f%d.php", i)] = fmt.Sprintf("<?php echo %d;", i)
	}
	write(t, dir, files)
	s := session(t)
	first := check(t, lint.New(s, nil), dir)
	if first.Cached != 0 || first.Checked != 23 || len(first.Errors) != 2 || starts() == 0 {
		t.Fatalf("first: %+v, %d starts", first, starts())
	}
	before := starts()
	second := check(t, lint.New(s, nil), dir)
	if second.Cached != 23 || second.Checked != 23 || found(second) != found(first) || starts() != before {
		t.Errorf("second: %d cached, %d checked, %d starts: %s", second.Cached, second.Checked, starts()-before, found(second))
	}
	write(t, dir, map[string]string{"f3.php": "<?php class A { const X = 1; const X = 2; }"})
	third := check(t, lint.New(s, nil), dir)
	if third.Cached != 22 || third.Checked != 23 || len(third.Errors) != 3 || starts() != before+1 {
		t.Errorf("third: %+v, %d starts", third, starts()-before)
	}
}

// TestCacheKnowsItsTool: another php, or another configuration, asks anew.
func TestCacheKnowsItsTool(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, map[string]string{"a.php": "<? echo 1 ?>"})
	s := session(t)
	nodetest.Need(t, "php")
	ini := t.TempDir()
	t.Setenv("PHPRC", ini)
	write(t, ini, map[string]string{"php.ini": "short_open_tag=0\n"})
	if res := check(t, lint.New(s, nil), dir); res.Cached != 0 || len(res.Errors) != 0 {
		t.Fatalf("%+v", res)
	}
	write(t, dir, map[string]string{"a.php": "<? echo ( ?>"})
	if res := check(t, lint.New(s, nil), dir); len(res.Errors) != 0 {
		t.Fatalf("short tags are off: %+v", res)
	}
	write(t, ini, map[string]string{"php.ini": "short_open_tag=1 ; now on\n"})
	if res := check(t, lint.New(s, nil), dir); res.Cached != 0 || len(res.Errors) != 1 {
		t.Errorf("a changed configuration: %+v", res)
	}
}

// TestCacheKnowsTheShell: a script's extension chooses its shell, so a verdict
// on the same text under another extension is another.
func TestCacheKnowsTheShell(t *testing.T) {
	nodetest.Need(t, "bash")
	dir := t.TempDir()
	text := "a=(1 2)\n" // an array: bash has them, sh -n of dash refuses them
	write(t, dir, map[string]string{"a.bash": text})
	s := session(t)
	l := lint.New(s, nil)
	only := lint.Options{Rules: []string{"sh"}}
	for range 2 {
		if res, err := l.Check(t.Context(), lint.Paths(dir), only); err != nil || len(res.Errors) != 0 {
			t.Fatalf("%+v, %v", res, err)
		}
	}
	fresh := session(t)
	write(t, dir, map[string]string{"b.sh": text})
	want, err := lint.New(fresh, nil).Check(t.Context(), lint.Paths(dir), only)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := l.Check(t.Context(), lint.Paths(dir), only); err != nil || found(got) != found(want) || got.Cached != 1 {
		t.Errorf("%+v, %v; want %s", got, err, found(want))
	}
	shell := t.TempDir() // another bash asks anew
	write(t, shell, map[string]string{"bash": "#!/bin/sh\necho \"$2:1: no\"; exit 1\n"})
	if err := os.Chmod(filepath.Join(shell, "bash"), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", shell+":"+os.Getenv("PATH"))
	if got, err := l.Check(t.Context(), lint.Paths(filepath.Join(dir, "a.bash")), only); err != nil || len(got.Errors) != 1 {
		t.Errorf("another bash: %+v, %v", got, err)
	}
}

func TestSameContentOtherName(t *testing.T) {
	nodetest.Need(t, "php")
	dir := t.TempDir()
	text := "<?php function f() {} function f() {}"
	write(t, dir, map[string]string{"one.php": text})
	s := session(t)
	check(t, lint.New(s, nil), dir)
	write(t, dir, map[string]string{"two.php": text})
	want := "one.php:1: php: Fatal error: Cannot redeclare f() (previously declared in one.php:1)\n" +
		"two.php:1: php: Fatal error: Cannot redeclare f() (previously declared in two.php:1)"
	if res := check(t, lint.New(s, nil), dir); found(res) != want || res.Cached != 2 {
		t.Errorf("%+v", res)
	}
}

// TestCacheOfTwo: linters at work on one cache harm neither each other nor it.
func TestCacheOfTwo(t *testing.T) {
	dir := t.TempDir()
	files := map[string]string{}
	for i := range 200 {
		files[fmt.Sprintf("f%d.json", i)] = fmt.Sprintf("[%d]", i)
	}
	files["bad.json"] = "["
	write(t, dir, files)
	s := session(t)
	var wg sync.WaitGroup
	for range 6 {
		wg.Go(func() {
			res, err := lint.New(s, nil).Check(t.Context(), lint.Paths(dir), lint.Options{})
			if err != nil || res.Checked != 201 || len(res.Errors) != 1 {
				t.Errorf("%+v, %v", res, err)
			}
		})
	}
	wg.Wait()
	if res := check(t, lint.New(s, nil), dir); res.Cached != 201 || len(res.Errors) != 1 {
		t.Errorf("%+v", res)
	}
}

// TestCacheIsOnlyACache: whatever is in its files, verdicts stay right.
func TestCacheIsOnlyACache(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, map[string]string{"a.json": "[", "b.json": "[]"})
	s := session(t)
	want := found(check(t, lint.New(s, nil), dir))
	shelves, err := filepath.Glob(filepath.Join(s.Cache, "lint", "verdicts-*"))
	if err != nil || len(shelves) != 1 {
		t.Fatal(shelves, err)
	}
	good, err := os.ReadFile(shelves[0])
	if err != nil {
		t.Fatal(err)
	}
	for _, spoilt := range []string{"", "\x00\xff garbage", string(good[:len(good)/2]), string(good[:len(good)-3]) + "\n" + string(good), "x y z\n" + string(good)} {
		if err := os.WriteFile(shelves[0], []byte(spoilt), 0o600); err != nil {
			t.Fatal(err)
		}
		if res := check(t, lint.New(s, nil), dir); found(res) != want {
			t.Errorf("%q: %+v", spoilt, res)
		}
	}
	old := time.Now().Add(-100 * 24 * time.Hour)
	stale := filepath.Join(s.Cache, "lint", "verdicts-stale")
	write(t, s.Cache, map[string]string{"lint/verdicts-stale": "x"})
	if err := os.Chtimes(stale, old, old); err != nil {
		t.Fatal(err)
	}
	write(t, dir, map[string]string{"c.yml": "a: 1"})
	check(t, lint.New(s, nil), dir)
	if _, err := os.Stat(stale); err == nil {
		t.Error("an old shelf was not swept")
	}
	s.Cache = "/proc/no/such/place"
	if res := check(t, lint.New(s, nil), dir); found(res) != want {
		t.Errorf("no cache at all: %+v", res)
	}
}

// TestEvents: a check is one operation, begun once and ended once.
func TestEvents(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, map[string]string{"a.json": "[]", "b.json": "["})
	s := session(t)
	l := lint.New(s, nil)
	check(t, l, dir)
	check(t, l, dir)
	var got string
	for _, e := range s.Events.(*nodetest.Recorder).Events() {
		if e.Type != nodes.Progress {
			got += fmt.Sprintf("%s %d %s %s|", e.Type, e.ID&0xff, e.Op, e.Text)
		}
	}
	if want := "started 1 lint.check 2 files|finished 1 lint.check |started 2 lint.check 2 files|finished 2 lint.check |"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}
