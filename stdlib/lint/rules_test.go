package lint_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

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
