package lua

import (
	"strings"
	"testing"
)

func checked(t *testing.T, src string, files map[string]string) []string {
	t.Helper()
	h, _ := newHost(t, testModule())
	files["nodes/prod"] = "[cdn]\ncdn1 10.0.0.1\n[app]\nweb[1-2] 10.0.1.[1-2]\n"
	project(t, h, files)
	var out []string
	for _, f := range h.CheckText(src, "recipes/prod.lua") {
		out = append(out, f.String())
	}
	return out
}

func TestCheckFindsMistakes(t *testing.T) {
	for _, tc := range []struct{ src, want string }{
		{`print(vresion)`, "1:7: undefined name 'vresion' (did you mean '_VERSION'?)"},
		{`prnt "x"`, "1:1: undefined name 'prnt' (did you mean 'print'?)"},
		{`version = 1`, "1:1: assignment to the global 'version' (hint: write: local version)"},
		{`function roll_it() end roll_it()`, "1:10: the function 'roll_it' is global (hint: write: local function roll_it)"},
		{`demo.psuh{}`, "1:6: demo has no function 'psuh' (did you mean 'push'?)"},
		{`string.fromat("x")`, "1:8: string has no function 'fromat' (did you mean 'format'?)"},
		{`demo.greet("a", {tmes=2})`, "1:18: demo.greet: unknown option 'tmes' (did you mean 'times'?)"},
		{`demo.greet("a", {times="2"})`, "1:25: demo.greet: 'times': expected number, got string"},
		{`demo.greet("a", {mode="al"})`, "1:24: demo.greet: 'mode' is one of ours, all, false, not al (did you mean 'all'?)"},
		{`demo.greet()`, "1:6: demo.greet: missing 'name' (string)"},
		{`demo.greet("a", {}, 3)`, "1:6: demo.greet: takes at most 1 argument, got 2"},
		{`demo.nothing(1)`, "1:6: demo.nothing: takes at most 0 arguments, got 1"},
		{`demo.push{from="x"}`, "1:6: demo.push: missing 'to' (Set|Node)"},
		{`local unused = 1`, "1:7: 'unused' is never used"},
		{`local n = node "web1" n.shout("x")`, "1:25: 'shout' is a method: write :shout(...), not .shout(...)"},
		{`local n = node "web1" n:shuot("x")`, "1:25: a Node has no method 'shuot' (did you mean 'shout'?)"},
		{`local n = node "web1" print(n.hots)`, "1:31: a Node has no field or method 'hots' (did you mean 'host'?)"},
		{`nodes("prod"):each(function(n) n:shuot "x" end)`, "1:34: a Node has no method 'shuot' (did you mean 'shout'?)"},
		{`for _, n in ipairs(nodes "prod") do n:shuot "x" end`, "1:39: a Node has no method 'shuot' (did you mean 'shout'?)"},
		{`local function f(n) n:shuot "x" end f()`, "1:23: no object has a method 'shuot' (did you mean 'shout'?)"},
		{`node "web9"`, "1:7: unknown node 'web9' (hint: did you mean 'web1'?)"},
		{`nodes "pord"`, "1:8: no nodes file nodes/pord (hint: did you mean 'prod'?)"},
		{`print(nodes("prod"):only "wbe*")`, "1:27: nothing in prod matches 'wbe*'"},
		{`local p = nodes "prod" print(p.web3)`, "1:32: no node, field or method 'web3' in prod (did you mean 'web1'?)"},
		{`require "nothere"`, "1:10: module 'nothere' not found: no recipes/nothere.lua, no lib/nothere.lua, no module of the standard library"},
		{"local x = = 1", "1:11: syntax error near '='"},
		{`local x = "one`, "1: a string is not closed"},
		{"print 'x'\ngoto out", "2: no visible label 'out' for goto"},
		{"goto out local x = 1 ::out:: print(x)", "1: goto out jumps into the scope of local 'x'"},
		{"::a::\nprint 'x'\n::a::", "3: label 'a' already defined on line 1"},
		{"break", "1: no loop to break"},
		{"local function f() return ... end f()", "1: cannot use '...' outside a vararg function"},
		{"\uFEFFprnt 'x'", "1:4: undefined name 'prnt' (did you mean 'print'?)"},
		{`nodes("prod"):each(function() end, {at_once=2})`, "1:15: set:each: the options come before the function"},
		{"if true then", "1: unexpected end of file: something is not closed, such as a missing 'end'"},
		{`local a = args{ {"rev"} } print(a.rev) local b = args(a) print(b)`, ""},
		{`local port = 22 print(node{naem="x", port=port})`, "1:28: node: 'which': unknown key 'naem' (did you mean 'name'?)"},
		{`local port = 22 print(nodes.new{ {name="a", port=port, zone="b"} })`, "1:56: nodes.new: 'list': unknown key 'zone': name, tier, vars, host, port, user, key, jump, proxy, tags, path, at_once, drain, undrain, check are known"},
		{`local k = "times" demo.greet("a", {[k]=2, tmes=2})`, "1:43: demo.greet: unknown option 'tmes' (did you mean 'times'?)"},
		{`web:eech{}`, "1:1: undefined name 'web'"},
	} {
		got := strings.Join(checked(t, tc.src, map[string]string{}), "\n")
		want := tc.want
		if want != "" {
			want = "recipes/prod.lua:" + want
		}
		if got != want {
			t.Errorf("%s\ngives %s\nwant  %s", tc.src, got, want)
		}
	}
}

func TestCheckGoesIntoRequiredAndNodesFiles(t *testing.T) {
	got := checked(t, `local c = require "common" c.hi() nodes "bad"`, map[string]string{
		"recipes/common.lua": "local M = {}\nfunction M.hi() return prnt() end\nreturn M\n",
		"nodes/bad":          "web1 10.0.0.1 prot=22\nweb1 10.0.0.2\n",
	})
	want := []string{
		"recipes/common.lua:2:24: undefined name 'prnt' (did you mean 'print'?)",
		"recipes/prod.lua:1:42: nodes/bad:1: unknown key 'prot' (hint: did you mean 'port'? Keys of your own are x-NAME)",
	}
	if len(got) < 2 || got[0] != want[0] || got[1] != want[1] {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestCheckTellsInOrder(t *testing.T) {
	got := checked(t, "local r = args{} print(r.yy) prnt(r.xx)\nlocal c = require 'common' c.hi() prnt()", map[string]string{
		"lib/common.lua": "local a = {}\nfunction a.hi(n) n:shuot 'x' prnt() end\nreturn a\n",
	})
	var places []string
	for _, f := range got {
		place, _, _ := strings.Cut(f, ": ")
		places = append(places, place)
	}
	want := "recipes/prod.lua:1:26 recipes/prod.lua:1:30 recipes/prod.lua:1:37 lib/common.lua:2:20 lib/common.lua:2:30"
	if strings.Join(places, " ") != want {
		t.Errorf("got  %s\nwant %s\n%s", strings.Join(places, " "), want, strings.Join(got, "\n"))
	}
}

func TestCheckRaisesNoFalseAlarm(t *testing.T) {
	for _, src := range []string{
		`local M = {} function M:run_all() return self.n end M.n = 1 print(M:run_all())`,
		`local M = setmetatable({}, {__index=table}) M:insert(1) print(M:concat(","))`,
		`local s = "x" print(s:rep(3), ("a"):upper(), s .. "b")`,
		`local function f(...) return select("#", ...) end print(f(1, 2), demo.greet(f()))`,
		`local t = {} t.each = function() end t.each() for k, v in pairs(t) do print(k, v) end`,
		`local ok, e = pcall(fail, "x") print(ok, e.kind, e.node, e:match("x"))`,
		`local prod = nodes "prod" local app = prod:tier "app" app:each({at_once=2}, function(n) print(n.name, n.vars.x) end)`,
		`local r = nodes("prod"):shout("a", {at_once=1, check=false, tags="t"}) print(r.web1.value, r:ok())`,
		`local o = {times=2} demo.greet("a", o) demo.greet("a", {to=nodes "prod", times=2})`,
		`local fn = function() end timeout(1, fn) parallel{fn, fn} defer(fn) sleep(0.1)`,
		`local j = require "json" print(j.encode{1})`,
		`goto done do local _x = 1 end ::done:: print "x"`,
		`local a = args{ {"rev", "revision", default="HEAD"}, fast={"skip", flag=true} } print(a.rev, a.fast)`,
		`local port = 22 print(node{name="x", port=port, ["x-room"]="b"}, nodes.new{ {name="a", port=port, tags={"x"}} })`,
		`local k = "to" demo.push{[k]=nodes "prod", from="x"}`,
		`local co = coroutine.wrap(function() coroutine.yield(1) end) print(co(), os.time(), os.date "%Y", math.huge, json.encode{1})`,
		`local x x = 1 print(x) local y = x and {x} or nil print(y)`,
		`local common = require "common" common:shuot() common.object():drian()`,
		`local function new() local o = {} function o:shuot() return self end return o end local function f(x) x:shuot() end f(new())`,
		`local c = require "common" local function f(x) x:shuot() x:drian() end f(c.object())`,
		`local n = node "web1" print(#n, n[1].name, n:names()[1], n:only "*":fold()) n:each(function(x) print(x.name) end)`,
		`local r = nodes("prod"):quiet({on_failure="continue", at_once=2}) print(r.web1.ok)`,
		`local set = nodes "prod" - node "web1" print(set:fold(), #set, set[1].name, set.web2)`,
	} {
		if got := checked(t, src, map[string]string{"lib/common.lua": "return { object = function() return { shuot = print, drian = print } end }"}); len(got) > 0 {
			t.Errorf("%s\ngives %s", src, strings.Join(got, "\n"))
		}
	}
}
