package svn

import (
	"strings"
	"testing"

	"github.com/rollsh/rollsh/nodes"
)

func TestFailureKinds(t *testing.T) {
	t.Parallel()
	cases := []struct {
		stderr string
		kind   nodes.Kind
		code   string
	}{
		{"svn: E170013: Unable to connect to a repository at URL 'svn://h/x'\nsvn: E000111: Can't connect to host 'h': Connection refused\n", nodes.Unreachable, "E170013"},
		{"svn: E170013: Unable to connect to a repository at URL 'svn://h/x'\nsvn: E210005: No repository found in 'svn://h/x'\n", nodes.NotFound, "E170013"},
		{"svn: E170013: Unable to connect to a repository at URL 'https://h/x'\nsvn: E230001: Server SSL certificate verification failed: issuer is not trusted\n", nodes.Protocol, "E170013"},
		{"svn: E170013: Unable to connect to a repository at URL 'https://h/x'\nsvn: E215004: No more credentials or we tried too many times.\nAuthentication failed\n", nodes.Auth, "E170013"},
		{"svn: E155004: Working copy '/x' locked.\n", nodes.Locked, "E155004"},
		{"svn: E165001: Commit failed (details follow):\nsvn: E165001: Commit blocked by pre-commit hook (exit code 1) with output:\nno ticket\n", nodes.Refused, "E165001"},
		{"svn: E160028: Directory '/p' is out of date\n", nodes.Changed, "E160028"},
		{"svn: warning: W155007: '/x' is not a working copy\n", nodes.NotFound, "W155007"},
		{"svn: E123456: Something new\n", nodes.Protocol, "E123456"},
		{"Killed\n", nodes.Protocol, ""},
		{"", nodes.Protocol, ""},
	}
	for _, c := range cases {
		e := nodes.AsError(answer{stderr: c.stderr, failed: true}.err(), "")
		if e.Kind != c.kind || e.Code != c.code || strings.HasSuffix(e.Message, ".") || e.Message == "" {
			t.Errorf("%q: %s %s %s", c.stderr, e.Kind, e.Code, e.Message)
		}
	}
	const details = "svn: E155011: Commit failed (details follow):\nsvn: E155011: Error bumping revisions post-commit (details follow):\nsvn: E155011: File '/x' is out of date\n"
	if e := nodes.AsError(answer{stderr: details, failed: true}.err(), ""); e.Message != "error bumping revisions post-commit: file '/x' is out of date" {
		t.Errorf("message %q", e.Message)
	}
	if err := (answer{stderr: "svn: warning: W155007: '/x' is not a working copy\n"}).err(); err == nil {
		t.Error("a left-out target with exit code 0 is no success")
	}
}

func TestRevisionSets(t *testing.T) {
	t.Parallel()
	good := map[string]string{
		"10- 15, 12-48,2 ":                 "2,10-48",
		"8-15,16-18, 4-6, 9, 18, 1-1, 3-3": "1,3-6,8-18",
		"r4,7-9,r12":                       "4,7-9,12",
		"3:5":                              "3-5",
		"9-7":                              "7-9",
	}
	for in, want := range good {
		r, err := ParseRevisions(in)
		if err != nil || r.set.String() != want {
			t.Errorf("%q: %s, %v; want %s", in, r.set, err, want)
		}
	}
	for _, in := range []string{"10-12-15", "10;12", "foo", "", "-", "1-", "-5", "99999999999", "0-9999999"} {
		if r, err := ParseRevisions(in); err == nil {
			t.Errorf("%q was taken as %s", in, r.set)
		}
	}
	a, b := revset{{1, 5}, {8, 9}, {20, 20}}, revset{{3, 3}, {5, 8}, {20, 30}}
	if got := a.minus(b).String(); got != "1-2,4,9" {
		t.Errorf("minus %s", got)
	}
	if got := a.intersect(b).String(); got != "3,5,8,20" {
		t.Errorf("intersect %s", got)
	}
	if !a.has(9) || a.has(7) || a.has(0) || a.has(21) {
		t.Error("has")
	}
}

func FuzzRevisions(f *testing.F) {
	f.Add("1-3,5", "2")
	f.Fuzz(func(t *testing.T, x, y string) {
		a, errA := ParseRevisions(x)
		b, errB := ParseRevisions(y)
		if errA != nil || errB != nil {
			return
		}
		back, err := ParseRevisions(a.set.String())
		if len(a.set) > 0 && (err != nil || back.set.String() != a.set.String()) {
			t.Fatalf("%q written and read again is %q", a.set, back.set)
		}
		whole := a.set.minus(b.set).union(a.set.intersect(b.set))
		if whole.String() != a.set.String() {
			t.Fatalf("%s and %s: parts make %s", a.set, b.set, whole)
		}
	})
}

func FuzzAnswers(f *testing.F) {
	f.Add(`<?xml version="1.0"?><log><logentry revision="2"><author>a</author><date>2026-11-22T23:20:25.094059Z</date><paths><path text-mods="true" kind="file" action="A" prop-mods="true">/trunk/k</path></paths><msg>one</msg></logentry></log>`)
	f.Add(`<status><target path="."><entry path="a"><wc-status item="modified" revision="5" props="none"><commit revision="5"/></wc-status></entry></target></status>`)
	f.Add("svn: E170013: x\nsvn: W1")
	f.Add("Property changes on: .\n___\nModified: svn:mergeinfo\n## -0,0 +0,1 ##\n   Merged /trunk:r8,10-12\n")
	f.Add("/trunk:1-3,5*\n/a:b:7\n")
	f.Fuzz(func(t *testing.T, text string) {
		var logs []logXML
		_ = collect("logentry", &logs)(strings.NewReader(text))
		for _, l := range logs {
			c := l.commit()
			_ = Table(changesets([]commit{c}), 80, nil)
			_ = segments("/trunk", []commit{c}, c.Rev)
		}
		var entries []statusXML
		_ = collect("entry", &entries)(strings.NewReader(text))
		for _, e := range entries {
			_ = e.status().own()
		}
		_ = answer{stderr: text, failed: true}.err().Error()
		_ = parseDelta(text)
		_ = parseMergeinfo(text)
	})
}

func TestAnswerThatEndsEarlyIsNotWhole(t *testing.T) {
	t.Parallel()
	var logs []logXML
	if err := collect("logentry", &logs)(strings.NewReader(`<log><logentry revision="2"></logentry>`)); err == nil {
		t.Error("half an answer was taken for a whole one")
	}
}

func TestTargets(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{"a@5": "a@5@", "-x": "./-x@", ".": ".", "": "."} {
		if got := local(in); got != want {
			t.Errorf("local(%q) is %q", in, got)
		}
	}
	if got := join("svn://h/r", "100% #1/é"); got != "svn://h/r/100%25%20%231/%C3%A9" {
		t.Errorf("join %s", got)
	}
	if got := pathInRepository("svn://h/r", "svn://h/r/100%25%20%231"); got != "/100% #1" {
		t.Errorf("path %s", got)
	}
}
