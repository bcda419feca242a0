package lua

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/rollsh/rollsh/nodes"
)

// project writes files below the host's project.
func project(t *testing.T, h *Host, files map[string]string) {
	t.Helper()
	for name, text := range files {
		path := filepath.Join(h.Session.Project, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func TestNodesFromFilesAndRecipes(t *testing.T) {
	h, s := newHost(t)
	h.Session.SSHHosts = func() []string { return []string{"bastion"} }
	project(t, h, map[string]string{"nodes/prod": "[cdn]\ncdn1 10.0.0.1\n[app]\nweb[1-2] 10.0.1.[1-2] x-shard=a\n"})
	err := runText(t.Context(), h, `
local prod = nodes "prod"
print(#prod, prod, prod:tier "app", prod.web1.vars.shard, node("web2").host, node("prod/cdn1").tier, node("bastion").host)
for _, tier in ipairs(prod:tiers()) do print(tier.name, tier) end
print(nodes.new{ {name="a", host="10.0.0.9", port=2222, tags={"x"}} }.a.port, node{host="h.example"}.name, nodes.files()[1])
print(select(2, pcall(node, "wbe2")))
print(select(2, pcall(nodes.new, { {name="a", prot=22} })))
`)
	if err != nil {
		t.Fatal(err)
	}
	want := "3\tcdn1,web[1-2]\tweb[1-2]\ta\t10.0.1.2\tcdn\tbastion\ncdn\tcdn1\napp\tweb[1-2]\n2222\th.example\tprod\n" +
		"recipes/prod.lua:6: node: unknown node 'wbe2' (hint: did you mean 'web2'?)\n" +
		"recipes/prod.lua:7: nodes.new: 'list': item 1: unknown key 'prot' (hint: did you mean 'port'? Keys of your own are x-NAME)"
	if s.text() != want {
		t.Errorf("got\n%s\nwant\n%s", s.text(), want)
	}
}

func TestRequire(t *testing.T) {
	h, s := newHost(t)
	outside := filepath.Join(t.TempDir(), "evil.lua")
	if err := os.WriteFile(outside, []byte("return 1"), 0o644); err != nil {
		t.Fatal(err)
	}
	project(t, h, map[string]string{
		"recipes/common.lua": "local M = {}\nfunction M.hi() return 'hi' end\nreturn M\n",
		"lib/deep/one.lua":   "print 'loaded once'\nreturn {n=1}\n",
		"recipes/a.lua":      "return require 'b'\n",
		"recipes/b.lua":      "return require 'a'\n",
		"recipes/bad.lua":    "local x = = 1\n",
		"recipes/global.lua": "leak = 1\n",
	})
	if err := os.Symlink(outside, filepath.Join(h.Session.Project, "lib", "evil.lua")); err != nil {
		t.Fatal(err)
	}
	err := runText(t.Context(), h, `print(require("common").hi(), require("deep.one").n, require("deep.one").n)
for _, name in ipairs{"a", "bad", "global", "nothere", "../x", "evil"} do print(select(2, pcall(require, name))) end`)
	if err != nil {
		t.Fatal(err)
	}
	want := "loaded once\nhi\t1\t1\n" +
		"recipes/b.lua:1: require: 'a' requires itself: recipes/a.lua -> recipes/b.lua -> recipes/a.lua\n" +
		"recipes/bad.lua:1: syntax error near '='\n" +
		"recipes/global.lua:1: assignment to the global 'leak' (hint: write: local leak)\n" +
		"recipes/prod.lua:2: require: module 'nothere' not found: no recipes/nothere.lua, no lib/nothere.lua, no module of the standard library\n" +
		"recipes/prod.lua:2: require: '../x' is not a name of a module: letters, digits, '_', '-', and dots between\n" +
		"recipes/prod.lua:2: require: 'evil' leads out of the project, to " + outside
	if s.text() != want {
		t.Errorf("got\n%s\nwant\n%s", s.text(), want)
	}
	if n := len(h.Session.Recipe.Files); n < 3 {
		t.Errorf("%d files are noted for the journal", n)
	}
	if nodes.KindOf(runText(t.Context(), h, "local x = (")) != nodes.Usage {
		t.Error("a recipe that does not parse is no usage error")
	}
}

// A node of a nodes file that is read twice is one key of a table; one that drains
// through a balancer works in another way, and is another.
func TestNodesThatAreAlikeAreOneKey(t *testing.T) {
	h, s := newHost(t, balancers())
	project(t, h, map[string]string{"nodes/prod": "[app]\nweb[1-2] 10.0.1.[1-2] x-shard=a\n", "nodes/test": "web1 10.0.1.1\nweb2 10.0.1.2 user=www\n"})
	err := runText(t.Context(), h, `
local first, again, other, b = nodes "prod", nodes "prod", nodes "test", balancer()
local seen = {[first.web1]="yes"}
print(seen[again.web1], seen[node "prod/web1"], seen[again[1]], seen[(again + first):only("web1")[1]], seen[again.web2], seen[other.web1])
print(node{name="x", host="h"} == node{name="x", host="h"}, ({[node{name="x", host="h"}]=1})[node{name="x", host="h"}], ({[node{name="x"}]=1})[node{name="x", user="u"}])
print(again.web1 == other.web1, first:balance(b).web1 == first.web1, seen[first:balance(b).web1], ({[first:balance(b).web1]=1})[again:balance(b).web1])
again:each(function(n) seen[n] = n.name end)
for i, n in ipairs(first) do print(i, seen[n]) end
`)
	if err != nil {
		t.Fatal(err)
	}
	want := "yes\tyes\tyes\tyes\tnil\tnil\ntrue\t1\tnil\ntrue\ttrue\tnil\t1\n1\tweb1\n2\tweb2"
	if s.text() != want {
		t.Errorf("got\n%s\nwant\n%s", s.text(), want)
	}
}

// oneBalancer is a balancer that nothing is asked of.
type oneBalancer struct{ nodes.Balancer }

// balancers is a module whose balancer() gives a new balancer.
func balancers() Module {
	return Module{
		Classes: []Class{{Name: "Balancer", Doc: "A balancer.", Of: (*oneBalancer)(nil)}},
		Funcs:   []Func{{Name: "balancer", Doc: "Makes one.", Returns: "Balancer", Example: "balancer()", Do: Pure(func(None) (*oneBalancer, error) { return &oneBalancer{}, nil })}},
	}
}
