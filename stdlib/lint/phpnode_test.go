package lint_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/rollsh/rollsh/nodes"
	"github.com/rollsh/rollsh/nodes/nodetest"
	"github.com/rollsh/rollsh/stdlib/lint"
	"github.com/rollsh/rollsh/stdlib/ssh"
)

// withNodes starts nodes over ssh, and gives a session with them and their set.
func withNodes(t *testing.T, n int, opts ...nodetest.Option) (*nodes.Session, nodes.Set) {
	t.Helper()
	bed := nodetest.Start(t, n, opts...)
	s := bed.Session(&nodetest.Recorder{})
	pool := ssh.NewPool(s, ssh.SystemConfig("/dev/null"))
	t.Cleanup(pool.Close)
	s.Dialer = pool
	return s, bed.Set()
}

// TestPHPOnANode: the php of a node judges as `php -l` does there, and leaves
// nothing behind.
func TestPHPOnANode(t *testing.T) {
	nodetest.Need(t, "php")
	s, set := withNodes(t, 1)
	paths := corpus(t, t.TempDir())
	shuffle(paths, 5)
	paths = paths[:len(paths)/12]
	want := reference(t, paths)
	l := lint.New(s, nil)
	res, err := l.Check(t.Context(), lint.Paths(paths...), lint.Options{On: set})
	if err != nil {
		t.Fatal(err)
	}
	sameTexts(t, res, paths, want)
	again, err := l.Check(t.Context(), lint.Paths(paths...), lint.Options{On: set})
	if err != nil || found(again) != found(res) || again.Cached < again.Checked*9/10 {
		t.Errorf("again: %d of %d known, %v", again.Cached, again.Checked, err)
	}
	for _, p := range res.Errors {
		if p.Node != "web1" {
			t.Fatalf("%+v", p)
		}
	}
}

// TestPHPOnNodesThatDiffer: every configuration of php judges, and what several
// say alike is told once. A node without php is an error.
func TestPHPOnNodesThatDiffer(t *testing.T) {
	nodetest.Need(t, "php")
	ini := t.TempDir()
	write(t, ini, map[string]string{"php.ini": "short_open_tag=1\n"})
	empty := t.TempDir()
	if err := os.Symlink("/bin/sh", filepath.Join(empty, "sh")); err != nil {
		t.Fatal(err)
	}
	s, set := withNodes(t, 4, nodetest.Env("PHPRC", ini, 2), nodetest.Env("PATH", empty, 3))
	dir := t.TempDir()
	write(t, dir, map[string]string{"short.php": "<? echo ( ?>", "bad.php": "<?php echo (;", "page.html": "<p>"})
	res, err := lint.New(s, nil).Check(t.Context(), lint.Paths(dir), lint.Options{On: nodes.Set{Nodes: set.Nodes[:3]}})
	if err != nil {
		t.Fatal(err)
	}
	want := "bad.php:1: php: Parse error: syntax error, unexpected token \";\" (php of web1)\n" +
		"short.php:1: php: Parse error: syntax error, unexpected token \";\" (php of web3)"
	if found(res) != want {
		t.Errorf("got %s, want %s", found(res), want)
	}
	bare := lint.Options{On: nodes.Set{Nodes: set.Nodes[3:]}}
	_, err = lint.New(s, nil).Check(t.Context(), lint.Paths(dir), bare)
	if e := nodes.AsError(err, nodes.Internal); e == nil || e.Kind != nodes.NotFound || e.Node != "web4" {
		t.Errorf("no php there: %v", err)
	}
	if _, err := lint.New(s, nil).Check(t.Context(), lint.Paths(filepath.Join(dir, "page.html")), bare); err != nil {
		t.Errorf("a page without code needs no php: %v", err)
	}
}
