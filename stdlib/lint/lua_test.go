package lint_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/rollsh/rollsh/lua"
	"github.com/rollsh/rollsh/nodes"
	"github.com/rollsh/rollsh/stdlib/lint"
)

func eval(t *testing.T, s *nodes.Session, src string) (string, error) {
	t.Helper()
	h := lua.New(s, []lua.Module{lint.Module(s)})
	values, err := h.Eval(t.Context(), src)
	var out []string
	for _, v := range values {
		out = append(out, h.Inspect(v))
	}
	return strings.Join(out, " "), err
}

func TestLua(t *testing.T) {
	s := session(t)
	write(t, s.Project, map[string]string{"www/a.json": "[1]", "www/b.json": "[1,\n", "www/c.foo": "x", "www/d.lua": "local x =\n"})
	for _, c := range []struct{ src, want string }{
		{`local r = lint.check("www/a.json") return r.checked, r.cached, #r.errors`, "1 0 0"},
		{`local r = lint.check("www/a.json") return r.checked, r.cached, #r.errors`, "1 1 0"},
		{`local r = lint.check({"www/a.json", "www/b.json"}, { fail = false }) local e = r.errors[1] return e.file, e.line, e.rule, e.node`, `"www/b.json" 1 "json" nil`},
		{`local ok, e = pcall(lint.check, "www/b.json") return ok, e.kind, e.op`, `false "lint" "lint.check"`},
		{`local ok, e = pcall(lint.check, "www/d.lua") return ok, e.kind, tostring(e):match("d%.lua:%d: lua: .*")`, `false "lint" "d.lua:1: lua: unexpected end of file: something is not closed, such as a missing 'end'"`},
		{`local ok, e = pcall(lint.check, "www", { rules = "jsn" }) return e.kind, e.hint`, `"notfound" "did you mean 'json'?"`},
		{`lint.rule{ name="foo", files="*.foo", fn=function(path, text) return {{ line=4, message=text .. path:match("c.foo$") }} end }
		  local e = lint.check("www", { rules = "foo", fail = false }).errors[1] return e.file, e.line, e.message, e.rule`, `"c.foo" 4 "xc.foo" "foo"`},
		{`lint.rule{ name="foo", files={"*.foo"}, run="grep -q y {file}" }
		  return #lint.check("www", { rules = {"foo"}, fail = false }).errors`, "1"},
		{`lint.rule{ name="foo", files={"*.foo"}, run="no-such-program {file}", required=false }
		  local r = lint.check("www/c.foo") return r.checked, r.missing[1]`, `0 "foo"`},
		{`lint.rule{ name="foo", files={"*.foo"}, run="no-such-program {file}" } lint.rule{ name="foo", required=true } local ok, e = pcall(lint.check, "www/c.foo") return e.kind`, `"notfound"`},
		{`lint.rule{ name="foo", files={"*.foo"}, fn=function() end } return lint.check("www", { rules = {"foo"} }).checked`, "1"},
		{`lint.rule{ name="foo", files={"www/*.foo"}, fn=function() end } return lint.check("www", { rules = {"foo"} }).checked`, "1"},
	} {
		if got, err := eval(t, s, c.src); err != nil || got != c.want {
			t.Errorf("%s:\n got %s, %v\nwant %s", c.src, got, err, c.want)
		}
	}
}

func TestLuaMistakes(t *testing.T) {
	s := session(t)
	write(t, s.Project, map[string]string{"c.foo": "x"})
	for src, want := range map[string]string{
		`lint.check()`:                                    "what",
		`lint.check("c.foo", { form = "r1" })`:            "from",
		`lint.check("c.foo", { from = 1 })`:               "give the Checkout",
		`lint.check(12)`:                                  "expected a Checkout",
		`lint.check("nowhere")`:                           "no file or folder nowhere",
		`lint.rule{ name="x", files={"*"} }`:              "either run= or fn=",
		`lint.rule{ name="x", run="true" }`:               "files",
		`lint.rule{ name="phq", required=false }`:         "did you mean 'php'?",
		`lint.rule{ name="php", required=1 }`:             "required",
		`lint.rule{ name="x", files={"[x"}, run="true" }`: "bad pattern",
		`lint.rule{ name="x", files={"*.foo"}, fn=function() return 7 end } lint.check "c.foo"`:       "returned something else",
		`lint.rule{ name="x", files={"*.foo"}, fn=function() error("oh no") end } lint.check "c.foo"`: "oh no",
	} {
		if got, err := eval(t, s, src); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %s, %v; want %q", src, got, err, want)
		}
	}
}

// TestLuaNesting: a text that nests deeper than any parser's stack is a problem
// of the text, not the end of rollsh.
func TestLuaNesting(t *testing.T) {
	s := session(t)
	for name, text := range map[string]string{
		"parens.lua": "return " + strings.Repeat("(", 1<<16),
		"tables.lua": "return " + strings.Repeat("{", 1<<16) + strings.Repeat("}", 1<<16),
		"ends.lua":   strings.Repeat("do ", 1<<16) + strings.Repeat("end ", 1<<16),
		"flow.yaml":  strings.Repeat("[", 1<<16),
		"block.yaml": strings.Repeat("- ", 1<<16) + "x",
		"deep.xml":   strings.Repeat("<a>", 1<<16),
	} {
		write(t, s.Project, map[string]string{name: text})
		if _, err := lint.New(s, lint.LuaSyntax).Check(t.Context(), lint.Paths(filepath.Join(s.Project, name)), lint.Options{}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
