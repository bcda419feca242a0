package lint_test

import (
	"fmt"
	"os/exec"
	"strings"
	"testing"

	"github.com/rollsh/rollsh/nodes"
	"github.com/rollsh/rollsh/nodes/nodetest"
	"github.com/rollsh/rollsh/stdlib/lint"
)

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
