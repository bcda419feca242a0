package shell_test

import (
	"io"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rollsh/rollsh/lua"
	"github.com/rollsh/rollsh/nodes"
	"github.com/rollsh/rollsh/shell"
	"github.com/rollsh/rollsh/stdlib"
)

// corpusHost is a host with all primitives in a project of many recipes, which
// use what rollsh has, and Lua, in as many ways as people do.
func corpusHost(t *testing.T) *lua.Host {
	t.Helper()
	project, err := filepath.Abs("testdata/corpus")
	if err != nil {
		t.Fatal(err)
	}
	s := &nodes.Session{
		Events: nodes.Discard{}, Person: shell.NewPerson(nil, io.Discard, false, nil), Service: nodes.NewService(),
		Project: project, State: t.TempDir(), Cache: t.TempDir(), Home: t.TempDir(),
	}
	l := stdlib.New(s)
	t.Cleanup(l.Close)
	return lua.New(s, append(l.Modules, shell.ShellModule()))
}

func TestCheckRaisesNoFalseAlarmOnManyRecipes(t *testing.T) {
	t.Parallel()
	h := corpusHost(t)
	recipes, err := filepath.Glob("testdata/corpus/*/*.lua")
	if err != nil || len(recipes) < 30 {
		t.Fatalf("%d recipes, %v", len(recipes), err)
	}
	for _, path := range recipes {
		abs, err := filepath.Abs(path)
		if err != nil {
			t.Fatal(err)
		}
		found, err := h.CheckFile(abs)
		if err != nil {
			t.Errorf("%s: %v", path, err)
		}
		expected := strings.HasSuffix(path, "-expected.lua") // it catches what is wrong in it
		for _, f := range found {
			if !f.Warning || !expected {
				t.Errorf("%s", f)
			}
		}
		if expected && len(found) == 0 {
			t.Errorf("%s: nothing was found", path)
		}
	}
}

// Each is a line as in the corpus with one thing misspelt.
func TestCheckFindsMisspeltFieldsAndOptions(t *testing.T) {
	t.Parallel()
	h := corpusHost(t)
	for _, tc := range []struct{ src, want string }{
		{`print(node("web1"):run("x").sdtout)`, "no field 'sdtout' in {code, signal, stdout, stderr, seconds} (did you mean 'stdout'?)"},
		{`local r = nodes("prod"):run "x" print(r.web1.vlaue, r.web1.ok)`, "no field 'vlaue' in {ok, state, value, error, seconds, node} (did you mean 'value'?)"},
		{`for _, r in (nodes("prod"):run "x"):iter() do print(r.value.cdoe) end`, "no field 'cdoe'"},
		{`local r = nodes("prod"):run "x" print(r:node("web1").value.cdoe)`, "no field 'cdoe'"},
		{`print(nodes("prod"):run("x").web1.error.mesage)`, "an error has no field 'mesage' (did you mean 'message'?)"},
		{`local ok, err = pcall(function() fail "x" end) print(ok, err.knid)`, "an error has no field 'knid' (did you mean 'kind'?)"},
		{`local a = args{ {"rev", "x"}, node = {"y"} } print(a.ndoe)`, "the recipe declares no argument 'ndoe' (did you mean 'node'?)"},
		{`for _, c in ipairs(svn.log("x", {})) do print(c.paths[1].ptah) end`, "no field 'ptah' in {path, action} (did you mean 'path'?)"},
		{`for _, e in ipairs(lint.check("x").errors) do print(e.flie) end`, "no field 'flie' in {file, line, message, rule, node} (did you mean 'file'?)"},
		{`sync.push{from="x", to=nodes "prod", perms={flies="0644"}}`, "sync.push: 'perms': "},
		{`print(nodes.new{ {name="a", hsot="b"} })`, "nodes.new: 'list': "},
		{`local function f(n) n:run("x", {sdtin="y"}) end f()`, "run: no option 'sdtin' (did you mean 'stdin'?)"},
		{`local n = choose("x", nodes "prod") n:rnu "x"`, "a Node has no method 'rnu' (did you mean 'run'?)"},
		{`roll{name="x", from="y", to=nodes "prod", check=function(n) return n.hots end}`, "a Node has no field or method 'hots'"},
		{`nodes("prod"):each({between=function(done) say(done:flod()) end}, function() end)`, "a Set has no method 'flod'"},
		{`local n = node "web1" or fail "x" n:rnu "x"`, "a Node has no method 'rnu'"},
	} {
		var got []string
		for _, f := range h.CheckText(tc.src, "recipes/prod.lua") {
			got = append(got, f.String())
		}
		if len(got) != 1 || !strings.Contains(got[0], tc.want) {
			t.Errorf("%s\ngives %q\nwant  %q", tc.src, got, tc.want)
		}
	}
}
