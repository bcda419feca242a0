package lint_test

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rollsh/rollsh/nodes"
	"github.com/rollsh/rollsh/nodes/nodetest"
	"github.com/rollsh/rollsh/stdlib/lint"
)

// TestMissingTool: a tool that a file needs and that is not there is an error;
// where no file needs it, it is none.
func TestMissingTool(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, map[string]string{"a.php": "<?php echo 1;", "b.php": "<?php echo 2;", "c.html": "<p>", "d.json": "{}"})
	t.Setenv("PATH", t.TempDir())
	l := lint.New(session(t), nil)
	_, err := l.Check(t.Context(), lint.Paths(dir), lint.Options{})
	want := "php is not installed, and 2 files to be checked by the rule php (hint: apt-get install php-cli)"
	if nodes.KindOf(err) != nodes.NotFound || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
	write(t, dir, map[string]string{"e.bash": "true\n"})
	if err := os.Symlink("/bin/sh", filepath.Join(os.Getenv("PATH"), "sh")); err != nil {
		t.Fatal(err)
	}
	_, err = l.Check(t.Context(), lint.Paths(filepath.Join(dir, "e.bash")), lint.Options{Rules: []string{"sh"}})
	if err == nil || err.Error() != "bash is not installed, which "+filepath.Join(dir, "e.bash")+" is for (hint: apt-get install bash)" {
		t.Error(err)
	}
	if res := check(t, l, filepath.Join(dir, "c.html")); res.Checked != 1 || len(res.Errors) != 0 {
		t.Errorf("a page without code needs no php: %+v", res)
	}
	if _, err := l.Check(t.Context(), lint.Paths(dir), lint.Options{Rules: []string{"json"}}); err != nil {
		t.Errorf("php is not asked for: %v", err)
	}
	if _, err := l.Check(t.Context(), lint.Paths(dir), lint.Options{Rules: []string{"jsn"}}); nodes.KindOf(err) != nodes.NotFound || !strings.Contains(err.Error(), "did you mean 'json'?") {
		t.Error(err)
	}
}

// TestNothingIsRun: files that would leave a mark if they were run leave none.
func TestNothingIsRun(t *testing.T) {
	nodetest.Need(t, "php")
	dir, mark := t.TempDir(), filepath.Join(t.TempDir(), "ran")
	code := "touch('" + mark + "'); file_put_contents('" + mark + "', 'x');"
	files := map[string]string{
		"plain.php":     "<?php " + code,
		"html.html":     "<p><?php " + code + "?>",
		"echo.php":      "<?= touch('" + mark + "') ?>",
		"ns.php":        "<?php namespace A; \\" + code,
		"ns2.php":       "<?php namespace A { \\" + code + " } namespace B { \\" + code + "}",
		"strict.php":    "<?php declare(strict_types=1); " + code,
		"ticks.php":     "<?php declare(ticks=1) { " + code + " }",
		"ticks2.php":    "<?php declare(ticks=1): " + code + " enddeclare;",
		"close.php":     "<?php ?><?php " + code,
		"semi.php":      "<?php ;;; " + code,
		"comment.php":   "<?php # ?>\n<?php " + code,
		"shebang.php":   "#!/usr/bin/php\n<?php " + code,
		"bom.php":       "\xef\xbb\xbf<?php " + code,
		"label.php":     "<?php a: " + code + " goto a;",
		"long.php":      "<?php /*" + strings.Repeat("x", 9000) + "*/ " + code,
		"late.php":      "<?php /*" + strings.Repeat("x", 8180) + "*/ namespace A; \\" + code,
		"class.php":     "<?php class A { const X = 1; } " + code + " class B extends A {}",
		"destruct.php":  "<?php class A { function __destruct() { " + code + " } } new A;",
		"shutdown.php":  "<?php register_shutdown_function(function() { " + code + " });",
		"a.sh":          "touch '" + mark + "'\n",
		"b.sh":          "#!/bin/bash\n$(touch '" + mark + "')\n",
		"heredoc.php":   "<?php echo <<<X\n{${" + strings.TrimSuffix(strings.Split(code, ";")[0], ";") + "}}\nX;\n",
		"attribute.php": "<?php #[A(1)] class B {} " + code,
	}
	write(t, dir, files)
	env := filepath.Join(dir, "env")
	write(t, dir, map[string]string{"env": "touch '" + mark + "'\n"})
	t.Setenv("BASH_ENV", env)
	t.Setenv("ENV", env)
	res := check(t, lint.New(session(t), nil), dir)
	if len(res.Errors) > 0 || res.Checked != len(files) {
		t.Errorf("%d of %d: %s", res.Checked, len(files), found(res))
	}
	if _, err := os.Stat(mark); err == nil {
		t.Error("something was run")
	}
}

func TestCancelEndsWithinASecond(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, map[string]string{"a.slow": "", "b.slow": ""})
	l := lint.New(session(t), nil)
	started := filepath.Join(dir, "started")
	if err := l.Add(lint.CommandRule("slow", []string{"*.slow"}, "echo $$ >> "+started+"; sleep 60; true")); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
			if text, _ := os.ReadFile(started); strings.HasSuffix(string(text), "\n") { // the shell makes the file first
				break
			}
		}
		cancel()
	}()
	_, err := l.Check(ctx, lint.Paths(dir), lint.Options{})
	if nodes.KindOf(err) != nodes.Cancelled {
		t.Fatal(err)
	}
	text, err := os.ReadFile(started)
	if err != nil || len(strings.Fields(string(text))) == 0 {
		t.Fatal("it did not start", err)
	}
	for _, pid := range strings.Fields(string(text)) {
		if state, err := os.ReadFile("/proc/" + pid + "/stat"); err == nil && !slices.Contains([]string{"Z", "X"}, strings.Fields(string(state))[2]) {
			t.Errorf("process %s goes on", pid)
		}
	}
}

// TestMissingToolThatIsOptional: it is said once, and its files pass.
func TestMissingToolThatIsOptional(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, map[string]string{"a.sh": "echo\n", "b.pp": "class b {", "c.json": "{}"})
	bin := t.TempDir()
	if err := os.Symlink("/bin/sh", filepath.Join(bin, "sh")); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", bin)
	s := session(t)
	l := lint.New(s, nil)
	if _, err := l.Check(t.Context(), lint.Paths(dir), lint.Options{}); nodes.KindOf(err) != nodes.NotFound || !strings.Contains(err.Error(), "puppet is not installed") {
		t.Fatal(err)
	}
	if err := l.Require("puppet", false); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		res := check(t, l, dir)
		if slices.Sort(res.Missing); res.Checked != 2 || len(res.Errors) != 0 || !slices.Equal(res.Missing, []string{"puppet", "shellcheck"}) {
			t.Errorf("%+v", res)
		}
	}
	var said []string
	for _, e := range s.Events.(*nodetest.Recorder).Events() {
		if e.Type == nodes.Warned {
			said = append(said, e.Text)
		}
	}
	slices.Sort(said)
	if want := "puppet is not installed, so 1 file passed without the rule puppet"; len(said) != 2 || said[0] != want {
		t.Errorf("said %q", said)
	}
	if _, err := l.Check(t.Context(), lint.Paths(dir), lint.Options{Rules: []string{"shellcheck"}}); nodes.KindOf(err) != nodes.NotFound {
		t.Errorf("a rule that is asked for by name is required: %v", err)
	}
}
