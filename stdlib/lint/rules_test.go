package lint_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rollsh/rollsh/nodes"
	"github.com/rollsh/rollsh/nodes/nodetest"
	"github.com/rollsh/rollsh/stdlib/lint"
)

// write makes files in dir by name.
func write(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// found writes the problems one a line.
func found(res *lint.Result) string {
	var lines []string
	for _, p := range res.Errors {
		lines = append(lines, p.String())
	}
	return strings.Join(lines, "\n")
}

const zone = "$TTL 60\n@ IN SOA ns.roll.test. root.roll.test. 1 60 60 60 60\n@ IN NS ns\nns IN A 127.0.0.1\n"

// ruleCases show one file to its rule: want is the begin of the one problem, or
// empty for a good file. need is a program without which the case is left out.
var ruleCases = []struct{ need, name, text, want string }{
	{"", "a.json", `{"a": [1, 2]}`, ""},
	{"", "a.json", "{\n \"a\": 1,\n}", "a.json:3: json: invalid character '}' looking for beginning of object key string"},
	{"", "a.json", "", "a.json:1: json: unexpected end of JSON input"},
	{"", "a.json", "{} x", "a.json:1: json: invalid character 'x' after top-level value"},
	{"", "a.json", "\ufeff{}", "a.json:1: json: begins with a byte order mark"},
	{"", "a.json", strings.Repeat("[", 1<<20), "a.json:1: json: "},
	{"", "a.yaml", "a: 1\nb: [1, 2]\n---\nc: &x {d: 1}\ne: *x\n", ""},
	{"", "a.yml", "a: 1\n b: 2\n", "a.yml:2: yaml: mapping values are not allowed"},
	{"", "a.yml", "a: 1\nb: 2\na: 3\n", "a.yml:3: yaml: key 'a' is on line 1 already"},
	{"", "a.yml", "x:\n  <<: *nowhere\n", "a.yml: yaml: unknown anchor"},
	{"", "a.yml", "<<: {a: 1}\n", ""},
	{"", "a.yml", "", ""},
	{"", "a.xml", `<?xml version="1.0"?><a b="1"><c/>&amp;</a>`, ""},
	{"", "a.xml", "<a>\n<b></a>", "a.xml:2: xml: element <b> closed by </a>"},
	{"", "a.xml", "<a><b>", "a.xml:1: xml: unexpected EOF"},
	{"", "a.xml", "<a/><b/>", "a.xml:1: xml: a second element"},
	{"", "a.xml", `<a b="1" b="2"/>`, "a.xml:1: xml: attribute b is given twice"},
	{"", "a.xml", "<a/>text", "a.xml:1: xml: text outside the element"},
	{"", "a.xml", "", "a.xml:1: xml: no element"},
	{"", "a.xml", "<a>&nope;</a>", "a.xml:1: xml: invalid character entity &nope;"},
	{"", "a.xml", "<!DOCTYPE a [<!ENTITY e 'x'>]><a>&e;</a>", ""},
	{"", "a.xml", "<!DOCTYPE html PUBLIC 'x' 'y'><html>&nbsp;</html>", ""},
	{"", "a.xml", "<?xml version='1.0' encoding='ISO-8859-1'?><a>\xe4</a>", ""},
	{"", "a.xml", " <?xml version='1.0'?><a/>", "a.xml:1: xml: the XML declaration must be the very first"},
	{"", "a.xml", "<a/><!DOCTYPE a>", "a.xml:1: xml: a declaration that is not allowed here"},
	{"", "a.xml", "<a><!FOO></a>", "a.xml:1: xml: a declaration that is not allowed here"},
	{"", "a.xml", "<?xml version='1.1' encoding='UTF-8'?><a/>", ""},
	{"", "a.xml", "\ufeff<?xml version='1.0'?>\n<a/>\n", ""},
	{"", "a.xml", "<a>\xe4</a>", "a.xml:1: xml: invalid UTF-8"},
	{"", "a.lua", "x = 1", ""},
	{"", "a.lua", "x\nend end", "a.lua:2: lua: unexpected end"},
	{"", "a.sh", "if true; then echo; fi", ""},
	{"", "a.sh", "#!/bin/sh\nif true; then\n", "a.sh:3: sh: "},
	{"bash", "a.sh", "#!/usr/bin/env bash\na=(1 2)\n", ""},
	{"bash", "a.bash", "a=(1 2\n", "a.bash:"},
	{"", "a.sh", "#!/usr/bin/perl\nif (1) {\n", ""},
	{"", "x.php", "no code\n", ""},
	{"php", "x.php", "<?php echo (;\n", "x.php:1: php: Parse error: syntax error"},
	{"php", "x.php", "<?php echo 1;\n", ""},
	{"named-checkzone", "roll.test.zone", zone, ""},
	{"named-checkzone", "roll.test.zone", zone + "x IN A 1.2.3\n", "roll.test.zone:5: zone: "},
	{"named-checkzone", "roll.test.zone", "@ IN A 1.2.3.4\n", "roll.test.zone:1: zone: no TTL"},
	{"named-checkzone", "-oops.zone", zone, "-oops.zone: zone: not checked"},
	{"apache2", "httpd.conf", "ServerName x\nNonsense on\n", "httpd.conf:"},
	{"apache2", "httpd.conf", "LoadModule x_module evil.so\n", "httpd.conf: apache: not checked, as that would run it: LoadModule"},
	{"apache2", "httpd.conf", "<Perl>\nsystem 'id';\n</Perl>\n", "httpd.conf: apache: not checked, as that would run it: <Perl>"},
	{"apache2", "httpd.conf", "Load\\\nModule x_module evil.so\n", "httpd.conf: apache: not checked, as that would run it: LoadModule"},
	{"apache2", "httpd.conf", "<Macro M $a>\n$aModule x_module evil.so\n</Macro>\nUse M Load\n", "httpd.conf: apache: not checked, as that would run it: $aModule"},
	{"", "readme.txt", "<?php (", ""},
	{"shellcheck", "a.sh", "#!/bin/sh\necho one\n[ \"$1\" == \"b\"]\n", "a.sh:3: shellcheck: You need a space"},
	{"shellcheck", "a.sh", "#!/bin/sh\necho $1\n", ""},
	{"shellcheck", "a.sh", "#!/bin/sh\nif true; then\n", "a.sh:3: sh: Syntax error"},
	{"named-checkconf", "named.conf", "options { directory \"/tmp\"; };\n", ""},
	{"named-checkconf", "named.conf", "options {\n  no-such-thing yes;\n};\n", "named.conf:2: named: unknown option"},
	{"visudo", "etc/sudoers.d/roll", "Cmnd_Alias ROLL = /usr/bin/rsync\ndeploy ALL=(root) NOPASSWD: ROLL\n", ""},
	{"visudo", "etc/sudoers.d/roll", "deploy ALL=(root\n", "etc/sudoers.d/roll:1: sudoers: syntax error"},
	{"", "recipes.crontab", "MAILTO=a@roll.test\n# text\n*/5 1-3,7 * jan-mar 0-7/2 echo 100%\n@daily true\n", ""},
	{"", "recipes.crontab", "* * * 13 * true\n", "recipes.crontab:1: crontab: '13' is no month"},
	{"", "recipes.crontab", "* * * * *\n", "recipes.crontab:1: crontab: no command"},
	{"", "recipes.crontab", "* * * * * true", "recipes.crontab:1: crontab: the last line has no newline"},
	{"", "recipes.crontab", "@often true\n", "recipes.crontab:1: crontab: unknown time @often"},
	{"", "recipes.crontab", "5-1 * * * * true\n", "recipes.crontab:1: crontab: '5-1': the minute ends before it begins"},
	{"", "etc/cron.d/roll", "1 2 * * * root true\n", ""},
	{"", "etc/cron.d/roll", "1 2 * * * /usr/bin/true\n", "etc/cron.d/roll:1: crontab: '/usr/bin/true' is no user"},
	{"", "a.js", "async function f() { for await (const x of y) {} }\nexport default f?.a ?? 1n;\n", ""},
	{"", "a.js", "with (a) { b = 010; }\n", ""},
	{"", "a.js", "f(;\n", "a.js:1: js: Unexpected \";\""},
	{"", "a.js", "let a = 1;\nlet a = 2;\n", "a.js:2: js: The symbol \"a\" has already been declared"},
	{"", "a.mjs", "import {a} from", "a.mjs:1: js: Expected string"},
	{"", "a.js", "const a = <div className='x'>{b}</div>;\n", ""},
	{"", "a.js", "const a = <div>{b}</p>;\n", "a.js:1: js: "},
	{"", "a.js", "// @flow\nfunction f(a: number) {}\n", ""},
	{"", "a.css", "---\n---\na { color: {{ site.color }}\n", ""},
	{"", "etc/cron.d/roll.erb", "<%= @minute %> * * * * root true\n", ""},
	{"", "crontab", "#!/usr/bin/php\n<p>", ""},
	{"", "etc/sudoers.d/roll.erb", "<%= @user %> ALL\n", ""},
	{"", "named.conf.erb", "options { <%= @x %> };\n", ""},
	{"", "a.js", "var x = <?php echo json_encode($x) ?>;\n", ""},
	{"", "a.css", "a { *zoom: 1; filter: alpha(opacity=5); color: red }\n@media (x) { b { c: d } }\n", ""},
	{"", "a.css", "a {\n color: red;\n", "a.css:3: css: Expected \"}\""},
	{"", "a.css", "a { color: red; } }\n", "a.css:1: css: Unexpected \"}\""},
	{"", "a.css", "/* never closed\n", "a.css:2: css: Expected \"*/\""},
	{"shellcheck", "odd\nname/a.sh", "if\n", "odd\\nname/a.sh:2: sh: "},
	{"shellcheck", "odd\nname/b.sh", "[ \"$1\" == \"b\"]\n", "odd\\nname/b.sh:1: shellcheck: You need a space"},
	{"visudo", "odd\nname.sudoers", "x ALL=(\n", "odd\\nname.sudoers:1: sudoers: syntax error"},
}

func TestRules(t *testing.T) {
	luaCheck := func(_ string, text []byte) []lint.Problem {
		if strings.Contains(string(text), "end end") {
			return []lint.Problem{{Line: 2, Message: "unexpected end"}}
		}
		return nil
	}
	for i, c := range ruleCases {
		t.Run(fmt.Sprintf("%d-%s", i, filepath.Base(c.name)), func(t *testing.T) {
			if c.need != "" {
				nodetest.Need(t, c.need)
			}
			dir := t.TempDir()
			write(t, dir, map[string]string{c.name: c.text})
			res := check(t, lint.New(session(t), luaCheck), dir)
			got := found(res)
			if c.want == "" && got != "" || !strings.HasPrefix(got, c.want) || c.want != "" && len(res.Errors) == 0 {
				t.Errorf("%s %.60q:\n got %q\nwant %q", c.name, c.text, got, c.want)
			}
		})
	}
}

func TestPuppet(t *testing.T) {
	nodetest.Need(t, "puppet")
	dir := t.TempDir()
	write(t, dir, map[string]string{"a.pp": "class a {\n  file { '/x': ensure => present }\n}\n", "b.pp": "class b {\n  file { '/x' ensure => present }\n}\n", "m/c.pp": "class c {\n"})
	l := lint.New(session(t), nil)
	res := check(t, l, dir)
	if got := found(res); res.Checked != 3 || len(res.Errors) != 2 || got != "b.pp:2: puppet: Syntax error at 'ensure'\nm/c.pp: puppet: Syntax error at end of input" {
		t.Errorf("%+v", res)
	}
	if res := check(t, l, dir); res.Cached != 3 || len(res.Errors) != 2 {
		t.Errorf("again: %+v", res)
	}
}

// TestCrontabAsCron holds the lines of tables against `crontab -n`, which reads
// them as cron does and changes nothing. (Cron takes ranges that end before they
// begin, and lines without a command, which never do anything; the rule does not.)
func TestCrontabAsCron(t *testing.T) {
	nodetest.Need(t, "crontab")
	for _, line := range []string{
		"* * * * * true", "*/5 * * * * true", "*/0 * * * * true", "5/2 * * * * true", "1-5/2 * * * * true", "60 * * * * true",
		"59 23 31 12 7 true", "0 24 * * * true", "0 0 0 * * true", "0 0 1 JAN sun true", "0 0 1 foo * true", "0 0 * * 8 true",
		"1,2,3-4 * * * * true", "1,,2 * * * * true", "1, * * * * true", "-1 * * * * true", "1-* * * * * true",
		"@daily true", "@DAILY true", "@often true", "@reboot true", "@midnight true", "A=b", "A = b", "\"A\" = b", "A", "# x", "  # x", "",
		"* * * *", "\t* * * * * true", "0 0 * * sun-mon true", "0 0 * * mon-sun true", "0 0 * * 0-7 true", "*,5 * * * * true", "01 002 * * * true", "+1 * * * * true", "1x * * * * true",
	} {
		dir := t.TempDir()
		write(t, dir, map[string]string{"a.crontab": line + "\n"})
		out, err := exec.CommandContext(t.Context(), nodetest.Program("crontab"), "-n", filepath.Join(dir, "a.crontab")).CombinedOutput()
		if got := check(t, lint.New(session(t), nil), dir); (len(got.Errors) > 0) != (err != nil) {
			t.Errorf("%q: %q; crontab -n says %v: %s", line, found(got), err, out)
		}
	}
}

// TestJavaScriptAsNode holds the js rule against node, which knows the language
// best: what node reads is never refused.
func TestJavaScriptAsNode(t *testing.T) {
	nodetest.Need(t, "node")
	for name, text := range map[string]string{
		"a.js": "a ||= b?.c ?? 1_000n; class A { #x = 1; static { this.y = 2 } get [z]() { return #x in this } }",
		"b.js": "label: for (const [a, {b = 1, ...c}] of d) { continue label }",
		"c.js": "var let_ = `a${`b`}`; if (a) function f() {} ; x = /[/]\\/(?<n>.)/dgimsuy;",
		"d.js": "<!-- old\nvar yield = 1, async = 2, await = 3, let = 4; --> ignored",
		"e.js": "function f(a, a) { return 010 + arguments.callee } with (f) {}",
		"f.js": "if (1) { let a; var a; }",
		"g.js": "'use strict'; with (a) {}",
		"h.js": "for (;;) { break nowhere; }",
		"i.js": "x = { a: 1, b: }",
		"j.js": "async () => { for await (x of y) {} }; function* g() { yield* g() }",
		"k.js": "const a = 1; const a = 2",
		"l.js": "x = 'never closed",
	} {
		dir := t.TempDir()
		write(t, dir, map[string]string{name: text})
		out, err := exec.CommandContext(t.Context(), nodetest.Program("node"), "--check", filepath.Join(dir, name)).CombinedOutput()
		if got := check(t, lint.New(session(t), nil), dir); (len(got.Errors) > 0) != (err != nil) {
			t.Errorf("%s %q: %q; node says %s", name, text, found(got), out)
		}
	}
}

func TestErr(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, map[string]string{"a.json": "{", "b.yml": "a: 1\na: 2\nb: 1\nb: 1\n", "c.json": "{}"})
	res := check(t, lint.New(session(t), nil), dir)
	want := "3 errors in 2 files\n  a.json:1: json: unexpected end of JSON input\n  b.yml: 2 errors\n" +
		"    b.yml:2: yaml: key 'a' is on line 1 already\n    b.yml:4: yaml: key 'b' is on line 3 already"
	if err := res.Err(); nodes.KindOf(err) != nodes.Lint || err.Error() != want {
		t.Errorf("%v", err)
	}
}

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

func TestCustomRules(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, map[string]string{"it's $(touch x).foo": "good", "bad.foo": "bad", "sub/deep.bar": "x"})
	l := lint.New(session(t), nil)
	add := func(r lint.Rule) {
		t.Helper()
		if err := l.Add(r); err != nil {
			t.Fatal(err)
		}
	}
	add(lint.CommandRule("foo", []string{"*.foo"}, `echo {file}:7: name is {name}; grep -q good {file}`))
	add(lint.FunctionRule("bar", []string{"sub/**/*.bar"}, func(_ context.Context, path, text string) ([]lint.Problem, error) {
		return []lint.Problem{{Line: 3, Message: filepath.Base(path) + " holds " + text}}, nil
	}))
	want := "bad.foo:7: foo: name is bad\nsub/deep.bar:3: bar: deep.bar holds x"
	for range 2 {
		if res := check(t, l, dir); found(res) != want || res.Checked != 3 || res.Cached != 0 {
			t.Errorf("%+v", res)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "x")); err == nil {
		t.Error("a file's name was run")
	}
	add(lint.CommandRule("foo", []string{"*.foo"}, "no-such-program {file}"))
	if _, err := l.Check(t.Context(), lint.Paths(dir), lint.Options{}); nodes.KindOf(err) != nodes.NotFound {
		t.Errorf("a command that is not there: %v", err)
	}
	add(lint.FunctionRule("foo", []string{"*.foo"}, func(context.Context, string, string) ([]lint.Problem, error) {
		return nil, errors.New("oh")
	}))
	if _, err := l.Check(t.Context(), lint.Paths(dir), lint.Options{}); err == nil || err.Error() != "oh" {
		t.Errorf("a function that fails: %v", err)
	}
	for _, r := range []lint.Rule{lint.CommandRule("", []string{"*"}, "x"), lint.CommandRule("x", nil, "x"), lint.CommandRule("x", []string{"["}, "x")} {
		if err := l.Add(r); nodes.KindOf(err) != nodes.Usage {
			t.Errorf("%+v: %v", r, err)
		}
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

// past is a tree that knows what its files were.
type past struct {
	tree
	was map[string]string
}

func (p past) Earlier(_ context.Context, path string, rev nodes.Revision) ([]byte, error) {
	text, ok := p.was[path+"@"+string(rev)]
	if !ok {
		return nil, &nodes.Error{Kind: nodes.NotFound, Message: "no " + path}
	}
	return []byte(text), nil
}

func TestSerialGrows(t *testing.T) {
	nodetest.Need(t, "named-checkzone")
	at := func(serial int, more string) string {
		return fmt.Sprintf("$TTL 60\n@ IN SOA ns.roll.test. root.roll.test. (\n  %d 60 60 60 60 )\n@ IN NS ns\nns IN A 127.0.0.1\n%s", serial, more)
	}
	machine := filepath.Join(t.TempDir(), "hosts") // of this machine, and none of the tree's business
	write(t, filepath.Dir(machine), map[string]string{"hosts": "nonsense"})
	include := "$INCLUDE " + machine + " ; not in the tree\n$INCLUDE /rollsh-test/hosts\n"
	for name, c := range map[string]struct{ was, is, want string }{
		"included":   {at(7, include), at(7, include+"x IN A 127.0.0.2\n"), "a.zone:3: serial: the records changed, but the serial did not grow: it was 7 and is 7"},
		"only there": {at(7, "in IN A 127.0.0.3\n"), at(7, include), ""},
		"grown":      {at(7, ""), at(8, "x IN A 127.0.0.2\n"), ""},
		"same":       {at(7, ""), at(7, "x IN A 127.0.0.2\n"), "a.zone:3: serial: the records changed, but the serial did not grow: it was 7 and is 7"},
		"shrunk":     {at(2026113001, ""), at(2026113, "x IN A 127.0.0.2\n"), "a.zone:3: serial: the records changed, but the serial did not grow: it was 2026113001 and is 2026113"},
		"round":      {at(4294967295, ""), at(1, "x IN A 127.0.0.2\n"), ""},
		"comment":    {at(7, ""), at(7, "; only a comment\n"), ""},
		"was broken": {"nonsense", at(7, ""), ""},
		"new":        {"", at(7, ""), ""},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			write(t, dir, map[string]string{"a.zone": c.is, "hosts": "in IN A 127.0.0.3\n"})
			was := map[string]string{}
			if c.was != "" {
				was["a.zone@3"] = c.was
			}
			changed := past{tree{dir, []nodes.Change{{Path: "a.zone", Action: "M"}}, nil}, was}
			l := lint.New(session(t), nil)
			check(t, l, dir) // what is remembered of the text says nothing of its past
			res, err := l.Check(t.Context(), lint.InTree(changed), lint.Options{From: "3"})
			if err != nil || found(res) != c.want {
				t.Errorf("%v, %v, want %s", found(res), err, c.want)
			}
		})
	}
}

func TestFormat(t *testing.T) {
	res := &lint.Result{Notes: []lint.Problem{{File: "d.zone", Message: "takes in x", Rule: "zone"}, {File: "g.conf", Message: "takes in y", Rule: "apache"}}, Errors: []lint.Problem{
		{File: "a,b:c.php", Line: 3, Message: "50% \"bad\"\nand <worse>", Rule: "php"},
		{File: "d.zone", Message: "no serial", Rule: "zone", Node: "web1"},
		{File: "a,b:c.php", Line: 9, Message: "more", Rule: "php"},
		{File: "e\nf\x1b[2J.js", Message: "odd", Rule: "js"},
	}}
	for format, want := range map[string]string{
		"text": "a,b:c.php: 2 errors\n  a,b:c.php:3: php: 50% \"bad\"\n    and <worse>\n  a,b:c.php:9: php: more\nd.zone: zone: no serial (php of web1)\ne\\nf.js: js: odd\n",
		"github": "::error file=a%2Cb%3Ac.php,line=3,title=php::50%25 \"bad\"%0Aand <worse>\n::error file=d.zone,title=zone::no serial\n" +
			"::error file=a%2Cb%3Ac.php,line=9,title=php::more\n::error file=e%0Af.js,title=js::odd\n" +
			"::warning file=d.zone,title=zone::takes in x\n::warning file=g.conf,title=apache::takes in y\n",
	} {
		if got, err := res.Format(format); err != nil || got != want {
			t.Errorf("%s: %v\n got %q\nwant %q", format, err, got, want)
		}
	}
	nodetest.Need(t, "python3")
	xml, err := res.Format("checkstyle")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "python3", "-c", `import sys, xml.etree.ElementTree as e
for f in e.parse(sys.stdin).getroot():
    for x in f: print(f.get("name"), x.get("line"), x.get("severity"), x.get("source"), repr(x.get("message")))`)
	cmd.Stdin = strings.NewReader(xml)
	out, err := cmd.CombinedOutput()
	want := "a,b:c.php 3 error rollsh.lint.php '50% \"bad\"\\nand <worse>'\na,b:c.php 9 error rollsh.lint.php 'more'\nd.zone None error rollsh.lint.zone 'no serial'\nd.zone None warning rollsh.lint.zone 'takes in x'\ne\nf\ufffd[2J.js None error rollsh.lint.js 'odd'\ng.conf None warning rollsh.lint.apache 'takes in y'\n"
	if err != nil || string(out) != want {
		t.Errorf("%v: %s\nwant %s", err, out, want)
	}
}

// TestErrIsBounded: a thousand broken files make an error that can be read.
func TestErrIsBounded(t *testing.T) {
	res := &lint.Result{}
	for f := range 1000 {
		for line := range 30 {
			res.Errors = append(res.Errors, lint.Problem{File: fmt.Sprintf("f%d.php", f), Line: line + 1, Message: "bad", Rule: "php"})
		}
	}
	text := res.Err().Error()
	if n := strings.Count(text, "\n"); n > 2500 || !strings.HasPrefix(text, "30000 errors in 1000 files\n  f0.php: 30 errors\n") ||
		!strings.Contains(text, "\n    and 10 more\n") || !strings.HasSuffix(text, "\n  and 900 more files") {
		t.Errorf("%d lines: %.200s ... %s", n, text, text[len(text)-100:])
	}
}
